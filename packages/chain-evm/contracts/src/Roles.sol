// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IRoles } from "./interfaces/IRoles.sol";

/// @title One holder for each role, changed slowly, and a pause that ends by itself
/// @notice The base of every contract here. See `IRoles`.
abstract contract Roles is IRoles {
    bytes32 public constant GOVERNOR = "governor";
    bytes32 public constant PAUSER = "pauser";
    /// @notice No deployment can change roles faster.
    uint48 public constant MIN_ROLE_DELAY = 2 days;
    /// @notice A pause ends after this many seconds, whoever made it.
    uint48 public constant PAUSE_MAX = 7 days;

    /// @inheritdoc IRoles
    uint48 public immutable roleDelay;
    /// @inheritdoc IRoles
    uint48 public pausedUntil;

    mapping(bytes32 role => bool) private _known;
    mapping(bytes32 role => address) private _holders;
    mapping(bytes32 role => RoleChange) private _changes;

    modifier onlyRole(bytes32 role) {
        _requireRole(role);
        _;
    }

    /// @dev Only for what comes in. A function that lets something out, or decides about it, never has this.
    modifier whenNotPaused() {
        if (paused()) revert IsPaused(pausedUntil);
        _;
    }

    /// @dev A child grants its own roles with `_grantFirst` and then calls `_checkApart`.
    constructor(uint48 roleDelay_, address governor, address pauser) {
        if (roleDelay_ < MIN_ROLE_DELAY) revert RoleDelayTooShort(roleDelay_, MIN_ROLE_DELAY);
        roleDelay = roleDelay_;
        _grantFirst(GOVERNOR, governor);
        _grantFirst(PAUSER, pauser);
    }

    /// @inheritdoc IRoles
    function announceRole(bytes32 role, address holder) external onlyRole(GOVERNOR) {
        if (!_known[role]) revert UnknownRole(role);
        if (holder == address(0)) revert NoHolder(role);
        uint48 effectiveAt = _now() + roleDelay;
        _changes[role] = RoleChange(holder, effectiveAt);
        emit RoleChangeAnnounced(role, holder, effectiveAt);
    }

    /// @inheritdoc IRoles
    function cancelRole(bytes32 role) external onlyRole(GOVERNOR) {
        address holder = _changes[role].holder;
        if (holder == address(0)) revert NoRoleChange(role);
        delete _changes[role];
        emit RoleChangeCancelled(role, holder);
    }

    /// @inheritdoc IRoles
    function takeRole(bytes32 role) external {
        RoleChange memory change = _changes[role];
        if (change.holder == address(0)) revert NoRoleChange(role);
        if (change.holder != msg.sender) revert NotAnnounced(role, msg.sender);
        if (_now() < change.effectiveAt) revert RoleChangeTooEarly(role, change.effectiveAt);
        // A change that could be taken at any time would be no warning to those who come later.
        uint256 until = uint256(change.effectiveAt) + roleDelay;
        if (_now() > until) revert RoleChangeOver(role, until);
        delete _changes[role];
        emit RoleTaken(role, _holders[role], msg.sender);
        _holders[role] = msg.sender;
        _checkApart();
    }

    /// @inheritdoc IRoles
    function renounceRole(bytes32 role) external onlyRole(role) {
        delete _holders[role];
        emit RoleRenounced(role, msg.sender);
    }

    /// @inheritdoc IRoles
    function pause() external onlyRole(PAUSER) whenNotPaused {
        pausedUntil = _now() + PAUSE_MAX;
        emit Paused(msg.sender, pausedUntil);
    }

    /// @inheritdoc IRoles
    function unpause() external onlyRole(PAUSER) {
        if (!paused()) revert NotPaused();
        pausedUntil = _now();
        emit Unpaused(msg.sender);
    }

    /// @inheritdoc IRoles
    function holderOf(bytes32 role) external view returns (address) {
        return _holders[role];
    }

    /// @inheritdoc IRoles
    function roleChangeOf(bytes32 role) external view returns (RoleChange memory) {
        return _changes[role];
    }

    /// @inheritdoc IRoles
    function paused() public view returns (bool) {
        return _now() < pausedUntil;
    }

    /// @dev Names a role and its first holder. Only from a constructor.
    function _grantFirst(bytes32 role, address holder) internal {
        if (holder == address(0)) revert NoHolder(role);
        _known[role] = true;
        _holders[role] = holder;
        emit RoleTaken(role, address(0), holder);
    }

    /// @dev Reverts unless two roles are held by two addresses. A role that nobody holds is apart from all.
    function _requireApart(bytes32 role, bytes32 other) internal view {
        if (_holders[role] == _holders[other] && _holders[role] != address(0)) revert RolesNotApart(role, other);
    }

    /// @dev Calls `_requireApart` for each pair that must differ. Runs after every change of a holder.
    function _checkApart() internal virtual;

    function _holderOf(bytes32 role) internal view returns (address) {
        return _holders[role];
    }

    function _now() internal view returns (uint48) {
        return uint48(block.timestamp);
    }

    function _requireRole(bytes32 role) private view {
        if (_holders[role] != msg.sender) revert MissingRole(role, msg.sender);
    }
}
