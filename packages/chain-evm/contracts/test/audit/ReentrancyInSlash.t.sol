// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IStaking } from "../../src/interfaces/IStaking.sol";
import { Staking } from "../../src/Staking.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";
import { Reentrant } from "../tokens/Reentrant.sol";

/// @notice A token that calls back in the middle of a transfer gets nothing for it. Here the token itself is the provider,
/// the finder and the buyer, so that its calls are allowed to be made.
contract ReentrancyInSlashTest is BondFixture {
    Reentrant internal hook;
    address internal me;

    function setUp() public {
        deployBonds();
        hook = new Reentrant();
        me = address(hook);
        pool = newPool(IERC20(me));
        bonds = newBonds(IERC20(me), pool, bondConfig());
        appendClasses(bonds);
        hook.mint(me, 10_000e18);
        vm.startPrank(me);
        hook.approve(address(bonds), type(uint256).max);
        hook.approve(address(pool), type(uint256).max);
        bonds.bond(DEVICE, CONSUMER, 1_000e18);
        vm.stopPrank();
        activate(DEVICE, me);
    }

    function test_a_slash_and_its_decision_call_no_token() public {
        hook.arm(address(bonds), abi.encodeCall(bonds.withdraw, (DEVICE)), true);
        vm.prank(slasher);
        bonds.proposeSlash(DEVICE, "a", 500, clock(), EVIDENCE, me);
        vm.prank(slasher);
        bonds.proposeSlash(DEVICE, "b", 500, clock(), EVIDENCE, me);
        vm.prank(me);
        bonds.appeal("b");
        vm.prank(arbiter);
        bonds.uphold("b");
        skip(2 days + 1);
        bonds.finalise("a");
        assertEq(hook.calls(), 0);
    }

    function testFuzz_a_withdrawal_pays_once(bool before) public {
        vm.prank(me);
        bonds.requestUnbond(DEVICE);
        skip(7 days);
        hook.arm(address(bonds), abi.encodeCall(bonds.withdraw, (DEVICE)), before);
        vm.prank(me);
        assertEq(bonds.withdraw(DEVICE), 1_000e18);
        assertCalledBackInVain();
        assertEq(hook.balanceOf(me), 10_000e18);
    }

    function testFuzz_a_credit_is_paid_once(bool before) public {
        finishSlash();
        hook.arm(address(bonds), abi.encodeCall(bonds.claimCredit, ()), before);
        vm.prank(me);
        assertEq(bonds.claimCredit(), 10e18);
        assertCalledBackInVain();
    }

    function testFuzz_the_pool_gets_its_part_once(bool before) public {
        finishSlash();
        hook.arm(address(bonds), abi.encodeCall(bonds.sendToInsurance, ()), before);
        bonds.sendToInsurance();
        assertCalledBackInVain();
        assertEq(pool.totals().free, 40e18);
        assertEq(hook.balanceOf(address(pool)), 40e18);
    }

    function testFuzz_a_deposit_counts_once(bool before) public {
        hook.arm(address(bonds), abi.encodeCall(bonds.topUp, (DEVICE, 5e18)), before);
        vm.prank(me);
        bonds.topUp(DEVICE, 5e18);
        assertCalledBackInVain();
        assertEq(bondedOf(DEVICE), 1_005e18);
        assertEq(hook.balanceOf(address(bonds)), 1_005e18);
    }

    function testFuzz_a_slash_cannot_run_inside_a_withdrawal(bool before) public {
        vm.prank(governor);
        bonds.announceRole("slasher", me);
        vm.prank(me);
        bonds.requestUnbond(DEVICE);
        skip(7 days);
        vm.prank(me);
        bonds.takeRole("slasher");
        bytes memory call = abi.encodeCall(bonds.proposeSlash, (DEVICE, "inside", 500, clock(), EVIDENCE, me));
        hook.arm(address(bonds), call, before);
        vm.prank(me);
        bonds.withdraw(DEVICE);
        assertCalledBackInVain();
        assertEq(bonds.totals().escrowed, 0);
    }

    function testFuzz_a_claim_of_insurance_is_paid_once(bool before) public {
        vm.prank(me);
        pool.deposit(1_000e18);
        skip(7 days);
        uint256 epoch = pool.currentEpoch();
        bytes32 leaf = pool.leafOf(epoch, "incident", me, 100e18);
        vm.prank(adjuster);
        pool.proposeClaims(epoch, "incident", leaf, 100e18);
        skip(2 days);
        hook.arm(address(pool), abi.encodeCall(pool.claim, (epoch, "incident", me, 100e18, new bytes32[](0))), before);
        pool.claim(epoch, "incident", me, 100e18, new bytes32[](0));
        assertCalledBackInVain();
        assertEq(hook.balanceOf(address(pool)), 900e18);
    }

    function testFuzz_stake_leaves_once_and_rewards_are_paid_once(bool before) public {
        IStaking.StakingConfig memory config =
            IStaking.StakingConfig({ cooldown: 7 days, minActive: 1 days, tierDelay: 1 days, apyBps: 500 });
        Staking staking = new Staking(IERC20(me), config, new IStaking.Tier[](1), 7 days, governor, pauser, curator);
        vm.startPrank(me);
        hook.approve(address(staking), type(uint256).max);
        staking.fundRewards(100e18);
        hook.arm(address(staking), abi.encodeCall(staking.stake, (7e18)), before);
        staking.stake(1_000e18);
        assertCalledBackInVain();
        assertEq(staking.activeStakeOf(me), 1_000e18);
        staking.requestUnstake(400e18);
        skip(365 days);
        hook.arm(address(staking), abi.encodeCall(staking.withdraw, ()), before);
        assertEq(staking.withdraw(), 400e18);
        assertCalledBackInVain();
        hook.arm(address(staking), abi.encodeCall(staking.claimRewards, ()), before);
        uint256 paid = staking.claimRewards();
        vm.stopPrank();
        assertCalledBackInVain();
        assertEq(hook.balanceOf(address(staking)), 600e18 + 100e18 - paid);
    }

    function finishSlash() private {
        vm.prank(slasher);
        bonds.proposeSlash(DEVICE, "a", 500, clock(), EVIDENCE, me);
        skip(2 days + 1);
        bonds.finalise("a");
    }

    function assertCalledBackInVain() private view {
        assertGt(hook.calls(), 0, "the token did not call back");
        assertEq(hook.succeeded(), 0, "a call back went through");
        bytes4 reason = bytes4(hook.lastAnswer());
        assertTrue(reason == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, "another reason");
    }
}
