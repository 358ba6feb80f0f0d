// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../../types/Code.sol";
import {Committees} from "../cmt1/CommitteeProof.sol";

/// What a validator set says of a block of its chain. `nextCommittee` is that of the set after the one that signs.
struct Commitment {
    bytes32 blockHash;
    bytes32 stateRoot;
    uint64 outboxSize;
    bytes32 outboxRoot;
    bytes32 domain;
    uint64 timestamp;
    bytes32 nextCommittee;
    uint64 height;
    uint64 setId;
}

/// A decoded proof: the commitment, the hash that was signed, and where the lists lie in the encoded bytes.
struct BeefyProof {
    Commitment commitment;
    bytes32 digest;
    bytes32 currentCommittee;
    bytes32 nextCommittee;
    uint256 bitmap;
    uint256 memberCount;
    uint256 signatureCount;
    uint256 signaturesAt;
    uint256 nodesAt;
    uint256 nodeCount;
}

/// BEF1's encodings and hashes; the same bytes on every chain.
///
/// A genesis, packed, big-endian:
///
/// | bytes | field |
/// |---|---|
/// | 8 1 1 | epoch, smallCommittee (0 or 1), n |
/// | 20 n, 32 | members, next committee |
///
/// A proof:
///
/// | bytes | field |
/// |---|---|
/// | 193 | commitment, the very bytes that were signed |
/// | 32 32 | current and next committee: what the authority commits to |
/// | 8 | bitmap |
/// | 1 1 | n, number of members; k, number of signatures |
/// | 2 | length of all signatures together: 65 k, anything else is `BadSignature` |
/// | 1 | c, number of nodes of the consistency proof |
/// | 20 n, 65 k, 32 c | members, signatures in the order of their bits, nodes |
///
/// A commitment is SCALE, of one length:
///
/// | bytes | field |
/// |---|---|
/// | 5 | 0x04 "pf" 0xc1 0x02: one payload entry, its id, the compact length 176 |
/// | 32 32 8 32 32 8 32 | blockHash, stateRoot, outboxSize, outboxRoot, domain, timestamp, nextCommittee; big-endian |
/// | 4 8 | block number, validator set id; little-endian |
library Beefy {
    uint256 private constant MAX_NODES = 128;
    uint256 private constant GENESIS_HEAD = 10;
    uint256 private constant COMMITMENT = 193;
    uint256 private constant HEAD = 270;
    bytes5 private constant PAYLOAD = 0x047066c102;

    function decodeGenesis(bytes calldata genesis)
        internal
        pure
        returns (uint64 epoch, address[] memory list, bytes32 committee, bytes32 nextCommittee, bool small)
    {
        require(genesis.length >= GENESIS_HEAD, Refused(Code.Malformed));
        epoch = uint64(bytes8(genesis[:8]));
        uint256 flag = uint8(genesis[8]);
        uint256 count = uint8(genesis[9]);
        require(count <= Committees.MAX, Refused(Code.Oversize));
        require(flag <= 1 && genesis.length == GENESIS_HEAD + 20 * count + 32, Refused(Code.Malformed));
        small = flag == 1;
        nextCommittee = bytes32(genesis[genesis.length - 32:]);
        (list, committee) = Committees.listed(genesis, GENESIS_HEAD, count, epoch);
    }

    /// Sizes are checked here, so that nothing that reads `encoded` afterwards leaves it.
    function decode(bytes calldata encoded) internal pure returns (BeefyProof memory proof) {
        require(encoded.length >= HEAD, Refused(Code.Malformed));
        require(bytes5(encoded[:5]) == PAYLOAD, Refused(Code.Malformed));
        Commitment memory said = proof.commitment;
        uint256 tail;
        uint256 counts;
        bytes32 digest;
        assembly ("memory-safe") {
            let start := encoded.offset
            // The tables above, field by field.
            mstore(said, calldataload(add(start, 5)))
            mstore(add(said, 0x20), calldataload(add(start, 37)))
            mstore(add(said, 0x40), shr(192, calldataload(add(start, 69))))
            mstore(add(said, 0x60), calldataload(add(start, 77)))
            mstore(add(said, 0x80), calldataload(add(start, 109)))
            mstore(add(said, 0xa0), shr(192, calldataload(add(start, 141))))
            mstore(add(said, 0xc0), calldataload(add(start, 149)))
            // Twelve bytes: the block number and the set id.
            tail := shr(160, calldataload(add(start, 181)))
            mstore(add(proof, 0x40), calldataload(add(start, COMMITMENT)))
            mstore(add(proof, 0x60), calldataload(add(start, add(COMMITMENT, 32))))
            // What is left of the head ends where this word ends.
            counts := calldataload(add(start, sub(HEAD, 32)))
            let free := mload(0x40)
            calldatacopy(free, start, COMMITMENT)
            digest := keccak256(free, COMMITMENT)
        }
        proof.digest = digest;
        said.height = _reversed(tail >> 64) >> 32;
        said.setId = _reversed(tail & type(uint64).max);
        proof.bitmap = uint64(counts >> 40);
        uint256 n = uint8(counts >> 32);
        uint256 k = uint8(counts >> 24);
        uint256 signatureBytes = uint16(counts >> 8);
        uint256 c = uint8(counts);
        require(n <= Committees.MAX && k <= Committees.MAX && c <= MAX_NODES, Refused(Code.Oversize));
        proof.memberCount = n;
        proof.signatureCount = k;
        // No overflow: every count has at most 16 bits.
        unchecked {
            proof.signaturesAt = HEAD + 20 * n;
            proof.nodesAt = proof.signaturesAt + signatureBytes;
            proof.nodeCount = c;
            require(encoded.length == proof.nodesAt + 32 * c, Refused(Code.Malformed));
        }
    }

    /// Members and the hash that a committee of this epoch has.
    function members(BeefyProof memory proof, bytes calldata encoded, uint64 epoch)
        internal
        pure
        returns (address[] memory list, bytes32 committee)
    {
        return Committees.listed(encoded, HEAD, proof.memberCount, epoch);
    }

    function signatures(BeefyProof memory proof, bytes calldata encoded) internal pure returns (bytes calldata) {
        return encoded[proof.signaturesAt:proof.nodesAt];
    }

    /// The nodes lie in calldata as the elements of a `bytes32[]` do: point there, copy nothing.
    function consistency(BeefyProof memory proof, bytes calldata encoded)
        internal
        pure
        returns (bytes32[] calldata nodes)
    {
        uint256 start = proof.nodesAt;
        uint256 count = proof.nodeCount;
        assembly ("memory-safe") {
            nodes.offset := add(encoded.offset, start)
            nodes.length := count
        }
    }

    /// The authority of a client that trusts these validators, and those after them once they sign for themselves.
    function authority(bytes32 currentCommittee, bytes32 nextCommittee) internal pure returns (bytes32 result) {
        // Scratch space: the two words of `abi.encode`.
        assembly ("memory-safe") {
            mstore(0x00, currentCommittee)
            mstore(0x20, nextCommittee)
            result := keccak256(0x00, 0x40)
        }
    }

    /// Eight bytes the other way round.
    function _reversed(uint256 value) private pure returns (uint64) {
        value = ((value & 0xff00ff00ff00ff00) >> 8) | ((value & 0x00ff00ff00ff00ff) << 8);
        value = ((value & 0xffff0000ffff0000) >> 16) | ((value & 0x0000ffff0000ffff) << 16);
        // The upper half leaves by the cast.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64((value >> 32) | (value << 32));
    }
}
