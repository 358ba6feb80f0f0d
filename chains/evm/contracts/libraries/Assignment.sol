// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Splits a round's steps over its members by capacity, with the largest remainder (docs/federation.md).
library Assignment {
    /// One step for everybody; of the other S, share_i = floor(S c_i / C), and the leftover steps go one each to the
    /// largest remainders S c_i mod C, ties to the lower index, which is the lower address. There must be a step for
    /// everybody, and the sum of capacities C must not be zero.
    function split(uint32 steps, uint32[] memory capacities) internal pure returns (uint32[] memory shares) {
        uint256 count = capacities.length;
        uint256 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            total += capacities[i];
        }
        shares = new uint32[](count);
        uint256[] memory remainders = new uint256[](count);
        uint256 spread = steps - count;
        uint256 left = spread;
        for (uint256 i = 0; i < count; ++i) {
            uint256 weighted = spread * capacities[i];
            uint256 share = weighted / total;
            // At most `steps`, because c_i <= C.
            // forge-lint: disable-next-line(unsafe-typecast)
            shares[i] = uint32(1 + share);
            remainders[i] = weighted % total;
            left -= share;
        }
        // Fewer steps are left than members have a remainder, so no member is chosen twice.
        for (; left != 0; --left) {
            uint256 largest = 0;
            for (uint256 i = 1; i < count; ++i) {
                if (remainders[i] > remainders[largest]) largest = i;
            }
            ++shares[largest];
            remainders[largest] = 0;
        }
    }
}
