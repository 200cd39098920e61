// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { IRoles } from "../../src/interfaces/IRoles.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice A role that changes hands gives nobody a power that its table of powers does not name.
contract RoleHandoverTest is BondFixture {
    function setUp() public {
        deployBonds();
        bondActive(DEVICE, provider, 1_000e18);
    }

    function test_a_slasher_that_lays_its_role_down_does_not_judge_its_own_case() public {
        announce("arbiter", slasher);
        skip(7 days);
        slash(DEVICE, "offence", 2_000, clock());
        vm.prank(provider);
        bonds.appeal("offence");

        vm.startPrank(slasher);
        bonds.renounceRole("slasher");
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesNotApart.selector, bytes32("slasher"), bytes32("arbiter")));
        bonds.takeRole("arbiter");
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        bonds.uphold("offence");
        vm.stopPrank();
    }

    function test_a_later_slasher_never_becomes_arbiter_either() public {
        announce("slasher", other);
        skip(7 days);
        take("slasher", other);
        announce("slasher", finder);
        announce("arbiter", other);
        skip(7 days);
        take("slasher", finder);
        vm.expectPartialRevert(IRoles.RolesNotApart.selector);
        take("arbiter", other);
    }

    function test_other_roles_change_hands_while_nobody_is_slasher_or_arbiter() public {
        vm.prank(slasher);
        bonds.renounceRole("slasher");
        vm.prank(arbiter);
        bonds.renounceRole("arbiter");
        announce("registrar", other);
        announce("arbiter", finder);
        skip(7 days);
        take("registrar", other);
        take("arbiter", finder);
        assertEq(bonds.holderOf("registrar"), other);
        assertEq(bonds.holderOf("arbiter"), finder);
    }

    function test_an_announcement_is_no_licence_for_later() public {
        announce("slasher", other);
        uint256 until = uint256(clock()) + 14 days;
        skip(14 days + 1);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RoleChangeOver.selector, bytes32("slasher"), until));
        take("slasher", other);

        announce("slasher", other);
        skip(14 days);
        take("slasher", other);
        assertEq(bonds.holderOf("slasher"), other);
    }

    function test_a_cap_of_short_periods_is_refused() public {
        IProviderBond.BondConfig memory config = bondConfig();
        IERC20 bonded = bonds.token();
        config.period = config.evidenceWindow - 1;
        vm.expectRevert(IProviderBond.BadBondConfig.selector);
        newBonds(bonded, pool, config);
        config.period = config.evidenceWindow;
        newBonds(bonded, pool, config);
    }

    function testFuzz_at_one_time_at_most_two_periods_can_be_slashed(uint48[24] memory ago, uint48 start) public {
        IProviderBond.BondConfig memory config = bondConfig();
        config.period = config.evidenceWindow;
        bonds = newBonds(bonds.token(), pool, config);
        appendClasses(bonds);
        bondActive(DEVICE, provider, 1_000e18);
        skip(3 days + start % 3 days);
        for (uint256 i = 0; i < ago.length; ++i) {
            slash(DEVICE, bytes32(i + 1), 2_000, clock() - ago[i] % 4 days);
        }
        assertGe(bondedOf(DEVICE), 600e18);
    }

    function announce(bytes32 role, address holder) private {
        vm.prank(governor);
        bonds.announceRole(role, holder);
    }

    function take(bytes32 role, address holder) private {
        vm.prank(holder);
        bonds.takeRole(role);
    }
}
