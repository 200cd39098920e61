// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { IStaking } from "../../src/interfaces/IStaking.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";
import { StakingFixture } from "../fixtures/StakingFixture.sol";

/// @notice What held when a bond came in or an offence happened holds to its end. There is no setter to change it.
contract RetroactiveParametersOfBondsTest is BondFixture {
    function setUp() public {
        deployBonds();
        bondActive(DEVICE, provider, 1_000e18);
    }

    function test_who_distrusts_a_new_slasher_or_arbiter_is_out_before_it_holds_the_role() public {
        vm.startPrank(governor);
        bonds.announceRole("slasher", other);
        bonds.announceRole("arbiter", finder);
        vm.stopPrank();
        startExit(DEVICE, provider);
        uint48 cooldownEnd = bonds.deviceOf(DEVICE).cooldownEnd;
        assertLe(cooldownEnd, bonds.roleChangeOf("slasher").effectiveAt);
        assertLe(cooldownEnd, bonds.roleChangeOf("arbiter").effectiveAt);
        vm.warp(cooldownEnd);
        assertEq(withdraw(DEVICE, provider), 1_000e18);
        vm.prank(other);
        bonds.takeRole("slasher");
    }

    function test_a_class_keeps_its_minimum() public {
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.ClassExists.selector, CONSUMER));
        vm.prank(curator);
        bonds.appendClass(CONSUMER, 2_000e18);
        vm.prank(curator);
        bonds.appendClass(4, 2_000e18);
        assertTrue(bonds.isEligible(DEVICE));
    }

    function test_a_case_keeps_its_windows_through_a_change_of_the_arbiter() public {
        vm.prank(governor);
        bonds.announceRole("arbiter", other);
        skip(7 days - 1);
        slash(DEVICE, "offence", 500, clock());
        IProviderBond.Case memory before = bonds.caseOf("offence");
        vm.prank(provider);
        bonds.appeal("offence");
        skip(1);
        vm.prank(other);
        bonds.takeRole("arbiter");
        vm.expectRevert();
        vm.prank(arbiter);
        bonds.uphold("offence");
        vm.prank(other);
        bonds.overturn("offence");
        IProviderBond.Case memory afterwards = bonds.caseOf("offence");
        assertEq(before.appealUntil, afterwards.appealUntil);
        assertEq(before.ruleUntil, afterwards.ruleUntil);
    }

    function test_the_cap_of_an_insurance_epoch_is_fixed_when_it_begins() public {
        token.mint(address(this), 3_000e18);
        token.approve(address(pool), 3_000e18);
        pool.deposit(1_000e18);
        skip(7 days);
        uint256 epoch = pool.currentEpoch();
        uint128 cap = pool.epochLeft(epoch);
        pool.deposit(2_000e18);
        assertEq(pool.epochLeft(epoch), cap);
        skip(1 days);
        assertEq(pool.epochLeft(epoch), cap);
    }
}

contract RetroactiveParametersOfStakingTest is StakingFixture {
    function setUp() public {
        deployStaking();
    }

    function test_a_tier_table_is_announced_and_the_past_keeps_its_own() public {
        stakeAs(alice, 1_000e18);
        skip(3 days);
        IStaking.Tier[] memory worse = new IStaking.Tier[](1);
        worse[0] = IStaking.Tier({ minStake: 0, multiplierBps: 10_000, priority: 0 });
        vm.prank(curator);
        staking.appendTiers(worse, clock() + 2 days);
        uint48 announced = clock();
        skip(2 days - 1);
        assertEq(tierOf(alice), 1);
        skip(1);
        assertEq(tierOf(alice), 0);
        (uint256 table,) = staking.tiersAt(announced);
        assertEq(table, 0);
    }

    function test_rewards_of_the_past_are_not_paid_from_later_money() public {
        stakeAs(alice, 1_000e18);
        skip(365 days);
        fundRewards(1_000e18);
        assertEq(staking.standingOf(alice).rewards, 0);
    }
}
