// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import { IInsurancePool } from "./interfaces/IInsurancePool.sol";
import { IProviderBond } from "./interfaces/IProviderBond.sol";
import { ExactTransfer } from "./libraries/ExactTransfer.sol";
import { Roles } from "./Roles.sol";

/// @title ProviderBond
/// @notice See `IProviderBond`. A slash touches no other contract: escrow, appeal and decision move numbers only, so neither
/// the token nor the insurance pool can stop a slash, a decision or an exit.
contract ProviderBond is IProviderBond, Roles, ReentrancyGuardTransient, EIP712 {
    using Checkpoints for Checkpoints.Trace208;
    using ExactTransfer for IERC20;
    using SafeERC20 for IERC20;

    bytes32 public constant SLASHER = "slasher";
    bytes32 public constant ARBITER = "arbiter";
    bytes32 public constant VERIFIER = "verifier";
    bytes32 public constant REGISTRAR = "registrar";
    bytes32 public constant CURATOR = "curator";
    bytes32 public constant ENDPOINT_VERIFIED_TYPEHASH =
        keccak256("EndpointVerified(bytes32 device,address provider,uint32 classId,uint48 expiry,uint256 nonce)");
    uint256 public constant BPS = 10_000;
    uint16 public constant MAX_FINDER_BPS = 2_000;
    uint48 public constant MIN_BUFFER = 48 hours;
    uint48 public constant MAX_PERIOD = 365 days;

    /// @inheritdoc IProviderBond
    IERC20 public immutable token;
    /// @inheritdoc IProviderBond
    IInsurancePool public immutable insurance;
    uint48 public immutable cooldown;
    uint48 public immutable evidenceWindow;
    uint48 public immutable appealWindow;
    uint48 public immutable rulingWindow;
    uint48 public immutable period;
    uint16 public immutable capBps;
    uint16 public immutable finderBps;

    uint128 private _totalBonded;
    uint128 private _totalEscrowed;
    uint128 private _insuranceOwed;
    uint128 private _totalCredits;
    mapping(uint32 classId => uint128) private _minimums;
    mapping(bytes32 device => Device) private _devices;
    mapping(bytes32 device => Checkpoints.Trace208) private _bonded;
    mapping(bytes32 device => mapping(uint256 period => uint16)) private _usedBps;
    mapping(bytes32 offenceId => Case) private _cases;
    mapping(address account => uint128) private _credits;
    mapping(uint256 nonce => bool) private _nonces;
    /// Who holds or held the slasher's role.
    mapping(address account => bool) private _accused;

    constructor(
        IERC20 token_,
        IInsurancePool insurance_,
        BondConfig memory config,
        uint48 roleDelay_,
        BondHolders memory holders
    ) Roles(roleDelay_, holders.governor, holders.pauser) EIP712("Guildhall ProviderBond", "1") {
        _checkConfig(config);
        // Whoever does not trust a new slasher or arbiter is out before it holds the role.
        if (roleDelay_ < config.cooldown) revert RoleDelayTooShort(roleDelay_, config.cooldown);
        if (address(insurance_.token()) != address(token_)) revert InsuranceOfAnotherToken();
        token = token_;
        insurance = insurance_;
        cooldown = config.cooldown;
        evidenceWindow = config.evidenceWindow;
        appealWindow = config.appealWindow;
        rulingWindow = config.rulingWindow;
        period = config.period;
        capBps = config.capBps;
        finderBps = config.finderBps;
        _grantFirst(SLASHER, holders.slasher);
        _grantFirst(ARBITER, holders.arbiter);
        _grantFirst(VERIFIER, holders.verifier);
        _grantFirst(REGISTRAR, holders.registrar);
        _grantFirst(CURATOR, holders.curator);
        _checkApart();
    }

    /// @inheritdoc IProviderBond
    function appendClass(uint32 classId, uint128 minimum) external onlyRole(CURATOR) {
        if (minimum == 0) revert ZeroAmount();
        if (_minimums[classId] != 0) revert ClassExists(classId);
        _minimums[classId] = minimum;
        emit ClassAppended(classId, minimum);
    }

    /// @inheritdoc IProviderBond
    function bond(bytes32 device, uint32 classId, uint128 amount) external nonReentrant whenNotPaused {
        _open(device, classId, amount);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IProviderBond
    function bondWithPermit(
        bytes32 device,
        uint32 classId,
        uint128 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenNotPaused {
        token.tryPermit(msg.sender, amount, deadline, v, r, s);
        _open(device, classId, amount);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IProviderBond
    function bondVerified(EndpointVerified calldata attestation, uint128 amount, bytes calldata signature)
        external
        nonReentrant
        whenNotPaused
    {
        if (attestation.provider != msg.sender) revert AttestationMismatch();
        _displace(attestation.device);
        _open(attestation.device, attestation.classId, amount);
        _activate(attestation, signature);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IProviderBond
    function topUp(bytes32 device, uint128 amount) external nonReentrant whenNotPaused {
        if (amount == 0) revert ZeroAmount();
        Device storage d = _ownDevice(device);
        if (d.state != DeviceState.Pending && d.state != DeviceState.Active) revert WrongDeviceState(device, d.state);
        _addDeposit(device, d, amount);
        emit ToppedUp(device, amount, d.bonded);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IProviderBond
    function activate(EndpointVerified calldata attestation, bytes calldata signature)
        external
        nonReentrant
        whenNotPaused
    {
        _activate(attestation, signature);
    }

    /// @inheritdoc IProviderBond
    function requestUnbond(bytes32 device) external nonReentrant {
        emit UnbondRequested(device, _startCooldown(device, _ownDevice(device)));
    }

    /// @inheritdoc IProviderBond
    function deregister(bytes32 device) external nonReentrant onlyRole(REGISTRAR) {
        emit Deregistered(device, _startCooldown(device, _knownDevice(device)));
    }

    /// @inheritdoc IProviderBond
    function withdraw(bytes32 device) external nonReentrant returns (uint128 amount) {
        Device storage d = _ownDevice(device);
        if (d.state != DeviceState.Unbonding) revert WrongDeviceState(device, d.state);
        if (_now() < d.cooldownEnd) revert CooldownNotOver(d.cooldownEnd);
        if (d.openCases != 0) revert CaseOpen(device, d.openCases);
        amount = _takeOut(device, d);
        emit Withdrawn(device, msg.sender, amount);
        if (amount > 0) token.safeTransfer(msg.sender, amount);
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
    function claimCredit() external nonReentrant returns (uint128 amount) {
        amount = _credits[msg.sender];
        if (amount == 0) revert NothingToClaim(msg.sender);
        _credits[msg.sender] = 0;
        _totalCredits -= amount;
        emit CreditClaimed(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IProviderBond
    function sendToInsurance() external nonReentrant returns (uint128 amount) {
        amount = _insuranceOwed;
        if (amount == 0) revert NothingToClaim(address(insurance));
        _insuranceOwed = 0;
        emit InsuranceSent(amount);
        token.forceApprove(address(insurance), amount);
        insurance.deposit(amount);
    }

    /// @inheritdoc IProviderBond
    function deviceOf(bytes32 device) external view returns (Device memory) {
        return _devices[device];
    }

    /// @inheritdoc IProviderBond
    function caseOf(bytes32 offenceId) external view returns (Case memory) {
        return _cases[offenceId];
    }

    /// @inheritdoc IProviderBond
    function isEligible(bytes32 device) external view returns (bool) {
        Device storage d = _devices[device];
        return d.state == DeviceState.Active && d.bonded >= _minimums[d.classId];
    }

    /// @inheritdoc IProviderBond
    function minimumOf(uint32 classId) external view returns (uint128) {
        return _minimums[classId];
    }

    /// @inheritdoc IProviderBond
    function bondedAt(bytes32 device, uint48 time) external view returns (uint128) {
        return _bondedAt(device, time);
    }

    /// @inheritdoc IProviderBond
    function usedBpsOf(bytes32 device, uint256 period_) external view returns (uint16) {
        return _usedBps[device][period_];
    }

    /// @inheritdoc IProviderBond
    function creditOf(address account) external view returns (uint128) {
        return _credits[account];
    }

    /// @inheritdoc IProviderBond
    function isNonceUsed(uint256 nonce) external view returns (bool) {
        return _nonces[nonce];
    }

    /// @inheritdoc IProviderBond
    function totals() external view returns (BondTotals memory) {
        return BondTotals({
            bonded: _totalBonded, escrowed: _totalEscrowed, insurance: _insuranceOwed, credits: _totalCredits
        });
    }

    /// @inheritdoc IProviderBond
    function digestOf(EndpointVerified calldata attestation) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ENDPOINT_VERIFIED_TYPEHASH, attestation)));
    }

    /// @dev Who accuses is not who decides an appeal, and not later either: its cases outlive its role.
    function _checkApart() internal override {
        address accuser = _holderOf(SLASHER);
        if (accuser != address(0)) _accused[accuser] = true;
        if (_accused[_holderOf(ARBITER)]) revert RolesNotApart(SLASHER, ARBITER);
    }

    function _open(bytes32 device, uint32 classId, uint128 amount) private {
        Device storage d = _devices[device];
        if (d.state != DeviceState.None && d.state != DeviceState.Withdrawn) revert WrongDeviceState(device, d.state);
        uint128 minimum = _minimums[classId];
        if (minimum == 0) revert UnknownClass(classId);
        if (amount < minimum) revert UnderMinimum(amount, minimum);
        d.provider = msg.sender;
        d.state = DeviceState.Pending;
        d.classId = classId;
        d.activatedAt = 0;
        d.cooldownEnd = 0;
        _addDeposit(device, d, amount);
        emit Bonded(device, msg.sender, classId, amount);
    }

    /// @dev A bond that never was active answers for nothing, so it can be given back at once.
    function _displace(bytes32 device) private {
        Device storage d = _devices[device];
        bool waits = d.state == DeviceState.Pending || d.state == DeviceState.Unbonding;
        if (!waits || d.activatedAt != 0 || d.provider == msg.sender) return;
        uint128 amount = _takeOut(device, d);
        _credit(d.provider, amount);
        emit Displaced(device, d.provider, amount);
    }

    function _activate(EndpointVerified calldata attestation, bytes calldata signature) private {
        Device storage d = _devices[attestation.device];
        if (d.state != DeviceState.Pending) revert WrongDeviceState(attestation.device, d.state);
        if (attestation.provider != d.provider || attestation.classId != d.classId) revert AttestationMismatch();
        if (_now() > attestation.expiry) revert AttestationExpired(attestation.expiry);
        if (_nonces[attestation.nonce]) revert NonceUsed(attestation.nonce);
        address verifier = _holderOf(VERIFIER);
        if (verifier == address(0) || !SignatureChecker.isValidSignatureNow(verifier, digestOf(attestation), signature))
        {
            revert InvalidAttestation();
        }
        _nonces[attestation.nonce] = true;
        d.state = DeviceState.Active;
        d.activatedAt = _now();
        emit Activated(attestation.device, d.provider, d.classId);
    }

    function _startCooldown(bytes32 device, Device storage d) private returns (uint48 cooldownEnd) {
        if (d.state != DeviceState.Pending && d.state != DeviceState.Active) revert WrongDeviceState(device, d.state);
        cooldownEnd = _now() + cooldown;
        d.state = DeviceState.Unbonding;
        d.cooldownEnd = cooldownEnd;
    }

    function _addDeposit(bytes32 device, Device storage d, uint128 amount) private {
        d.deposited += amount;
        _totalBonded += amount;
        _setBonded(device, d, d.bonded + amount);
    }

    function _takeOut(bytes32 device, Device storage d) private returns (uint128 amount) {
        amount = d.bonded;
        d.state = DeviceState.Withdrawn;
        d.withdrawn += amount;
        _totalBonded -= amount;
        _setBonded(device, d, 0);
    }

    function _moveToEscrow(bytes32 device, Device storage d, uint128 amount) private {
        ++d.openCases;
        d.escrowed += amount;
        _totalBonded -= amount;
        _totalEscrowed += amount;
        _setBonded(device, d, d.bonded - amount);
    }

    function _closeEscrow(Case storage c) private returns (Device storage d) {
        d = _devices[c.device];
        --d.openCases;
        d.escrowed -= c.amount;
        _totalEscrowed -= c.amount;
    }

    function _take(bytes32 offenceId, Case storage c) private {
        c.state = CaseState.Finalised;
        _closeEscrow(c).slashed += c.amount;
        uint128 share = c.finder == address(0) ? 0 : uint128(uint256(c.amount) * finderBps / BPS);
        _insuranceOwed += c.amount - share;
        if (share > 0) _credit(c.finder, share);
        emit SlashFinalised(c.device, offenceId, c.amount - share, share, c.finder);
    }

    function _giveBack(Case storage c) private {
        Device storage d = _closeEscrow(c);
        _usedBps[c.device][c.offenceTime / period] -= c.rateBps;
        _totalBonded += c.amount;
        _setBonded(c.device, d, d.bonded + c.amount);
    }

    function _setBonded(bytes32 device, Device storage d, uint128 amount) private {
        d.bonded = amount;
        _bonded[device].push(_now(), amount);
    }

    function _credit(address account, uint128 amount) private {
        _credits[account] += amount;
        _totalCredits += amount;
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

    function _bondedAt(bytes32 device, uint48 time) private view returns (uint128) {
        return uint128(_bonded[device].upperLookupRecent(time));
    }

    function _knownDevice(bytes32 device) private view returns (Device storage d) {
        d = _devices[device];
        if (d.state == DeviceState.None) revert UnknownDevice(device);
    }

    function _ownDevice(bytes32 device) private view returns (Device storage d) {
        d = _knownDevice(device);
        if (d.provider != msg.sender) revert NotProvider(device, msg.sender);
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
