// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Calls as no compiler encodes them: whoever builds one by hand decides what follows an argument.
abstract contract Calldata {
    uint256 private constant SELECTOR = 4;

    /// `data` with its dynamic argument (the word at `index` is its offset) cut to `length` bytes where it lies, and all
    /// ones in place of whatever followed them.
    function cutInPlace(bytes memory data, uint256 index, uint256 length) internal pure returns (bytes memory cut) {
        cut = bytes.concat(data);
        uint256 start;
        assembly ("memory-safe") {
            let arguments := add(add(cut, 0x20), SELECTOR)
            let argument := add(arguments, mload(add(arguments, mul(index, 0x20))))
            mstore(argument, length)
            start := sub(add(argument, 0x20), add(cut, 0x20))
        }
        for (uint256 i = start + length; i < cut.length; ++i) {
            cut[i] = 0xff;
        }
    }
}
