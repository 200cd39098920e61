// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice A slash of more than there is takes what there is. On a known device it never reverts.
contract SlashRevertsOnExcessTest is BondFixture {
    function setUp() public {
        deployBonds();
        IProviderBond.BondConfig memory config = bondConfig();
        config.capBps = 10_000;
        bonds = newBonds(token, pool, config);
        appendClasses(bonds);
    }

    function test_two_slashes_of_more_than_the_bond_take_the_bond() public {
        bondActive(DEVICE, provider, 1_000e18);
        // One offence at the end of a period, one at the beginning of the next, both before anything was taken.
        uint48 next = (clock() / 30 days + 1) * 30 days;
        vm.warp(next);
        assertEq(slash(DEVICE, "first", 6_000, next - 1), 600e18);
        assertEq(slash(DEVICE, "second", 6_000, next - 1), 400e18);
        assertEq(slash(DEVICE, "third", 6_000, next), 0);
        assertEq(bondedOf(DEVICE), 0);
        skip(2 days + 1);
        bonds.finalise("first");
        bonds.finalise("second");
        assertEq(bonds.deviceOf(DEVICE).slashed, 1_000e18);
        startExit(DEVICE, provider);
        skip(7 days);
        assertEq(withdraw(DEVICE, provider), 0);
        assertDeviceAddsUp(DEVICE);
    }

    function test_a_slash_of_a_larger_past_takes_what_is_left() public {
        bondActive(DEVICE, provider, 1_000e18);
        uint48 next = (clock() / 30 days + 1) * 30 days;
        vm.warp(next);
        assertEq(slash(DEVICE, "first", 6_000, next - 1), 600e18);
        assertEq(bonds.bondedAt(DEVICE, next), 400e18);
        vm.warp(next + 1);
        assertEq(slash(DEVICE, "second", 10_000, next), 400e18);
    }

    function test_a_bond_that_is_gone_is_ignored() public {
        bondActive(DEVICE, provider, 1_000e18);
        startExit(DEVICE, provider);
        skip(7 days);
        withdraw(DEVICE, provider);
        vm.expectEmit(address(bonds));
        emit IProviderBond.SlashIgnored(DEVICE, "late", IProviderBond.IgnoredReason.NothingLeft);
        assertEq(slash(DEVICE, "late", 500, clock() - 1), 0);
    }

    function testFuzz_a_slash_of_anything_never_reverts_and_never_exceeds(
        uint128 amount,
        uint8 life,
        uint48 wait,
        uint16[3] memory rates,
        uint48[3] memory times,
        bool near
    ) public {
        amount = uint128(bound(amount, 500e18, type(uint96).max));
        bondPending(DEVICE, provider, amount);
        if (life % 4 > 0) activate(DEVICE, provider);
        if (life % 4 > 1) startExit(DEVICE, provider);
        skip(bound(wait, 0, 20 days));
        if (life % 4 > 2 && bonds.deviceOf(DEVICE).cooldownEnd <= clock()) withdraw(DEVICE, provider);
        uint256 total = 0;
        for (uint256 i = 0; i < 3; ++i) {
            uint128 before = bondedOf(DEVICE);
            uint48 time = near ? uint48(bound(times[i], clock() - 4 days, clock() + 1)) : times[i];
            uint256 moved = slash(DEVICE, keccak256(abi.encode(i)), rates[i], time);
            assertLe(moved, before);
            assertEq(bondedOf(DEVICE), before - moved);
            total += moved;
        }
        assertLe(total, amount);
        assertDeviceAddsUp(DEVICE);
        assertBondsSolvent();
    }
}
