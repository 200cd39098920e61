// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Draws places of a list without returning them
library Draw {
    /// @notice `count` different numbers below `size`, in the order of the draw.
    /// @dev Draw i takes the n-th of the size - i places that are left, n = keccak256(abi.encode(seed, i)) % (size - i),
    /// and counts over those taken before. `count` is at most 15, so looking through all of them each time is cheap.
    function distinct(bytes32 seed, uint256 count, uint256 size) internal pure returns (uint256[] memory places) {
        places = new uint256[](count);
        // The same numbers in rising order.
        uint256[] memory sorted = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 place = uint256(keccak256(abi.encode(seed, i))) % (size - i);
            uint256 smaller = 0;
            while (smaller < i && sorted[smaller] <= place) {
                ++place;
                ++smaller;
            }
            for (uint256 j = i; j > smaller; --j) {
                sorted[j] = sorted[j - 1];
            }
            sorted[smaller] = place;
            places[i] = place;
        }
    }
}
