// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What one chain announces to another (docs/protocol.md section 6). `nonce` is dense from 0 per (source,
/// destination); `expiresAt` is a height of the destination, 0 = never.
struct Packet {
    uint8 version;
    uint8 kind;
    bytes32 sourceDomain;
    bytes32 destDomain;
    uint64 nonce;
    bytes32 sender;
    bytes32 receiver;
    uint64 expiresAt;
    bytes32 payloadHash;
}

/// Twin: `poft/protocol/packet.py`.
library Packets {
    uint8 internal constant VERSION = 1;
    uint8 internal constant KIND_CHECKPOINT = 1;
    uint8 internal constant KIND_ACKNOWLEDGEMENT = 2;
    uint8 internal constant KIND_GOVERNANCE = 3;
    /// Bytes of a payload: a checkpoint with 8 parents needs 23 words = 736. Outbox and inbox have the same limit, so
    /// that nothing undeliverable can be sent and block a link.
    uint256 internal constant MAX_PAYLOAD = 4096;
    /// Packets in one delivery.
    uint256 internal constant MAX_BATCH = 32;

    bytes32 private constant TYPEHASH = keccak256(
        "Packet(uint8 version,uint8 kind,bytes32 sourceDomain,bytes32 destDomain,uint64 nonce,bytes32 sender,bytes32 receiver,uint64 expiresAt,bytes32 payloadHash)"
    );

    /// Identity of a packet and its leaf data in the outbox.
    function id(Packet memory packet) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, packet));
    }

    /// The same of a packet in calldata, whose words are hashed as they stand there: field by field it takes 400 gas more.
    /// A word outside of its field's type gives an id that no packet has.
    function idOf(Packet calldata packet) internal pure returns (bytes32 result) {
        bytes32 typeHash = TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), packet, 0x120)
            result := keccak256(free, 0x140)
        }
    }
}
