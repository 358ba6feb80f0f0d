// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFinalityVerifier, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {Agreements, SchemeTrust} from "../contracts/schemes/and1/AgreementProof.sol";
import {AgreementVerifier} from "../contracts/schemes/and1/AgreementVerifier.sol";
import {Committees, FinalityStatement} from "../contracts/schemes/cmt1/CommitteeProof.sol";
import {Code} from "../contracts/types/Code.sol";
import {Composed, Renamed} from "./support/Composed.sol";
import {Link} from "./support/Link.sol";
import {Evidence} from "./support/Network.sol";

/// A light client under AND1: two committees decide, a third is in shadow. What the host stores, reports and forgets.
contract And1HostTest is Link {
    bytes32 private constant ELSEWHERE = keccak256("a source that several schemes follow");

    AgreementVerifier private _agreement;
    uint256[][3] private _committees;
    bool private _decides;

    event SchemesDissented(bytes32 indexed source, uint64 height, uint32 dissent);

    function setUp() public override {
        super.setUp();
        IFinalityVerifier[] memory schemes = new IFinalityVerifier[](3);
        schemes[0] = verifier;
        schemes[1] = IFinalityVerifier(address(new Renamed("CMT2", verifier)));
        schemes[2] = IFinalityVerifier(address(new Renamed("CMT3", verifier)));
        _agreement = new AgreementVerifier(schemes);
        string[3] memory labels = ["attestor", "validator", "observer"];
        for (uint256 i = 0; i < 3; ++i) {
            _committees[i] = sortedKeys(labels[i], 4);
        }
        lightClient.create(ELSEWHERE, _agreement, _genesis(1), MAX_AGE, MAX_DRIFT);
    }

    function test_update_believesAgreement_reportsNothing() public {
        vm.recordLogs();
        lightClient.update(ELSEWHERE, _proof(1, 10, ""));
        vm.assertEq(vm.getRecordedLogs().length, 1, "ClientUpdated alone");
        (TrustState memory state,,) = lightClient.clientState(ELSEWHERE);
        vm.assertEq(state.height, 10, "height");
        vm.assertEq(state.epoch, 1, "epoch");
        vm.assertEq(state.authority, Agreements.hash(_list(1)), "the list");
    }

    function test_update_emitsSchemesDissented_shadowRefuses() public {
        bytes memory proof = _proof(1, 10, "lies");
        vm.expectEmit();
        emit SchemesDissented(ELSEWHERE, 10, 4);
        lightClient.update(ELSEWHERE, proof);
        (TrustState memory state,,) = lightClient.clientState(ELSEWHERE);
        vm.assertEq(state.height, 10, "taken all the same");
    }

    function test_update_changesNothing_repetitionWithAnotherShadowProof() public {
        lightClient.update(ELSEWHERE, _proof(1, 10, ""));
        vm.recordLogs();
        lightClient.update(ELSEWHERE, _proof(1, 10, "lies"));
        vm.assertEq(vm.getRecordedLogs().length, 0, "nothing happened");
    }

    /// An inner hand-over is an epoch of the list, and the list of every epoch is kept for evidence.
    function test_submitMisbehaviour_freezes_listOfARetiredEpoch() public {
        bytes memory before = _misbehaving(1, 10, keccak256("one"));
        bytes memory other = _misbehaving(1, 10, keccak256("other"));
        lightClient.update(ELSEWHERE, _handOver());
        (TrustState memory state,,) = lightClient.clientState(ELSEWHERE);
        vm.assertEq(state.epoch, 2, "another list");
        lightClient.submitMisbehaviour(ELSEWHERE, before, other);
        (,, bool frozen) = lightClient.clientState(ELSEWHERE);
        vm.assertTrue(frozen, "frozen");
    }

    function test_recover_refusesWrongEpoch_usedByTheListOrByAScheme() public {
        lightClient.update(ELSEWHERE, _handOver());
        bytes memory again = _genesis(2);
        expectRefused(Code.WrongEpoch);
        lightClient.recover(ELSEWHERE, _agreement, again);
        // The list is in a later epoch, a scheme in it in one whose signatures are around.
        SchemeTrust[] memory list = _list(3);
        bytes[] memory geneses = _geneses(3);
        geneses[1] = packGenesis(2, addresses(_committees[1]), false);
        bytes memory mixed = Composed.genesis(3, list, geneses);
        expectRefused(Code.WrongEpoch);
        lightClient.recover(ELSEWHERE, _agreement, mixed);
        lightClient.recover(ELSEWHERE, _agreement, _genesis(3));
    }

    function test_update_refusesCommitteeMismatch_proofFromBeforeTheRecovery() public {
        bytes memory old = _proof(1, 10, "");
        lightClient.recover(ELSEWHERE, _agreement, _genesis(2));
        expectRefused(Code.CommitteeMismatch);
        lightClient.update(ELSEWHERE, old);
        // The old signatures under the new list.
        SchemeTrust[] memory list = _list(2);
        bytes[] memory proofs = _said(1, 10);
        for (uint256 i = 0; i < 3; ++i) {
            list[i].authority = Committees.hash(2, addresses(_committees[i]));
        }
        bytes memory relabelled = Composed.proof(2, list, proofs);
        expectRefused(Code.WrongEpoch);
        lightClient.update(ELSEWHERE, relabelled);
        lightClient.update(ELSEWHERE, _proof(2, 10, ""));
    }

    /// The way out of the shadow, and back: a recovery whose genesis has another list, under the same contract.
    function test_recover_promotesTheShadow_anotherListUnderTheSameContract() public {
        lightClient.update(ELSEWHERE, _proof(1, 10, "lies"));
        _decides = true;
        lightClient.recover(ELSEWHERE, _agreement, _genesis(2));
        bytes memory proof = _proof(2, 20, "lies");
        expectRefused(Code.Malformed);
        lightClient.update(ELSEWHERE, proof);
        lightClient.update(ELSEWHERE, _proof(2, 20, ""));
    }

    function _list(uint64 epoch) private view returns (SchemeTrust[] memory list) {
        list = new SchemeTrust[](3);
        bytes4[3] memory names = [bytes4("CMT1"), "CMT2", "CMT3"];
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 authority = Committees.hash(epoch, addresses(_committees[i]));
            list[i] = SchemeTrust(names[i], i == 2 && !_decides, epoch, authority, false);
        }
    }

    function _geneses(uint64 epoch) private view returns (bytes[] memory geneses) {
        geneses = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            geneses[i] = packGenesis(epoch, addresses(_committees[i]), false);
        }
    }

    function _genesis(uint64 epoch) private view returns (bytes memory) {
        return Composed.genesis(epoch, _list(epoch), _geneses(epoch));
    }

    function _statement(uint64 epoch, uint64 height) private view returns (FinalityStatement memory said) {
        said = statementAt(height);
        said.epoch = epoch;
    }

    function _said(uint64 epoch, uint64 height) private view returns (bytes[] memory proofs) {
        proofs = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            proofs[i] = pack(evidence(ELSEWHERE, _committees[i], 3, _statement(epoch, height)));
        }
    }

    /// Honest but for the third scheme, which has these bytes if there are any.
    function _proof(uint64 epoch, uint64 height, bytes memory third) private view returns (bytes memory) {
        bytes[] memory proofs = _said(epoch, height);
        if (third.length != 0) proofs[2] = third;
        return Composed.proof(epoch, _list(epoch), proofs);
    }

    /// The second committee hands over to itself.
    function _handOver() private view returns (bytes memory) {
        FinalityStatement memory said = _statement(1, 10);
        address[] memory next = addresses(_committees[1]);
        said.nextCommittee = Committees.hash(2, next);
        Evidence memory proof = evidence(ELSEWHERE, _committees[1], 3, said);
        proof.nextMembers = next;
        bytes[] memory proofs = _said(1, 10);
        proofs[1] = pack(proof);
        return Composed.proof(1, _list(1), proofs);
    }

    /// A half of evidence against the second committee.
    function _misbehaving(uint64 epoch, uint64 height, bytes32 blockHash) private view returns (bytes memory) {
        FinalityStatement memory said = _statement(epoch, height);
        said.blockHash = blockHash;
        bytes[] memory proofs = new bytes[](3);
        proofs[1] = pack(evidence(ELSEWHERE, _committees[1], 3, said));
        return Composed.proof(epoch, _list(epoch), proofs);
    }
}
