// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { Roles } from "./Roles.sol";
import { IInsurancePool } from "./interfaces/IInsurancePool.sol";
import { IProviderBond } from "./interfaces/IProviderBond.sol";
import { IValidatorRegistry } from "./interfaces/IValidatorRegistry.sol";
import { ExactTransfer } from "./libraries/ExactTransfer.sol";
import { ValidatorJobs } from "./validators/ValidatorJobs.sol";
import { ValidatorList } from "./validators/ValidatorList.sol";

/// @title Bonded validators, the jobs they judge, and what they earn
/// @notice See `IValidatorRegistry`. Read in this order: ValidatorList (who is listed when), ValidatorJobs (seeds, votes,
/// verdicts, rewards), and here the bonds, their cuts and all that calls a token.
contract ValidatorRegistry is ValidatorJobs, ReentrancyGuardTransient {
    using ExactTransfer for IERC20;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    uint48 public constant MAX_PERIOD = 3650 days;
    /// @notice Time to report what a validator did in its last epoch, before its bond is gone.
    uint48 public constant REPORT_BUFFER = 48 hours;
    uint16 public constant MAX_REPORTER_BPS = 2_000;
    uint256 private constant BPS = 10_000;

    /// @inheritdoc IValidatorRegistry
    IERC20 public immutable token;
    IInsurancePool public immutable insurance;
    /// @notice Where finder's shares come from; address 0 when there is no bond.
    IProviderBond public immutable bond;
    uint128 public immutable minBond;
    uint48 public immutable cooldown;
    uint16 public immutable slashBps;
    uint16 public immutable reporterBps;

    mapping(address account => Validator) private _validators;
    mapping(address validator => mapping(bytes32 job => bool)) private _reported;

    constructor(
        IERC20 token_,
        IInsurancePool insurance_,
        IProviderBond bond_,
        RegistryConfig memory config,
        uint48 roleDelay_,
        address governor,
        address pauser,
        address operator
    )
        Roles(roleDelay_, governor, pauser)
        ValidatorList(config.epochLength)
        ValidatorJobs(config.drawn, config.quorum, operator)
        EIP712("Guildhall ValidatorRegistry", "1")
    {
        if (
            config.minBond == 0 || config.cooldown < 4 * config.epochLength + REPORT_BUFFER
                || config.cooldown > MAX_PERIOD || config.slashBps == 0 || config.slashBps > BPS
                || config.reporterBps > MAX_REPORTER_BPS
        ) revert BadRegistryConfig();
        if (address(insurance_.token()) != address(token_)) revert WrongToken(address(insurance_));
        if (address(bond_) != address(0) && address(bond_.token()) != address(token_)) {
            revert WrongToken(address(bond_));
        }
        token = token_;
        insurance = insurance_;
        bond = bond_;
        minBond = config.minBond;
        cooldown = config.cooldown;
        slashBps = config.slashBps;
        reporterBps = config.reporterBps;
    }

    /// @inheritdoc IValidatorRegistry
    function register(uint128 amount) external nonReentrant whenNotPaused {
        Validator storage validator = _validators[msg.sender];
        if (validator.state != ValidatorState.None) revert WrongValidatorState(msg.sender, validator.state);
        if (amount < minBond) revert UnderMinimum(amount, minBond);
        validator.state = ValidatorState.Active;
        validator.bonded = amount;
        _totals.bonded += amount;
        _enlist(msg.sender);
        emit Registered(msg.sender, amount, currentEpoch() + 1);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IValidatorRegistry
    function topUp(uint128 amount) external nonReentrant whenNotPaused {
        if (amount == 0) revert ZeroAmount();
        Validator storage validator = _validators[msg.sender];
        if (validator.state != ValidatorState.Active) revert WrongValidatorState(msg.sender, validator.state);
        validator.bonded += amount;
        _totals.bonded += amount;
        emit ToppedUp(msg.sender, amount, validator.bonded);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IValidatorRegistry
    function requestExit() external {
        Validator storage validator = _validators[msg.sender];
        if (validator.state != ValidatorState.Active) revert WrongValidatorState(msg.sender, validator.state);
        _startExit(msg.sender, validator);
    }

    /// @inheritdoc IValidatorRegistry
    function withdraw() external nonReentrant returns (uint128 amount) {
        Validator storage validator = _validators[msg.sender];
        if (validator.state != ValidatorState.Exiting) revert WrongValidatorState(msg.sender, validator.state);
        if (_now() < validator.cooldownEnd) revert CooldownNotOver(validator.cooldownEnd);
        amount = validator.bonded;
        delete _validators[msg.sender];
        _totals.bonded -= amount;
        emit Withdrawn(msg.sender, amount);
        if (amount > 0) token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IValidatorRegistry
    function report(
        address account,
        bytes32 job,
        bytes32 verdictA,
        bytes calldata signatureA,
        bytes32 verdictB,
        bytes calldata signatureB
    ) external returns (uint128 slashed) {
        if (verdictA == verdictB) revert NoContradiction();
        if (verdictA == 0 || verdictB == 0) revert ZeroVerdict();
        _checkSigned(account, job, verdictA, signatureA);
        _checkSigned(account, job, verdictB, signatureB);
        if (_reported[account][job]) revert AlreadyReported(account, job);
        Validator storage validator = _validators[account];
        uint128 bonded = validator.bonded;
        if (bonded == 0) revert NothingToSlash(account);
        _reported[account][job] = true;

        // Rounded up, and at most all of it.
        slashed = ((uint256(bonded) * slashBps + BPS - 1) / BPS).toUint128();
        // Not for reporting oneself.
        uint128 reporterShare = msg.sender == account ? 0 : (uint256(slashed) * reporterBps / BPS).toUint128();
        validator.bonded = bonded - slashed;
        _totals.bonded -= slashed;
        _totals.insurance += slashed - reporterShare;
        _addCredit(msg.sender, reporterShare);
        emit Slashed(account, job, msg.sender, slashed - reporterShare, reporterShare);
        if (validator.state == ValidatorState.Active && validator.bonded < minBond) _startExit(account, validator);
    }

    /// @inheritdoc IValidatorRegistry
    function fundRewards(uint128 amount) external nonReentrant whenNotPaused {
        if (amount == 0) revert ZeroAmount();
        _totals.rewardPool += amount;
        emit RewardsFunded(msg.sender, amount);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IValidatorRegistry
    function collectFinderShares() external nonReentrant returns (uint128 amount) {
        if (address(bond) == address(0)) revert NothingToClaim(address(this));
        uint256 before = token.balanceOf(address(this));
        bond.claimCredit();
        amount = (token.balanceOf(address(this)) - before).toUint128();
        _totals.rewardPool += amount;
        emit FinderSharesCollected(amount);
    }

    /// @inheritdoc IValidatorRegistry
    function claimCredit() external nonReentrant returns (uint128 amount) {
        amount = _takeCredit(msg.sender);
        emit CreditClaimed(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IValidatorRegistry
    function sendToInsurance() external nonReentrant returns (uint128 amount) {
        amount = _totals.insurance;
        if (amount == 0) revert NothingToClaim(address(insurance));
        _totals.insurance = 0;
        emit InsuranceSent(amount);
        token.forceApprove(address(insurance), amount);
        insurance.deposit(amount);
    }

    /// @inheritdoc IValidatorRegistry
    function validatorOf(address account) external view returns (Validator memory) {
        return _validators[account];
    }

    function _startExit(address account, Validator storage validator) private {
        validator.state = ValidatorState.Exiting;
        validator.cooldownEnd = _now() + cooldown;
        _unlist(account);
        emit ExitStarted(account, currentEpoch() + 1, validator.cooldownEnd);
    }

    /// @dev No two roles here judge each other: a verdict needs the validators.
    // solhint-disable-next-line no-empty-blocks
    function _checkApart() internal view override { }
}
