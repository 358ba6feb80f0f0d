// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {PacketProof} from "../contracts/Inbox.sol";
import {IFinalityVerifier, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {LightClient} from "../contracts/LightClient.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {FinalityStatement} from "../contracts/schemes/cmt1/CommitteeProof.sol";
import {Code} from "../contracts/types/Code.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Evidence} from "./support/Network.sol";
import {ShadowedVerifier} from "./support/ShadowedVerifier.sol";
import {Link} from "./support/Link.sol";

/// The host's part: what it stores, refuses, freezes and recovers, whatever the scheme.
contract LightClientTest is Link {
    event ClientFrozen(bytes32 indexed source, uint64 epoch, address[] signers);
    event ClientRecovered(
        bytes32 indexed source, address verifier, bytes4 scheme, uint16 generation, uint64 epoch, bytes32 authority
    );
    event SchemesDissented(bytes32 indexed source, uint64 height, uint32 dissent);

    function setUp() public override {
        super.setUp();
        sourceSendsElsewhere(5);
        finalise(10);
        sourceSendsElsewhere(4);
    }

    function test_update_believesStatement_honestProof() public {
        finalise(20);
        (TrustState memory state, uint16 generation, bool frozen) = lightClient.clientState(SOURCE);
        vm.assertEq(state.height, 20, "height");
        vm.assertEq(state.outboxSize, 9, "size");
        vm.assertEq(state.outboxRoot, statementAt(20).outboxRoot, "root");
        vm.assertEq(state.timestamp, block.timestamp, "timestamp");
        vm.assertEq(generation, 0, "generation");
        vm.assertTrue(!frozen, "not frozen");
        vm.assertEq(lightClient.finalisedRoot(SOURCE, 5), _rootOf(5), "older outbox");
    }

    function test_update_changesNothing_sameProofAgain() public {
        bytes memory proof = pack(honest(20));
        lightClient.update(SOURCE, proof);
        bytes32 before = belief();
        vm.prank(STRANGER);
        lightClient.update(SOURCE, proof);
        vm.assertEq(belief(), before, "belief");
    }

    function test_update_keepsRing_sameSizeLaterHeight() public {
        finalise(20);
        Evidence memory later = honest(30);
        lightClient.update(SOURCE, pack(later));
        vm.assertEq(lightClient.finalisedRoot(SOURCE, 9), later.statement.outboxRoot, "newest");
        vm.assertEq(lightClient.finalisedRoot(SOURCE, 5), _rootOf(5), "older");
    }

    function test_update_refusesStaleHeight_olderStatement() public {
        finalise(20);
        _refused(Code.StaleHeight, evidence(SOURCE, keys, 3, statementAt(19)));
    }

    function test_update_refusesNotSigner_otherSourcesStatement() public {
        bytes32 other = keccak256("another source");
        lightClient.create(other, verifier, packGenesis(1, addresses(keys), false), MAX_AGE, MAX_DRIFT);
        bytes memory proof = pack(honest(20));
        expectRefused(Code.NotSigner);
        lightClient.update(other, proof);
    }

    function test_update_refusesInconsistentLog_historyRewrittenByQuorum() public {
        bytes32 kept = leaves[1];
        leaves[1] = keccak256("another packet");
        Evidence memory rewritten = honest(20);
        leaves[1] = kept;
        _refused(Code.InconsistentLog, rewritten);
    }

    function test_update_refusesUninitialised_unknownSource() public {
        bytes memory proof = pack(honest(20));
        expectRefused(Code.Uninitialised);
        lightClient.update(keccak256("nobody"), proof);
    }

    function test_update_handsOver_nextCommittee() public {
        uint256[] memory next = sortedKeys("successor", 7);
        FinalityStatement memory said = statementAt(20);
        said.nextCommittee = committeeHash(2, next);
        Evidence memory proof = evidence(SOURCE, keys, 3, said);
        proof.consistency = honest(20).consistency;
        proof.nextMembers = addresses(next);
        lightClient.update(SOURCE, pack(proof));
        // The committee that has handed over convinces nobody any more.
        _refused(Code.CommitteeMismatch, evidence(SOURCE, keys, 4, statementAt(30)));
        FinalityStatement memory second = statementAt(30);
        second.epoch = 2;
        lightClient.update(SOURCE, pack(evidence(SOURCE, next, 5, second)));
        (TrustState memory state,,) = lightClient.clientState(SOURCE);
        vm.assertEq(state.epoch, 2, "epoch");
        vm.assertEq(state.height, 30, "height");
    }

    function test_submitMisbehaviour_freezes_twoStatementsOfOneHeight() public {
        FinalityStatement memory other = statementAt(20);
        other.blockHash = keccak256("another block");
        bytes memory first = pack(honest(20));
        Evidence memory second = evidence(SOURCE, keys, 3, other);
        bytes memory packed = pack(second);
        vm.expectEmit();
        emit ClientFrozen(SOURCE, 1, _first(3));
        vm.prank(STRANGER);
        lightClient.submitMisbehaviour(SOURCE, first, packed);
        _refusedAsFrozen(first);
    }

    function test_submitMisbehaviour_freezes_twoRootsOfOneSizeLater() public {
        FinalityStatement memory other = statementAt(15);
        other.outboxRoot = keccak256("another log");
        bytes memory first = pack(honest(20));
        finalise(30);
        lightClient.submitMisbehaviour(SOURCE, first, pack(evidence(SOURCE, keys, 4, other)));
        _refusedAsFrozen(first);
    }

    function test_submitMisbehaviour_freezes_retiredCommitteesContradiction() public {
        bytes memory first = pack(honest(15));
        FinalityStatement memory other = statementAt(15);
        other.blockHash = keccak256("another block");
        bytes memory second = pack(evidence(SOURCE, keys, 3, other));
        FinalityStatement memory said = statementAt(20);
        said.nextCommittee = committeeHash(2, keys);
        Evidence memory handOver = evidence(SOURCE, keys, 3, said);
        handOver.consistency = honest(20).consistency;
        handOver.nextMembers = addresses(keys);
        lightClient.update(SOURCE, pack(handOver));
        lightClient.submitMisbehaviour(SOURCE, first, second);
        _refusedAsFrozen(first);
    }

    function test_submitMisbehaviour_refusesWrongEpoch_epochsOfNoOrTwoCommittees() public {
        FinalityStatement memory later = statementAt(20);
        later.epoch = 2;
        bytes memory first = pack(honest(20));
        bytes memory second = pack(evidence(SOURCE, keys, 4, later));
        expectRefused(Code.WrongEpoch);
        lightClient.submitMisbehaviour(SOURCE, second, first);
        expectRefused(Code.WrongEpoch);
        lightClient.submitMisbehaviour(SOURCE, first, second);
    }

    function test_submitMisbehaviour_refusesWrongEpoch_earlierGeneration() public {
        FinalityStatement memory other = statementAt(20);
        other.blockHash = keccak256("another block");
        bytes memory first = pack(honest(20));
        bytes memory second = pack(evidence(SOURCE, keys, 3, other));
        lightClient.freeze(SOURCE);
        lightClient.recover(SOURCE, verifier, packGenesis(2, addresses(keys), false));
        expectRefused(Code.WrongEpoch);
        lightClient.submitMisbehaviour(SOURCE, first, second);
    }

    function test_submitMisbehaviour_refusesNotMisbehaviour_honestHistory() public {
        bytes memory first = pack(honest(20));
        sourceSendsElsewhere(1);
        bytes memory second = pack(honest(30));
        expectRefused(Code.NotMisbehaviour);
        lightClient.submitMisbehaviour(SOURCE, first, second);
        expectRefused(Code.NotMisbehaviour);
        lightClient.submitMisbehaviour(SOURCE, first, first);
    }

    function test_submitMisbehaviour_refusesQuorumNotReached_halfValidEvidence() public {
        FinalityStatement memory other = statementAt(20);
        other.blockHash = keccak256("another block");
        bytes memory first = pack(honest(20));
        bytes memory half = pack(evidence(SOURCE, keys, 2, other));
        expectRefused(Code.QuorumNotReached);
        lightClient.submitMisbehaviour(SOURCE, first, half);
        (,, bool frozen) = lightClient.clientState(SOURCE);
        vm.assertTrue(!frozen, "not frozen");
    }

    function test_recover_startsGeneration_laterEpoch() public {
        bytes memory old = pack(honest(20));
        lightClient.freeze(SOURCE);
        uint256[] memory next = sortedKeys("successor", 4);
        bytes memory sameEpoch = packGenesis(1, addresses(keys), false);
        expectRefused(Code.WrongEpoch);
        lightClient.recover(SOURCE, verifier, sameEpoch);
        lightClient.recover(SOURCE, verifier, packGenesis(2, addresses(next), false));
        (TrustState memory state, uint16 generation, bool frozen) = lightClient.clientState(SOURCE);
        vm.assertEq(generation, 1, "generation");
        vm.assertEq(state.outboxSize, 0, "nothing known");
        vm.assertTrue(!frozen, "freeze lifted");
        // Neither old signatures nor outboxes of the earlier generation count.
        expectRefused(Code.CommitteeMismatch);
        lightClient.update(SOURCE, old);
        expectRefused(Code.UnknownOutbox);
        lightClient.finalisedRoot(SOURCE, 5);
        FinalityStatement memory said = statementAt(40);
        said.epoch = 2;
        lightClient.update(SOURCE, pack(evidence(SOURCE, next, 3, said)));
        lightClient.finalisedRoot(SOURCE, 9);
    }

    /// The first statement of a generation has no history to be consistent with, so its quorum may choose any root: here
    /// one that gives, under the next generation's mask, the root of a forged log.
    function test_recover_forgetsRing_rootMadeForNextGenerationsMask() public {
        bytes32 forged = keccak256("root of a log with a packet that the source never sent");
        lightClient.freeze(SOURCE);
        lightClient.recover(SOURCE, verifier, packGenesis(2, addresses(keys), false));
        FinalityStatement memory said = statementAt(30);
        (said.epoch, said.outboxSize) = (2, 8);
        said.outboxRoot = forged ^ keccak256(abi.encode(1, 8)) ^ keccak256(abi.encode(2, 8));
        lightClient.update(SOURCE, pack(evidence(SOURCE, keys, 3, said)));
        lightClient.freeze(SOURCE);
        uint256[] memory next = sortedKeys("successor", 4);
        lightClient.recover(SOURCE, verifier, packGenesis(3, addresses(next), false));
        said = statementAt(40);
        said.epoch = 3;
        lightClient.update(SOURCE, pack(evidence(SOURCE, next, 3, said)));
        expectRefused(Code.UnknownOutbox);
        lightClient.finalisedRoot(SOURCE, 8);
    }

    function test_recover_changesScheme_anotherVerifier() public {
        ShadowedVerifier shadowed = new ShadowedVerifier(verifier);
        lightClient.freeze(SOURCE);
        vm.expectEmit();
        emit ClientRecovered(SOURCE, address(shadowed), "SHD1", 1, 2, committeeHash(2, keys));
        lightClient.recover(SOURCE, shadowed, packGenesis(2, addresses(keys), false));
        (IFinalityVerifier now_, uint32 maxAge, uint16 maxDrift) = lightClient.clientConfig(SOURCE);
        vm.assertEq(address(now_), address(shadowed), "verifier");
        vm.assertEq(maxAge, MAX_AGE, "settings stay");
        vm.assertEq(maxDrift, MAX_DRIFT, "settings stay");
        FinalityStatement memory said = statementAt(40);
        said.epoch = 2;
        bytes memory proof = pack(evidence(SOURCE, keys, 3, said));
        vm.expectEmit();
        emit SchemesDissented(SOURCE, 40, shadowed.DISSENT());
        lightClient.update(SOURCE, proof);
        // What was accepted last is no news.
        vm.recordLogs();
        lightClient.update(SOURCE, proof);
        vm.assertEq(vm.getRecordedLogs().length, 0, "events");
    }

    function test_recover_refused_badArguments() public {
        bytes memory genesis = packGenesis(2, addresses(keys), false);
        lightClient.freeze(SOURCE);
        expectRefused(Code.Uninitialised);
        lightClient.recover(keccak256("nobody"), verifier, genesis);
        expectRefused(Code.UnknownScheme);
        lightClient.recover(SOURCE, IFinalityVerifier(STRANGER), genesis);
        expectRefused(Code.Malformed);
        lightClient.recover(SOURCE, verifier, "");
        (,, bool frozen) = lightClient.clientState(SOURCE);
        vm.assertTrue(frozen, "still frozen");
    }

    /// The bound is the host's: what is larger reaches no verifier, of whatever scheme.
    function test_hosts_refuseOversize_65537Bytes() public {
        bytes memory fits = new bytes(65_536);
        bytes memory large = new bytes(65_537);
        bytes memory proof = pack(honest(20));
        bytes32 fresh = keccak256("new");
        expectRefused(Code.Malformed);
        lightClient.update(SOURCE, fits);
        expectRefused(Code.Oversize);
        lightClient.update(SOURCE, large);
        expectRefused(Code.Oversize);
        lightClient.submitMisbehaviour(SOURCE, large, proof);
        expectRefused(Code.Oversize);
        lightClient.submitMisbehaviour(SOURCE, proof, large);
        expectRefused(Code.Oversize);
        lightClient.create(fresh, verifier, large, MAX_AGE, MAX_DRIFT);
        expectRefused(Code.Oversize);
        lightClient.recover(SOURCE, verifier, large);
        expectRefused(Code.Oversize);
        inbox.deliver(SOURCE, large, 5, new PacketProof[](0));
        lightClient.freeze(SOURCE);
        expectRefused(Code.Frozen);
        lightClient.update(SOURCE, large);
        expectRefused(Code.Uninitialised);
        lightClient.update(fresh, large);
    }

    function test_recover_refusesWrongEpoch_sameCommitteeSameEpoch() public {
        lightClient.freeze(SOURCE);
        bytes memory genesis = packGenesis(1, addresses(keys), false);
        expectRefused(Code.WrongEpoch);
        lightClient.recover(SOURCE, verifier, genesis);
    }

    function test_governance_refused_stranger() public {
        bytes memory genesis = packGenesis(1, addresses(keys), false);
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        vm.startPrank(STRANGER);
        vm.expectRevert(unauthorised);
        lightClient.create(keccak256("new"), verifier, genesis, MAX_AGE, MAX_DRIFT);
        vm.expectRevert(unauthorised);
        lightClient.freeze(SOURCE);
        vm.expectRevert(unauthorised);
        lightClient.recover(SOURCE, verifier, genesis);
        vm.expectRevert(unauthorised);
        inbox.setHalted(SOURCE, true);
        vm.expectRevert(unauthorised);
        registry.setPeer(SOURCE, PEER_FEDERATION, PEER_TASK, PEER_GENESIS, PEER_SENDER);
        vm.expectRevert(unauthorised);
        registry.declareTask(PEER_TASK, PEER_GENESIS);
        vm.expectRevert(unauthorised);
        outbox.send(1, SOURCE, PEER_SENDER, 0, "forged");
        vm.stopPrank();
    }

    function test_create_refused_badArguments() public {
        bytes memory genesis = packGenesis(1, addresses(keys), false);
        bytes32 fresh = keccak256("new");
        expectRefused(Code.ZeroValue);
        lightClient.create(0, verifier, genesis, MAX_AGE, MAX_DRIFT);
        expectRefused(Code.ZeroValue);
        lightClient.create(fresh, verifier, genesis, 0, MAX_DRIFT);
        expectRefused(Code.AlreadyInitialised);
        lightClient.create(SOURCE, verifier, genesis, MAX_AGE, MAX_DRIFT);
        bytes32 own = outbox.domain();
        expectRefused(Code.WrongDomain);
        lightClient.create(own, verifier, genesis, MAX_AGE, MAX_DRIFT);
        expectRefused(Code.UnknownScheme);
        lightClient.create(fresh, IFinalityVerifier(STRANGER), genesis, MAX_AGE, MAX_DRIFT);
        bytes memory padded = bytes.concat(genesis, bytes32(0));
        expectRefused(Code.Malformed);
        lightClient.create(fresh, verifier, padded, MAX_AGE, MAX_DRIFT);
        expectRefused(Code.Malformed);
        lightClient.create(fresh, verifier, "", MAX_AGE, MAX_DRIFT);
    }

    function test_constructors_refuseZeroValue_emptyArguments() public {
        expectRefused(Code.ZeroValue);
        new Outbox(address(0), GENESIS_HASH);
        expectRefused(Code.ZeroValue);
        new Outbox(address(authority), 0);
        expectRefused(Code.ZeroValue);
        new LightClient(address(authority), Outbox(address(0)));
    }

    function _rootOf(uint256 size) private view returns (bytes32) {
        return LogTwin.root(LogTwin.prefix(leaves, size));
    }

    function _first(uint256 count) private view returns (address[] memory signers) {
        signers = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            signers[i] = vm.addr(keys[i]);
        }
    }

    function _refused(Code code, Evidence memory proof) private {
        bytes32 before = belief();
        bytes memory packed = pack(proof);
        expectRefused(code);
        lightClient.update(SOURCE, packed);
        vm.assertEq(belief(), before, "belief");
    }

    function _refusedAsFrozen(bytes memory proof) private {
        expectRefused(Code.Frozen);
        lightClient.update(SOURCE, proof);
        expectRefused(Code.Frozen);
        lightClient.submitMisbehaviour(SOURCE, proof, proof);
        expectRefused(Code.Frozen);
        lightClient.finalisedRoot(SOURCE, 5);
    }
}
