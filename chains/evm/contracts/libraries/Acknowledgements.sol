// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../types/Code.sol";
import {Packets} from "./Packets.sol";

/// What became of a packet: the application took it, it failed there and may be retried, or it came too late.
enum Fate {
    Applied,
    Failed,
    Expired
}

/// What a destination says about one packet.
struct PacketFate {
    bytes32 packetId;
    Fate fate;
}

/// The payload of packets of kind 2 (docs/protocol.md section 9):
/// `abi.encode(bytes32 carrier, (bytes32 packetId, uint8 fate)[])`. Twin: `poft/protocol/acknowledgement.py`.
library Acknowledgements {
    uint256 private constant WORD = 32;
    /// Carrier, offset of the fates, their number.
    uint256 private constant HEAD_WORDS = 3;
    uint256 private constant FATES_AT = 2 * WORD;

    function encode(bytes32 carrier, PacketFate[] memory fates) internal pure returns (bytes memory) {
        return abi.encode(carrier, fates);
    }

    /// The inverse, for its one canonical encoding: `abi.decode` would take any offset and trailing bytes. Nothing is
    /// copied: the fates point into `payload`.
    function decode(bytes calldata payload) internal pure returns (bytes32 carrier, PacketFate[] calldata fates) {
        require(payload.length <= (HEAD_WORDS + 2 * Packets.MAX_BATCH) * WORD, Refused(Code.Oversize));
        require(payload.length >= HEAD_WORDS * WORD, Refused(Code.Malformed));
        uint256 offset;
        uint256 count;
        uint256 start = HEAD_WORDS * WORD;
        assembly ("memory-safe") {
            carrier := calldataload(payload.offset)
            offset := calldataload(add(payload.offset, 0x20))
            count := calldataload(add(payload.offset, 0x40))
            fates.offset := add(payload.offset, start)
            fates.length := count
        }
        // No overflow: the count is multiplied only when it is small; this also refuses lengths that are not whole words.
        require(
            offset == FATES_AT && count <= Packets.MAX_BATCH && payload.length == (HEAD_WORDS + 2 * count) * WORD,
            Refused(Code.Malformed)
        );
        for (uint256 i = 0; i < count; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := calldataload(add(fates.offset, add(shl(6, i), 0x20)))
            }
            require(word <= uint256(type(Fate).max), Refused(Code.Malformed));
        }
    }
}
