// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../types/Code.sol";

/// The one Merkle log: RFC 9162 section 2 over keccak-256 (docs/protocol.md section 3).
///
/// `leaf = H(0x00 || data)`, `node = H(0x01 || left || right)`, root of the empty log = keccak(""). A proof's path is
/// fixed by (index, size), so it has exactly one valid length, which is checked before anything is hashed. Twins:
/// `poft/protocol/merkle.py`, `primitives/src/log.rs`.
library MerkleLog {
    bytes32 internal constant EMPTY_ROOT = keccak256("");

    /// A log that only grows: its size, and for every set bit i of the size the root of a perfect subtree of 2^i
    /// leaves. Slots of cleared bits keep their last value, which the next carry overwrites at the price of an update.
    struct Frontier {
        uint64 size;
        mapping(uint256 level => bytes32) peaks;
    }

    function leafHash(bytes32 data) internal pure returns (bytes32 hash) {
        // Scratch space: 33 bytes fit into the first two words, and no memory is left behind.
        assembly ("memory-safe") {
            mstore8(0x00, 0x00)
            mstore(0x01, data)
            hash := keccak256(0x00, 0x21)
        }
    }

    /// `keccak256(abi.encodePacked(uint8(1), left, right))` without its memory growth: 96 gas against 290, and a proof
    /// hashes a node or two per level. The byte that the 65 bytes reach into the free-memory pointer is its top byte,
    /// which is zero; it is restored.
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore8(0x00, 0x01)
            mstore(0x01, left)
            mstore(0x21, right)
            hash := keccak256(0x00, 0x41)
            mstore8(0x40, 0x00)
        }
    }

    /// Appends a leaf; returns the new size and root. Amortised O(1) storage writes, like carrying in binary addition.
    function append(Frontier storage log, bytes32 data) internal returns (uint64 size, bytes32 root) {
        size = log.size;
        require(size != type(uint64).max, Refused(Code.Oversize));
        root = leafHash(data);
        uint256 level = 0;
        uint256 rest = size;
        while (rest & 1 == 1) {
            root = nodeHash(log.peaks[level], root);
            rest >>= 1;
            ++level;
        }
        log.peaks[level] = root;
        // The peaks above the new one, folded from the smallest to the largest.
        while ((rest >>= 1) != 0) {
            ++level;
            if (rest & 1 == 1) root = nodeHash(log.peaks[level], root);
        }
        log.size = ++size;
    }

    /// Root of the log whose leaves' data are the first `count` of `leaves`. Overwrites `leaves` with inner nodes.
    function rootInPlace(bytes32[] memory leaves, uint256 count) internal pure returns (bytes32) {
        if (count == 0) return EMPTY_ROOT;
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = leafHash(leaves[i]);
        }
        while (count > 1) {
            uint256 pairs = count / 2;
            for (uint256 i = 0; i < pairs; ++i) {
                leaves[i] = nodeHash(leaves[2 * i], leaves[2 * i + 1]);
            }
            // An odd last node is carried up unchanged.
            if (count % 2 == 1) leaves[pairs] = leaves[count - 1];
            count = pairs + count % 2;
        }
        return leaves[0];
    }

    /// The one valid number of nodes of an inclusion proof, index < size. Below the point where the paths of `index`
    /// and of the last leaf part, every level has a sibling; above it only those where the path turns left.
    function inclusionLength(uint256 index, uint256 size) internal pure returns (uint256) {
        uint256 inner = _bitLength(index ^ (size - 1));
        return inner + _bitCount(index >> inner);
    }

    /// Returns when `data` is leaf `index` of the log of `size` leaves with this root.
    function verifyInclusion(bytes32 data, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        internal
        pure
    {
        require(index < size, Refused(Code.IndexOutOfRange));
        require(proof.length == inclusionLength(index, size), Refused(Code.ProofLength));
        bytes32 node = leafHash(data);
        uint256 last = size - 1;
        // No overflow: `i` is bounded by the length of calldata.
        unchecked {
            for (uint256 i = 0; i < proof.length; ++i) {
                // The right-most path has no sibling on some levels: skip them.
                while (index & 1 == 0 && index == last) (index, last) = (index >> 1, last >> 1);
                bytes32 sibling = _node(proof, i);
                node = index & 1 == 1 ? nodeHash(sibling, node) : nodeHash(node, sibling);
                (index, last) = (index >> 1, last >> 1);
            }
        }
        require(node == root, Refused(Code.RootMismatch));
    }

    /// The one valid number of nodes of a consistency proof, fromSize <= toSize.
    function consistencyLength(uint256 fromSize, uint256 toSize) internal pure returns (uint256) {
        if (fromSize == 0 || fromSize == toSize) return 0;
        (uint256 index, uint256 last) = (fromSize - 1, toSize - 1);
        while (index & 1 == 1) (index, last) = (index >> 1, last >> 1);
        uint256 inner = _bitLength(index ^ last);
        return (index > 0 ? 1 : 0) + inner + _bitCount(index >> inner);
    }

    /// Returns when the log (toSize, toRoot) begins with the log (fromSize, fromRoot).
    function verifyConsistency(
        uint256 fromSize,
        bytes32 fromRoot,
        uint256 toSize,
        bytes32 toRoot,
        bytes32[] calldata proof
    ) internal pure {
        require(fromSize <= toSize, Refused(Code.SizeRegression));
        require(fromSize != toSize || fromRoot == toRoot, Refused(Code.RootChanged));
        require(proof.length == consistencyLength(fromSize, toSize), Refused(Code.ProofLength));
        if (fromSize == 0) {
            require(fromRoot == EMPTY_ROOT, Refused(Code.InconsistentLog));
            return;
        }
        if (fromSize == toSize) return;
        (uint256 index, uint256 last) = (fromSize - 1, toSize - 1);
        while (index & 1 == 1) (index, last) = (index >> 1, last >> 1);
        // A complete old log is a subtree of the new one: its root is the first node, and is not sent.
        uint256 next = index == 0 ? 0 : 1;
        bytes32 old = index == 0 ? fromRoot : proof[0];
        bytes32 grown = old;
        // No overflow: `next` is bounded by the length of calldata.
        unchecked {
            for (; next < proof.length; ++next) {
                while (index & 1 == 0 && index == last) (index, last) = (index >> 1, last >> 1);
                bytes32 sibling = _node(proof, next);
                if (index & 1 == 1) {
                    old = nodeHash(sibling, old);
                    grown = nodeHash(sibling, grown);
                } else {
                    grown = nodeHash(grown, sibling);
                }
                (index, last) = (index >> 1, last >> 1);
            }
        }
        require(old == fromRoot && grown == toRoot, Refused(Code.InconsistentLog));
    }

    /// `proof[index]` without its bounds check, for loops that end at the length.
    function _node(bytes32[] calldata proof, uint256 index) private pure returns (bytes32 node) {
        assembly ("memory-safe") {
            node := calldataload(add(proof.offset, shl(5, index)))
        }
    }

    function _bitLength(uint256 value) private pure returns (uint256 length) {
        // No overflow: at most 256.
        unchecked {
            for (; value != 0; value >>= 1) {
                ++length;
            }
        }
    }

    function _bitCount(uint256 value) private pure returns (uint256 count) {
        // No overflow: at most 256; `value` is not zero when one is taken from it.
        unchecked {
            for (; value != 0; value &= value - 1) {
                ++count;
            }
        }
    }
}
