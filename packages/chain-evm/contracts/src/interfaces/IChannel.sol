// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A payer's deposit that one payee is paid from by signed cumulative vouchers
/// @notice The escrow of MPP's EVM session draft (draft-evm-session-00): its mandatory core and the EIP-3009 functions of
/// its relayed profile. No role, no pause, no fee. Amounts are in the token's smallest unit, times in unix seconds.
///
/// A channel's id is keccak256(abi.encode(payer, payee, token, salt, authorizedSigner, this contract, chainid)). A closed
/// channel stays on record, so its id, and with it its vouchers, are never used again.
/// A voucher is EIP-712 `Voucher(bytes32 channelId,uint128 cumulativeAmount)` in the domain `EVM Payment Channel`,
/// version `1`, signed by the authorized signer: its key, with low s, or a contract, by ERC-1271.
interface IChannel {
    /// @notice What is known of a channel. Of `deposit`, `settled` went to the payee and the rest is or went the payer's.
    struct ChannelInfo {
        address payer;
        address payee;
        address token;
        /// Address 0 means the payer.
        address authorizedSigner;
        uint96 deposit;
        uint96 settled;
        /// When the payer asked to close; 0 when it did not.
        uint48 closeRequestedAt;
        bool finalized;
    }

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        address token,
        address authorizedSigner,
        bytes32 salt,
        uint128 deposit
    );
    event ChannelToppedUp(bytes32 indexed channelId, address indexed from, uint128 amount, uint128 deposit);
    event ChannelSettled(bytes32 indexed channelId, uint128 amount, uint128 settled);
    event CloseRequested(bytes32 indexed channelId, uint48 withdrawableAt);
    /// @notice A top-up took the payer's request to close back.
    event CloseRequestCancelled(bytes32 indexed channelId);
    /// @notice `settled` is all that the payee got, `refunded` what the payer got back.
    event ChannelClosed(bytes32 indexed channelId, uint128 settled, uint128 refunded);

    error ChannelAlreadyExists(bytes32 channelId);
    error ChannelNotFound(bytes32 channelId);
    error ChannelFinalized(bytes32 channelId);
    error NotPayee(address caller);
    error NotPayer(address caller);
    error AmountNotIncreasing(uint128 cumulativeAmount, uint128 settled);
    error AmountExceedsDeposit(uint128 cumulativeAmount, uint128 deposit);
    error InvalidSignature();
    /// @notice The authorization's nonce is not the one that these arguments give.
    error NonceMismatch(bytes32 expected, bytes32 actual);
    /// @notice No close was requested, or its grace period is not over.
    error CloseNotReady(uint48 withdrawableAt);
    error ZeroDeposit();
    /// @notice A channel holds less than 2^96 units.
    error DepositOverflow(uint256 deposit);
    error ZeroPayee();

    /// @notice Opens a channel from the caller. Needs an allowance. Tokens with a fee on transfer are refused.
    /// @param authorizedSigner Who signs vouchers; address 0 for the caller.
    function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner)
        external
        returns (bytes32 channelId);

    /// @notice Opens a channel from `from` with its EIP-3009 `ReceiveWithAuthorization` to this contract. Anyone may bring it.
    /// @param nonce keccak256(abi.encode(from, payee, token, salt, authorizedSigner)), so that it opens this channel only.
    function openWithAuthorization(
        address payee,
        address token,
        uint128 deposit,
        bytes32 salt,
        address authorizedSigner,
        address from,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external returns (bytes32 channelId);

    /// @notice Adds to a channel and takes a request to close back. Only the payer.
    function topUp(bytes32 channelId, uint128 additionalDeposit) external;

    /// @notice The same with an EIP-3009 authorization of `from`. Anyone may bring it. A request to close stays, unless
    /// `from` is the payer.
    /// @param nonce keccak256(abi.encode(channelId, additionalDeposit, from, topUpSalt)).
    function topUpWithAuthorization(
        bytes32 channelId,
        uint128 additionalDeposit,
        address from,
        bytes32 topUpSalt,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Pays the payee what the voucher says beyond what was settled before. Only the payee.
    function settle(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external;

    /// @notice Pays the payee by its last voucher and the payer the rest, for good. Only the payee.
    /// @param signature May be empty when `cumulativeAmount` is not more than what is settled.
    function close(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external;

    /// @notice Starts the grace period, in which the payee can still settle. Only the payer. A repeated request changes nothing.
    function requestClose(bytes32 channelId) external;

    /// @notice Pays the payer what is not settled, once the grace period is over, for good. Only the payer.
    function withdraw(bytes32 channelId) external;

    function computeChannelId(address payer, address payee, address token, bytes32 salt, address authorizedSigner)
        external
        view
        returns (bytes32);

    /// @notice What is known of a channel; all zero when there is none.
    function getChannel(bytes32 channelId) external view returns (ChannelInfo memory);

    /// @notice The EIP-712 digest that the authorized signer signs.
    function digestOf(bytes32 channelId, uint128 cumulativeAmount) external view returns (bytes32);
}
