// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import { BondCases } from "./bond/BondCases.sol";
import { IInsurancePool } from "./interfaces/IInsurancePool.sol";
import { IProviderBond } from "./interfaces/IProviderBond.sol";
import { ExactTransfer } from "./libraries/ExactTransfer.sol";
import { Roles } from "./Roles.sol";

/// @title A bond for each device: how it comes in, becomes active, and leaves
/// @notice See `IProviderBond`. Read in this order: BondBook (where the money is), BondCases (what can be taken of it), and
/// here the ways in and out, and all that calls a token.
contract ProviderBond is BondCases, EIP712 {
    using ExactTransfer for IERC20;
    using SafeERC20 for IERC20;

    bytes32 public constant VERIFIER = "verifier";
    bytes32 public constant REGISTRAR = "registrar";
    bytes32 public constant CURATOR = "curator";
    bytes32 public constant ENDPOINT_VERIFIED_TYPEHASH =
        keccak256("EndpointVerified(bytes32 device,address provider,uint32 classId,uint48 expiry,uint256 nonce)");

    /// @inheritdoc IProviderBond
    IERC20 public immutable token;
    /// @inheritdoc IProviderBond
    IInsurancePool public immutable insurance;
    uint48 public immutable cooldown;

    mapping(uint32 classId => uint128) private _minimums;
    mapping(uint256 nonce => bool) private _nonces;

    constructor(
        IERC20 token_,
        IInsurancePool insurance_,
        BondConfig memory config,
        uint48 roleDelay_,
        BondHolders memory holders
    )
        Roles(roleDelay_, holders.governor, holders.pauser)
        BondCases(config, holders.slasher, holders.arbiter)
        EIP712("Guildhall ProviderBond", "1")
    {
        if (address(insurance_.token()) != address(token_)) {
            revert InsuranceOfAnotherToken();
        }
        token = token_;
        insurance = insurance_;
        cooldown = config.cooldown;
        _grantFirst(VERIFIER, holders.verifier);
        _grantFirst(REGISTRAR, holders.registrar);
        _grantFirst(CURATOR, holders.curator);
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
    function claimCredit() external nonReentrant returns (uint128 amount) {
        amount = _takeCredit(msg.sender);
        emit CreditClaimed(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IProviderBond
    function sendToInsurance() external nonReentrant returns (uint128 amount) {
        amount = _takeInsurance();
        if (amount == 0) revert NothingToClaim(address(insurance));
        emit InsuranceSent(amount);
        token.forceApprove(address(insurance), amount);
        insurance.deposit(amount);
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
    function isNonceUsed(uint256 nonce) external view returns (bool) {
        return _nonces[nonce];
    }

    /// @inheritdoc IProviderBond
    function digestOf(EndpointVerified calldata attestation) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ENDPOINT_VERIFIED_TYPEHASH, attestation)));
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
}
