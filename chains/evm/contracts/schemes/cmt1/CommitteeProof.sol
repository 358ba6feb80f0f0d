// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signatures} from "../../libraries/Signatures.sol";
import {Code, Refused} from "../../types/Code.sol";

/// `(height, outbox, ...)` is final on the source. `nextCommittee` is zero, or the hash of the next epoch's.
struct FinalityStatement {
    uint64 epoch;
    uint64 height;
    bytes32 blockHash;
    bytes32 stateRoot;
    uint64 outboxSize;
    bytes32 outboxRoot;
    uint64 timestamp;
    bytes32 nextCommittee;
}

/// A decoded proof: the statement, and where the lists lie in the encoded bytes.
struct CommitteeProof {
    FinalityStatement statement;
    uint256 bitmap;
    uint256 memberCount;
    uint256 signatureCount;
    uint256 signaturesAt;
    uint256 nextMembersAt;
    uint256 nextCount;
    uint256 nodesAt;
    uint256 nodeCount;
}

/// CMT1's encodings, hashes and rules about committees; the same bytes on every chain.
///
/// Both are packed, big-endian, because calldata is the largest part of an update's price after its signatures. A genesis:
///
/// | bytes | field |
/// |---|---|
/// | 8 | epoch |
/// | 1 | smallCommittee: 0 or 1 |
/// | 1 | n, number of members |
/// | 20 n | members |
///
/// A proof:
///
/// | bytes | field |
/// |---|---|
/// | 8 8 32 32 8 32 8 32 | statement: epoch, height, blockHash, stateRoot, outboxSize, outboxRoot, timestamp, nextCommittee |
/// | 8 | bitmap |
/// | 1 | n, number of members |
/// | 1 | k, number of signatures |
/// | 2 | length of all signatures together: 65 k, anything else is `BadSignature` |
/// | 1 | m, number of next members |
/// | 1 | c, number of nodes of the consistency proof |
/// | 20 n, 65 k, 20 m, 32 c | members, signatures in the order of their bits, next members, nodes |
library Committees {
    /// A bitmap is a uint64.
    uint256 internal constant MAX = 64;
    /// 3f + 1 with f = 1; fewer only in a client that was created with the devnet flag.
    uint256 internal constant MIN = 4;

    uint256 private constant GENESIS_HEAD = 10;
    uint256 private constant HEAD = 174;
    uint256 private constant MAX_NODES = 128;
    bytes32 private constant TYPEHASH = keccak256(
        "Finality(uint64 epoch,uint64 height,bytes32 blockHash,bytes32 stateRoot,uint64 outboxSize,bytes32 outboxRoot,uint64 timestamp,bytes32 nextCommittee)"
    );

    function decodeGenesis(bytes calldata genesis)
        internal
        pure
        returns (uint64 epoch, address[] memory list, bool small)
    {
        require(genesis.length >= GENESIS_HEAD, Refused(Code.Malformed));
        epoch = uint64(bytes8(genesis[:8]));
        uint256 flag = uint8(genesis[8]);
        uint256 count = uint8(genesis[9]);
        require(count <= MAX, Refused(Code.Oversize));
        require(flag <= 1 && genesis.length == GENESIS_HEAD + 20 * count, Refused(Code.Malformed));
        small = flag == 1;
        (list,) = listed(genesis, GENESIS_HEAD, count, epoch);
    }

    /// Sizes are checked here, so that nothing that reads `encoded` afterwards leaves it.
    function decode(bytes calldata encoded) internal pure returns (CommitteeProof memory proof) {
        require(encoded.length >= HEAD, Refused(Code.Malformed));
        // The table above, field by field.
        FinalityStatement memory said = proof.statement;
        assembly ("memory-safe") {
            let start := encoded.offset
            mstore(said, shr(192, calldataload(start)))
            mstore(add(said, 0x20), shr(192, calldataload(add(start, 8))))
            mstore(add(said, 0x40), calldataload(add(start, 16)))
            mstore(add(said, 0x60), calldataload(add(start, 48)))
            mstore(add(said, 0x80), shr(192, calldataload(add(start, 80))))
            mstore(add(said, 0xa0), calldataload(add(start, 88)))
            mstore(add(said, 0xc0), shr(192, calldataload(add(start, 120))))
            mstore(add(said, 0xe0), calldataload(add(start, 128)))
        }
        // What is left of the head ends where this word ends.
        uint256 counts;
        assembly ("memory-safe") {
            counts := calldataload(add(encoded.offset, sub(HEAD, 32)))
        }
        proof.bitmap = uint64(counts >> 48);
        uint256 n = uint8(counts >> 40);
        uint256 k = uint8(counts >> 32);
        uint256 signatureBytes = uint16(counts >> 16);
        uint256 m = uint8(counts >> 8);
        uint256 c = uint8(counts);
        require(n <= MAX && k <= MAX && m <= MAX && c <= MAX_NODES, Refused(Code.Oversize));
        proof.memberCount = n;
        proof.signatureCount = k;
        // No overflow: every count has at most 16 bits.
        unchecked {
            proof.signaturesAt = HEAD + 20 * n;
            proof.nextMembersAt = proof.signaturesAt + signatureBytes;
            proof.nextCount = m;
            proof.nodesAt = proof.nextMembersAt + 20 * m;
            proof.nodeCount = c;
            require(encoded.length == proof.nodesAt + 32 * c, Refused(Code.Malformed));
        }
    }

    /// Members and the hash that a committee of this epoch has.
    function members(CommitteeProof memory proof, bytes calldata encoded, uint64 epoch)
        internal
        pure
        returns (address[] memory list, bytes32 committee)
    {
        return listed(encoded, HEAD, proof.memberCount, epoch);
    }

    /// Next members and the hash that a committee of this epoch has.
    function nextMembers(CommitteeProof memory proof, bytes calldata encoded, uint64 epoch)
        internal
        pure
        returns (address[] memory list, bytes32 committee)
    {
        return listed(encoded, proof.nextMembersAt, proof.nextCount, epoch);
    }

    function signatures(CommitteeProof memory proof, bytes calldata encoded) internal pure returns (bytes calldata) {
        return encoded[proof.signaturesAt:proof.nextMembersAt];
    }

    /// The nodes lie in calldata as the elements of a `bytes32[]` do: point there, copy nothing.
    function consistency(CommitteeProof memory proof, bytes calldata encoded)
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

    /// Returns when these addresses may form a committee: sorted ascending, unique, not zero, at most 64, and at least
    /// 4 unless `small`.
    function requireCommittee(address[] memory list, bool small) internal pure {
        require(list.length >= (small ? 1 : MIN) && list.length <= MAX, Refused(Code.CommitteeInvalid));
        address previous = address(0);
        for (uint256 i = 0; i < list.length; ++i) {
            require(list[i] > previous, Refused(Code.CommitteeInvalid));
            previous = list[i];
        }
    }

    function hash(uint64 epoch, address[] memory list) internal pure returns (bytes32) {
        return keccak256(abi.encode(epoch, list));
    }

    /// `keccak256(abi.encode(TYPEHASH, statement))` without a copy: the type hash takes the place of the word before the
    /// statement for a moment.
    function structHash(FinalityStatement memory statement) internal pure returns (bytes32 result) {
        bytes32 typeHash = TYPEHASH;
        assembly ("memory-safe") {
            let before := sub(statement, 0x20)
            let kept := mload(before)
            mstore(before, typeHash)
            result := keccak256(before, 0x120)
            mstore(before, kept)
        }
    }

    /// What an attestor of the chain with this domain signs.
    function digest(FinalityStatement memory statement, bytes32 sourceDomain) internal pure returns (bytes32) {
        bytes32 separator = Signatures.separator(keccak256("PoFT Finality"), keccak256("1"), sourceDomain);
        return Signatures.typedDigest(separator, structHash(statement));
    }

    /// Returns when more than two thirds of the members signed `digest`, each bit of the bitmap with its own signature.
    function requireQuorum(
        bytes32 digest_,
        address[] memory list,
        uint256 bitmap,
        uint256 count,
        bytes calldata signatures_
    ) internal view {
        require(bitmap >> list.length == 0, Refused(Code.BitmapMismatch));
        require(bitCount(bitmap) == count, Refused(Code.BitmapMismatch));
        require(3 * count > 2 * list.length, Refused(Code.QuorumNotReached));
        require(signatures_.length == count * Signatures.BYTES, Refused(Code.BadSignature));
        uint256 cursor = 0;
        // No overflow: at most 64 members, and 65 bytes for each.
        unchecked {
            for (uint256 i = 0; i < list.length; ++i) {
                if ((bitmap >> i) & 1 == 0) continue;
                Signatures.requireSignerAt(digest_, signatures_, cursor, list[i]);
                cursor += Signatures.BYTES;
            }
        }
    }

    /// The members whose bit is set.
    function select(address[] memory list, uint256 bitmap) internal pure returns (address[] memory chosen) {
        chosen = new address[](bitCount(bitmap));
        uint256 cursor = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            if ((bitmap >> i) & 1 == 1) chosen[cursor++] = list[i];
        }
    }

    function bitCount(uint256 value) internal pure returns (uint256 count) {
        // No overflow: at most 256; `value` is not zero when one is taken from it.
        unchecked {
            for (; value != 0; value &= value - 1) {
                ++count;
            }
        }
    }

    /// `count` packed addresses, and `keccak256(abi.encode(epoch, list))`: the list is laid out behind the two words
    /// that precede it in that encoding.
    function listed(bytes calldata encoded, uint256 start, uint256 count, uint64 epoch)
        internal
        pure
        returns (address[] memory list, bytes32 committee)
    {
        assembly ("memory-safe") {
            let head := mload(0x40)
            // Whoever counted on without a check left a 65th bit.
            mstore(head, and(epoch, 0xffffffffffffffff))
            mstore(add(head, 0x20), 0x40)
            list := add(head, 0x40)
            mstore(list, count)
            let source := add(encoded.offset, start)
            let end := add(add(list, 0x20), shl(5, count))
            for { let word := add(list, 0x20) } lt(word, end) { word := add(word, 0x20) } {
                mstore(word, shr(96, calldataload(source)))
                source := add(source, 20)
            }
            mstore(0x40, end)
            committee := keccak256(head, sub(end, head))
        }
    }
}
