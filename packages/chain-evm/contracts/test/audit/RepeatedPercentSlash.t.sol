// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice Many small slashes do not add up to a bond: a period has a cap, and each counts from the bond at its offence.
contract RepeatedPercentSlashTest is BondFixture {
    function setUp() public {
        deployBonds();
        bondActive(DEVICE, provider, 1_000e18);
        skip(1 hours);
    }

    function test_slashes_of_one_moment_take_the_same_each() public {
        uint48 time = clock();
        skip(1 hours);
        assertEq(slash(DEVICE, "a", 500, time), 50e18);
        assertEq(slash(DEVICE, "b", 500, time), 50e18);
        assertEq(slash(DEVICE, "c", 500, time), 50e18);
    }

    function test_a_period_takes_a_fifth_and_no_more() public {
        uint256 total = 0;
        for (uint256 i = 0; i < 100; ++i) {
            total += slash(DEVICE, keccak256(abi.encode(i)), 100, clock() - 60);
        }
        assertEq(total, 200e18);
        assertEq(bonds.usedBpsOf(DEVICE, clock() / 30 days), 2_000);
    }

    function test_the_last_slash_takes_what_the_cap_leaves() public {
        uint48 time = clock() - 60;
        assertEq(slash(DEVICE, "a", 1_500, time), 150e18);
        assertEq(slash(DEVICE, "b", 1_000, time), 50e18);
        assertEq(slash(DEVICE, "c", 1_000, time), 0);
    }

    function test_a_top_up_after_the_offence_is_not_touched_and_before_it_counts() public {
        uint48 time = clock();
        skip(1);
        fund(provider, 9_000e18);
        vm.prank(provider);
        bonds.topUp(DEVICE, 9_000e18);
        skip(1);
        assertEq(slash(DEVICE, "before", 1_000, time), 100e18);
        assertEq(slash(DEVICE, "after", 1_000, clock() - 1), 1_000e18);
    }

    function test_an_overturned_slash_gives_its_part_of_the_cap_back() public {
        slash(DEVICE, "wrong", 2_000, clock());
        assertEq(slash(DEVICE, "right", 500, clock()), 0);
        vm.prank(arbiter);
        bonds.overturn("wrong");
        skip(1);
        assertEq(slash(DEVICE, "right", 500, clock()), 50e18);
    }

    function testFuzz_a_period_never_takes_more_than_its_cap(uint16[8] memory rates, uint32[8] memory ages) public {
        skip(2 days);
        uint256 total = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint48 time = clock() - uint48(bound(ages[i], 0, 2 days));
            total += slash(DEVICE, keccak256(abi.encode(i)), rates[i], time);
        }
        // Rounding up may add less than one unit for each slash.
        assertLe(total, 200e18 + 8);
    }
}
