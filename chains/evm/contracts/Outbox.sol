// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Domains} from "./libraries/Domains.sol";
import {MerkleLog} from "./libraries/MerkleLog.sol";
import {Packet, Packets} from "./libraries/Packets.sol";
import {Code, Refused} from "./types/Code.sol";

/// The append-only log of the packets that this chain announces (docs/protocol.md sections 1, 6, 7).
///
/// One outbox carries the packets for all destinations, so that one finality proof serves them all. Only an account
/// with the sender role appends; it becomes the packet's sender. Nothing is ever removed or changed.
contract Outbox is AccessManaged {
    using MerkleLog for MerkleLog.Frontier;

    /// `keccak256(abi.encode(uint64 size, bytes32 root))` lives here, where an `eth_getProof` finds it:
    /// keccak256(abi.encode(uint256(keccak256("poft.storage.OutboxCommitment")) - 1)) & ~bytes32(uint256(0xff)), ERC-7201.
    bytes32 public constant COMMITMENT_SLOT =
        keccak256(abi.encode(uint256(keccak256("poft.storage.OutboxCommitment")) - 1)) & ~bytes32(uint256(0xff));

    /// This chain's domain, the one place where its contracts take it from.
    bytes32 public immutable domain;

    MerkleLog.Frontier internal _log;
    bytes32 private _root;
    mapping(bytes32 destDomain => uint64) private _nonces;

    /// Packet `index` of the log, and the log after it.
    event PacketSent(
        uint64 indexed index,
        bytes32 indexed packetId,
        bytes32 indexed destDomain,
        Packet packet,
        bytes payload,
        uint64 outboxSize,
        bytes32 outboxRoot
    );

    constructor(address authority, bytes32 genesisHash) AccessManaged(authority) {
        require(authority != address(0), Refused(Code.ZeroValue));
        domain = Domains.evm(genesisHash, block.chainid);
        _commit(0, MerkleLog.EMPTY_ROOT);
    }

    /// Appends a packet from the caller. `expiresAt` is a height of the destination, 0 = never.
    function send(uint8 kind, bytes32 destDomain, bytes32 receiver, uint64 expiresAt, bytes calldata payload)
        external
        restricted
        returns (bytes32 packetId)
    {
        // What no inbox takes would block its link: nonces are dense.
        require(kind == Packets.KIND_CHECKPOINT || kind == Packets.KIND_ACKNOWLEDGEMENT, Refused(Code.WrongKind));
        require(destDomain != 0 && receiver != 0, Refused(Code.ZeroValue));
        require(destDomain != domain, Refused(Code.WrongDestination));
        require(payload.length <= Packets.MAX_PAYLOAD, Refused(Code.Oversize));
        uint64 nonce = nextNonce(destDomain);
        // No overflow: there are no more nonces than leaves, and a full log refuses below.
        unchecked {
            _nonces[destDomain] = nonce + 1;
        }
        Packet memory packet = Packet({
            version: Packets.VERSION,
            kind: kind,
            sourceDomain: domain,
            destDomain: destDomain,
            nonce: nonce,
            sender: Domains.endpoint(msg.sender),
            receiver: receiver,
            expiresAt: expiresAt,
            payloadHash: keccak256(payload)
        });
        packetId = Packets.id(packet);
        (uint64 size, bytes32 root) = _log.append(packetId);
        _commit(size, root);
        emit PacketSent(size - 1, packetId, destDomain, packet, payload, size, root);
    }

    /// Size and root of the log, and the commitment to both.
    function state() external view returns (uint64 size, bytes32 root, bytes32 commitment) {
        bytes32 slot = COMMITMENT_SLOT;
        assembly ("memory-safe") {
            commitment := sload(slot)
        }
        return (_log.size, _root, commitment);
    }

    /// The nonce that the next packet to this destination gets.
    function nextNonce(bytes32 destDomain) public view virtual returns (uint64) {
        return _nonces[destDomain];
    }

    function _commit(uint64 size, bytes32 root) internal {
        _root = root;
        bytes32 slot = COMMITMENT_SLOT;
        bytes32 commitment = keccak256(abi.encode(size, root));
        assembly ("memory-safe") {
            sstore(slot, commitment)
        }
    }
}
