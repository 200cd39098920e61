// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import { IProviderBond } from "../interfaces/IProviderBond.sol";
import { Roles } from "../Roles.sol";

/// @title What is kept of devices and of money, and the only functions that move an amount from one place to another
/// @dev Each of them keeps a device's deposited = bonded + escrowed + slashed + withdrawn, and the totals with it. Numbers
/// only: nothing here calls a token.
abstract contract BondBook is IProviderBond, Roles, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;

    uint256 public constant BPS = 10_000;
    /// @notice Most of one deposit. All sums are of 128 bits, so none overflows before four billion such deposits.
    uint128 public constant MAX_DEPOSIT = type(uint96).max;

    uint128 private _totalBonded;
    uint128 private _totalEscrowed;
    uint128 private _insuranceOwed;
    uint128 private _totalCredits;
    mapping(bytes32 device => Device) internal _devices;
    mapping(bytes32 device => Checkpoints.Trace208) private _bonded;
    mapping(address account => uint128) private _credits;

    /// @inheritdoc IProviderBond
    function deviceOf(bytes32 device) external view returns (Device memory) {
        return _devices[device];
    }

    /// @inheritdoc IProviderBond
    function bondedAt(bytes32 device, uint48 time) external view returns (uint128) {
        return _bondedAt(device, time);
    }

    /// @inheritdoc IProviderBond
    function creditOf(address account) external view returns (uint128) {
        return _credits[account];
    }

    /// @inheritdoc IProviderBond
    function totals() external view returns (BondTotals memory) {
        return BondTotals({
            bonded: _totalBonded, escrowed: _totalEscrowed, insurance: _insuranceOwed, credits: _totalCredits
        });
    }

    function _addDeposit(bytes32 device, Device storage d, uint128 amount) internal {
        if (amount > MAX_DEPOSIT) revert OverMaximum(amount, MAX_DEPOSIT);
        d.deposited += amount;
        _totalBonded += amount;
        _setBonded(device, d, d.bonded + amount);
    }

    function _takeOut(bytes32 device, Device storage d) internal returns (uint128 amount) {
        amount = d.bonded;
        d.state = DeviceState.Withdrawn;
        d.withdrawn += amount;
        _totalBonded -= amount;
        _setBonded(device, d, 0);
    }

    function _moveToEscrow(bytes32 device, Device storage d, uint128 amount) internal {
        ++d.openCases;
        d.escrowed += amount;
        _totalBonded -= amount;
        _totalEscrowed += amount;
        _setBonded(device, d, d.bonded - amount);
    }

    /// @dev Out of escrow for good: `share` for a finder, the rest for the insurance pool.
    function _takeEscrow(bytes32 device, uint128 amount, uint128 share, address finder) internal {
        _closeEscrow(device, amount).slashed += amount;
        _insuranceOwed += amount - share;
        if (share > 0) _credit(finder, share);
    }

    function _returnEscrow(bytes32 device, uint128 amount) internal {
        Device storage d = _closeEscrow(device, amount);
        _totalBonded += amount;
        _setBonded(device, d, d.bonded + amount);
    }

    function _credit(address account, uint128 amount) internal {
        _credits[account] += amount;
        _totalCredits += amount;
    }

    function _takeCredit(address account) internal returns (uint128 amount) {
        amount = _credits[account];
        if (amount == 0) revert NothingToClaim(account);
        _credits[account] = 0;
        _totalCredits -= amount;
    }

    function _takeInsurance() internal returns (uint128 amount) {
        amount = _insuranceOwed;
        _insuranceOwed = 0;
    }

    function _bondedAt(bytes32 device, uint48 time) internal view returns (uint128) {
        return uint128(_bonded[device].upperLookupRecent(time));
    }

    function _knownDevice(bytes32 device) internal view returns (Device storage d) {
        d = _devices[device];
        if (d.state == DeviceState.None) revert UnknownDevice(device);
    }

    function _ownDevice(bytes32 device) internal view returns (Device storage d) {
        d = _knownDevice(device);
        if (d.provider != msg.sender) revert NotProvider(device, msg.sender);
    }

    function _closeEscrow(bytes32 device, uint128 amount) private returns (Device storage d) {
        d = _devices[device];
        --d.openCases;
        d.escrowed -= amount;
        _totalEscrowed -= amount;
    }

    function _setBonded(bytes32 device, Device storage d, uint128 amount) private {
        d.bonded = amount;
        _bonded[device].push(_now(), amount);
    }
}
