// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IRoles } from "../src/interfaces/IRoles.sol";
import { Roles } from "../src/Roles.sol";
import { Base } from "./Base.sol";

/// @notice Roles with two that must be apart, and one door in and one out.
contract TwoRoles is Roles {
    bytes32 public constant LEFT = "left";
    bytes32 public constant RIGHT = "right";

    constructor(uint48 delay, address governor, address pauser, address left, address right)
        Roles(delay, governor, pauser)
    {
        _grantFirst(LEFT, left);
        _grantFirst(RIGHT, right);
        _checkApart();
    }

    function comeIn() external whenNotPaused { }

    function _checkApart() internal view override {
        _requireApart(LEFT, RIGHT);
    }
}

contract RolesTest is Base {
    TwoRoles internal roles;
    address internal governor = makeAddr("governor");
    address internal pauser = makeAddr("pauser");
    address internal left = makeAddr("left");
    address internal right = makeAddr("right");
    address internal next = makeAddr("next");

    function setUp() public {
        vm.warp(1_800_000_000);
        roles = new TwoRoles(2 days, governor, pauser, left, right);
    }

    function test_the_constructor_gives_the_first_holders() public view {
        assertEq(roles.holderOf("governor"), governor);
        assertEq(roles.holderOf("pauser"), pauser);
        assertEq(roles.holderOf("left"), left);
        assertEq(roles.holderOf("right"), right);
        assertEq(roles.holderOf("unknown"), address(0));
    }

    function test_a_delay_under_two_days_is_refused() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RoleDelayTooShort.selector, 2 days - 1, 2 days));
        new TwoRoles(2 days - 1, governor, pauser, left, right);
    }

    function test_nobody_is_no_holder() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.NoHolder.selector, bytes32("left")));
        new TwoRoles(2 days, governor, pauser, address(0), right);
    }

    function test_one_address_cannot_hold_roles_that_are_apart() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesNotApart.selector, bytes32("left"), bytes32("right")));
        new TwoRoles(2 days, governor, pauser, left, left);
    }

    function test_a_change_is_announced_waits_and_is_taken_by_the_new_holder() public {
        uint48 effectiveAt = clock() + 2 days;
        vm.expectEmit(address(roles));
        emit IRoles.RoleChangeAnnounced("left", next, effectiveAt);
        vm.prank(governor);
        roles.announceRole("left", next);
        assertEq(roles.roleChangeOf("left").holder, next);
        assertEq(roles.holderOf("left"), left);

        skip(2 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RoleChangeTooEarly.selector, bytes32("left"), effectiveAt));
        vm.prank(next);
        roles.takeRole("left");

        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IRoles.NotAnnounced.selector, bytes32("left"), right));
        vm.prank(right);
        roles.takeRole("left");

        vm.expectEmit(address(roles));
        emit IRoles.RoleTaken("left", left, next);
        vm.prank(next);
        roles.takeRole("left");
        assertEq(roles.holderOf("left"), next);

        vm.expectRevert(abi.encodeWithSelector(IRoles.NoRoleChange.selector, bytes32("left")));
        vm.prank(next);
        roles.takeRole("left");
    }

    function test_two_changes_cannot_meet_in_one_address() public {
        vm.startPrank(governor);
        roles.announceRole("left", next);
        roles.announceRole("right", next);
        vm.stopPrank();
        skip(2 days);
        vm.startPrank(next);
        roles.takeRole("left");
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesNotApart.selector, bytes32("left"), bytes32("right")));
        roles.takeRole("right");
        vm.stopPrank();
    }

    function test_a_second_announcement_starts_the_delay_again() public {
        vm.startPrank(governor);
        roles.announceRole("left", next);
        skip(1 days);
        roles.announceRole("left", next);
        vm.stopPrank();
        skip(1 days);
        vm.expectPartialRevert(IRoles.RoleChangeTooEarly.selector);
        vm.prank(next);
        roles.takeRole("left");
    }

    function test_the_governor_cancels_an_announcement() public {
        vm.startPrank(governor);
        roles.announceRole("left", next);
        vm.expectEmit(address(roles));
        emit IRoles.RoleChangeCancelled("left", next);
        roles.cancelRole("left");
        vm.expectRevert(abi.encodeWithSelector(IRoles.NoRoleChange.selector, bytes32("left")));
        roles.cancelRole("left");
        vm.stopPrank();
        skip(2 days);
        vm.expectRevert(abi.encodeWithSelector(IRoles.NoRoleChange.selector, bytes32("left")));
        vm.prank(next);
        roles.takeRole("left");
    }

    function test_only_the_governor_announces_and_only_known_roles() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.MissingRole.selector, bytes32("governor"), left));
        vm.prank(left);
        roles.announceRole("left", next);
        vm.expectRevert(abi.encodeWithSelector(IRoles.MissingRole.selector, bytes32("governor"), left));
        vm.prank(left);
        roles.cancelRole("left");
        vm.startPrank(governor);
        vm.expectRevert(abi.encodeWithSelector(IRoles.UnknownRole.selector, bytes32("king")));
        roles.announceRole("king", next);
        vm.expectRevert(abi.encodeWithSelector(IRoles.NoHolder.selector, bytes32("left")));
        roles.announceRole("left", address(0));
        vm.stopPrank();
    }

    function test_a_holder_lays_its_role_down_at_once_and_only_its_own() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.MissingRole.selector, bytes32("left"), governor));
        vm.prank(governor);
        roles.renounceRole("left");
        vm.expectEmit(address(roles));
        emit IRoles.RoleRenounced("left", left);
        vm.prank(left);
        roles.renounceRole("left");
        assertEq(roles.holderOf("left"), address(0));

        vm.prank(governor);
        roles.announceRole("left", next);
        skip(2 days);
        vm.prank(next);
        roles.takeRole("left");
        assertEq(roles.holderOf("left"), next);
    }

    function test_two_roles_that_nobody_holds_are_apart() public {
        vm.prank(left);
        roles.renounceRole("left");
        vm.prank(right);
        roles.renounceRole("right");
        vm.prank(governor);
        roles.announceRole("pauser", next);
        skip(2 days);
        vm.prank(next);
        roles.takeRole("pauser");
    }

    function test_the_governor_itself_changes_as_slowly() public {
        vm.prank(governor);
        roles.announceRole("governor", next);
        skip(2 days);
        vm.prank(next);
        roles.takeRole("governor");
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        vm.prank(governor);
        roles.announceRole("left", next);
    }

    function test_a_pause_ends_by_itself() public {
        uint48 until = clock() + 7 days;
        vm.expectEmit(address(roles));
        emit IRoles.Paused(pauser, until);
        vm.prank(pauser);
        roles.pause();
        vm.expectRevert(abi.encodeWithSelector(IRoles.IsPaused.selector, until));
        roles.comeIn();
        skip(7 days - 1);
        assertTrue(roles.paused());
        skip(1);
        assertFalse(roles.paused());
        roles.comeIn();
    }

    function test_a_pause_cannot_be_lengthened_while_it_lasts() public {
        vm.startPrank(pauser);
        roles.pause();
        uint48 until = roles.pausedUntil();
        skip(1 days);
        vm.expectRevert(abi.encodeWithSelector(IRoles.IsPaused.selector, until));
        roles.pause();
        vm.stopPrank();
    }

    function test_the_pauser_ends_a_pause_early() public {
        vm.startPrank(pauser);
        vm.expectRevert(IRoles.NotPaused.selector);
        roles.unpause();
        roles.pause();
        vm.expectEmit(address(roles));
        emit IRoles.Unpaused(pauser);
        roles.unpause();
        vm.stopPrank();
        roles.comeIn();
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        roles.pause();
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        roles.unpause();
    }

    function testFuzz_no_role_is_taken_before_its_delay(uint48 delay, uint48 early) public {
        delay = uint48(bound(delay, 2 days, 3650 days));
        early = uint48(bound(early, 0, delay - 1));
        roles = new TwoRoles(delay, governor, pauser, left, right);
        vm.prank(governor);
        roles.announceRole("right", next);
        skip(early);
        vm.expectPartialRevert(IRoles.RoleChangeTooEarly.selector);
        vm.prank(next);
        roles.takeRole("right");
    }
}
