// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../types/Code.sol";

/// The one Merkle log: RFC 9162 section 2 over keccak-256 (docs/protocol.md section 3).
///
/// `leaf = H(0x00 || data)`, `node = H(0x01 || left || right)`, root of the empty log = keccak(""). A proof's path is
/// fixed by (index, size), so it has exactly one valid length and order. Twins: `poft/protocol/merkle.py`,
/// `primitives/src/log.rs`.
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

    /// Fills an empty frontier with that of a log of this size, whose perfect subtrees have these roots, the largest first;
    /// returns the log's root, which binds all of them.
    function restore(Frontier storage log, uint64 size, bytes32[] memory peaks) internal returns (bytes32 root) {
        uint256 given = 0;
        for (uint256 level = 64; level != 0;) {
            --level;
            if ((size >> level) & 1 == 0) continue;
            require(given < peaks.length, Refused(Code.ProofLength));
            log.peaks[level] = peaks[given++];
        }
        require(given == peaks.length, Refused(Code.ProofLength));
        log.size = size;
        if (given == 0) return EMPTY_ROOT;
        root = peaks[--given];
        while (given != 0) root = nodeHash(peaks[--given], root);
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

    /// Returns when `data` is leaf `index` of the log of `size` leaves with this root.
    function verifyInclusion(bytes32 data, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        internal
        pure
    {
        require(index < size, Refused(Code.IndexOutOfRange));
        bytes32 leaf = leafHash(data);
        (bool complete,, bytes32 climbed) = _climb(proof, 0, index, size - 1, leaf, leaf);
        require(complete, Refused(Code.ProofLength));
        require(climbed == root, Refused(Code.RootMismatch));
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
        if (fromSize == 0 || fromSize == toSize) {
            require(proof.length == 0, Refused(Code.ProofLength));
            require(fromSize != 0 || fromRoot == EMPTY_ROOT, Refused(Code.InconsistentLog));
            return;
        }
        (uint256 index, uint256 last) = (fromSize - 1, toSize - 1);
        while (index & 1 == 1) (index, last) = (index >> 1, last >> 1);
        // A complete old log is a subtree of the new one: its root is the first node, and is not sent.
        (uint256 first, bytes32 start) = (0, fromRoot);
        if (index != 0) {
            require(proof.length != 0, Refused(Code.ProofLength));
            (first, start) = (1, proof[0]);
        }
        (bool complete, bytes32 old, bytes32 grown) = _climb(proof, first, index, last, start, start);
        require(complete, Refused(Code.ProofLength));
        require(old == fromRoot && grown == toRoot, Refused(Code.InconsistentLog));
    }

    /// Climbs from the node at `index`, in a level whose last node is `last`, with the nodes of the proof from `first` on:
    /// `grown` takes every sibling, `old` only those on the left. `complete`: the nodes led to the root and none is left
    /// over, so their number is the one that (index, last) fixes. Solidity without assembly spends 400 gas a node here,
    /// this 200; the plain twin is the RFC's recursion in the tests.
    function _climb(bytes32[] calldata proof, uint256 first, uint256 index, uint256 last, bytes32 old, bytes32 grown)
        private
        pure
        returns (bool complete, bytes32, bytes32)
    {
        assembly ("memory-safe") {
            // The 65 bytes of a node reach into the free-memory pointer, which is put back below.
            let free := mload(0x40)
            mstore8(0x00, 0x01)
            let end := add(proof.offset, shl(5, proof.length))
            for { let node := add(proof.offset, shl(5, first)) } lt(node, end) { node := add(node, 0x20) } {
                if iszero(last) {
                    // At the root, and a node is left over.
                    last := 1
                    break
                }
                // The right-most path has no sibling on some levels: skip them.
                for {} iszero(or(and(index, 1), xor(index, last))) {} {
                    index := shr(1, index)
                    last := shr(1, last)
                }
                switch and(index, 1)
                case 1 {
                    mstore(0x01, calldataload(node))
                    mstore(0x21, old)
                    old := keccak256(0x00, 0x41)
                    mstore(0x21, grown)
                    grown := keccak256(0x00, 0x41)
                }
                default {
                    mstore(0x01, grown)
                    mstore(0x21, calldataload(node))
                    grown := keccak256(0x00, 0x41)
                }
                index := shr(1, index)
                last := shr(1, last)
            }
            mstore(0x40, free)
            complete := iszero(last)
        }
        return (complete, old, grown);
    }
}
