// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who may do what, and how slowly that changes
/// @notice Every role is held by one address. The governor announces a new holder, the new holder takes the role after
/// `roleDelay` and before twice that time is over, and until it does the governor can cancel. No role can move a balance that is not named in the contract.
/// Role names are ASCII in a bytes32: "governor", "pauser", and those of each contract.
interface IRoles {
    /// @notice A change of a role's holder that was announced and is not yet in force.
    struct RoleChange {
        /// The address that may take the role.
        address holder;
        /// Unix time in seconds from which it may; 0 when nothing is announced.
        uint48 effectiveAt;
    }

    /// @notice The governor announced that `holder` may take `role` at `effectiveAt`.
    event RoleChangeAnnounced(bytes32 indexed role, address indexed holder, uint48 effectiveAt);
    /// @notice The governor took an announcement back.
    event RoleChangeCancelled(bytes32 indexed role, address indexed holder);
    /// @notice `holder` holds `role` from now on. The first holders are given by the constructor, from address 0.
    event RoleTaken(bytes32 indexed role, address indexed previous, address indexed holder);
    /// @notice The holder laid the role down. Nobody holds it until an announced change is taken.
    event RoleRenounced(bytes32 indexed role, address indexed holder);
    /// @notice What comes in is refused until `until`, at the latest.
    event Paused(address indexed by, uint48 until);
    /// @notice What comes in is accepted again.
    event Unpaused(address indexed by);

    /// @notice The caller does not hold the role that this call asks for.
    error MissingRole(bytes32 role, address caller);
    /// @notice The contract knows no such role.
    error UnknownRole(bytes32 role);
    /// @notice Address 0 cannot hold a role.
    error NoHolder(bytes32 role);
    /// @notice The delay of role changes is shorter than the contract allows.
    error RoleDelayTooShort(uint48 delay, uint48 minimum);
    /// @notice No change of this role is announced.
    error NoRoleChange(bytes32 role);
    /// @notice The caller is not the announced holder.
    error NotAnnounced(bytes32 role, address caller);
    /// @notice The announced change is not in force before `effectiveAt`.
    error RoleChangeTooEarly(bytes32 role, uint48 effectiveAt);
    /// @notice The announced change could be taken until `until`. The governor has to announce it again.
    error RoleChangeOver(bytes32 role, uint256 until);
    /// @notice These two roles must be held by two addresses.
    error RolesNotApart(bytes32 role, bytes32 other);
    /// @notice Nothing comes in until `until`. Exits and claims work.
    error IsPaused(uint48 until);
    /// @notice The contract is not paused.
    error NotPaused();

    /// @notice Announces a new holder. Only the governor. A second announcement replaces the first and its date.
    function announceRole(bytes32 role, address holder) external;

    /// @notice Takes an announcement back. Only the governor.
    function cancelRole(bytes32 role) external;

    /// @notice The announced holder takes the role, from the announced date to `roleDelay` seconds later.
    function takeRole(bytes32 role) external;

    /// @notice The holder lays its role down at once.
    function renounceRole(bytes32 role) external;

    /// @notice Refuses what comes in for at most `PAUSE_MAX` seconds. Only the pauser; not while paused.
    function pause() external;

    /// @notice Ends a pause early. Only the pauser.
    function unpause() external;

    /// @notice Who holds a role; address 0 when nobody does.
    function holderOf(bytes32 role) external view returns (address);

    /// @notice The announced change of a role, all zero when there is none.
    function roleChangeOf(bytes32 role) external view returns (RoleChange memory);

    /// @notice Seconds between an announcement and the earliest change.
    function roleDelay() external view returns (uint48);

    /// @notice Whether what comes in is refused now.
    function paused() external view returns (bool);

    /// @notice When the current or last pause ends by itself, in unix seconds.
    function pausedUntil() external view returns (uint48);
}
