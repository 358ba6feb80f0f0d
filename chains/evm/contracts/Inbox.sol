// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IPacketReceiver} from "./interfaces/IPacketReceiver.sol";
import {Acknowledgements, Fate, PacketFate} from "./libraries/Acknowledgements.sol";
import {Domains} from "./libraries/Domains.sol";
import {MerkleLog} from "./libraries/MerkleLog.sol";
import {Packet, Packets} from "./libraries/Packets.sol";
import {LightClient} from "./LightClient.sol";
import {Outbox} from "./Outbox.sol";
import {Code, Refused} from "./types/Code.sol";

/// A packet as it is delivered: its payload, and where it stands in the source's outbox.
struct PacketProof {
    Packet packet;
    bytes payload;
    uint64 leafIndex;
    bytes32[] proof;
}

/// Receives packets from other chains, in the order of docs/protocol.md section 9, and tells them what became of each
/// where governance wants that: it is sender and receiver of acknowledgements, which come in by `onPacket` like what any
/// application takes.
///
/// - `deliver`: anyone, all or nothing. A batch is verified whole before any application sees a packet of it, and
///   every state is written before a call out, so that a re-entrant application finds nothing half done.
/// - `acceptFrom`: an application, about itself: the one sender on a source whose packets it takes.
/// - `retry`: anyone, for a packet whose application failed under the client's present generation.
/// - `onPacket`: this contract, about acknowledgements.
/// - `setHalted`, `skip`, `setAcknowledgements`: governance.
contract Inbox is AccessManaged, IPacketReceiver {
    /// What an application gets, no more and no less, so that a carrier cannot starve it: a checkpoint with 8 parents
    /// needs 75,000.
    uint256 public constant APPLICATION_GAS = 400_000;
    /// What an acknowledgement gets: one of 32 packets, all new, needs 900,000.
    uint256 public constant ACKNOWLEDGEMENT_GAS = 1_200_000;
    /// Bytes of an application's failure that are kept in the event.
    uint256 public constant MAX_REASON = 256;

    uint256 private constant MAX_PROOF = 64;

    struct Link {
        uint64 nextNonce;
        bool halted;
        /// Packets of this source are acknowledged.
        bool acknowledged;
    }

    /// What a peer said of a packet that was sent to it.
    struct Told {
        /// Counted from 1; 0 = nothing was said.
        uint8 fate;
        /// The acknowledgement's nonce, under which its carrier stands.
        uint64 nonce;
    }

    /// This chain's domain.
    bytes32 public immutable domain;
    LightClient public immutable lightClient;
    Outbox public immutable outbox;

    mapping(bytes32 source => Link) private _links;
    mapping(bytes32 source => mapping(bytes32 receiver => bytes32 sender)) private _senders;
    /// Generation of the client that proved a packet whose application failed, counted from 1; 0 = nothing to retry.
    mapping(bytes32 packetId => uint256) private _failedIn;
    mapping(bytes32 source => mapping(bytes32 packetId => Told)) private _told;
    /// Who carried the packets that an acknowledgement is about: one slot for all of them.
    mapping(bytes32 source => mapping(uint64 nonce => bytes32 carrier)) private _carriers;

    event PacketReceived(bytes32 indexed packetId, bytes32 indexed source, uint64 nonce, Fate outcome, bytes reason);
    event PacketRetried(bytes32 indexed packetId);
    event PacketSkipped(bytes32 indexed source, uint64 nonce);
    event SenderAccepted(bytes32 indexed source, bytes32 indexed receiver, bytes32 sender);
    event LinkHalted(bytes32 indexed source, bool halted);
    event AcknowledgementsSet(bytes32 indexed source, bytes32 peerInbox);
    event PacketAcknowledged(bytes32 indexed source, bytes32 indexed packetId, Fate fate, bytes32 carrier);

    /// The transaction carries too little gas to give an application its share.
    error GasBelowFloor();

    constructor(address authority, LightClient client, Outbox outbox_) AccessManaged(authority) {
        require(
            authority != address(0) && address(client) != address(0) && address(outbox_) != address(0),
            Refused(Code.ZeroValue)
        );
        require(client.domain() == outbox_.domain(), Refused(Code.WrongDomain));
        lightClient = client;
        outbox = outbox_;
        domain = client.domain();
    }

    /// Delivers packets against the outbox of this size, which `finalityProof` finalises unless it is empty.
    function deliver(bytes32 source, bytes calldata finalityProof, uint64 outboxSize, PacketProof[] calldata packets)
        external
    {
        // 1. Halted or frozen? 2. Size bounds. 3. The finalised outbox is known and fresh.
        Link memory link = _link(source);
        require(!link.halted, Refused(Code.Halted));
        if (!_withinBounds(packets)) {
            lightClient.requireActive(source);
            revert Refused(Code.Oversize);
        }
        if (finalityProof.length != 0) lightClient.update(source, finalityProof);
        bytes32 root = lightClient.finalisedRoot(source, outboxSize);
        // 4. to 10., for every packet; ids of those that are due for dispatch.
        bytes32[] memory due = new bytes32[](packets.length);
        uint64 next = link.nextNonce;
        for (uint256 i = 0; i < packets.length; ++i) {
            due[i] = _verify(source, next, outboxSize, root, packets[i]);
            next = _following(next);
        }
        link.nextNonce = next;
        _links[source] = link;
        // 11. Dispatch in isolation. 12. Event with the outcome.
        uint256 failed = 0;
        for (uint256 i = 0; i < packets.length; ++i) {
            PacketProof calldata delivered = packets[i];
            if (due[i] == 0) continue;
            if (!_dispatch(due[i], delivered.packet, delivered.payload)) failed |= 1 << i;
        }
        // 13. The source learns of it.
        if (link.acknowledged) _acknowledge(source, packets, due, failed);
    }

    /// Hands a packet whose application failed to it once more, with all the gas that the caller brings, which is at least
    /// what a delivery gives; reverts as the application does.
    function retry(Packet calldata packet, bytes calldata payload) external {
        bytes32 packetId = Packets.idOf(packet);
        uint256 failedIn = _failedIn[packetId];
        require(failedIn != 0, Refused(Code.NothingToRetry));
        require(!_links[packet.sourceDomain].halted, Refused(Code.Halted));
        lightClient.requireActive(packet.sourceDomain);
        // A recovery withdraws what was believed before: the packet may have been forged.
        require(failedIn == _generation(packet.sourceDomain), Refused(Code.NothingToRetry));
        require(_senders[packet.sourceDomain][packet.receiver] == packet.sender, Refused(Code.WrongSender));
        require(keccak256(payload) == packet.payloadHash, Refused(Code.PayloadMismatch));
        delete _failedIn[packetId];
        emit PacketRetried(packetId);
        // An application that outlives a starved call of its own must not be told by less than a delivery gives.
        require(gasleft() - gasleft() / 64 > APPLICATION_GAS + 5000, GasBelowFloor());
        IPacketReceiver(_account(packet.receiver)).onPacket(packetId, packet, payload);
        if (packet.kind == Packets.KIND_CHECKPOINT && _links[packet.sourceDomain].acknowledged) {
            PacketFate[] memory fates = new PacketFate[](1);
            fates[0] = PacketFate(packetId, Fate.Applied);
            _tell(packet.sourceDomain, fates);
        }
    }

    /// Takes an acknowledgement. What a domain says is kept under its name, so it cannot speak for another; that a packet
    /// was applied is the last word about it.
    function onPacket(bytes32, Packet calldata packet, bytes calldata payload) external {
        require(msg.sender == address(this), Refused(Code.Unauthorised));
        (bytes32 carrier, PacketFate[] calldata fates) = Acknowledgements.decode(payload);
        bytes32 source = packet.sourceDomain;
        uint64 nonce = packet.nonce;
        _carriers[source][nonce] = carrier;
        for (uint256 i = 0; i < fates.length; ++i) {
            (bytes32 packetId, Fate fate) = (fates[i].packetId, fates[i].fate);
            Told storage told = _told[source][packetId];
            if (told.fate == 1 + uint8(Fate.Applied)) continue;
            (told.fate, told.nonce) = (1 + uint8(fate), nonce);
            emit PacketAcknowledged(source, packetId, fate, carrier);
        }
    }

    /// The caller, an application, takes packets of this sender on this source, and of no other there. Zero: of none.
    function acceptFrom(bytes32 source, bytes32 sender) external {
        require(source != 0, Refused(Code.ZeroValue));
        bytes32 receiver = Domains.endpoint(msg.sender);
        _senders[source][receiver] = sender;
        emit SenderAccepted(source, receiver, sender);
    }

    function setHalted(bytes32 source, bool halted) external restricted {
        _links[source].halted = halted;
        emit LinkHalted(source, halted);
    }

    /// From now on this inbox tells that of the source what became of its packets, and takes what that one tells. Zero:
    /// neither. Set it on both sides before packets flow: where it is not set, acknowledgements are refused, and what
    /// follows them waits until it is set or they are skipped.
    function setAcknowledgements(bytes32 source, bytes32 peerInbox) external restricted {
        require(source != 0, Refused(Code.ZeroValue));
        require(source != domain, Refused(Code.WrongDomain));
        _links[source].acknowledged = peerInbox != 0;
        _senders[source][Domains.endpoint(address(this))] = peerInbox;
        emit AcknowledgementsSet(source, peerInbox);
    }

    /// Consumes the next nonce of a source without effect: for a packet that no receiver here takes, which would block
    /// all that follow it.
    function skip(bytes32 source, uint64 nonce) external restricted {
        uint64 next = _link(source).nextNonce;
        require(nonce >= next, Refused(Code.NonceReplayed));
        require(nonce == next, Refused(Code.NonceGap));
        _links[source].nextNonce = _following(nonce);
        emit PacketSkipped(source, nonce);
    }

    /// The nonce that the next packet of this source must have, and whether the link is halted.
    function linkState(bytes32 source) external view returns (uint64 nextNonce, bool halted) {
        Link memory link = _link(source);
        return (link.nextNonce, link.halted);
    }

    function senderOf(bytes32 source, address receiver) external view returns (bytes32) {
        return _senders[source][Domains.endpoint(receiver)];
    }

    /// Whether this packet's application failed and was not retried since.
    function hasFailed(bytes32 packetId) external view returns (bool) {
        return _failedIn[packetId] != 0;
    }

    /// What the destination said of a packet, and who carried it there; `known` is false while it has said nothing.
    function acknowledgementOf(bytes32 destination, bytes32 packetId)
        public
        view
        virtual
        returns (bool known, Fate fate, bytes32 carrier)
    {
        Told storage told = _told[destination][packetId];
        if (told.fate == 0) return (false, Fate.Applied, 0);
        return (true, Fate(told.fate - 1), _carriers[destination][told.nonce]);
    }

    /// Where a link stands.
    function _link(bytes32 source) internal view virtual returns (Link memory) {
        return _links[source];
    }

    function _withinBounds(PacketProof[] calldata packets) private pure returns (bool) {
        if (packets.length > Packets.MAX_BATCH) return false;
        for (uint256 i = 0; i < packets.length; ++i) {
            PacketProof calldata delivered = packets[i];
            if (delivered.payload.length > Packets.MAX_PAYLOAD || delivered.proof.length > MAX_PROOF) return false;
        }
        return true;
    }

    /// The nonce after this one; a link ends before the last.
    function _following(uint64 nonce) private pure returns (uint64) {
        require(nonce != type(uint64).max, Refused(Code.Oversize));
        unchecked {
            return nonce + 1;
        }
    }

    /// Id of a packet that is due for dispatch, zero of one that expired; refuses any other.
    function _verify(bytes32 source, uint64 next, uint64 outboxSize, bytes32 root, PacketProof calldata delivered)
        private
        returns (bytes32 packetId)
    {
        Packet calldata packet = delivered.packet;
        // 4. Version, kind, domains, receiver, the source's registered sender.
        require(packet.version == Packets.VERSION, Refused(Code.WrongVersion));
        bool acknowledges = packet.kind == Packets.KIND_ACKNOWLEDGEMENT;
        require(acknowledges || packet.kind == Packets.KIND_CHECKPOINT, Refused(Code.WrongKind));
        require(packet.sourceDomain == source, Refused(Code.WrongSource));
        require(packet.destDomain == domain, Refused(Code.WrongDestination));
        bytes32 sender = _senders[source][packet.receiver];
        // Acknowledgements go to this contract, and nothing else does.
        bool toThis = packet.receiver == Domains.endpoint(address(this));
        require(sender != 0 && toThis == acknowledges, Refused(Code.WrongReceiver));
        require(packet.sender == sender, Refused(Code.WrongSender));
        // 5. The next nonce.
        require(packet.nonce >= next, Refused(Code.NonceReplayed));
        require(packet.nonce == next, Refused(Code.NonceGap));
        // 6. Packet id recomputed. 7. Inclusion proof. 8. The caller of this consumes the nonce.
        packetId = Packets.idOf(packet);
        MerkleLog.verifyInclusion(packetId, delivered.leafIndex, outboxSize, delivered.proof, root);
        // 9. Expired?
        if (packet.expiresAt != 0 && block.number > packet.expiresAt) {
            emit PacketReceived(packetId, source, next, Fate.Expired, "");
            return 0;
        }
        // 10. Payload hash; the payload's own rules are the application's.
        require(keccak256(delivered.payload) == packet.payloadHash, Refused(Code.PayloadMismatch));
    }

    function _dispatch(bytes32 packetId, Packet calldata packet, bytes calldata payload)
        private
        returns (bool applied)
    {
        address receiver = _account(packet.receiver);
        uint256 share = receiver == address(this) ? ACKNOWLEDGEMENT_GAS : APPLICATION_GAS;
        // A call gets at most 63/64 of what is left (EIP-150).
        require(gasleft() - gasleft() / 64 > share + 5000, GasBelowFloor());
        bytes4 selector = IPacketReceiver.onPacket.selector;
        bytes memory reason;
        // Solidity's own low-level call copies all return data, which the application chooses and this contract pays; its
        // encoder moves a packet field by field, which takes 700 gas more.
        assembly ("memory-safe") {
            // abi.encodeCall(IPacketReceiver.onPacket, (packetId, packet, payload)) in memory that stays free.
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), packetId)
            calldatacopy(add(data, 0x24), packet, 0x120)
            mstore(add(data, 0x144), 0x160)
            mstore(add(data, 0x164), payload.length)
            calldatacopy(add(data, 0x184), payload.offset, payload.length)
            mstore(add(add(data, 0x184), payload.length), 0)
            let padded := and(add(payload.length, 0x1f), not(0x1f))
            applied := call(share, receiver, 0, data, add(0x184, padded), 0, 0)
            reason := data
            let size := 0
            if iszero(applied) {
                size := returndatasize()
                if gt(size, MAX_REASON) { size := MAX_REASON }
            }
            mstore(reason, size)
            returndatacopy(add(reason, 0x20), 0, size)
            mstore(0x40, add(add(reason, 0x20), MAX_REASON))
        }
        if (!applied) _failedIn[packetId] = _generation(packet.sourceDomain);
        emit PacketReceived(packetId, packet.sourceDomain, packet.nonce, applied ? Fate.Applied : Fate.Failed, reason);
    }

    /// Tells the source what became of the checkpoints in a batch. `failed`: bit i for packet i.
    function _acknowledge(bytes32 source, PacketProof[] calldata packets, bytes32[] memory due, uint256 failed)
        private
    {
        PacketFate[] memory fates = new PacketFate[](packets.length);
        uint256 count = 0;
        for (uint256 i = 0; i < packets.length; ++i) {
            Packet calldata packet = packets[i].packet;
            if (packet.kind != Packets.KIND_CHECKPOINT) continue;
            if (due[i] == 0) fates[count++] = PacketFate(Packets.idOf(packet), Fate.Expired);
            else fates[count++] = PacketFate(due[i], (failed >> i) & 1 == 0 ? Fate.Applied : Fate.Failed);
        }
        if (count == 0) return;
        assembly ("memory-safe") {
            // The rest are acknowledgements, which are not acknowledged.
            mstore(fates, count)
        }
        _tell(source, fates);
    }

    function _tell(bytes32 source, PacketFate[] memory fates) private {
        bytes32 peerInbox = _senders[source][Domains.endpoint(address(this))];
        bytes memory payload = Acknowledgements.encode(Domains.endpoint(msg.sender), fates);
        outbox.send(Packets.KIND_ACKNOWLEDGEMENT, source, peerInbox, 0, payload);
    }

    /// The client's generation, counted from 1.
    function _generation(bytes32 source) private view returns (uint256) {
        return 1 + uint256(lightClient.generationOf(source));
    }

    /// The contract behind an endpoint that has registered itself, so its padding is clean.
    function _account(bytes32 endpoint) private pure returns (address) {
        return address(uint160(uint256(endpoint)));
    }
}
