// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Stake of a provider's wallet: sets its tier, earns from a funded stream, cannot be slashed
/// @notice No function of this contract lowers another account's stake. Amounts are in the token's smallest unit,
/// times in unix seconds. Tokens that take a fee on transfer are refused.
///
/// Rewards. The index grows by `rewardRate` for each second in which something is active and the stream holds money,
/// and an account earns `active × (index − its index)`. Both are scaled by `REWARD_SCALE` (1e27), and nothing is rounded
/// until a claim pays `earned / REWARD_SCALE` rounded down; the rest stays with the account.
interface IStaking {
    /// @notice One row of a tier table.
    struct Tier {
        /// Aged stake from which the tier holds.
        uint128 minStake;
        /// What earnings are multiplied by, in basis points: 10,000 is 1.0×.
        uint32 multiplierBps;
        /// Rank in routing; higher goes first.
        uint8 priority;
    }

    /// @notice The settings of a deployment; none can change.
    struct StakingConfig {
        /// Seconds between the request and the withdrawal.
        uint48 cooldown;
        /// Seconds that stake must have been active to count for a tier; at most the cooldown.
        uint48 minActive;
        /// Seconds between the publication of a tier table and its first second in force.
        uint48 tierDelay;
        /// Yearly reward in basis points of the active stake, at most 10,000.
        uint16 apyBps;
    }

    /// @notice What an account has here.
    struct Standing {
        /// Stake that counts and earns.
        uint128 active;
        /// The part of it that is old enough to count for a tier.
        uint128 aged;
        /// Stake on its way out.
        uint128 unbonding;
        /// When it can be withdrawn; 0 when nothing is on its way out.
        uint48 readyAt;
        /// What a claim would pay now.
        uint128 rewards;
        /// Position of the account's tier in the table in force.
        uint8 tier;
    }

    /// @notice The contract's liabilities, by kind. The token balance is at least their sum.
    struct StakingTotals {
        uint128 active;
        uint128 unbonding;
        /// Rewards funded and not yet paid: earned by somebody or still in the stream.
        uint128 rewards;
    }

    /// @notice `amount` came in; `active` is what the account has active now.
    event Staked(address indexed account, uint128 amount, uint128 active);
    /// @notice `amount` began to leave; all of `unbonding` is ready at `readyAt`.
    event UnstakeRequested(address indexed account, uint128 amount, uint128 unbonding, uint48 readyAt);
    /// @notice The whole request is active again.
    event UnstakeCancelled(address indexed account, uint128 amount, uint128 active);
    /// @notice The account was paid what had left.
    event Withdrawn(address indexed account, uint128 amount);
    /// @notice The stream of rewards grew.
    event RewardsFunded(address indexed from, uint128 amount);
    /// @notice The account was paid its rewards.
    event RewardsClaimed(address indexed account, uint128 amount);
    /// @notice A tier table was published.
    event TiersAppended(uint256 indexed table, uint48 activatesAt, Tier[] tiers);

    /// @notice Nothing is no amount.
    error ZeroAmount();
    /// @notice The account has less active stake than it asked to take out.
    error NotEnoughActive(uint128 asked, uint128 active);
    /// @notice The account has no stake on its way out.
    error NothingUnbonding(address account);
    /// @notice The stake cannot leave before `readyAt`.
    error CooldownNotOver(uint48 readyAt);
    /// @notice There is not yet a whole unit of rewards.
    error NoRewards(address account);
    /// @notice A past stake can be told only of a second that is over.
    error NotPast(uint48 time, uint48 current);
    /// @notice `minActive` is longer than the cooldown, so one token could count for two accounts.
    error MinActiveTooLong(uint48 minActive, uint48 cooldown);
    /// @notice More than 10,000 basis points a year.
    error ApyTooHigh(uint16 apyBps);
    /// @notice A period of the configuration is longer than `MAX_PERIOD`.
    error PeriodTooLong(uint48 period, uint48 maximum);
    /// @notice A table has 1 to 16 tiers, begins at stake 0 and rises strictly.
    error BadTiers();
    /// @notice A table comes into force at least `tierDelay` from now and after every table before it.
    error TiersTooEarly(uint48 activatesAt, uint48 earliest);
    /// @notice A table comes into force at most 365 days after `tierDelay` from now. One further ahead would keep every
    /// later one waiting.
    error TiersTooLate(uint48 activatesAt, uint48 latest);

    /// @notice Stakes the caller's tokens. Refused while paused.
    function stake(uint128 amount) external;

    /// @notice The same with an ERC-2612 permit. A permit that somebody else already used does no harm.
    function stakeWithPermit(uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Takes stake out of the active part and starts its cooldown. An account has one request: a further one
    /// is added to it, and the cooldown of the whole starts again.
    function requestUnstake(uint128 amount) external;

    /// @notice Puts the whole request back into the active stake. For a tier it counts as `agedStakeOf` says: what was not
    /// active `minActive` seconds ago does not count.
    function cancelUnstake() external;

    /// @notice Pays the whole request to the caller once the cooldown is over. Works while paused.
    function withdraw() external returns (uint128 amount);

    /// @notice Pays the caller's whole units of rewards. Works while paused.
    function claimRewards() external returns (uint128 amount);

    /// @notice Adds to the stream of rewards. Anyone may; nobody can take it back. Refused while paused.
    function fundRewards(uint128 amount) external;

    /// @notice Publishes a tier table that comes into force at `activatesAt`. Only the curator.
    function appendTiers(Tier[] calldata tiers, uint48 activatesAt) external returns (uint256 table);

    /// @notice The token of stake and of rewards.
    function token() external view returns (IERC20);

    /// @notice Stake that counts and earns now.
    function activeStakeOf(address account) external view returns (uint128);

    /// @notice Active stake at the end of a second that is over.
    function getPastStake(address account, uint48 time) external view returns (uint128);

    /// @notice The smaller of the active stake now and the active stake `minActive` seconds ago.
    function agedStakeOf(address account) external view returns (uint128);

    /// @notice The tier of an account's aged stake in the table in force.
    function tierOf(address account) external view returns (uint256 table, uint256 tier, Tier memory values);

    /// @notice The table in force at a time.
    function tiersAt(uint48 time) external view returns (uint256 table, Tier[] memory tiers);

    /// @notice Number of tables published, in force or not.
    function tableCount() external view returns (uint256);

    /// @notice A published table.
    function tableAt(uint256 table) external view returns (uint48 activatesAt, Tier[] memory tiers);

    /// @notice All that an account has here, at this second.
    function standingOf(address account) external view returns (Standing memory);

    /// @notice Liabilities by kind.
    function totals() external view returns (StakingTotals memory);

    /// @notice Growth of the index in a second, scaled by 1e27: apyBps × 1e27 / (10,000 × 365 days), rounded down.
    function rewardRate() external view returns (uint256);
}
