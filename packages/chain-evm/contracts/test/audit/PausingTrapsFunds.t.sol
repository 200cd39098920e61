// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IRoles } from "../../src/interfaces/IRoles.sol";
import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { IStaking } from "../../src/interfaces/IStaking.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";
import { StakingFixture } from "../fixtures/StakingFixture.sol";

/// @notice A pause closes the entrance. Every exit, claim and decision goes on, and so does a slash.
contract PausingTrapsFundsOfBondsTest is BondFixture {
    function setUp() public {
        deployBonds();
        bondActive(DEVICE, provider, 1_000e18);
        token.mint(address(this), 1_000e18);
        token.approve(address(pool), 1_000e18);
        pool.deposit(1_000e18);
        skip(7 days);
    }

    function test_nothing_comes_in() public {
        pauseAll();
        bytes memory refusal = abi.encodeWithSelector(IRoles.IsPaused.selector, clock() + 7 days);
        fund(provider, 2_000e18);
        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest("new", provider, CONSUMER);
        vm.startPrank(provider);
        vm.expectRevert(refusal);
        bonds.bond("new", CONSUMER, 500e18);
        vm.expectRevert(refusal);
        bonds.bondWithPermit("new", CONSUMER, 500e18, 0, 0, 0, 0);
        vm.expectRevert(refusal);
        bonds.bondVerified(attestation, 500e18, signature);
        vm.expectRevert(refusal);
        bonds.topUp(DEVICE, 1);
        vm.expectRevert(refusal);
        bonds.activate(attestation, signature);
        vm.expectRevert(refusal);
        pool.deposit(1);
        vm.stopPrank();
        uint256 epoch = pool.currentEpoch();
        vm.expectRevert(refusal);
        vm.prank(adjuster);
        pool.proposeClaims(epoch, "incident", "root", 1);
    }

    function test_a_bond_leaves_and_a_case_is_decided() public {
        pauseAll();
        startExit(DEVICE, provider);
        assertEq(slash(DEVICE, "a", 500, clock()), 50e18);
        assertEq(slash(DEVICE, "b", 500, clock() - 1), 50e18);
        assertEq(slash(DEVICE, "c", 500, clock() - 1), 50e18);
        vm.prank(provider);
        bonds.appeal("b");
        vm.prank(arbiter);
        bonds.overturn("c");
        skip(2 days + 1);
        bonds.finalise("a");
        skip(3 days);
        bonds.lapse("b");
        vm.prank(finder);
        assertEq(bonds.claimCredit(), 10e18);
        skip(2 days - 2);
        assertTrue(bonds.paused());
        // The pauser goes on as soon as it can.
        skip(1);
        vm.startPrank(pauser);
        bonds.pause();
        pool.pause();
        vm.stopPrank();
        assertEq(withdraw(DEVICE, provider), 950e18);
        assertEq(token.balanceOf(provider), 950e18);
        // The pool takes nothing now, and the money waits in the bond contract.
        vm.expectPartialRevert(IRoles.IsPaused.selector);
        bonds.sendToInsurance();
        skip(7 days);
        bonds.sendToInsurance();
        assertEq(pool.totals().free, 1_040e18);
    }

    function test_a_promised_claim_is_paid_and_a_wrong_one_cancelled() public {
        uint256 epoch = pool.currentEpoch();
        bytes32 leaf = pool.leafOf(epoch, "incident", other, 100e18);
        vm.startPrank(adjuster);
        pool.proposeClaims(epoch, "incident", leaf, 100e18);
        pool.proposeClaims(epoch, "wrong", "root", 100e18);
        vm.stopPrank();
        pauseAll();
        vm.prank(challenger);
        pool.cancelClaims(epoch, "wrong");
        skip(2 days);
        pool.claim(epoch, "incident", other, 100e18, new bytes32[](0));
        assertEq(token.balanceOf(other), 100e18);
    }

    function test_a_pause_is_no_way_out_for_the_guilty() public {
        pauseAll();
        uint48 offenceTime = clock();
        startExit(DEVICE, provider);
        skip(3 days);
        assertEq(slash(DEVICE, "offence", 500, offenceTime), 50e18);
    }

    function pauseAll() private {
        vm.startPrank(pauser);
        bonds.pause();
        pool.pause();
        vm.stopPrank();
    }
}

contract PausingTrapsFundsOfStakingTest is StakingFixture {
    function setUp() public {
        deployStaking();
        stakeAs(alice, 1_000e18);
        stakeAs(bob, 1_000e18);
        fundRewards(1_000e18);
        requestAs(bob, 500e18);
        skip(30 days);
        vm.prank(pauser);
        staking.pause();
    }

    function test_nothing_comes_in() public {
        bytes memory refusal = abi.encodeWithSelector(IRoles.IsPaused.selector, clock() + 7 days);
        vm.expectRevert(refusal);
        staking.stake(1);
        vm.expectRevert(refusal);
        staking.stakeWithPermit(1, 0, 0, 0, 0);
        vm.expectRevert(refusal);
        staking.fundRewards(1);
    }

    function test_stake_and_rewards_leave() public {
        requestAs(alice, 400e18);
        vm.startPrank(bob);
        assertEq(staking.withdraw(), 500e18);
        assertGt(staking.claimRewards(), 0);
        staking.requestUnstake(100e18);
        staking.cancelUnstake();
        staking.requestUnstake(500e18);
        vm.stopPrank();
        skip(7 days);
        vm.prank(pauser);
        staking.pause();
        vm.prank(alice);
        assertEq(staking.withdraw(), 400e18);
        vm.prank(bob);
        assertEq(staking.withdraw(), 500e18);
        assertStakingSolvent();
        IStaking.StakingTotals memory t = staking.totals();
        assertEq(t.active, 600e18);
    }
}
