// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Slashed bonds, kept for buyers who were harmed
/// @notice Money leaves in one way: a claim against a published root, after a delay in which another role can cancel it,
/// within a cap per epoch and a cap per incident. There is no other way out, for nobody.
///
/// A leaf is `keccak256(bytes.concat(keccak256(abi.encode(chainid, this contract, epoch, incident, account, amount))))`,
/// pairs are hashed in sorted order, and an account has one leaf in a tree.
interface IInsurancePool {
    /// @notice The settings of a deployment; none can change.
    struct InsuranceConfig {
        /// Length of an epoch in seconds; epoch n begins at n × epochLength. At least challengeDelay, so that the caps of two
        /// epochs at most are promised before anyone could look.
        uint48 epochLength;
        /// Seconds between a proposal and its first claim, in which the challenger can cancel.
        uint48 challengeDelay;
        /// Seconds in which claims are paid, from the end of the delay; at least 30 days.
        uint48 claimWindow;
        /// Most that one epoch can promise, in basis points of what was free when it began.
        uint16 epochCapBps;
        /// Most that one incident can be promised, over all epochs.
        uint128 incidentCap;
    }

    /// @notice Claims of one incident, published in one epoch.
    struct Claims {
        bytes32 root;
        /// What the tree adds up to.
        uint128 total;
        /// What of it is not yet paid.
        uint128 remaining;
        /// First second in which claims are paid; 0 when nothing is published.
        uint48 payableAt;
        /// First second in which they are not any more.
        uint48 expiresAt;
    }

    /// @notice The contract's liabilities. The token balance is at least their sum.
    struct InsuranceTotals {
        /// Not promised to anyone.
        uint128 free;
        /// Promised by published claims and not yet paid.
        uint128 reserved;
    }

    /// @notice The pool grew.
    event Deposited(address indexed from, uint128 amount);
    /// @notice Claims were published; `total` is reserved for them.
    event ClaimsProposed(
        uint256 indexed epoch, bytes32 indexed incident, bytes32 root, uint128 total, uint48 payableAt
    );
    /// @notice The challenger cancelled claims; `total` is free again.
    event ClaimsCancelled(uint256 indexed epoch, bytes32 indexed incident, bytes32 root, uint128 total);
    /// @notice An account was paid its claim.
    event ClaimPaid(uint256 indexed epoch, bytes32 indexed incident, address indexed account, uint128 amount);
    /// @notice What nobody claimed in time is free again.
    event ClaimsExpired(uint256 indexed epoch, bytes32 indexed incident, uint128 returned);

    /// @notice Nothing is no amount.
    error ZeroAmount();
    /// @notice A period or a cap is 0 or beyond its bound.
    error BadInsuranceConfig();
    /// @notice Claims are proposed in the current epoch only.
    error WrongEpoch(uint256 epoch, uint256 current);
    /// @notice Claims of this incident are already published in this epoch.
    error AlreadyProposed(uint256 epoch, bytes32 incident);
    /// @notice No claims of this incident are published in this epoch.
    error NoClaims(uint256 epoch, bytes32 incident);
    /// @notice More than the pool has free.
    error NotEnoughFree(uint128 asked, uint128 free);
    /// @notice More than the epoch may still promise.
    error OverEpochCap(uint128 asked, uint128 left);
    /// @notice More than the incident may still be promised.
    error OverIncidentCap(uint128 asked, uint128 left);
    /// @notice Claims are paid from `payableAt` on.
    error NotPayableYet(uint48 payableAt);
    /// @notice Claims can be cancelled only before `payableAt`.
    error TooLateToCancel(uint48 payableAt);
    /// @notice Claims were paid until `expiresAt`.
    error ClaimsOver(uint48 expiresAt);
    /// @notice The claims are still being paid.
    error NotExpiredYet(uint48 expiresAt);
    /// @notice The account was paid this claim before.
    error AlreadyClaimed(uint256 epoch, bytes32 incident, address account);
    /// @notice The leaf is not in the tree of these claims.
    error InvalidProof();
    /// @notice The tree promises more than its published total.
    error OverTotal(uint128 asked, uint128 remaining);

    /// @notice Adds to the pool. Anyone may; nobody can take it back. Refused while paused.
    function deposit(uint128 amount) external;

    /// @notice Publishes claims. Only the adjuster; refused while paused.
    function proposeClaims(uint256 epoch, bytes32 incident, bytes32 root, uint128 total) external;

    /// @notice Cancels claims before they are payable; their money is free again. Only the challenger.
    function cancelClaims(uint256 epoch, bytes32 incident) external;

    /// @notice Pays `account` its claim. Anyone may call; works while paused.
    function claim(uint256 epoch, bytes32 incident, address account, uint128 amount, bytes32[] calldata proof) external;

    /// @notice Frees what nobody claimed in time. Anyone may call.
    function expireClaims(uint256 epoch, bytes32 incident) external;

    /// @notice The token of the pool; no other ever leaves or counts.
    function token() external view returns (IERC20);

    /// @notice Published claims; all zero when there are none.
    function claimsOf(uint256 epoch, bytes32 incident) external view returns (Claims memory);

    /// @notice Whether an account was paid its claim.
    function hasClaimed(uint256 epoch, bytes32 incident, address account) external view returns (bool);

    /// @notice The number of the epoch: unix seconds divided by `epochLength`.
    function currentEpoch() external view returns (uint256);

    /// @notice What was free just before an epoch began; of an epoch to come, what is free now.
    function freeAtStartOf(uint256 epoch) external view returns (uint128);

    /// @notice What an epoch may still promise.
    function epochLeft(uint256 epoch) external view returns (uint128);

    /// @notice What an incident may still be promised.
    function incidentLeft(bytes32 incident) external view returns (uint128);

    /// @notice The leaf that `claim` looks for, so that others can build the same tree.
    function leafOf(uint256 epoch, bytes32 incident, address account, uint128 amount) external view returns (bytes32);

    /// @notice Liabilities by kind.
    function totals() external view returns (InsuranceTotals memory);
}
