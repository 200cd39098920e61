// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";
import { IProviderBond } from "../interfaces/IProviderBond.sol";
import { BondBook } from "./BondBook.sol";

/// @title Cases: what the slasher proposes, the provider appeals and the arbiter decides
/// @dev Nothing here calls another contract: neither the token nor the insurance pool can stop a slash or a decision.
abstract contract BondCases is BondBook {
    bytes32 public constant SLASHER = "slasher";
    bytes32 public constant ARBITER = "arbiter";
    uint16 public constant MAX_FINDER_BPS = 2_000;
    uint48 public constant MIN_BUFFER = 48 hours;
    uint48 public constant MAX_PERIOD = 365 days;

    uint48 public immutable evidenceWindow;
    uint48 public immutable appealWindow;
    uint48 public immutable rulingWindow;
    uint48 public immutable period;
    uint16 public immutable capBps;
    uint16 public immutable finderBps;

    mapping(bytes32 device => mapping(uint256 period => uint16)) private _usedBps;
    mapping(bytes32 offenceId => Case) private _cases;
    /// Who holds or held the slasher's role.
    mapping(address account => bool) private _accused;

    constructor(BondConfig memory config, address slasher, address arbiter) {
        _checkConfig(config);
        // Whoever does not trust a new slasher or arbiter is out before it holds the role.
        if (roleDelay < config.cooldown) revert RoleDelayTooShort(roleDelay, config.cooldown);
        evidenceWindow = config.evidenceWindow;
        appealWindow = config.appealWindow;
        rulingWindow = config.rulingWindow;
        period = config.period;
        capBps = config.capBps;
        finderBps = config.finderBps;
        _grantFirst(SLASHER, slasher);
        _grantFirst(ARBITER, arbiter);
        _checkApart();
    }

    /// @inheritdoc IProviderBond
    function proposeSlash(
        bytes32 device,
        bytes32 offenceId,
        uint16 rateBps,
        uint48 offenceTime,
        bytes32 evidenceHash,
        address finder
    ) external nonReentrant onlyRole(SLASHER) returns (uint256 moved) {
        Device storage d = _knownDevice(device);
        if (_cases[offenceId].state != CaseState.None) {
            return _ignore(device, offenceId, IgnoredReason.AlreadyProposed);
        }
        if (offenceTime > _now()) return _ignore(device, offenceId, IgnoredReason.InFuture);
        if (!_wasBondedFor(d, offenceTime)) return _ignore(device, offenceId, IgnoredReason.NotActiveThen);
        if (_now() - offenceTime > evidenceWindow) return _ignore(device, offenceId, IgnoredReason.TooLate);
        uint16 rate = _rateWithinCap(device, offenceTime, rateBps);
        if (rate == 0) return _ignore(device, offenceId, IgnoredReason.NothingToTake);
        uint128 amount = _amountOf(device, d, offenceTime, rate);
        if (amount == 0) return _ignore(device, offenceId, IgnoredReason.NothingLeft);

        _usedBps[device][offenceTime / period] += rate;
        _moveToEscrow(device, d, amount);
        uint48 appealUntil = _now() + appealWindow;
        _cases[offenceId] = Case({
            device: device,
            evidenceHash: evidenceHash,
            finder: finder,
            state: CaseState.Proposed,
            rateBps: rate,
            offenceTime: offenceTime,
            appealUntil: appealUntil,
            ruleUntil: appealUntil + rulingWindow,
            amount: amount
        });
        emit SlashProposed(device, offenceId, rate, amount, offenceTime, evidenceHash, finder, appealUntil);
        return amount;
    }

    /// @inheritdoc IProviderBond
    function appeal(bytes32 offenceId) external nonReentrant {
        Case storage c = _caseIn(offenceId, CaseState.Proposed);
        _ownDevice(c.device);
        if (_now() > c.appealUntil) revert AppealWindowOver(c.appealUntil);
        c.state = CaseState.Appealed;
        emit Appealed(c.device, offenceId, c.ruleUntil);
    }

    /// @inheritdoc IProviderBond
    function finalise(bytes32 offenceId) external nonReentrant {
        Case storage c = _caseIn(offenceId, CaseState.Proposed);
        if (_now() <= c.appealUntil) revert AppealWindowOpen(c.appealUntil);
        _take(offenceId, c);
    }

    /// @inheritdoc IProviderBond
    function uphold(bytes32 offenceId) external nonReentrant onlyRole(ARBITER) {
        Case storage c = _caseIn(offenceId, CaseState.Appealed);
        if (_now() > c.ruleUntil) revert RulingWindowOver(c.ruleUntil);
        _take(offenceId, c);
    }

    /// @inheritdoc IProviderBond
    function overturn(bytes32 offenceId) external nonReentrant onlyRole(ARBITER) {
        Case storage c = _cases[offenceId];
        if (c.state == CaseState.Proposed) {
            if (_now() > c.appealUntil) revert AppealWindowOver(c.appealUntil);
        } else if (c.state == CaseState.Appealed) {
            if (_now() > c.ruleUntil) revert RulingWindowOver(c.ruleUntil);
        } else {
            revert WrongCaseState(offenceId, c.state);
        }
        c.state = CaseState.Overturned;
        _giveBack(c);
        emit SlashOverturned(c.device, offenceId, c.amount);
    }

    /// @inheritdoc IProviderBond
    function lapse(bytes32 offenceId) external nonReentrant {
        Case storage c = _caseIn(offenceId, CaseState.Appealed);
        if (_now() <= c.ruleUntil) revert RulingWindowOpen(c.ruleUntil);
        c.state = CaseState.Lapsed;
        _giveBack(c);
        emit SlashLapsed(c.device, offenceId, c.amount);
    }

    /// @inheritdoc IProviderBond
    function caseOf(bytes32 offenceId) external view returns (Case memory) {
        return _cases[offenceId];
    }

    /// @inheritdoc IProviderBond
    function usedBpsOf(bytes32 device, uint256 period_) external view returns (uint16) {
        return _usedBps[device][period_];
    }

    /// @dev Who accuses is not who decides an appeal, and not later either: its cases outlive its role.
    function _checkApart() internal override {
        address accuser = _holderOf(SLASHER);
        if (accuser != address(0)) _accused[accuser] = true;
        if (_accused[_holderOf(ARBITER)]) revert RolesNotApart(SLASHER, ARBITER);
    }

    function _take(bytes32 offenceId, Case storage c) private {
        c.state = CaseState.Finalised;
        uint128 share = c.finder == address(0) ? 0 : uint128(uint256(c.amount) * finderBps / BPS);
        _takeEscrow(c.device, c.amount, share, c.finder);
        emit SlashFinalised(c.device, offenceId, c.amount - share, share, c.finder);
    }

    function _giveBack(Case storage c) private {
        _usedBps[c.device][c.offenceTime / period] -= c.rateBps;
        _returnEscrow(c.device, c.amount);
    }

    function _ignore(bytes32 device, bytes32 offenceId, IgnoredReason reason) private returns (uint256) {
        emit SlashIgnored(device, offenceId, reason);
        return 0;
    }

    /// @dev A bond answers from its activation to the end of its cooldown, not only to the request to leave.
    function _wasBondedFor(Device storage d, uint48 time) private view returns (bool) {
        return d.activatedAt != 0 && time >= d.activatedAt && (d.cooldownEnd == 0 || time <= d.cooldownEnd);
    }

    function _rateWithinCap(bytes32 device, uint48 offenceTime, uint16 rateBps) private view returns (uint16) {
        uint16 left = capBps - _usedBps[device][offenceTime / period];
        return rateBps < left ? rateBps : left;
    }

    function _amountOf(bytes32 device, Device storage d, uint48 offenceTime, uint16 rateBps)
        private
        view
        returns (uint128)
    {
        uint256 asked = Math.ceilDiv(uint256(_bondedAt(device, offenceTime)) * rateBps, BPS);
        return asked < d.bonded ? uint128(asked) : d.bonded;
    }

    function _caseIn(bytes32 offenceId, CaseState state) private view returns (Case storage c) {
        c = _cases[offenceId];
        if (c.state != state) revert WrongCaseState(offenceId, c.state);
    }

    function _checkConfig(BondConfig memory config) private pure {
        uint256 needed = uint256(config.evidenceWindow) + config.appealWindow + config.buffer;
        if (config.cooldown < needed) revert CooldownTooShort(config.cooldown, needed);
        if (config.cooldown > MAX_PERIOD) revert PeriodTooLong(config.cooldown, MAX_PERIOD);
        if (config.rulingWindow > MAX_PERIOD) revert PeriodTooLong(config.rulingWindow, MAX_PERIOD);
        if (config.period > MAX_PERIOD) revert PeriodTooLong(config.period, MAX_PERIOD);
        if (
            config.evidenceWindow == 0 || config.appealWindow == 0 || config.rulingWindow == 0
                || config.period < config.evidenceWindow || config.buffer < MIN_BUFFER || config.capBps == 0
                || config.capBps > BPS || config.finderBps > MAX_FINDER_BPS
        ) revert BadBondConfig();
    }
}
