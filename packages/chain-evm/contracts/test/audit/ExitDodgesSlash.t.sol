// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice Leaving, early or late, asked for or not, changes nothing of what an offence costs.
contract ExitDodgesSlashTest is BondFixture {
    bytes32 internal constant OFFENCE = keccak256("offence");

    function setUp() public {
        deployBonds();
        bondActive(DEVICE, provider, 1_000e18);
        skip(1 days);
    }

    function testFuzz_a_slash_takes_the_same_at_every_point_of_the_exit(uint48 left, uint48 proposed, bool byRegistrar)
        public
    {
        uint48 offenceTime = clock();
        // The provider leaves at any time after the offence, the evidence arrives at any time before its window ends.
        left = uint48(bound(left, 0, 3 days));
        proposed = uint48(bound(proposed, left, 3 days));
        skip(left);
        vm.prank(byRegistrar ? registrar : provider);
        if (byRegistrar) bonds.deregister(DEVICE);
        else bonds.requestUnbond(DEVICE);
        skip(proposed - left);
        assertEq(slash(DEVICE, OFFENCE, 500, offenceTime), 50e18);
    }

    function testFuzz_an_offence_counts_until_the_end_of_the_cooldown(uint48 after_) public {
        startExit(DEVICE, provider);
        skip(bound(after_, 0, 7 days));
        assertEq(slash(DEVICE, OFFENCE, 500, clock()), 50e18);
    }

    function testFuzz_a_bond_that_could_have_been_withdrawn_is_as_slashable(uint48 late) public {
        startExit(DEVICE, provider);
        skip(7 days);
        uint48 offenceTime = clock() - 1;
        skip(bound(late, 0, 3 days - 1));
        assertEq(slash(DEVICE, OFFENCE, 500, offenceTime), 50e18);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.CaseOpen.selector, DEVICE, 1));
        withdraw(DEVICE, provider);
    }

    function test_asking_to_leave_just_before_the_slash_is_no_way_out() public {
        uint48 offenceTime = clock();
        startExit(DEVICE, provider);
        assertEq(slash(DEVICE, OFFENCE, 500, offenceTime), 50e18);
        skip(7 days);
        bonds.finalise(OFFENCE);
        assertEq(withdraw(DEVICE, provider), 950e18);
    }

    function test_an_appeal_that_waits_for_the_cooldown_is_no_way_out() public {
        startExit(DEVICE, provider);
        skip(7 days);
        slash(DEVICE, OFFENCE, 500, clock());
        vm.prank(provider);
        bonds.appeal(OFFENCE);
        vm.expectPartialRevert(IProviderBond.CaseOpen.selector);
        withdraw(DEVICE, provider);
        vm.prank(arbiter);
        bonds.uphold(OFFENCE);
        assertEq(withdraw(DEVICE, provider), 950e18);
    }

    function test_a_hostile_slasher_holds_an_exit_for_a_bounded_time_only() public {
        startExit(DEVICE, provider);
        skip(7 days);
        uint48 cooldownEnd = clock();
        // The slasher opens a case of one basis point whenever it can, and the provider lets each run its course.
        skip(3 days);
        assertGt(slash(DEVICE, OFFENCE, 1, cooldownEnd), 0);
        skip(1);
        assertEq(slash(DEVICE, "more", 1, cooldownEnd), 0);
        assertEq(slash(DEVICE, "more", 1, clock()), 0);
        skip(2 days);
        bonds.finalise(OFFENCE);
        withdraw(DEVICE, provider);
        assertLe(clock(), cooldownEnd + 3 days + 2 days + 1);
    }
}
