// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What roots promise, apart from all other money
/// @notice Holds the tokens of applied roots and nothing else, so a root that promises too much can take from other
/// roots' accounts at most, never from what is owed or funded. No role, no pause.
///
/// A tree's leaves say what an account earned by roots in all epochs so far, so one claim is enough for many epochs and
/// the same claim is never paid twice. A leaf is
/// `keccak256(abi.encode(keccak256(abi.encode(chainid, this contract, token, account, cumulative))))`, pairs are hashed in
/// sorted order: the tree that OpenZeppelin calls standard, with these five values.
interface IRootVault {
    /// @notice Claims are proved against this root from now on.
    event RootPublished(address indexed token, bytes32 root);
    /// @notice Tokens left for `account`; `claimed` is what all roots paid it so far.
    event RootClaimed(address indexed token, address indexed account, uint128 amount, uint128 claimed);

    error NotSettlement(address caller);
    error InvalidProof();

    /// @notice Replaces a token's root. Only the settlement that made this vault, which sends the tokens with it.
    function publish(address token, bytes32 root) external;

    /// @notice Pays an account what the root says beyond what roots paid it before, as far as the tokens here reach; 0 when
    /// that is nothing. Anyone may call.
    /// @param proof Siblings from the leaf up.
    function claim(address token, address account, uint128 cumulative, bytes32[] calldata proof)
        external
        returns (uint128 amount);

    /// @notice The settlement that made this vault.
    function settlement() external view returns (address);

    /// @notice The root that claims are proved against; 0 before the first.
    function rootOf(address token) external view returns (bytes32);

    /// @notice What roots paid to an account so far.
    function claimedOf(address account, address token) external view returns (uint128);

    /// @notice The leaf that `claim` looks for, so that others can build the same tree.
    function leafOf(address token, address account, uint128 cumulative) external view returns (bytes32);
}
