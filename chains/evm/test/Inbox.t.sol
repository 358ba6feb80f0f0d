// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Fate, Inbox, PacketProof} from "../contracts/Inbox.sol";
import {IPacketReceiver} from "../contracts/interfaces/IPacketReceiver.sol";
import {Checkpoint, Checkpoints} from "../contracts/libraries/Checkpoints.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet, Packets} from "../contracts/libraries/Packets.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Link} from "./support/Link.sol";
import {
    BombingReceiver,
    BurningReceiver,
    CountingReceiver,
    MendableReceiver,
    RecordingReceiver,
    ReentrantReceiver
} from "./support/Receivers.sol";
import {Vm} from "./support/Test.sol";

/// Deliveries: the honest way, every rule of section 9 broken once, and applications that misbehave.
contract InboxTest is Link {
    bytes32 private constant PACKET_TYPEHASH = keccak256(
        "Packet(uint8 version,uint8 kind,bytes32 sourceDomain,bytes32 destDomain,uint64 nonce,bytes32 sender,bytes32 receiver,uint64 expiresAt,bytes32 payloadHash)"
    );

    /// An honest delivery of the checkpoint at index 3 of 7; each test breaks one thing of it.
    PacketProof private _honest;

    function setUp() public override {
        super.setUp();
        sourceSendsElsewhere(3);
        sourceExports();
        sourceSendsElsewhere(3);
        finalise(10);
        _honest = proven(3);
    }

    function test_deliver_importsCheckpoint_honestPacket() public {
        bytes32 id = lastExported;
        deliver(_honest);
        vm.assertEq(registry.acceptedAt(id), block.number, "accepted at");
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, 1, "last round");
        vm.assertEq(nextNonce(), 1, "nonce");
    }

    function test_deliver_finalisesAndImports_oneTransaction() public {
        sourceExports();
        bytes memory proof = pack(honest(20));
        PacketProof[] memory both = new PacketProof[](2);
        both[0] = proven(3);
        both[1] = proven(7);
        inbox.deliver(SOURCE, proof, 8, both);
        vm.assertEq(nextNonce(), 2, "nonce");
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, 2, "last round");
    }

    function test_deliver_takesOlderOutbox_stillInRing() public {
        for (uint64 height = 20; height < 60; ++height) {
            sourceSendsElsewhere(1 + height % 3);
            finalise(height);
        }
        inbox.deliver(SOURCE, "", 7, batch(_honest));
        vm.assertEq(nextNonce(), 1, "nonce");
    }

    function test_deliver_refusesNonceReplayed_samePacketAgain() public {
        deliver(_honest);
        _refused(Code.NonceReplayed, _honest);
    }

    function test_deliver_refusesNonceReplayed_packetTwiceInBatch() public {
        PacketProof[] memory twice = new PacketProof[](2);
        twice[0] = _honest;
        twice[1] = _honest;
        expectRefused(Code.NonceReplayed);
        inbox.deliver(SOURCE, "", 7, twice);
        vm.assertEq(nextNonce(), 0, "nonce");
    }

    function test_deliver_refusesNonceGap_packetLeftOut() public {
        sourceExports();
        finalise(20);
        PacketProof memory second = proven(7);
        expectRefused(Code.NonceGap);
        inbox.deliver(SOURCE, "", 8, batch(second));
    }

    function test_deliver_refusesHalted_linkHalted() public {
        inbox.setHalted(SOURCE, true);
        _refused(Code.Halted, _honest);
        inbox.setHalted(SOURCE, false);
        deliver(_honest);
    }

    function test_deliver_refusesFrozen_clientFrozen() public {
        lightClient.freeze(SOURCE);
        _refused(Code.Frozen, _honest);
    }

    function test_deliver_refusesFrozen_beforeBounds() public {
        lightClient.freeze(SOURCE);
        expectRefused(Code.Frozen);
        inbox.deliver(SOURCE, "", 7, new PacketProof[](33));
    }

    function test_deliver_refusesOversize_thirtyThreePackets() public {
        expectRefused(Code.Oversize);
        inbox.deliver(SOURCE, "", 7, new PacketProof[](33));
    }

    function test_deliver_refusesUninitialised_sourceWithoutClient() public {
        expectRefused(Code.Uninitialised);
        inbox.deliver(keccak256("nobody"), "", 7, batch(_honest));
    }

    function test_deliver_refusesUnknownOutbox_sizeNeverFinalised() public {
        uint64[4] memory sizes = [uint64(1), 6, 8, type(uint64).max];
        for (uint256 i = 0; i < sizes.length; ++i) {
            expectRefused(Code.UnknownOutbox);
            inbox.deliver(SOURCE, "", sizes[i], batch(_honest));
        }
    }

    function test_deliver_refusesUnknownOutbox_prunedAfter256() public {
        for (uint64 height = 11; height <= 265; ++height) {
            sourceSendsElsewhere(1);
            finalise(height);
        }
        // 256 outboxes are known: 7 is the oldest of them.
        lightClient.finalisedRoot(SOURCE, 7);
        sourceSendsElsewhere(1);
        finalise(266);
        expectRefused(Code.UnknownOutbox);
        lightClient.finalisedRoot(SOURCE, 7);
        lightClient.finalisedRoot(SOURCE, 8);
        lightClient.finalisedRoot(SOURCE, 263);
    }

    /// A slot of the ring read for a size that was never finalised gives a root that no proof fits.
    function test_deliver_refusesRootMismatch_sizeSkippedOneLapLater() public {
        sourceSendsElsewhere(250);
        finalise(20);
        sourceSendsElsewhere(10);
        finalise(30);
        bytes32[] memory first = LogTwin.prefix(leaves, 263);
        PacketProof memory delivery = _honest;
        delivery.proof = LogTwin.inclusion(first, 3);
        // 263 = 7 + 256 was skipped; size 7 was finalised and is forgotten.
        expectRefused(Code.RootMismatch);
        inbox.deliver(SOURCE, "", 263, batch(delivery));
        expectRefused(Code.UnknownOutbox);
        inbox.deliver(SOURCE, "", 7, batch(_honest));
        vm.assertEq(nextNonce(), 0, "nonce");
    }

    function test_deliver_refusesStaleClient_sourceSilent() public {
        vm.warp(block.timestamp + MAX_AGE);
        deliver(_honest);
        vm.warp(block.timestamp + 1);
        sourceExports();
        expectRefused(Code.StaleClient);
        lightClient.finalisedRoot(SOURCE, 7);
    }

    function test_deliver_refusesWrongReceiver_contractWithoutRegistration() public {
        uint256 index = sourceSends("to nobody", Domains.endpoint(address(outbox)), 0);
        finalise(20);
        _refusedAt(Code.WrongReceiver, index, 1);
    }

    function test_deliver_refusesWrongReceiver_dirtyPadding() public {
        PacketProof memory broken = _honest;
        broken.packet.receiver |= bytes32(uint256(1) << 160);
        _refused(Code.WrongReceiver, broken);
    }

    function test_deliver_consumesWithoutEffect_expiredPacket() public {
        CountingReceiver receiver = new CountingReceiver(inbox, SOURCE, PEER_SENDER);
        deliver(_honest);
        bytes32 endpoint = Domains.endpoint(address(receiver));
        uint256 first = sourceSends("at its height", endpoint, uint64(block.number));
        uint256 second = sourceSends("one later", endpoint, uint64(block.number) - 1);
        finalise(20);
        deliver(proven(first));
        vm.assertEq(receiver.count(), 1, "taken at its height");
        vm.recordLogs();
        deliver(proven(second));
        vm.assertEq(receiver.count(), 1, "no effect");
        vm.assertEq(nextNonce(), 3, "consumed");
        vm.assertEq(uint256(_outcome()), uint256(Fate.Expired), "outcome");
        vm.assertTrue(!inbox.hasFailed(leaves[second]), "nothing to retry");
    }

    function test_deliver_storesFailure_applicationReverts() public {
        MendableReceiver receiver = new MendableReceiver(inbox, SOURCE, PEER_SENDER);
        (Packet memory packet, bytes32 id) = _deliverTo(address(receiver), Fate.Failed);
        vm.assertTrue(inbox.hasFailed(id), "failure stored");
        // The link goes on.
        vm.assertEq(nextNonce(), 2, "consumed");
        vm.expectRevert(abi.encodeWithSelector(MendableReceiver.Broken.selector, 7));
        inbox.retry(packet, "payload");
        vm.assertTrue(inbox.hasFailed(id), "failure kept");
        receiver.mend();
        expectRefused(Code.PayloadMismatch);
        inbox.retry(packet, "another");
        vm.prank(STRANGER);
        inbox.retry(packet, "payload");
        vm.assertEq(receiver.count(), 1, "retried");
        expectRefused(Code.NothingToRetry);
        inbox.retry(packet, "payload");
    }

    /// Who retries does not choose how little gas an application gets either.
    function test_retry_refusesGasBelowFloor_starvedApplication() public {
        MendableReceiver receiver = new MendableReceiver(inbox, SOURCE, PEER_SENDER);
        (Packet memory packet,) = _deliverTo(address(receiver), Fate.Failed);
        receiver.mend();
        uint256 gas = inbox.APPLICATION_GAS();
        vm.expectRevert(abi.encodeWithSelector(Inbox.GasBelowFloor.selector));
        inbox.retry{gas: gas}(packet, "payload");
        inbox.retry(packet, "payload");
        vm.assertEq(receiver.count(), 1, "retried");
    }

    function test_retry_refusesHaltedAndWrongSender_withdrawnMeanwhile() public {
        MendableReceiver receiver = new MendableReceiver(inbox, SOURCE, PEER_SENDER);
        (Packet memory packet,) = _deliverTo(address(receiver), Fate.Failed);
        receiver.mend();
        inbox.setHalted(SOURCE, true);
        expectRefused(Code.Halted);
        inbox.retry(packet, "payload");
        inbox.setHalted(SOURCE, false);
        vm.prank(address(receiver));
        inbox.acceptFrom(SOURCE, 0);
        expectRefused(Code.WrongSender);
        inbox.retry(packet, "payload");
    }

    function test_retry_refusesFrozen_clientFrozenMeanwhile() public {
        MendableReceiver receiver = new MendableReceiver(inbox, SOURCE, PEER_SENDER);
        (Packet memory packet, bytes32 id) = _deliverTo(address(receiver), Fate.Failed);
        receiver.mend();
        lightClient.freeze(SOURCE);
        expectRefused(Code.Frozen);
        inbox.retry(packet, "payload");
        vm.assertEq(receiver.count(), 0, "not dispatched");
        vm.assertTrue(inbox.hasFailed(id), "failure kept");
    }

    /// What a committee proved before the recovery may be forged: it stays consumed, without effect.
    function test_retry_refusesNothingToRetry_failedBeforeRecovery() public {
        MendableReceiver receiver = new MendableReceiver(inbox, SOURCE, PEER_SENDER);
        (Packet memory packet,) = _deliverTo(address(receiver), Fate.Failed);
        receiver.mend();
        lightClient.freeze(SOURCE);
        lightClient.recover(SOURCE, verifier, packGenesis(2, addresses(sortedKeys("second committee", 4)), false));
        expectRefused(Code.NothingToRetry);
        inbox.retry(packet, "payload");
        vm.assertEq(receiver.count(), 0, "not dispatched");
    }

    /// A packet that nobody here takes stands before all others; governance takes it out of the way.
    function test_skip_consumesNextNonce_packetForNobody() public {
        uint256 blocked = sourceSends("to nobody", Domains.endpoint(address(outbox)), 0);
        sourceExports();
        finalise(20);
        deliver(proven(3));
        PacketProof memory next = proven(blocked + 1);
        PacketProof memory lost = proven(blocked);
        expectRefused(Code.NonceReplayed);
        inbox.skip(SOURCE, 0);
        expectRefused(Code.NonceGap);
        inbox.skip(SOURCE, 2);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        inbox.skip(SOURCE, 1);
        vm.assertEq(nextNonce(), 1, "nothing skipped");
        vm.expectEmit();
        emit Inbox.PacketSkipped(SOURCE, 1);
        inbox.skip(SOURCE, 1);
        vm.assertEq(nextNonce(), 2, "consumed");
        expectRefused(Code.WrongReceiver);
        inbox.deliver(SOURCE, "", uint64(leaves.length), batch(lost));
        deliver(next);
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, 2, "the link goes on");
    }

    /// After a forged checkpoint of the highest round no honest one would follow.
    function test_setPeer_startsRoundsAnew_anotherGenesis() public {
        deliver(_honest);
        registry.setPeer(SOURCE, PEER_FEDERATION, PEER_TASK, PEER_GENESIS, PEER_SENDER);
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, 1, "same genesis: goes on");
        registry.setPeer(SOURCE, PEER_FEDERATION, PEER_TASK, keccak256("another genesis"), PEER_SENDER);
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, 0, "another: from the start");
        (Checkpoint memory checkpoint, bytes32[] memory parents) = sourceCheckpoint(1);
        checkpoint.modelRoot = keccak256("another model");
        uint256 index = sourceSends(Checkpoints.encodePayload(checkpoint, parents, keccak256("another genesis")));
        finalise(20);
        deliver(proven(index));
        vm.assertEq(registry.acceptedAt(Checkpoints.id(checkpoint)), block.number, "round 1 again");
    }

    function test_setPeer_refusesWrongDomain_ownChain() public {
        bytes32 own = inbox.domain();
        expectRefused(Code.WrongDomain);
        registry.setPeer(own, PEER_FEDERATION, PEER_TASK, PEER_GENESIS, PEER_SENDER);
    }

    /// A second acceptance would move an import behind the start of a round that counts it among its parents.
    function test_registry_failsWithRoundRegression_importedAlready() public {
        deliver(_honest);
        uint64 accepted = registry.acceptedAt(lastExported);
        registry.setPeer(SOURCE, PEER_FEDERATION, PEER_TASK, keccak256("another genesis"), PEER_SENDER);
        (Checkpoint memory same, bytes32[] memory parents) = sourceCheckpoint(1);
        vm.assertEq(Checkpoints.id(same), lastExported, "the same checkpoint");
        uint256 index = sourceSends(Checkpoints.encodePayload(same, parents, keccak256("another genesis")));
        finalise(20);
        vm.roll(block.number + 1);
        vm.recordLogs();
        deliver(proven(index));
        _assertFailedWith(Code.RoundRegression);
        vm.assertEq(registry.acceptedAt(lastExported), accepted, "accepted at");
    }

    /// Packets are hashed and handed on as words of calldata; the compiler's encoder is the plain twin.
    function test_deliver_equalsPlainTwin_callOfTheApplication() public {
        RecordingReceiver receiver = new RecordingReceiver(inbox, SOURCE, PEER_SENDER);
        deliver(_honest);
        for (uint256 length = 0; length < 70; ++length) {
            bytes memory payload = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                payload[i] = 0xff;
            }
            uint256 index = sourceSends(payload, Domains.endpoint(address(receiver)), uint64(block.number + length));
            finalise(20 + uint64(length));
            deliver(proven(index));
            bytes32 id = Packets.id(sentPackets[index]);
            bytes memory plain = abi.encodeCall(IPacketReceiver.onPacket, (id, sentPackets[index], payload));
            vm.assertEq(receiver.seen(), keccak256(plain), "call");
        }
    }

    /// A word outside of its field's type is not read as another packet's.
    function test_deliver_refused_dirtyWordsOfPacket() public {
        uint256[4] memory words = [uint256(0), 1, 4, 7];
        for (uint256 i = 0; i < words.length; ++i) {
            bytes memory data = abi.encodeCall(inbox.deliver, (SOURCE, "", 7, batch(_honest)));
            // Selector, four words of arguments, the proof's length, length and offset of the packets.
            data[4 + 32 * (4 + 1 + 2 + words[i])] ^= 0x80;
            (bool success,) = address(inbox).call(data);
            vm.assertTrue(!success, "a dirty word was accepted");
            data[4 + 32 * (4 + 1 + 2 + words[i])] ^= 0x80;
            if (i < 3) continue;
            (success,) = address(inbox).call(data);
            vm.assertTrue(success, "the clean one was refused");
        }
    }

    /// Not even when a source has put the dirty words into its log as they are.
    function test_deliver_refused_dirtyWordsInTheLog() public {
        deliver(_honest);
        uint256 index = sourceSends("payload", Domains.endpoint(address(registry)), uint64(block.number));
        uint256[4] memory words = [uint256(0), 1, 4, 7];
        for (uint256 i = 0; i < words.length; ++i) {
            bytes memory packet = abi.encode(PACKET_TYPEHASH, sentPackets[index]);
            packet[32 * (1 + words[i])] = 0x80;
            leaves[index] = keccak256(packet);
            finalise(100 + uint64(i));
            bytes memory data = abi.encodeCall(inbox.deliver, (SOURCE, "", uint64(leaves.length), batch(proven(index))));
            data[4 + 32 * (4 + 1 + 2 + words[i])] = 0x80;
            (bool success, bytes memory reason) = address(inbox).call(data);
            vm.assertTrue(!success && reason.length == 0, "the ABI decoder refuses");
            leaves.push(leaves[index]);
            ++index;
            sentPackets[index] = sentPackets[index - 1];
            sentPayloads[index] = "payload";
        }
        leaves[index] = Packets.id(sentPackets[index]);
        finalise(200);
        deliver(proven(index));
        vm.assertEq(nextNonce(), 2, "the clean one is taken");
    }

    function test_deliver_storesFailure_applicationBurnsItsGas() public {
        BurningReceiver receiver = new BurningReceiver(inbox, SOURCE, PEER_SENDER);
        (, bytes32 id) = _deliverTo(address(receiver), Fate.Failed);
        vm.assertTrue(inbox.hasFailed(id), "failure stored");
        vm.assertLt(vm.lastCallGas().gasTotalUsed, 2 * inbox.APPLICATION_GAS(), "bounded");
    }

    function test_deliver_storesFailure_applicationBombsReturnData() public {
        BombingReceiver receiver = new BombingReceiver(inbox, SOURCE, PEER_SENDER);
        (, bytes32 id) = _deliverTo(address(receiver), Fate.Failed);
        vm.assertTrue(inbox.hasFailed(id), "failure stored");
    }

    function test_deliver_storesFailure_applicationReenters() public {
        ReentrantReceiver receiver = new ReentrantReceiver(inbox, SOURCE, PEER_SENDER);
        deliver(_honest);
        uint256 index = sourceSends("payload", Domains.endpoint(address(receiver)), 0);
        finalise(20);
        receiver.arm(SOURCE, uint64(leaves.length), batch(proven(index)));
        vm.recordLogs();
        deliver(proven(index));
        vm.assertEq(uint256(_outcome()), uint256(Fate.Failed), "outcome");
        vm.assertEq(receiver.count(), 0, "its effects are undone");
        vm.assertEq(nextNonce(), 2, "consumed once");
    }

    /// A carrier that brings too little gas cannot make the application fail: the whole delivery reverts.
    function test_deliver_reverts_gasBelowFloor() public {
        uint256 floor = inbox.APPLICATION_GAS();
        bytes memory data = abi.encodeCall(inbox.deliver, (SOURCE, "", 7, batch(_honest)));
        for (uint256 gas = 100_000; gas <= floor + 60_000; gas += 30_000) {
            (bool success,) = address(inbox).call{gas: gas}(data);
            vm.assertTrue(!success, "delivered below the floor");
        }
        vm.assertEq(nextNonce(), 0, "nonce");
        (bool enough,) = address(inbox).call{gas: floor + 200_000}(data);
        vm.assertTrue(enough, "refused above the floor");
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, 1, "imported");
    }

    function test_onPacket_refusesUnauthorised_stranger() public {
        expectRefused(Code.Unauthorised);
        registry.onPacket(0, _honest.packet, _honest.payload);
    }

    function test_registry_failsWithCode_badCheckpoints() public {
        (Checkpoint memory good, bytes32[] memory parents) = sourceCheckpoint(9);
        Checkpoint memory bad;
        _failsWith(Code.Malformed, bytes.concat(Checkpoints.encodePayload(good, parents, PEER_GENESIS), bytes32(0)));
        bad = _copy(good);
        bad.task = keccak256("another task");
        _failsWith(Code.UnknownPeer, Checkpoints.encodePayload(bad, parents, PEER_GENESIS));
        bad = _copy(good);
        bad.modelRoot = 0;
        _failsWith(Code.ZeroValue, Checkpoints.encodePayload(bad, parents, PEER_GENESIS));
        bad = _copy(good);
        bad.parentsHash = keccak256("other parents");
        _failsWith(Code.ParentsMismatch, Checkpoints.encodePayload(bad, parents, PEER_GENESIS));
        bad = _copy(good);
        bad.round = 0;
        _failsWith(Code.RoundRegression, Checkpoints.encodePayload(bad, parents, PEER_GENESIS));
        _failsWith(Code.UnknownParent, Checkpoints.encodePayload(good, parents, keccak256("unknown export")));
        _failsWith(Code.Oversize, Checkpoints.encodePayload(good, new bytes32[](9), PEER_GENESIS));
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, 0, "nothing imported");
    }

    function test_registry_failsWithRoundRegression_sameRoundAgain() public {
        deliver(_honest);
        (Checkpoint memory same, bytes32[] memory parents) = sourceCheckpoint(1);
        uint256 index = sourceSends(Checkpoints.encodePayload(same, parents, lastExported));
        finalise(20);
        vm.recordLogs();
        deliver(proven(index));
        _assertFailedWith(Code.RoundRegression);
    }

    /// Sends garbage to the registry as the next packet of the link, after what was not delivered yet.
    function _failsWith(Code code, bytes memory payload) private {
        sentHere = nextNonce();
        uint256 index = sourceSends(payload);
        finalise(1000 + uint64(index));
        PacketProof memory delivery = proven(index);
        vm.recordLogs();
        deliver(delivery);
        _assertFailedWith(code);
    }

    function _assertFailedWith(Code code) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory last = logs[logs.length - 1];
        (, Fate outcome, bytes memory reason) = abi.decode(last.data, (uint64, Fate, bytes));
        vm.assertEq(uint256(outcome), uint256(Fate.Failed), "outcome");
        vm.assertEq(reason, abi.encodeWithSelector(Refused.selector, code), "reason");
    }

    function _deliverTo(address receiver, Fate outcome) private returns (Packet memory packet, bytes32 id) {
        deliver(_honest);
        uint256 index = sourceSends("payload", Domains.endpoint(receiver), 0);
        finalise(20);
        PacketProof memory delivery = proven(index);
        vm.recordLogs();
        deliver(delivery);
        vm.assertEq(uint256(_outcome()), uint256(outcome), "outcome");
        return (sentPackets[index], leaves[index]);
    }

    function _outcome() private returns (Fate outcome) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (, outcome,) = abi.decode(logs[logs.length - 1].data, (uint64, Fate, bytes));
    }

    /// The delivery is refused with this code, and nothing has changed.
    function _refused(Code code, PacketProof memory delivery) private {
        uint64 before = nextNonce();
        expectRefused(code);
        inbox.deliver(SOURCE, "", 7, batch(delivery));
        vm.assertEq(nextNonce(), before, "nonce");
        vm.assertEq(registry.peerState(SOURCE, PEER_FEDERATION, PEER_TASK).lastRound, before, "last round");
    }

    function _refusedAt(Code code, uint256 index, uint64 nonce) private {
        deliver(proven(3));
        PacketProof memory delivery = proven(index);
        expectRefused(code);
        inbox.deliver(SOURCE, "", uint64(leaves.length), batch(delivery));
        vm.assertEq(nextNonce(), nonce, "nonce");
    }

    function _copy(Checkpoint memory checkpoint) private pure returns (Checkpoint memory) {
        return abi.decode(abi.encode(checkpoint), (Checkpoint));
    }
}
