// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import { IStaking } from "./interfaces/IStaking.sol";
import { ExactTransfer } from "./libraries/ExactTransfer.sol";
import { Roles } from "./Roles.sol";

/// @title Staking
/// @notice See `IStaking`. Every function that lowers a stake lowers that of `msg.sender`, so a slash cannot exist.
contract Staking is IStaking, Roles, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;
    using ExactTransfer for IERC20;
    using SafeERC20 for IERC20;

    struct Account {
        uint128 unbonding;
        uint48 readyAt;
        /// What the account earned and was not paid, scaled, up to `index`.
        uint256 earned;
        uint256 index;
        Checkpoints.Trace208 active;
    }

    struct Table {
        uint48 activatesAt;
        Tier[] tiers;
    }

    bytes32 public constant CURATOR = "curator";
    uint256 public constant REWARD_SCALE = 1e27;
    uint256 public constant MAX_TIERS = 16;
    uint16 public constant MAX_APY_BPS = 10_000;
    uint48 public constant MAX_PERIOD = 365 days;

    /// @inheritdoc IStaking
    IERC20 public immutable token;
    uint48 public immutable cooldown;
    uint48 public immutable minActive;
    uint48 public immutable tierDelay;
    uint16 public immutable apyBps;
    /// @inheritdoc IStaking
    uint256 public immutable rewardRate;

    mapping(address account => Account) private _accounts;
    uint128 private _totalActive;
    uint128 private _totalUnbonding;
    /// Funded and not paid, in whole units.
    uint128 private _totalRewards;
    uint48 private _accruedAt;
    /// Rewards of one unit of stake since the beginning, scaled.
    uint256 private _index;
    /// Funded and not earned by anybody yet, scaled.
    uint256 private _stream;

    Table[] private _tables;
    /// Position in `_tables` by the second in which a table comes into force.
    Checkpoints.Trace208 private _tableByTime;

    constructor(
        IERC20 token_,
        StakingConfig memory config,
        Tier[] memory tiers,
        uint48 roleDelay_,
        address governor,
        address pauser,
        address curator
    ) Roles(roleDelay_, governor, pauser) {
        if (config.cooldown > MAX_PERIOD) revert PeriodTooLong(config.cooldown, MAX_PERIOD);
        if (config.tierDelay > MAX_PERIOD) revert PeriodTooLong(config.tierDelay, MAX_PERIOD);
        if (config.minActive > config.cooldown) revert MinActiveTooLong(config.minActive, config.cooldown);
        if (config.apyBps > MAX_APY_BPS) revert ApyTooHigh(config.apyBps);
        token = token_;
        cooldown = config.cooldown;
        minActive = config.minActive;
        tierDelay = config.tierDelay;
        apyBps = config.apyBps;
        rewardRate = uint256(config.apyBps) * REWARD_SCALE / (10_000 * 365 days);
        _accruedAt = _now();
        _appendTiers(tiers, _now());
        _grantFirst(CURATOR, curator);
        _checkApart();
    }

    /// @inheritdoc IStaking
    function stake(uint128 amount) external nonReentrant whenNotPaused {
        _stake(amount);
    }

    /// @inheritdoc IStaking
    function stakeWithPermit(uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        whenNotPaused
    {
        token.tryPermit(msg.sender, amount, deadline, v, r, s);
        _stake(amount);
    }

    /// @inheritdoc IStaking
    function requestUnstake(uint128 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        Account storage account = _accounts[msg.sender];
        uint128 active = _activeOf(account);
        if (amount > active) revert NotEnoughActive(amount, active);
        _setActive(account, active - amount);
        _totalUnbonding += amount;
        account.unbonding += amount;
        account.readyAt = _now() + cooldown;
        emit UnstakeRequested(msg.sender, amount, account.unbonding, account.readyAt);
    }

    /// @inheritdoc IStaking
    function cancelUnstake() external nonReentrant {
        Account storage account = _accounts[msg.sender];
        uint128 amount = _clearUnbonding(account);
        uint128 active = _activeOf(account) + amount;
        _setActive(account, active);
        emit UnstakeCancelled(msg.sender, amount, active);
    }

    /// @inheritdoc IStaking
    function withdraw() external nonReentrant returns (uint128 amount) {
        Account storage account = _accounts[msg.sender];
        uint48 readyAt = account.readyAt;
        amount = _clearUnbonding(account);
        if (_now() < readyAt) revert CooldownNotOver(readyAt);
        emit Withdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStaking
    function claimRewards() external nonReentrant returns (uint128 amount) {
        Account storage account = _accounts[msg.sender];
        _accrue(account);
        amount = uint128(account.earned / REWARD_SCALE);
        if (amount == 0) revert NoRewards(msg.sender);
        account.earned -= amount * REWARD_SCALE;
        _totalRewards -= amount;
        emit RewardsClaimed(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStaking
    function fundRewards(uint128 amount) external nonReentrant whenNotPaused {
        if (amount == 0) revert ZeroAmount();
        // What was not funded in the past is not paid for the past.
        _accrue(_accounts[msg.sender]);
        _stream += amount * REWARD_SCALE;
        _totalRewards += amount;
        emit RewardsFunded(msg.sender, amount);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IStaking
    function appendTiers(Tier[] calldata tiers, uint48 activatesAt) external onlyRole(CURATOR) returns (uint256 table) {
        uint48 earliest = _now() + tierDelay;
        uint48 afterLast = _tables[_tables.length - 1].activatesAt + 1;
        if (earliest < afterLast) earliest = afterLast;
        if (activatesAt < earliest) revert TiersTooEarly(activatesAt, earliest);
        // From now, not from the last table: many tables one after another would keep later ones waiting for ever.
        uint48 latest = _now() + tierDelay + MAX_PERIOD;
        if (activatesAt > latest) revert TiersTooLate(activatesAt, latest);
        return _appendTiers(tiers, activatesAt);
    }

    /// @inheritdoc IStaking
    function activeStakeOf(address account) external view returns (uint128) {
        return _activeOf(_accounts[account]);
    }

    /// @inheritdoc IStaking
    function getPastStake(address account, uint48 time) external view returns (uint128) {
        if (time >= _now()) revert NotPast(time, _now());
        return uint128(_accounts[account].active.upperLookupRecent(time));
    }

    /// @inheritdoc IStaking
    function agedStakeOf(address account) external view returns (uint128) {
        return _agedOf(_accounts[account]);
    }

    /// @inheritdoc IStaking
    function tierOf(address account) external view returns (uint256 table, uint256 tier, Tier memory values) {
        return _tierOf(_agedOf(_accounts[account]));
    }

    /// @inheritdoc IStaking
    function tiersAt(uint48 time) external view returns (uint256 table, Tier[] memory tiers) {
        table = _tableAt(time);
        tiers = _tables[table].tiers;
    }

    /// @inheritdoc IStaking
    function tableCount() external view returns (uint256) {
        return _tables.length;
    }

    /// @inheritdoc IStaking
    function tableAt(uint256 table) external view returns (uint48 activatesAt, Tier[] memory tiers) {
        return (_tables[table].activatesAt, _tables[table].tiers);
    }

    /// @inheritdoc IStaking
    function standingOf(address account) external view returns (Standing memory) {
        Account storage a = _accounts[account];
        (uint256 index,) = _accrued();
        uint128 active = _activeOf(a);
        uint128 aged = _agedOf(a);
        (, uint256 tier,) = _tierOf(aged);
        return Standing({
            active: active,
            aged: aged,
            unbonding: a.unbonding,
            readyAt: a.readyAt,
            rewards: uint128((a.earned + active * (index - a.index)) / REWARD_SCALE),
            tier: uint8(tier)
        });
    }

    /// @inheritdoc IStaking
    function totals() external view returns (StakingTotals memory) {
        return StakingTotals({ active: _totalActive, unbonding: _totalUnbonding, rewards: _totalRewards });
    }

    /// @dev The roles of this contract cannot harm anyone together, so any two may be one address.
    // solhint-disable-next-line no-empty-blocks
    function _checkApart() internal view override { }

    function _stake(uint128 amount) private {
        if (amount == 0) revert ZeroAmount();
        Account storage account = _accounts[msg.sender];
        uint128 active = _activeOf(account) + amount;
        _setActive(account, active);
        emit Staked(msg.sender, amount, active);
        token.takeExactly(msg.sender, amount);
    }

    /// @dev The only place where an active stake changes. What it earned so far is written down first.
    function _setActive(Account storage account, uint128 active) private {
        _accrue(account);
        _totalActive = _totalActive - _activeOf(account) + active;
        account.active.push(_now(), active);
    }

    function _clearUnbonding(Account storage account) private returns (uint128 amount) {
        amount = account.unbonding;
        if (amount == 0) revert NothingUnbonding(msg.sender);
        _totalUnbonding -= amount;
        account.unbonding = 0;
        account.readyAt = 0;
    }

    function _accrue(Account storage account) private {
        (_index, _stream) = _accrued();
        _accruedAt = _now();
        account.earned += _activeOf(account) * (_index - account.index);
        account.index = _index;
    }

    function _appendTiers(Tier[] memory tiers, uint48 activatesAt) private returns (uint256 table) {
        if (tiers.length == 0 || tiers.length > MAX_TIERS || tiers[0].minStake != 0) revert BadTiers();
        table = _tables.length;
        Table storage stored = _tables.push();
        stored.activatesAt = activatesAt;
        for (uint256 i = 0; i < tiers.length; ++i) {
            if (i > 0 && tiers[i].minStake <= tiers[i - 1].minStake) revert BadTiers();
            stored.tiers.push(tiers[i]);
        }
        _tableByTime.push(activatesAt, uint208(table));
        emit TiersAppended(table, activatesAt, tiers);
    }

    /// @dev Index and stream at this second. The products fit: rate < 2^65, time < 2^48, stake < 2^128.
    function _accrued() private view returns (uint256 index, uint256 stream) {
        (index, stream) = (_index, _stream);
        uint256 active = _totalActive;
        if (active == 0) return (index, stream);
        uint256 growth = rewardRate * (_now() - _accruedAt);
        if (growth * active > stream) growth = stream / active;
        return (index + growth, stream - growth * active);
    }

    function _activeOf(Account storage account) private view returns (uint128) {
        return uint128(account.active.latest());
    }

    /// @dev What was active `minActive` ago is still here, because leaving takes at least as long. So the same token
    /// never counts for two accounts at once.
    function _agedOf(Account storage account) private view returns (uint128) {
        uint128 active = _activeOf(account);
        uint128 past = _now() < minActive ? 0 : uint128(account.active.upperLookupRecent(_now() - minActive));
        return past < active ? past : active;
    }

    function _tableAt(uint48 time) private view returns (uint256) {
        return _tableByTime.upperLookupRecent(time);
    }

    function _tierOf(uint128 aged) private view returns (uint256 table, uint256 tier, Tier memory values) {
        table = _tableAt(_now());
        Tier[] storage tiers = _tables[table].tiers;
        tier = tiers.length - 1;
        while (tiers[tier].minStake > aged) --tier;
        values = tiers[tier];
    }
}
