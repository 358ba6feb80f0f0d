// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../../types/Code.sol";

/// What an EVM chain's state holds, proven from a state root: EIP-1186 proofs (docs/protocol.md section 8, ESP1).
///
/// A proof is two walks down Merkle-Patricia tries: from the state root to the account, from the account's storage root
/// to the slot. Encoded: for each walk one byte with the number of nodes, then each node behind its length in two bytes.
/// Keys are hashes, so every key has 64 nibbles: no node above a leaf has a value, and the leaf of an account or of a
/// word that is a hash is too long to be embedded in its parent. So each node on the way is listed and hashed. RLP is
/// read strictly: one encoding for each value, nothing left over.
///
/// Not OpenZeppelin's TrieProof: that one takes a path's padding as it comes, values in branches, any RLP beside the way,
/// and reverts or panics in five manners. The tests hold it beside this one. Twins:
/// `poft/verification/state_proof.py`, `primitives/src/state_proof.rs`; whatever the nodes are, the three give one answer:
/// the word, or `BadStateProof`.
library StateProof {
    /// Nodes of one walk: a node takes at least one of 64 nibbles. Real tries are below 12 deep.
    uint256 internal constant MAX_NODES = 64;
    /// Bytes of the largest node, a branch with 16 children: 3 of header, 16 * 33 of hashes, 1 of an empty value.
    uint256 internal constant MAX_NODE = 532;

    uint256 private constant NIBBLES = 64;

    /// Part of the calldata, by its positions in all of it.
    struct Span {
        uint256 start;
        uint256 end;
    }

    /// Returns when `proof` is two lists of nodes within their bounds and nothing else; hashes nothing.
    function requireSizes(bytes calldata proof) internal pure {
        (uint256 cursor, uint256 end) = _bounds(proof);
        cursor = _skipNodes(_skipNodes(cursor, end), end);
        require(cursor == end, Refused(Code.Malformed));
    }

    /// The word in a storage slot of an account that both exist under this state root. `requireSizes` has seen the proof.
    function provenSlot(bytes32 stateRoot, address account, bytes32 slot, bytes calldata proof)
        internal
        pure
        returns (bytes32)
    {
        (uint256 cursor,) = _bounds(proof);
        (Span memory record, uint256 next) = _leaf(stateRoot, keccak256(abi.encodePacked(account)), cursor);
        (Span memory word,) = _leaf(_storageRoot(record), keccak256(abi.encode(slot)), next);
        (bool list, uint256 start, uint256 end) = _item(word.start, word.end);
        _require(!list && end == word.end && _isNumber(start, end, 32));
        // A slot that holds zero is not stored.
        _require(start != end);
        return _load(start) >> (256 - 8 * (end - start));
    }

    /// What the trie with this root holds under `key`, and where the nodes of this walk end.
    function _leaf(bytes32 root, bytes32 key, uint256 cursor) private pure returns (Span memory value, uint256) {
        uint256 left = uint8(bytes1(_load(cursor)));
        uint256 room = NIBBLES;
        // No overflow: positions lie within the calldata, a step takes at most `room` nibbles.
        unchecked {
            for (++cursor; left != 0; --left) {
                uint256 start = cursor + 2;
                cursor = start + (uint256(_load(cursor)) >> 240);
                _require(_hash(start, cursor) == root);
                // The key's nibbles that are still to be taken, from the highest bit on.
                uint256 rest = uint256(key) << (4 * (NIBBLES - room));
                uint256 count;
                (count, root, start) = _step(start, cursor, rest, room);
                room -= count;
                if (start != 0) {
                    _require(room == 0 && left == 1);
                    (value.start, value.end) = (start, cursor);
                    return (value, cursor);
                }
            }
        }
        revert Refused(Code.BadStateProof);
    }

    /// The node in [start, end): how many nibbles it takes from the front of `rest`, and either the hash of the next node
    /// or, for a leaf, where its value begins, which then goes on to the end.
    function _step(uint256 start, uint256 end, uint256 rest, uint256 room)
        private
        pure
        returns (uint256 count, bytes32 child, uint256 value)
    {
        start = _list(start, end);
        (bool list, uint256 first, uint256 second) = _item(start, end);
        (bool targetIsList, uint256 target, uint256 next) = _item(second, end);
        if (next != end) {
            _require(room != 0);
            return (1, _branchChild(start, end, rest >> 252), 0);
        }
        _require(!list && !targetIsList);
        bool isLeaf;
        (isLeaf, count) = _matchPath(first, second, rest, room);
        if (isLeaf) return (count, 0, target);
        _require(count != 0 && end - target == 32);
        child = _load(target);
    }

    /// The hash in slot `wanted` of a branch. Its other children: nothing, a hash, or a node too short to be hashed (below
    /// 32 bytes). No key ends in a branch, so its value is empty. One pass of 60 gas a child, 250 with `_item`.
    function _branchChild(uint256 cursor, uint256 end, uint256 wanted) private pure returns (bytes32 child) {
        bool sound = true;
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 16) { i := add(i, 1) } {
                let head := byte(0, calldataload(cursor))
                // A string of 32 bytes, the empty string, or a list of at most 30 bytes.
                let size := 1
                switch head
                case 0xa0 {
                    size := 33
                    if eq(i, wanted) { child := calldataload(add(cursor, 1)) }
                }
                default {
                    sound := and(sound, iszero(eq(i, wanted)))
                    if iszero(eq(head, 0x80)) {
                        sound := and(sound, and(gt(head, 0xbf), lt(head, 0xdf)))
                        size := sub(head, 0xbf)
                    }
                }
                cursor := add(cursor, size)
            }
            // What reaches beyond the node ends elsewhere than one byte before its end.
            sound := and(sound, and(eq(add(cursor, 1), end), eq(byte(0, calldataload(cursor)), 0x80)))
        }
        _require(sound);
    }

    /// Hex-prefix encoding: the high nibble is 2 * leaf + odd, the low one the first of the path, or 0. Returns the number
    /// of its nibbles, all of which begin `rest`.
    function _matchPath(uint256 start, uint256 end, uint256 rest, uint256 room)
        private
        pure
        returns (bool isLeaf, uint256 count)
    {
        _require(start != end);
        uint256 head = uint256(_load(start));
        uint256 flags = head >> 252;
        _require(flags < 4);
        uint256 path = head << 4;
        // No overflow: the string is not empty.
        unchecked {
            count = 2 * (end - start - 1) + (flags & 1);
            if (flags & 1 == 0) {
                _require(path >> 252 == 0);
                path = uint256(_load(start + 1));
            }
        }
        _require(count <= room && (path ^ rest) >> (256 - 4 * count) == 0);
        return (flags > 1, count);
    }

    /// Of an account: exactly nonce, balance, storage root, code hash.
    function _storageRoot(Span memory record) private pure returns (bytes32 root) {
        uint256 cursor = _list(record.start, record.end);
        for (uint256 i = 0; i < 4; ++i) {
            (bool list, uint256 start, uint256 end) = _item(cursor, record.end);
            _require(!list && (i < 2 ? _isNumber(start, end, i == 0 ? 8 : 32) : end - start == 32));
            if (i == 2) root = _load(start);
            cursor = end;
        }
        _require(cursor == record.end);
    }

    /// A number without leading zeros, of at most `size` bytes.
    function _isNumber(uint256 start, uint256 end, uint256 size) private pure returns (bool) {
        return start == end || (end - start <= size && bytes1(_load(start)) != 0);
    }

    /// Where the items of a list begin that is all of [cursor, end).
    function _list(uint256 cursor, uint256 end) private pure returns (uint256 start) {
        bool list;
        uint256 next;
        (list, start, next) = _item(cursor, end);
        _require(list && next == end);
    }

    /// The RLP item that begins at `cursor`: where its content begins, and where it ends. Only the shortest encoding counts
    /// (Yellow Paper, appendix B).
    function _item(uint256 cursor, uint256 limit) private pure returns (bool list, uint256 start, uint256 end) {
        _require(cursor < limit);
        uint256 data = uint256(_load(cursor));
        uint256 head = data >> 248;
        if (head < 0x80) return (false, cursor, cursor + 1);
        list = head >= 0xc0;
        // No overflow: a length has at most 64 bits, positions lie within the calldata.
        unchecked {
            uint256 kind = head - (list ? 0xc0 : 0x80);
            uint256 second = uint8(data >> 240);
            start = cursor + 1;
            if (kind < 56) {
                end = start + kind;
                _require(end <= limit && (list || kind != 1 || second >= 0x80));
            } else {
                uint256 length = (data << 8) >> (256 - 8 * (kind - 55));
                start += kind - 55;
                end = start + length;
                _require(end <= limit && second != 0 && length > 55);
            }
        }
    }

    function _skipNodes(uint256 cursor, uint256 end) private pure returns (uint256) {
        require(cursor < end, Refused(Code.Malformed));
        uint256 count = uint8(bytes1(_load(cursor)));
        require(count <= MAX_NODES, Refused(Code.Oversize));
        // No overflow: at most 64 times 16 bits are added to a position within the calldata.
        unchecked {
            ++cursor;
            for (; count != 0; --count) {
                require(cursor + 2 <= end, Refused(Code.Malformed));
                uint256 length = uint256(_load(cursor)) >> 240;
                require(length <= MAX_NODE, Refused(Code.Oversize));
                cursor += 2 + length;
                require(cursor <= end, Refused(Code.Malformed));
            }
        }
        return cursor;
    }

    function _bounds(bytes calldata data) private pure returns (uint256 start, uint256 end) {
        assembly ("memory-safe") {
            start := data.offset
            end := add(start, data.length)
        }
    }

    function _hash(uint256 start, uint256 end) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, start, sub(end, start))
            result := keccak256(free, sub(end, start))
        }
    }

    function _load(uint256 cursor) private pure returns (bytes32 data) {
        assembly ("memory-safe") {
            data := calldataload(cursor)
        }
    }

    function _require(bool sound) private pure {
        require(sound, Refused(Code.BadStateProof));
    }
}
