// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Fate, Inbox, PacketFate, PacketProof} from "../contracts/Inbox.sol";
import {Acknowledgements} from "../contracts/libraries/Acknowledgements.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet} from "../contracts/libraries/Packets.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Link} from "./support/Link.sol";
import {CountingReceiver, MendableReceiver, ReentrantReceiver} from "./support/Receivers.sol";
import {Vm} from "./support/Test.sol";

/// What a source is told of its packets, and what this chain takes from those that tell it.
contract AcknowledgementsTest is Link {
    bytes32 private constant PEER_INBOX = keccak256("poft/pallet/Bridge");
    address private constant CARRIER = address(0xCA221E2);
    bytes32 private constant FAR_CARRIER = keccak256("who delivered over there");

    CountingReceiver private _counting;
    bytes32 private _own;

    event PacketAcknowledged(bytes32 indexed source, bytes32 indexed packetId, Fate fate, bytes32 carrier);

    function setUp() public override {
        super.setUp();
        inbox.setAcknowledgements(SOURCE, PEER_INBOX);
        _counting = new CountingReceiver(inbox, SOURCE, PEER_SENDER);
        _own = Domains.endpoint(address(inbox));
    }

    // What is sent.

    function test_deliver_acknowledgesBatchOnce_everyFate() public {
        MendableReceiver broken = new MendableReceiver(inbox, SOURCE, PEER_SENDER);
        uint256[3] memory indices = [
            sourceSends("taken", Domains.endpoint(address(_counting)), 0),
            sourceSends("not taken", Domains.endpoint(address(broken)), 0),
            sourceSends("too late", Domains.endpoint(address(_counting)), uint64(block.number) - 1)
        ];
        PacketProof[] memory packets = _batchOf(indices);
        vm.recordLogs();
        vm.prank(CARRIER);
        inbox.deliver(SOURCE, "", uint64(leaves.length), packets);
        (Packet memory packet, bytes memory payload) = _onlySent();
        vm.assertEq(packet.kind, 2, "kind");
        vm.assertEq(packet.destDomain, SOURCE, "destination");
        vm.assertEq(packet.sender, _own, "sender");
        vm.assertEq(packet.receiver, PEER_INBOX, "receiver");
        vm.assertEq(packet.expiresAt, 0, "never expires");
        PacketFate[] memory fates = new PacketFate[](3);
        fates[0] = PacketFate(leaves[0], Fate.Applied);
        fates[1] = PacketFate(leaves[1], Fate.Failed);
        fates[2] = PacketFate(leaves[2], Fate.Expired);
        vm.assertEq(payload, Acknowledgements.encode(Domains.endpoint(CARRIER), fates), "payload");
    }

    function test_deliver_tellsNothing_untilTurnedOnAndOnceTurnedOff() public {
        inbox.setAcknowledgements(SOURCE, 0);
        sourceSends("one", Domains.endpoint(address(_counting)), 0);
        finalise(20);
        deliver(proven(0));
        vm.assertEq(_sentCount(), 0, "off");
        inbox.setAcknowledgements(SOURCE, PEER_INBOX);
        sourceSends("two", Domains.endpoint(address(_counting)), 0);
        finalise(30);
        deliver(proven(1));
        vm.assertEq(_sentCount(), 1, "on");
    }

    function test_deliver_tellsNothing_emptyBatch() public {
        sourceSendsElsewhere(1);
        finalise(20);
        inbox.deliver(SOURCE, "", 1, new PacketProof[](0));
        vm.assertEq(_sentCount(), 0, "sent");
    }

    function test_deliver_acknowledgesNoAcknowledgement_batchOfBothKinds() public {
        uint256[3] memory indices = [
            _sourceTells(_said(keccak256("a packet of this chain"), Fate.Applied)),
            sourceSends("checkpoint", Domains.endpoint(address(_counting)), 0),
            _sourceTells(_said(keccak256("another"), Fate.Failed))
        ];
        PacketProof[] memory packets = _batchOf(indices);
        vm.recordLogs();
        inbox.deliver(SOURCE, "", uint64(leaves.length), packets);
        (, bytes memory payload) = _onlySent();
        PacketFate[] memory fates = new PacketFate[](1);
        fates[0] = PacketFate(leaves[1], Fate.Applied);
        vm.assertEq(payload, Acknowledgements.encode(Domains.endpoint(address(this)), fates), "payload");
        finalise(30);
        uint256 index = _sourceTells(_said(keccak256("alone"), Fate.Applied));
        finalise(40);
        deliver(proven(index));
        vm.assertEq(_sentCount(), 1, "an acknowledgement alone is not answered");
    }

    function test_retry_acknowledgesAgain_onceItSucceeds() public {
        MendableReceiver broken = new MendableReceiver(inbox, SOURCE, PEER_SENDER);
        uint256 index = sourceSends("payload", Domains.endpoint(address(broken)), 0);
        finalise(20);
        deliver(proven(index));
        vm.expectRevert(abi.encodeWithSelector(MendableReceiver.Broken.selector, 7));
        inbox.retry(sentPackets[index], "payload");
        vm.assertEq(_sentCount(), 1, "a retry that fails tells nothing");
        broken.mend();
        vm.recordLogs();
        vm.prank(CARRIER);
        inbox.retry(sentPackets[index], "payload");
        (, bytes memory payload) = _onlySent();
        PacketFate[] memory fates = new PacketFate[](1);
        fates[0] = PacketFate(leaves[index], Fate.Applied);
        vm.assertEq(payload, Acknowledgements.encode(Domains.endpoint(CARRIER), fates), "payload");
    }

    /// Nothing arrives without its acknowledgement: while this chain may not send, such deliveries wait.
    function test_deliver_reverts_outboxClosed() public {
        sourceSends("one", Domains.endpoint(address(_counting)), 0);
        finalise(20);
        authority.setTargetClosed(address(outbox), true);
        PacketProof memory delivery = proven(0);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(inbox)));
        inbox.deliver(SOURCE, "", 1, batch(delivery));
        vm.assertEq(nextNonce(), 0, "nonce");
        vm.assertEq(_counting.count(), 0, "no effect");
        authority.setTargetClosed(address(outbox), false);
        deliver(delivery);
        vm.assertEq(_sentCount(), 1, "sent");
    }

    function test_deliver_acknowledgesBoth_reentrantApplication() public {
        ReentrantReceiver reentrant = new ReentrantReceiver(inbox, SOURCE, PEER_SENDER);
        sourceSends("outer", Domains.endpoint(address(reentrant)), 0);
        sourceSends("inner", Domains.endpoint(address(_counting)), 0);
        finalise(20);
        reentrant.arm(SOURCE, 2, batch(proven(1)));
        PacketProof memory outer = proven(0);
        // The application gets its share of gas, which a delivery inside does not fit: it fails, and is told so.
        deliver(outer);
        vm.assertEq(nextNonce(), 1, "the inner delivery is undone");
        vm.assertEq(_sentCount(), 1, "sent");
        vm.assertTrue(inbox.hasFailed(leaves[0]), "failed");
        // A retry brings all the gas: the inner packet is told first.
        vm.recordLogs();
        inbox.retry(sentPackets[0], "outer");
        vm.assertEq(nextNonce(), 2, "consumed once each");
        vm.assertEq(_counting.count(), 1, "inner");
        vm.assertEq(reentrant.count(), 1, "outer");
        (bytes32[2] memory told, bytes32[2] memory carriers) = _twoTold();
        vm.assertEq(told[0], leaves[1], "inner first");
        vm.assertEq(told[1], leaves[0], "outer second");
        vm.assertEq(carriers[0], Domains.endpoint(address(reentrant)), "the application carried the inner one");
        vm.assertEq(carriers[1], Domains.endpoint(address(this)), "this contract the outer one");
    }

    // What is taken.

    function test_onPacket_keepsWhatPeerSays_everyFate() public {
        PacketFate[] memory fates = new PacketFate[](3);
        for (uint256 i = 0; i < 3; ++i) {
            fates[i] = PacketFate(keccak256(abi.encode("sent", i)), Fate(i));
            _assertUnknown(SOURCE, fates[i].packetId);
        }
        uint256 index = _sourceTells(Acknowledgements.encode(FAR_CARRIER, fates));
        finalise(20);
        PacketProof memory delivery = proven(index);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit();
            emit PacketAcknowledged(SOURCE, fates[i].packetId, fates[i].fate, FAR_CARRIER);
        }
        deliver(delivery);
        for (uint256 i = 0; i < 3; ++i) {
            _assertTold(fates[i].packetId, fates[i].fate, FAR_CARRIER);
        }
    }

    function test_onPacket_keepsApplied_worseOrOtherWordLater() public {
        bytes32 packetId = keccak256("sent");
        _takeFrom(FAR_CARRIER, packetId, Fate.Failed);
        _assertTold(packetId, Fate.Failed, FAR_CARRIER);
        _takeFrom("retried by", packetId, Fate.Applied);
        _assertTold(packetId, Fate.Applied, "retried by");
        for (uint8 worse = 0; worse < 3; ++worse) {
            _takeFrom("liar", packetId, Fate(worse));
            _assertTold(packetId, Fate.Applied, "retried by");
        }
    }

    function test_onPacket_fits_thirtyTwoNewPackets() public {
        PacketFate[] memory fates = new PacketFate[](32);
        for (uint256 i = 0; i < 32; ++i) {
            fates[i] = PacketFate(keccak256(abi.encode("sent", i)), Fate.Applied);
        }
        uint256 index = _sourceTells(Acknowledgements.encode(FAR_CARRIER, fates));
        finalise(20);
        deliver(proven(index));
        emit log_named_uint("acknowledgement_of_32", vm.lastCallGas().gasTotalUsed);
        vm.assertLt(vm.lastCallGas().gasTotalUsed, inbox.ACKNOWLEDGEMENT_GAS(), "all of the delivery");
        _assertTold(fates[31].packetId, Fate.Applied, FAR_CARRIER);
    }

    /// A domain speaks for itself: what it says of packets for others is kept under its own name, where nobody asks.
    function test_onPacket_saysNothingOfOthers_packetForAnotherDestination() public {
        authority.grantRole(authority.SENDER(), address(this), 0);
        bytes32 elsewhere = keccak256("another destination");
        bytes32 packetId = outbox.send(1, elsewhere, PEER_SENDER, 0, "for another");
        _takeFrom(FAR_CARRIER, packetId, Fate.Applied);
        _assertUnknown(elsewhere, packetId);
        _assertTold(packetId, Fate.Applied, FAR_CARRIER);
    }

    function test_onPacket_leavesFailureToRetry_badPayloads() public {
        bytes memory good = _said(keccak256("sent"), Fate.Applied);
        bytes memory broken = _said(keccak256("sent"), Fate.Applied);
        broken[159] = 0x03;
        _fails(Code.Malformed, broken);
        _fails(Code.Malformed, bytes.concat(good, hex"00"));
        _fails(Code.Malformed, bytes.concat(good, bytes32(0)));
        _fails(Code.Malformed, "");
        PacketFate[] memory many = new PacketFate[](33);
        _fails(Code.Oversize, Acknowledgements.encode(FAR_CARRIER, many));
        _assertUnknown(SOURCE, keccak256("sent"));
    }

    function test_retry_refusesMalformed_badAcknowledgement() public {
        uint256 index = _sourceTells("garbage");
        finalise(20);
        deliver(proven(index));
        expectRefused(Code.Malformed);
        inbox.retry(sentPackets[index], "garbage");
        vm.assertTrue(inbox.hasFailed(leaves[index]), "kept");
        vm.assertEq(_sentCount(), 0, "nothing is told of it");
    }

    function test_deliver_refusesForgedAcknowledgement_wrongEnds() public {
        bytes memory payload = _said(keccak256("sent"), Fate.Applied);
        bytes32 application = Domains.endpoint(address(_counting));
        _refused(Code.WrongSender, 2, PEER_SENDER, _own, payload);
        _refused(Code.WrongSender, 2, keccak256("stranger"), _own, payload);
        _refused(Code.WrongSender, 2, 0, _own, payload);
        _refused(Code.WrongReceiver, 2, PEER_INBOX, application, payload);
        _refused(Code.WrongReceiver, 2, PEER_SENDER, application, payload);
        _refused(Code.WrongReceiver, 2, PEER_INBOX, Domains.endpoint(address(registry)), payload);
        _refused(Code.WrongReceiver, 1, PEER_INBOX, _own, payload);
        _refused(Code.WrongReceiver, 1, PEER_SENDER, _own, payload);
        _refused(Code.WrongKind, 3, PEER_INBOX, _own, payload);
        _refused(Code.WrongKind, 0, PEER_INBOX, _own, payload);
        inbox.setAcknowledgements(SOURCE, 0);
        _refused(Code.WrongReceiver, 2, PEER_INBOX, _own, payload);
        _refused(Code.WrongReceiver, 2, 0, _own, payload);
    }

    function test_deliver_reverts_gasBelowAcknowledgementsFloor() public {
        uint256 index = _sourceTells(_said(keccak256("sent"), Fate.Applied));
        finalise(20);
        bytes memory data = abi.encodeCall(inbox.deliver, (SOURCE, "", uint64(leaves.length), batch(proven(index))));
        uint256 floor = inbox.ACKNOWLEDGEMENT_GAS();
        (bool success,) = address(inbox).call{gas: floor}(data);
        vm.assertTrue(!success, "delivered below the floor");
        (success,) = address(inbox).call{gas: floor + 200_000}(data);
        vm.assertTrue(success, "refused above the floor");
        _assertTold(keccak256("sent"), Fate.Applied, FAR_CARRIER);
    }

    function test_onPacket_refusesUnauthorised_stranger() public {
        Packet memory packet;
        packet.sourceDomain = SOURCE;
        bytes memory payload = _said(keccak256("sent"), Fate.Applied);
        expectRefused(Code.Unauthorised);
        inbox.onPacket(0, packet, payload);
        _assertUnknown(SOURCE, keccak256("sent"));
    }

    function test_setAcknowledgements_refused_strangerAndBadArguments() public {
        bytes32 own = inbox.domain();
        expectRefused(Code.ZeroValue);
        inbox.setAcknowledgements(0, PEER_INBOX);
        expectRefused(Code.WrongDomain);
        inbox.setAcknowledgements(own, PEER_INBOX);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vm.prank(STRANGER);
        inbox.setAcknowledgements(SOURCE, PEER_INBOX);
    }

    function test_constructor_refusesWrongDomain_outboxOfAnotherChain() public {
        Outbox other = new Outbox(address(authority), keccak256("another chain"));
        expectRefused(Code.WrongDomain);
        new Inbox(address(authority), lightClient, other);
        expectRefused(Code.ZeroValue);
        new Inbox(address(authority), lightClient, Outbox(address(0)));
    }

    // Builders.

    function _said(bytes32 packetId, Fate fate) private pure returns (bytes memory) {
        return _saidBy(FAR_CARRIER, packetId, fate);
    }

    function _saidBy(bytes32 carrier, bytes32 packetId, Fate fate) private pure returns (bytes memory) {
        PacketFate[] memory fates = new PacketFate[](1);
        fates[0] = PacketFate(packetId, fate);
        return Acknowledgements.encode(carrier, fates);
    }

    function _sourceTells(bytes memory payload) private returns (uint256 index) {
        return _sourceSendsAs(2, PEER_INBOX, _own, payload);
    }

    function _sourceSendsAs(uint8 kind, bytes32 sender, bytes32 receiver, bytes memory payload)
        private
        returns (uint256 index)
    {
        return sourceSends(
            Packet({
                version: 1,
                kind: kind,
                sourceDomain: SOURCE,
                destDomain: outbox.domain(),
                nonce: sentHere++,
                sender: sender,
                receiver: receiver,
                expiresAt: 0,
                payloadHash: keccak256(payload)
            }),
            payload
        );
    }

    function _batchOf(uint256[3] memory indices) private returns (PacketProof[] memory packets) {
        finalise(20);
        packets = new PacketProof[](3);
        for (uint256 i = 0; i < 3; ++i) {
            packets[i] = proven(indices[i]);
        }
    }

    function _takeFrom(bytes32 carrier, bytes32 packetId, Fate fate) private {
        uint256 index = _sourceTells(_saidBy(carrier, packetId, fate));
        finalise(1000 + uint64(index));
        deliver(proven(index));
    }

    // Assertions.

    function _refused(Code code, uint8 kind, bytes32 sender, bytes32 receiver, bytes memory payload) private {
        sentHere = nextNonce();
        uint256 index = _sourceSendsAs(kind, sender, receiver, payload);
        finalise(1000 + uint64(index));
        PacketProof memory delivery = proven(index);
        expectRefused(code);
        inbox.deliver(SOURCE, "", uint64(leaves.length), batch(delivery));
        vm.assertEq(nextNonce(), 0, "nonce");
        _assertUnknown(SOURCE, keccak256("sent"));
    }

    function _fails(Code code, bytes memory payload) private {
        uint256 index = _sourceTells(payload);
        finalise(1000 + uint64(index));
        PacketProof memory delivery = proven(index);
        vm.recordLogs();
        deliver(delivery);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (uint64 nonce, Fate outcome, bytes memory reason) =
            abi.decode(logs[logs.length - 1].data, (uint64, Fate, bytes));
        vm.assertEq(uint256(outcome), uint256(Fate.Failed), "outcome");
        vm.assertEq(reason, abi.encodeWithSelector(Refused.selector, code), "reason");
        vm.assertEq(nextNonce(), nonce + 1, "consumed");
        vm.assertTrue(inbox.hasFailed(leaves[index]), "open to retry");
    }

    function _assertTold(bytes32 packetId, Fate fate, bytes32 carrier) private view {
        (bool known, Fate found, bytes32 by) = inbox.acknowledgementOf(SOURCE, packetId);
        vm.assertTrue(known, "known");
        vm.assertEq(uint256(found), uint256(fate), "fate");
        vm.assertEq(by, carrier, "carrier");
    }

    function _assertUnknown(bytes32 destination, bytes32 packetId) private view {
        (bool known,, bytes32 carrier) = inbox.acknowledgementOf(destination, packetId);
        vm.assertTrue(!known && carrier == 0, "nothing was said");
    }

    function _sentCount() private view returns (uint64 size) {
        (size,,) = outbox.state();
    }

    /// The one packet that this chain has sent since logs are recorded.
    function _onlySent() private returns (Packet memory packet, bytes memory payload) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 count = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != Outbox.PacketSent.selector) continue;
            (packet, payload,,) = abi.decode(logs[i].data, (Packet, bytes, uint64, bytes32));
            ++count;
        }
        vm.assertEq(count, 1, "packets sent");
    }

    /// Packet and carrier of two acknowledgements of one packet each.
    function _twoTold() private returns (bytes32[2] memory told, bytes32[2] memory carriers) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 count = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != Outbox.PacketSent.selector) continue;
            (, bytes memory payload,,) = abi.decode(logs[i].data, (Packet, bytes, uint64, bytes32));
            (bytes32 carrier, PacketFate[] memory fates) = abi.decode(payload, (bytes32, PacketFate[]));
            vm.assertEq(fates.length, 1, "fates");
            (told[count], carriers[count]) = (fates[0].packetId, carrier);
            ++count;
        }
        vm.assertEq(count, 2, "packets sent");
    }
}
