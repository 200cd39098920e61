// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IRoles } from "../src/interfaces/IRoles.sol";
import { IStaking } from "../src/interfaces/IStaking.sol";
import { ExactTransfer } from "../src/libraries/ExactTransfer.sol";
import { StakingFixture } from "./fixtures/StakingFixture.sol";
import { FeeOnTransfer } from "./tokens/FeeOnTransfer.sol";
import { NoReturn } from "./tokens/NoReturn.sol";

contract StakingTest is StakingFixture {
    function setUp() public {
        deployStaking();
    }

    function test_stake_counts_at_once_and_is_remembered() public {
        token.mint(alice, 100);
        vm.startPrank(alice);
        token.approve(address(staking), 100);
        vm.expectEmit(address(staking));
        emit IStaking.Staked(alice, 100, 100);
        staking.stake(100);
        vm.stopPrank();
        assertEq(staking.activeStakeOf(alice), 100);
        assertEq(token.balanceOf(address(staking)), 100);
        skip(1);
        assertEq(staking.getPastStake(alice, START), 100);
        assertEq(staking.getPastStake(alice, START - 1), 0);
    }

    function test_a_past_stake_is_told_only_of_seconds_that_are_over() public {
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotPast.selector, START, START));
        staking.getPastStake(alice, START);
    }

    function test_nothing_is_no_amount() public {
        vm.startPrank(alice);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.stake(0);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.requestUnstake(0);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.fundRewards(0);
        vm.stopPrank();
    }

    function test_a_permit_stakes_in_one_transaction_and_used_before_does_no_harm() public {
        (address carol, uint256 key) = makeAddrAndKey("carol");
        token.mint(carol, 70);
        uint256 deadline = clock() + 1;
        bytes32 permit = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(permit, carol, address(staking), 70, 0, deadline));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        uint256 id = vm.snapshotState();

        vm.prank(carol);
        staking.stakeWithPermit(70, deadline, v, r, s);
        assertEq(staking.activeStakeOf(carol), 70);

        vm.revertToState(id);
        token.permit(carol, address(staking), 70, deadline, v, r, s);
        vm.prank(carol);
        staking.stakeWithPermit(70, deadline, v, r, s);
        assertEq(staking.activeStakeOf(carol), 70);
    }

    function test_a_token_that_takes_a_fee_is_refused() public {
        FeeOnTransfer fee = new FeeOnTransfer();
        staking = newStaking(fee, stakingConfig());
        fee.mint(alice, 1000);
        vm.startPrank(alice);
        fee.approve(address(staking), 1000);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 1000, 990));
        staking.stake(1000);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 1000, 990));
        staking.fundRewards(1000);
        vm.stopPrank();
    }

    function test_a_token_that_answers_nothing_works() public {
        NoReturn silent = new NoReturn();
        staking = newStaking(IERC20(address(silent)), stakingConfig());
        silent.mint(alice, 1000);
        vm.startPrank(alice);
        silent.approve(address(staking), 1000);
        staking.stake(1000);
        staking.requestUnstake(1000);
        skip(7 days);
        staking.withdraw();
        vm.stopPrank();
        assertEq(silent.balanceOf(alice), 1000);
    }

    function test_leaving_takes_the_cooldown_to_the_second() public {
        stakeAs(alice, 100);
        uint48 readyAt = clock() + 7 days;
        vm.startPrank(alice);
        vm.expectEmit(address(staking));
        emit IStaking.UnstakeRequested(alice, 60, 60, readyAt);
        staking.requestUnstake(60);
        assertEq(staking.activeStakeOf(alice), 40);
        skip(7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.CooldownNotOver.selector, readyAt));
        staking.withdraw();
        skip(1);
        vm.expectEmit(address(staking));
        emit IStaking.Withdrawn(alice, 60);
        assertEq(staking.withdraw(), 60);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NothingUnbonding.selector, alice));
        staking.withdraw();
        vm.stopPrank();
        assertEq(token.balanceOf(alice), 60);
    }

    function test_a_further_request_joins_the_first_and_starts_its_cooldown_again() public {
        stakeAs(alice, 100);
        requestAs(alice, 30);
        skip(6 days);
        requestAs(alice, 20);
        IStaking.Standing memory standing = staking.standingOf(alice);
        assertEq(standing.unbonding, 50);
        assertEq(standing.readyAt, clock() + 7 days);
        skip(1 days);
        vm.expectPartialRevert(IStaking.CooldownNotOver.selector);
        vm.prank(alice);
        staking.withdraw();
    }

    function test_more_than_is_active_cannot_be_requested() public {
        stakeAs(alice, 100);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotEnoughActive.selector, 101, 100));
        requestAs(alice, 101);
        requestAs(alice, 100);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotEnoughActive.selector, 1, 0));
        requestAs(alice, 1);
    }

    function test_cancelling_makes_it_active_again_at_any_time() public {
        stakeAs(alice, 100);
        requestAs(alice, 100);
        skip(30 days);
        vm.expectEmit(address(staking));
        emit IStaking.UnstakeCancelled(alice, 100, 100);
        vm.prank(alice);
        staking.cancelUnstake();
        assertEq(staking.activeStakeOf(alice), 100);
        assertEq(staking.agedStakeOf(alice), 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NothingUnbonding.selector, alice));
        vm.prank(alice);
        staking.cancelUnstake();
    }

    function test_only_stake_that_was_there_long_enough_makes_a_tier() public {
        stakeAs(alice, 10_000e18);
        assertEq(tierOf(alice), 0);
        skip(3 days - 1);
        assertEq(tierOf(alice), 0);
        skip(1);
        assertEq(tierOf(alice), 2);
        stakeAs(alice, 90_000e18);
        assertEq(tierOf(alice), 2);
        requestAs(alice, 95_000e18);
        assertEq(tierOf(alice), 1);
        assertEq(staking.agedStakeOf(alice), 5_000e18);
    }

    function test_tiers_begin_at_their_least_stake() public {
        stakeAs(alice, 1_000e18 - 1);
        stakeAs(bob, 1_000e18);
        skip(3 days);
        assertEq(tierOf(alice), 0);
        (uint256 table, uint256 tier, IStaking.Tier memory values) = staking.tierOf(bob);
        assertEq(table, 0);
        assertEq(tier, 1);
        assertEq(values.multiplierBps, 12_500);
        assertEq(values.priority, 1);
    }

    function test_a_new_table_waits_for_its_delay() public {
        IStaking.Tier[] memory tiers = new IStaking.Tier[](1);
        tiers[0] = IStaking.Tier({ minStake: 0, multiplierBps: 11_000, priority: 9 });
        uint48 earliest = clock() + 2 days;
        vm.startPrank(curator);
        vm.expectRevert(abi.encodeWithSelector(IStaking.TiersTooEarly.selector, earliest - 1, earliest));
        staking.appendTiers(tiers, earliest - 1);
        vm.expectEmit(address(staking));
        emit IStaking.TiersAppended(1, earliest, tiers);
        assertEq(staking.appendTiers(tiers, earliest), 1);
        vm.stopPrank();
        stakeAs(alice, 1_000e18);
        skip(2 days - 1);
        (uint256 table,) = staking.tiersAt(clock());
        assertEq(table, 0);
        skip(1);
        (table, tiers) = staking.tiersAt(clock());
        assertEq(table, 1);
        assertEq(tiers.length, 1);
        (,, IStaking.Tier memory values) = staking.tierOf(alice);
        assertEq(values.priority, 9);
        assertEq(staking.tableCount(), 2);
        (uint48 activatesAt,) = staking.tableAt(1);
        assertEq(activatesAt, earliest);
        (table,) = staking.tiersAt(START - 1);
        assertEq(table, 0);
    }

    function test_tables_come_in_order_and_not_too_far_ahead() public {
        IStaking.Tier[] memory tiers = fourTiers();
        uint48 from = clock() + 10 days;
        vm.startPrank(curator);
        staking.appendTiers(tiers, from);
        vm.expectRevert(abi.encodeWithSelector(IStaking.TiersTooEarly.selector, from, from + 1));
        staking.appendTiers(tiers, from);
        vm.expectRevert(abi.encodeWithSelector(IStaking.TiersTooLate.selector, START + 367 days + 1, START + 367 days));
        staking.appendTiers(tiers, START + 367 days + 1);
        staking.appendTiers(tiers, from + 1);
        vm.stopPrank();
    }

    function test_a_table_begins_at_zero_rises_and_has_at_most_sixteen_tiers() public {
        uint48 from = clock() + 2 days;
        vm.startPrank(curator);
        IStaking.Tier[] memory tiers = new IStaking.Tier[](0);
        vm.expectRevert(IStaking.BadTiers.selector);
        staking.appendTiers(tiers, from);
        tiers = fourTiers();
        tiers[0].minStake = 1;
        vm.expectRevert(IStaking.BadTiers.selector);
        staking.appendTiers(tiers, from);
        tiers = fourTiers();
        tiers[3].minStake = tiers[2].minStake;
        vm.expectRevert(IStaking.BadTiers.selector);
        staking.appendTiers(tiers, from);
        tiers = new IStaking.Tier[](17);
        for (uint128 i = 0; i < 17; ++i) {
            tiers[i].minStake = i;
        }
        vm.expectRevert(IStaking.BadTiers.selector);
        staking.appendTiers(tiers, from);
        vm.stopPrank();
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        staking.appendTiers(fourTiers(), from);
    }

    function test_a_year_at_five_percent() public {
        stakeAs(alice, 1_000e18);
        fundRewards(1_000e18);
        skip(365 days);
        uint128 rewards = staking.standingOf(alice).rewards;
        assertApproxEqAbs(rewards, 50e18, 1e3);
        vm.expectEmit(address(staking));
        emit IStaking.RewardsClaimed(alice, rewards);
        vm.prank(alice);
        assertEq(staking.claimRewards(), rewards);
        assertEq(token.balanceOf(alice), rewards);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NoRewards.selector, alice));
        vm.prank(alice);
        staking.claimRewards();
    }

    function test_rewards_stop_when_the_stream_is_empty_and_are_not_paid_afterwards() public {
        stakeAs(alice, 1_000e18);
        stakeAs(bob, 3_000e18);
        fundRewards(4e18);
        skip(365 days);
        assertEq(staking.standingOf(alice).rewards, 1e18);
        assertEq(staking.standingOf(bob).rewards, 3e18);
        fundRewards(1_000e18);
        assertEq(staking.standingOf(alice).rewards, 1e18);
        assertEq(staking.totals().rewards, 1_004e18);
        skip(365 days);
        assertApproxEqAbs(staking.standingOf(alice).rewards, 51e18, 1e3);
    }

    function test_time_before_anybody_staked_is_not_paid() public {
        fundRewards(1_000e18);
        skip(365 days);
        stakeAs(alice, 1_000e18);
        assertEq(staking.standingOf(alice).rewards, 0);
    }

    function test_stake_on_its_way_out_earns_nothing() public {
        stakeAs(alice, 1_000e18);
        fundRewards(1_000e18);
        requestAs(alice, 1_000e18);
        skip(365 days);
        assertEq(staking.standingOf(alice).rewards, 0);
    }

    function test_small_stakes_of_a_token_with_six_decimals_earn_too() public {
        stakeAs(alice, 1e6);
        fundRewards(1e9);
        for (uint256 i = 0; i < 100; ++i) {
            skip(1 hours);
            fundRewards(1);
        }
        // 1e6 × 5 % × 100 h ÷ 8,760 h = 570.8
        assertEq(staking.standingOf(alice).rewards, 570);
    }

    function test_without_yield_nothing_leaves_the_stream() public {
        IStaking.StakingConfig memory config = stakingConfig();
        config.apyBps = 0;
        staking = newStaking(token, config);
        stakeAs(alice, 1_000e18);
        fundRewards(5e18);
        skip(365 days);
        assertEq(staking.standingOf(alice).rewards, 0);
        assertEq(staking.totals().rewards, 5e18);
    }

    function test_a_configuration_that_cannot_be_is_refused() public {
        IStaking.StakingConfig memory config = stakingConfig();
        config.minActive = config.cooldown + 1;
        vm.expectRevert(abi.encodeWithSelector(IStaking.MinActiveTooLong.selector, 7 days + 1, 7 days));
        newStaking(token, config);
        config = stakingConfig();
        config.apyBps = 10_001;
        vm.expectRevert(abi.encodeWithSelector(IStaking.ApyTooHigh.selector, 10_001));
        newStaking(token, config);
        config = stakingConfig();
        config.tierDelay = 366 days;
        vm.expectRevert(abi.encodeWithSelector(IStaking.PeriodTooLong.selector, 366 days, 365 days));
        newStaking(token, config);
    }

    function testFuzz_what_goes_in_comes_out(uint128 amount, uint48 later) public {
        amount = uint128(bound(amount, 1, type(uint128).max));
        later = uint48(bound(later, 7 days, type(uint48).max - START));
        stakeAs(alice, amount);
        requestAs(alice, amount);
        vm.warp(uint256(START) + later);
        vm.prank(alice);
        assertEq(staking.withdraw(), amount);
        assertEq(token.balanceOf(alice), amount);
    }

    function testFuzz_rewards_do_not_depend_on_how_often_they_are_counted(uint128 amount, uint32 time, uint8 pokes)
        public
    {
        amount = uint128(bound(amount, 1, type(uint96).max));
        stakeAs(alice, amount);
        fundRewards(type(uint120).max);
        uint256 id = vm.snapshotState();
        skip(time);
        uint128 atOnce = staking.standingOf(alice).rewards;
        vm.revertToState(id);
        pokes = uint8(bound(pokes, 1, 20));
        for (uint256 i = 0; i < pokes; ++i) {
            skip(time / pokes);
            fundRewards(1);
        }
        skip(time % pokes);
        assertEq(staking.standingOf(alice).rewards, atOnce);
    }

    function testFuzz_rewards_never_exceed_the_fund(uint128 a, uint128 b, uint128 funded, uint48 time, uint16 apyBps)
        public
    {
        IStaking.StakingConfig memory config = stakingConfig();
        config.apyBps = uint16(bound(apyBps, 0, 10_000));
        staking = newStaking(token, config);
        stakeAs(alice, uint128(bound(a, 1, type(uint128).max / 2)));
        stakeAs(bob, uint128(bound(b, 1, type(uint128).max / 2)));
        fundRewards(uint128(bound(funded, 1, type(uint128).max)));
        vm.warp(bound(time, START, type(uint48).max));
        uint256 earned = uint256(staking.standingOf(alice).rewards) + staking.standingOf(bob).rewards;
        assertLe(earned, staking.totals().rewards);
    }

    function testFuzz_one_token_never_counts_for_two_accounts(uint48 cooldown, uint48 minActive, uint48 back) public {
        IStaking.StakingConfig memory config = stakingConfig();
        config.cooldown = uint48(bound(cooldown, 1, 365 days));
        config.minActive = uint48(bound(minActive, 1, config.cooldown));
        staking = newStaking(token, config);
        stakeAs(alice, 1_000e18);
        skip(config.minActive);
        requestAs(alice, 1_000e18);
        skip(config.cooldown);
        vm.startPrank(alice);
        staking.withdraw();
        token.approve(address(staking), 1_000e18);
        staking.stake(1_000e18);
        vm.stopPrank();
        // Alice left and came back with the same tokens. They are new here, however the settings are chosen.
        skip(bound(back, 0, config.minActive - 1));
        assertEq(staking.agedStakeOf(alice), 0);
    }

    function test_a_stake_beyond_the_type_is_refused_and_traps_nobody() public {
        stakeAs(alice, type(uint128).max);
        token.mint(bob, 1);
        vm.startPrank(bob);
        token.approve(address(staking), 1);
        vm.expectRevert();
        staking.stake(1);
        vm.stopPrank();
        requestAs(alice, type(uint128).max);
        skip(7 days);
        vm.prank(alice);
        assertEq(staking.withdraw(), type(uint128).max);
    }
}
