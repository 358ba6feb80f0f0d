// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {CheckpointRegistry, Route} from "../contracts/CheckpointRegistry.sol";
import {Inbox, PacketProof} from "../contracts/Inbox.sol";
import {Checkpoint, Checkpoints} from "../contracts/libraries/Checkpoints.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet, Packets} from "../contracts/libraries/Packets.sol";
import {LightClient} from "../contracts/LightClient.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {SuccessorInbox} from "../contracts/successors/SuccessorInbox.sol";
import {SuccessorOutbox} from "../contracts/successors/SuccessorOutbox.sol";
import {SuccessorRegistry} from "../contracts/successors/SuccessorRegistry.sol";
import {Code} from "../contracts/types/Code.sol";
import {Link} from "./support/Link.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Evidence} from "./support/Network.sol";

/// New contracts in the place of old ones: log, nonces and what was accepted go on, and nothing old is taken.
contract SuccessorsTest is Link {
    bytes32 private constant DESTINATION = keccak256("a destination");
    bytes32 private constant TASK = keccak256("task of this chain");

    bytes32[] private _sent;
    Outbox private _oldOutbox;
    Inbox private _oldInbox;
    LightClient private _oldClient;
    CheckpointRegistry private _oldRegistry;

    function setUp() public override {
        super.setUp();
        authority.grantRole(authority.SENDER(), address(this), 0);
        (_oldOutbox, _oldInbox, _oldClient, _oldRegistry) = (outbox, inbox, lightClient, registry);
    }

    // ----------------------------------------------------------------------------------------------------- outbox

    function test_outbox_goesOnWithLogAndNonces_fromAnySize() public {
        for (uint256 size = 0; size < 12; ++size) {
            Outbox next = _succeedOutbox();
            (uint64 count, bytes32 root, bytes32 commitment) = next.state();
            vm.assertEq(count, size, "size");
            vm.assertEq(root, LogTwin.root(_sent), "root");
            vm.assertEq(commitment, keccak256(abi.encode(count, root)), "commitment");
            vm.assertEq(next.nextNonce(DESTINATION), size, "nonce");
            vm.assertEq(next.nextNonce("another"), 0, "nonce of another destination");
            // Closed, it is followed by the next of them, which has one packet more.
            outbox = next;
            _openOutbox();
            _sent.push(outbox.send(1, DESTINATION, "receiver", 0, abi.encode(size)));
            (, root,) = outbox.state();
            vm.assertEq(root, LogTwin.root(_sent), "root after a packet");
        }
    }

    function test_outbox_refusesPredecessorOpen() public {
        bytes32[] memory peaks = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(SuccessorOutbox.PredecessorOpen.selector));
        new SuccessorOutbox(address(authority), GENESIS_HASH, outbox, peaks);
        authority.setTargetClosed(address(outbox), true);
        new SuccessorOutbox(address(authority), GENESIS_HASH, outbox, peaks);
    }

    function test_outbox_refusesAnotherLog() public {
        for (uint256 i = 0; i < 3; ++i) {
            _sent.push(outbox.send(1, DESTINATION, "receiver", 0, abi.encode(i)));
        }
        authority.setTargetClosed(address(outbox), true);
        bytes32[] memory peaks = _peaks();
        _refusesPeaks(Code.ProofLength, new bytes32[](0));
        _refusesPeaks(Code.ProofLength, LogTwin.append(peaks, "one more"));
        (bytes32 first, bytes32 second) = (peaks[0], peaks[1]);
        (peaks[0], peaks[1]) = (second, first);
        _refusesPeaks(Code.RootMismatch, peaks);
        (peaks[0], peaks[1]) = (first, bytes32(uint256(second) ^ 1));
        _refusesPeaks(Code.RootMismatch, peaks);
        peaks[1] = second;
        expectRefused(Code.WrongDomain);
        new SuccessorOutbox(address(authority), keccak256("another chain"), outbox, peaks);
    }

    function test_oldOutbox_takesNothing_closed() public {
        _succeedOutbox();
        vm.expectRevert(_unauthorised(address(this)));
        _oldOutbox.send(1, DESTINATION, "receiver", 0, "");
    }

    // ------------------------------------------------------------------------------------------------------ inbox

    function test_inbox_goesOnWithNonces_oldPacketsRefused() public {
        uint256 first = sourceExports();
        finalise(10);
        deliver(proven(first));
        _succeed();
        uint256 second = sourceExports();
        finalise(11);
        vm.assertEq(nextNonce(), 1, "nonce");
        PacketProof[] memory again = batch(proven(first));
        // It names the old receiver, which has no sender here; a nonce is never due twice in any case.
        expectRefused(Code.WrongReceiver);
        inbox.deliver(SOURCE, "", 2, again);
        again[0].packet.receiver = Domains.endpoint(address(registry));
        expectRefused(Code.NonceReplayed);
        inbox.deliver(SOURCE, "", 2, again);
        deliver(proven(second));
        vm.assertEq(nextNonce(), 2, "the next nonce");
        vm.assertTrue(registry.acceptedAt(lastExported) != 0, "accepted");
        expectRefused(Code.NonceReplayed);
        inbox.skip(SOURCE, 1);
        inbox.skip(SOURCE, 2);
        vm.assertEq(nextNonce(), 3, "skipped");
    }

    function test_inbox_isHalted_untilThePredecessorIs() public {
        uint256 first = sourceExports();
        finalise(10);
        deliver(proven(first));
        _succeed();
        _oldInbox.setHalted(SOURCE, false);
        uint256 second = sourceExports();
        finalise(11);
        PacketProof[] memory packets = batch(proven(second));
        expectRefused(Code.Halted);
        inbox.deliver(SOURCE, "", 2, packets);
        _oldInbox.setHalted(SOURCE, true);
        inbox.deliver(SOURCE, "", 2, packets);
        expectRefused(Code.Halted);
        _oldInbox.deliver(SOURCE, "", 2, packets);
    }

    function test_inbox_skipsOnlyWhatIsDue_beforeItsFirstPacket() public {
        uint256 first = sourceExports();
        finalise(10);
        deliver(proven(first));
        _succeed();
        expectRefused(Code.NonceReplayed);
        inbox.skip(SOURCE, 0);
        expectRefused(Code.NonceGap);
        inbox.skip(SOURCE, 2);
        inbox.skip(SOURCE, 1);
        vm.assertEq(nextNonce(), 2, "skipped");
    }

    function test_inbox_refusesAnotherDomain() public {
        Outbox elsewhere = new Outbox(address(authority), keccak256("another chain"));
        LightClient there = new LightClient(address(authority), elsewhere);
        expectRefused(Code.WrongDomain);
        new SuccessorInbox(address(authority), there, elsewhere, inbox);
    }

    // --------------------------------------------------------------------------------------------------- registry

    function test_registry_keepsImports_andTheirPeer() public {
        uint256 first = sourceExports();
        finalise(10);
        deliver(proven(first));
        bytes32 accepted = lastExported;
        uint64 height = registry.acceptedAt(accepted);
        vm.roll(block.number + 5);
        _succeed();
        vm.assertEq(registry.acceptedAt(accepted), height, "height of the import");
        CheckpointRegistry.Peer memory peer = registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK);
        vm.assertEq(peer.number, 1, "number of the peer");
        vm.assertEq(peer.lastRound, 1, "last round of the peer");
        // A new peer gets a number that none had.
        registry.setPeer(SOURCE, keccak256("another federation"), PEER_TASK, PEER_GENESIS, PEER_SENDER);
        peer = registry.peerState(SOURCE, keccak256("another federation"), PEER_TASK);
        vm.assertEq(peer.number, 2, "number of a new peer");
    }

    function test_registry_refusesRoundRegression_ofThePredecessorsTime() public {
        uint256 first = sourceExports();
        finalise(10);
        deliver(proven(first));
        bytes32 accepted = lastExported;
        _succeed();
        // A lying quorum sends an old checkpoint under a new nonce: it is consumed and changes nothing.
        (exportedRound, lastExported) = (0, PEER_GENESIS);
        uint256 again = sourceExports();
        finalise(11);
        deliver(proven(again));
        vm.assertTrue(inbox.hasFailed(leaves[again]), "failed");
        vm.assertEq(lastExported, accepted, "the same checkpoint");
    }

    function test_registry_exportsGoOn_previousIsThePredecessorsLast() public {
        _exportable();
        bytes32 last = _export(1);
        _succeed();
        vm.assertEq(registry.lastExport(TASK, DESTINATION), last, "previous");
        _exportable();
        bytes32 next = _export(2);
        vm.assertEq(registry.lastExport(TASK, DESTINATION), next, "the next");
        vm.assertEq(registry.lastExport(TASK, "elsewhere"), keccak256("genesis"), "another destination");
        vm.assertEq(registry.lastExport("unknown", DESTINATION), 0, "not declared");
        expectRefused(Code.TaskExists);
        registry.declareTask(TASK, keccak256("another genesis"));
    }

    function test_registry_refusesAnotherDomain() public {
        Outbox elsewhere = new Outbox(address(authority), keccak256("another chain"));
        LightClient there = new LightClient(address(authority), elsewhere);
        Inbox inboxThere = new Inbox(address(authority), there, elsewhere);
        expectRefused(Code.WrongDomain);
        new SuccessorRegistry(address(authority), elsewhere, inboxThere, registry);
    }

    // -------------------------------------------------------------------------------------------------- federation

    function test_federation_takesOnlyTheNextRegistry() public {
        _succeed();
        SuccessorRegistry next = new SuccessorRegistry(address(authority), outbox, inbox, registry);
        SuccessorRegistry skipped = new SuccessorRegistry(address(authority), outbox, inbox, next);
        expectRefused(Code.WrongPredecessor);
        federation.setRegistry(skipped);
        vm.prank(STRANGER);
        vm.expectRevert(_unauthorised(STRANGER));
        federation.setRegistry(next);
        federation.setRegistry(next);
        vm.assertEq(address(federation.registry()), address(next), "registry");
        expectRefused(Code.WrongPredecessor);
        federation.setRegistry(next);
    }

    // ------------------------------------------------------------------------------------------- a peer of this chain

    /// What a destination of a chain with new contracts does: it recovers, into an epoch that only speaks of those.
    function test_peer_refusesOldProofsAndOldPackets_afterItsRecovery() public {
        uint256 first = sourceExports();
        Evidence memory old = honest(10);
        lightClient.update(SOURCE, pack(old));
        uint256 second = sourceExports();
        Evidence memory newer = honest(11);
        lightClient.recover(SOURCE, verifier, packGenesis(2, addresses(keys), false));
        bytes32 newSender = keccak256("registry in the place of the old one");
        registry.setPeer(SOURCE, PEER_FEDERATION, PEER_TASK, PEER_GENESIS, newSender);
        bytes32 before = belief();

        bytes[2] memory proofs = [pack(old), pack(newer)];
        for (uint256 i = 0; i < proofs.length; ++i) {
            expectRefused(Code.WrongEpoch);
            lightClient.update(SOURCE, proofs[i]);
        }
        PacketProof[] memory packets = batch(proven(first));
        // It was known to the generation before.
        expectRefused(Code.UnknownOutbox);
        inbox.deliver(SOURCE, "", 1, packets);
        expectRefused(Code.WrongEpoch);
        inbox.deliver(SOURCE, proofs[1], 2, packets);
        vm.assertEq(belief(), before, "nothing changed");

        // Under the new epoch the same log has what was sent before. Its sender speaks no more.
        newer.statement.epoch = 2;
        Evidence memory fresh = evidence(SOURCE, keys, 3, newer.statement);
        lightClient.update(SOURCE, pack(fresh));
        packets = batch(proven(first));
        expectRefused(Code.WrongSender);
        inbox.deliver(SOURCE, "", 2, packets);
        packets = batch(proven(second));
        expectRefused(Code.WrongSender);
        inbox.deliver(SOURCE, "", 2, packets);
    }

    // ---------------------------------------------------------------------------------------------------- support

    function _unauthorised(address caller) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller);
    }

    /// Roots of the perfect subtrees of what was sent, the largest first.
    function _peaks() private view returns (bytes32[] memory peaks) {
        uint256 from = 0;
        for (uint256 width = 1 << 20; width != 0; width >>= 1) {
            if (_sent.length & width == 0) continue;
            bytes32[] memory part = new bytes32[](width);
            for (uint256 i = 0; i < width; ++i) {
                part[i] = _sent[from + i];
            }
            peaks = LogTwin.append(peaks, LogTwin.root(part));
            from += width;
        }
    }

    function _refusesPeaks(Code code, bytes32[] memory peaks) private {
        expectRefused(code);
        new SuccessorOutbox(address(authority), GENESIS_HASH, outbox, peaks);
    }

    function _succeedOutbox() private returns (Outbox) {
        authority.setTargetClosed(address(outbox), true);
        return new SuccessorOutbox(address(authority), GENESIS_HASH, outbox, _peaks());
    }

    function _openOutbox() private {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = Outbox.send.selector;
        authority.setTargetFunctionRole(address(outbox), selectors, authority.SENDER());
    }

    /// The whole set, as `poft upgrade contracts` does it. Only what was exported before is in the log.
    function _succeed() private {
        outbox = _succeedOutbox();
        _openOutbox();
        _oldInbox.setHalted(SOURCE, true);
        lightClient = new LightClient(address(authority), outbox);
        inbox = new SuccessorInbox(address(authority), lightClient, outbox, _oldInbox);
        SuccessorRegistry next = new SuccessorRegistry(address(authority), outbox, inbox, _oldRegistry);
        registry = next;
        authority.grantRole(authority.SENDER(), address(registry), 0);
        lightClient.create(SOURCE, verifier, packGenesis(1, addresses(keys), false), MAX_AGE, MAX_DRIFT);
        registry.setPeer(SOURCE, PEER_FEDERATION, PEER_TASK, PEER_GENESIS, PEER_SENDER);
        federation.setRegistry(next);
    }

    function _exportable() private {
        bytes4[] memory selectors = new bytes4[](2);
        selectors[0] = CheckpointRegistry.declareTask.selector;
        selectors[1] = CheckpointRegistry.exportCheckpoint.selector;
        authority.setTargetFunctionRole(address(registry), selectors, authority.EXPORTER());
        authority.grantRole(authority.EXPORTER(), address(this), 0);
        if (registry.genesisOf(TASK) == 0) registry.declareTask(TASK, keccak256("genesis"));
        Route[] memory routes = new Route[](1);
        routes[0] = Route({destDomain: DESTINATION, receiver: "receiver"});
        registry.setRoutes(TASK, routes);
    }

    function _export(uint64 round) private returns (bytes32 checkpointId) {
        (Checkpoint memory checkpoint, bytes32[] memory parents) = sourceCheckpoint(round);
        checkpoint.task = TASK;
        checkpointId = Checkpoints.id(checkpoint);
        bytes32 previous = registry.lastExport(TASK, DESTINATION);
        registry.exportCheckpoint(checkpoint, parents);
        Packet memory packet = Packet({
            version: 1,
            kind: 1,
            sourceDomain: outbox.domain(),
            destDomain: DESTINATION,
            nonce: round - 1,
            sender: Domains.endpoint(address(registry)),
            receiver: "receiver",
            expiresAt: 0,
            payloadHash: keccak256(Checkpoints.encodePayload(checkpoint, parents, previous))
        });
        _sent.push(Packets.id(packet));
        (, bytes32 root,) = outbox.state();
        vm.assertEq(root, LogTwin.root(_sent), "the export is in the log, under the next nonce");
    }
}
