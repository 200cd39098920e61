// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Takes tokens in and believes only the balance
library ExactTransfer {
    using SafeERC20 for IERC20;

    /// @notice The token delivered another amount than it was asked for. Tokens with a fee on transfer are refused.
    error TokenTookFee(uint256 expected, uint256 received);

    /// @notice Pulls exactly `amount` from `from`, or reverts.
    function takeExactly(IERC20 token, address from, uint256 amount) internal {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert TokenTookFee(amount, received);
    }

    /// @notice Uses a permit if it still can be used. Somebody may have used it first, and then the allowance is there.
    function tryPermit(IERC20 token, address owner, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        internal
    {
        // solhint-disable-next-line no-empty-blocks
        try IERC20Permit(address(token)).permit(owner, address(this), amount, deadline, v, r, s) { } catch { }
    }
}
