// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ISettlement } from "../interfaces/ISettlement.sol";

/// @title Accounts and amounts in 32 bytes each: 20 bytes of address, then 12 bytes of amount, big-endian
/// @dev In TypeScript: `concat(entries.map((e) => concat([e.account, numberToHex(e.amount, { size: 12 })])))`.
library PackedEntries {
    /// @notice Most entries of one call: what 500 accounts that were never paid before cost stays under 2^24 gas.
    uint256 internal constant MAX_BATCH = 500;

    /// @notice How many entries there are; reverts when it is none, too many, or a part of one.
    function countEntries(bytes calldata packed) internal pure returns (uint256 count) {
        count = packed.length / 32;
        if (packed.length % 32 != 0 || count == 0 || count > MAX_BATCH) revert ISettlement.BadEntries();
    }

    /// @notice The entry in a place below `countEntries`.
    function entryAt(bytes calldata packed, uint256 index) internal pure returns (address account, uint96 amount) {
        uint256 entry;
        // The caller's loop ends at `countEntries`, so this stays inside of `packed`; a slice would check it each time.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            entry := calldataload(add(packed.offset, mul(index, 32)))
        }
        account = address(uint160(entry >> 96));
        // The low 96 bits.
        amount = uint96(entry);
        if (account == address(0) || amount == 0) revert ISettlement.BadEntries();
    }
}
