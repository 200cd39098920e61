// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The form of EIP-3009 that takes a signature of any length, as the dollar token has it since version 2.2
interface IReceiveWithAuthorization {
    /// @notice Moves `value` from `from` to the caller, who must be `to`, by a signature of `from`.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
