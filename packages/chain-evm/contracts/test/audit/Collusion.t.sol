// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice A provider that has itself slashed, with its own finder and the slasher's help, loses against leaving honestly.
contract CollusionTest is BondFixture {
    function setUp() public {
        deployBonds();
    }

    function testFuzz_slashing_oneself_pays_less_than_leaving(uint128 amount, uint16[4] memory rates) public {
        amount = uint128(bound(amount, 500e18, type(uint96).max));
        bondActive(DEVICE, provider, amount);
        uint256 moved = 0;
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(slasher);
            moved += bonds.proposeSlash(DEVICE, keccak256(abi.encode(i)), rates[i], clock(), EVIDENCE, provider);
        }
        skip(2 days + 1);
        for (uint256 i = 0; i < 4; ++i) {
            if (bonds.caseOf(keccak256(abi.encode(i))).amount > 0) bonds.finalise(keccak256(abi.encode(i)));
        }
        uint256 early = bonds.creditOf(provider);
        // What came out before the cooldown is at most a fifth of a fifth, and four times as much is gone.
        assertLe(early, uint256(amount) / 25 + 4);
        assertGe(moved - early, early * 4);
        if (early > 0) {
            vm.prank(provider);
            bonds.claimCredit();
        }
        startExit(DEVICE, provider);
        skip(7 days);
        withdraw(DEVICE, provider);
        assertEq(token.balanceOf(provider), uint256(amount) - (moved - early));
        if (moved > 0) assertLt(token.balanceOf(provider), amount);
    }

    function test_who_accuses_never_judges() public {
        bondActive(DEVICE, provider, 1_000e18);
        slash(DEVICE, "offence", 500, clock());
        vm.startPrank(slasher);
        vm.expectRevert();
        bonds.overturn("offence");
        vm.expectRevert();
        bonds.uphold("offence");
        vm.stopPrank();
        vm.prank(governor);
        bonds.announceRole("arbiter", slasher);
        skip(7 days);
        vm.expectRevert();
        vm.prank(slasher);
        bonds.takeRole("arbiter");
    }

    function test_slasher_and_arbiter_together_take_a_fifth_of_a_period_and_send_it_to_the_pool() public {
        bondActive(DEVICE, provider, 1_000e18);
        slash(DEVICE, "all", 10_000, clock());
        vm.prank(provider);
        bonds.appeal("all");
        vm.prank(arbiter);
        bonds.uphold("all");
        assertEq(bondedOf(DEVICE), 800e18);
        assertEq(bonds.totals().insurance, 160e18);
        assertEq(token.balanceOf(slasher) + token.balanceOf(arbiter), 0);
    }

    function test_who_promises_insurance_cannot_hide_it_from_who_cancels() public {
        token.mint(address(this), 1_000e18);
        token.approve(address(pool), 1_000e18);
        pool.deposit(1_000e18);
        skip(7 days);
        uint256 epoch = pool.currentEpoch();
        bytes32 mine = pool.leafOf(epoch, "mine", adjuster, 250e18);
        vm.prank(adjuster);
        pool.proposeClaims(epoch, "mine", mine, 250e18);
        skip(2 days - 1);
        vm.expectRevert();
        pool.claim(epoch, "mine", adjuster, 250e18, new bytes32[](0));
        vm.prank(challenger);
        pool.cancelClaims(epoch, "mine");
        skip(1);
        vm.expectRevert();
        pool.claim(epoch, "mine", adjuster, 250e18, new bytes32[](0));
        assertEq(pool.totals().free, 1_000e18);
    }
}
