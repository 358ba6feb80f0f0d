// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The slow, obvious twin of `MerkleLog`: the recursive definitions of RFC 9162 section 2.1 as they stand there.
library LogTwin {
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        return _root(leaves, 0, leaves.length);
    }

    /// 2.1.3.1 PATH(m, D_n).
    function inclusion(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory) {
        return _path(leaves, 0, leaves.length, index);
    }

    /// 2.1.4.1 PROOF(m, D_n); empty when there is nothing to show.
    function consistency(bytes32[] memory leaves, uint256 size) internal pure returns (bytes32[] memory) {
        if (size == 0 || size == leaves.length) return new bytes32[](0);
        return _subproof(leaves, 0, leaves.length, size, true);
    }

    function prefix(bytes32[] memory leaves, uint256 size) internal pure returns (bytes32[] memory first) {
        first = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            first[i] = leaves[i];
        }
    }

    function append(bytes32[] memory list, bytes32 last) internal pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }

    function _root(bytes32[] memory leaves, uint256 from, uint256 to) private pure returns (bytes32) {
        if (from == to) return keccak256("");
        if (to - from == 1) return keccak256(abi.encodePacked(hex"00", leaves[from]));
        uint256 k = _split(to - from);
        return keccak256(abi.encodePacked(hex"01", _root(leaves, from, from + k), _root(leaves, from + k, to)));
    }

    function _path(bytes32[] memory leaves, uint256 from, uint256 to, uint256 index)
        private
        pure
        returns (bytes32[] memory)
    {
        if (to - from == 1) return new bytes32[](0);
        uint256 k = _split(to - from);
        if (index < k) return append(_path(leaves, from, from + k, index), _root(leaves, from + k, to));
        return append(_path(leaves, from + k, to, index - k), _root(leaves, from, from + k));
    }

    function _subproof(bytes32[] memory leaves, uint256 from, uint256 to, uint256 size, bool complete)
        private
        pure
        returns (bytes32[] memory)
    {
        if (size == to - from) {
            if (complete) return new bytes32[](0);
            return append(new bytes32[](0), _root(leaves, from, to));
        }
        uint256 k = _split(to - from);
        if (size <= k) return append(_subproof(leaves, from, from + k, size, complete), _root(leaves, from + k, to));
        return append(_subproof(leaves, from + k, to, size - k, false), _root(leaves, from, from + k));
    }

    /// The largest power of two smaller than `count`.
    function _split(uint256 count) private pure returns (uint256 k) {
        k = 1;
        while (2 * k < count) k *= 2;
    }
}
