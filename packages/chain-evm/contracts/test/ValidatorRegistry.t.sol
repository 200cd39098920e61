// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { ValidatorRegistry } from "../src/ValidatorRegistry.sol";
import { IInsurancePool } from "../src/interfaces/IInsurancePool.sol";
import { IProviderBond } from "../src/interfaces/IProviderBond.sol";
import { IRoles } from "../src/interfaces/IRoles.sol";
import { IValidatorRegistry } from "../src/interfaces/IValidatorRegistry.sol";
import { Draw } from "../src/libraries/Draw.sol";
import { FinderBond, RegistryFixture } from "./fixtures/RegistryFixture.sol";
import { Plain18 } from "./tokens/Plain18.sol";

contract ValidatorRegistryTest is RegistryFixture {
    function setUp() public {
        begin();
    }

    // Deployment

    function test_a_registry_refuses_settings_that_leave_no_time_or_no_majority() public {
        IValidatorRegistry.RegistryConfig memory bad = config();
        bad.minBond = 0;
        _refuses(bad);
        bad = config();
        bad.epochLength = 59;
        _refuses(bad);
        bad = config();
        bad.cooldown = 4 * HOUR + 48 hours - 1;
        _refuses(bad);
        bad = config();
        bad.quorum = 6;
        _refuses(bad);
        bad = config();
        (bad.drawn, bad.quorum) = (4, 2);
        _refuses(bad);
        bad = config();
        (bad.drawn, bad.quorum) = (16, 9);
        _refuses(bad);
        bad = config();
        (bad.drawn, bad.quorum) = (0, 0);
        _refuses(bad);
        bad = config();
        bad.slashBps = 10_001;
        _refuses(bad);
        bad = config();
        bad.reporterBps = 2_001;
        _refuses(bad);
        bad = config();
        bad.cooldown = type(uint48).max;
        _refuses(bad);
    }

    function test_pool_and_bond_hold_the_same_token() public {
        IERC20 other = IERC20(address(new Plain18()));
        IInsurancePool insurance = IInsurancePool(address(pool));
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongToken.selector, address(pool)));
        new ValidatorRegistry(other, insurance, IProviderBond(address(0)), config(), 2 days, governor, pauser, operator);
        address foreign = address(new FinderBond(other));
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongToken.selector, foreign));
        new ValidatorRegistry(
            IERC20(address(token)), insurance, IProviderBond(foreign), config(), 2 days, governor, pauser, operator
        );
    }

    // Bonds

    function test_a_validator_bonds_at_least_ten_times_a_worker() public {
        address v = newValidator("v");
        token.mint(v, MIN_BOND);
        vm.startPrank(v);
        token.approve(address(registry), MIN_BOND);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.UnderMinimum.selector, MIN_BOND - 1, MIN_BOND));
        registry.register(MIN_BOND - 1);
        registry.register(MIN_BOND);
        vm.expectRevert(
            abi.encodeWithSelector(
                IValidatorRegistry.WrongValidatorState.selector, v, IValidatorRegistry.ValidatorState.Active
            )
        );
        registry.register(MIN_BOND);
        vm.stopPrank();
        assertEq(registry.totals().bonded, MIN_BOND);
    }

    function test_a_bond_leaves_after_its_cooldown() public {
        address v = newValidator("v");
        register(v, MIN_BOND);
        vm.startPrank(v);
        token.mint(v, 5);
        token.approve(address(registry), 5);
        registry.topUp(5);
        registry.requestExit();
        uint48 end = clock() + 7 days;
        vm.expectPartialRevert(IValidatorRegistry.WrongValidatorState.selector);
        registry.requestExit();
        vm.expectPartialRevert(IValidatorRegistry.WrongValidatorState.selector);
        registry.topUp(5);
        skip(7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.CooldownNotOver.selector, end));
        registry.withdraw();
        skip(1);
        assertEq(registry.withdraw(), MIN_BOND + 5);
        vm.expectPartialRevert(IValidatorRegistry.WrongValidatorState.selector);
        registry.withdraw();
        vm.stopPrank();
        assertEq(token.balanceOf(v), MIN_BOND + 5);
    }

    function test_the_list_of_an_epoch_is_frozen_when_it_begins() public {
        registerSeven();
        uint48 epoch = registry.currentEpoch();
        vm.prank(validators[2]);
        registry.requestExit();
        register(newValidator("late"), MIN_BOND);
        vm.prank(validators[0]);
        registry.requestExit();
        assertEq(registry.listedAt(epoch - 1), 0);
        assertEq(registry.listedAt(epoch), 7);
        assertEq(registry.listedAt(epoch + 1), 6);
        for (uint256 i = 0; i < 7; ++i) {
            assertEq(registry.validatorAt(epoch, i), validators[i]);
        }
        // Who left is replaced by the last: v6 came to place 2, the late one to place 0.
        assertEq(registry.validatorAt(epoch + 1, 2), validators[6]);
        assertEq(registry.validatorAt(epoch + 1, 0), validators[7]);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoSuchPlace.selector, 6, 6));
        registry.validatorAt(epoch + 1, 6);
    }

    function test_who_was_moved_up_leaves_from_its_new_place() public {
        registerSeven();
        uint48 next = registry.currentEpoch() + 1;
        // v6 comes to place 2, then v5, the last by now, to v6's.
        vm.prank(validators[2]);
        registry.requestExit();
        vm.prank(validators[6]);
        registry.requestExit();
        assertEq(registry.listedAt(next), 5);
        assertEq(registry.validatorAt(next, 2), validators[5]);
        assertEq(registry.validatorAt(next, 4), validators[4]);
    }

    // Jobs

    function test_a_seed_is_committed_once_and_before_its_jobs() public {
        registerSeven();
        uint48 epoch = registry.currentEpoch();
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoSeed.selector, epoch));
        registry.openJob("job", 0);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.SeedNotCommittable.selector, epoch - 1));
        registry.commitSeed(epoch - 1, "x");
        registry.commitSeed(epoch, "x");
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.SeedNotCommittable.selector, epoch));
        registry.commitSeed(epoch, "y");
        registry.openJob("job", 0);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.JobExists.selector, bytes32("job")));
        registry.openJob("job", 0);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NotEnoughRewards.selector, 1, 0));
        registry.openJob("other", 1);
        vm.stopPrank();
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        registry.openJob("other", 0);
    }

    function test_a_job_needs_enough_validators_in_the_list_of_its_epoch() public {
        for (uint256 i = 0; i < 4; ++i) {
            register(newValidator(vm.toString(i)), MIN_BOND);
        }
        skip(HOUR);
        register(newValidator("fifth"), MIN_BOND);
        vm.startPrank(operator);
        registry.commitSeed(registry.currentEpoch(), "x");
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.TooFewValidators.selector, 4, 5));
        registry.openJob("job", 0);
        vm.stopPrank();
    }

    function test_three_equal_votes_are_a_verdict_and_pay_who_gave_them() public {
        registerSeven();
        fundRewards(1_003);
        openJob("job", 1_003);
        assertEq(registry.jobOf("job").share, 200);
        assertEq(registry.totals().reserved, 1_000);
        assertEq(registry.totals().rewardPool, 3);
        address[] memory drawn = registry.drawnOf("job", SEED);
        commitVote(drawn[0], "job", GOOD);
        commitVote(drawn[1], "job", BAD);
        commitVote(drawn[2], "job", GOOD);
        commitVote(drawn[3], "job", GOOD);
        commitVote(drawn[4], "job", GOOD);
        toSeed("job");
        revealVote("job", 0, GOOD);
        revealVote("job", 1, BAD);
        revealVote("job", 2, GOOD);
        assertEq(registry.jobOf("job").verdict, 0);
        vm.expectEmit(address(registry));
        emit IValidatorRegistry.VerdictReached("job", GOOD);
        revealVote("job", 3, GOOD);
        assertEq(registry.creditOf(drawn[0]), 200);
        assertEq(registry.creditOf(drawn[1]), 0);
        assertEq(registry.creditOf(drawn[3]), 200);
        // A late one is paid too; who reveals nothing is not.
        revealVote("job", 4, GOOD);
        assertEq(registry.creditOf(drawn[4]), 200);
        assertEq(registry.votersFor("job", GOOD).length, 4);
        vm.prank(drawn[0]);
        assertEq(registry.claimCredit(), 200);
        vm.prank(drawn[0]);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NothingToClaim.selector, drawn[0]));
        registry.claimCredit();
        vm.warp(uint256(registry.jobOf("job").epoch + 4) * HOUR);
        registry.closeJob("job");
        assertEq(registry.totals().rewardPool, 203);
        assertEq(registry.totals().reserved, 0);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.JobIsClosed.selector, bytes32("job")));
        registry.closeJob("job");
    }

    function test_who_opens_a_job_does_not_know_who_is_drawn() public {
        registerSeven();
        vm.startPrank(operator);
        registry.commitSeed(registry.currentEpoch(), keccak256(abi.encode(SEED)));
        registry.openJob("job", 0);
        vm.stopPrank();
        bytes memory unknown = abi.encodeWithSelector(IValidatorRegistry.NoEntropy.selector, bytes32("job"));
        vm.expectRevert(unknown);
        registry.drawnOf("job", SEED);
        vm.expectRevert(unknown);
        registry.fixEntropy("job");
        // A vote in the same block fixes nothing either.
        commitVote(validators[0], "job", GOOD);
        assertEq(registry.jobOf("job").entropy, 0);
        uint48 opened = registry.jobOf("job").openedBlock;
        vm.roll(opened + 1);
        bytes32 entropy = keccak256(abi.encode(blockhash(opened), bytes32("job")));
        assertEq(registry.jobOf("job").entropy, entropy);
        address[] memory drawn = registry.drawnOf("job", SEED);
        vm.expectEmit(address(registry));
        emit IValidatorRegistry.EntropyFixed("job", entropy);
        registry.fixEntropy("job");
        vm.roll(opened + 1_000);
        assertEq(registry.jobOf("job").entropy, entropy);
        assertEq(registry.drawnOf("job", SEED)[4], drawn[4]);
    }

    function test_a_job_whose_block_is_forgotten_has_no_verdict() public {
        registerSeven();
        fundRewards(1_000);
        openJob("job", 1_000);
        address drawn = registry.drawnOf("job", SEED)[0];
        vm.roll(registry.jobOf("job").openedBlock + 257);
        commitVote(drawn, "job", GOOD);
        toSeed("job");
        bytes memory signature = signVerdict(drawn, "job", GOOD);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoEntropy.selector, bytes32("job")));
        registry.revealVote("job", 0, GOOD, "salt", signature);
        skip(2 * HOUR);
        registry.closeJob("job");
        assertEq(registry.totals().rewardPool, 1_000);
    }

    function test_each_step_has_its_epochs() public {
        registerSeven();
        openJob("job", 0);
        uint48 e = registry.jobOf("job").epoch;
        address v = registry.drawnOf("job", SEED)[0];
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongEpoch.selector, e + 2, e + 2, e));
        registry.revealSeed(e, SEED);
        vm.warp(uint256(e + 2) * HOUR - 1);
        commitVote(v, "job", GOOD);
        vm.prank(v);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.AlreadyCommitted.selector, bytes32("job"), v));
        registry.commitVote("job", "again");
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongEpoch.selector, e, e + 1, e + 2));
        registry.commitVote("job", "late");
        bytes memory signature = signVerdict(v, "job", GOOD);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoSeed.selector, e));
        registry.revealVote("job", 0, GOOD, "salt", signature);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongSeed.selector, e));
        registry.revealSeed(e, "guess");
        registry.revealSeed(e, SEED);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongSeed.selector, e));
        registry.revealSeed(e, SEED);
        vm.expectPartialRevert(IValidatorRegistry.WrongEpoch.selector);
        registry.closeJob("job");
        vm.warp(uint256(e + 4) * HOUR);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongEpoch.selector, e + 2, e + 3, e + 4));
        registry.revealVote("job", 0, GOOD, "salt", signature);
        vm.warp(uint256(e + 4) * HOUR - 1);
        registry.revealVote("job", 0, GOOD, "salt", signature);
    }

    function test_a_seed_comes_in_its_epoch_or_never() public {
        registerSeven();
        openJob("job", 0);
        uint48 e = registry.jobOf("job").epoch;
        vm.warp(uint256(e + 3) * HOUR);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.WrongEpoch.selector, e + 2, e + 2, e + 3));
        registry.revealSeed(e, SEED);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoSeed.selector, e + 1));
        registry.revealSeed(e + 1, SEED);
    }

    function test_a_vote_is_the_committed_one_of_a_drawn_validator() public {
        registerSeven();
        openJob("job", 0);
        address[] memory drawn = registry.drawnOf("job", SEED);
        commitVote(drawn[0], "job", GOOD);
        toSeed("job");
        bytes memory other = signVerdict(drawn[0], "job", BAD);
        bytes memory own = signVerdict(drawn[0], "job", GOOD);
        bytes memory foreign = signVerdict(drawn[1], "job", GOOD);
        bytes memory wrong = abi.encodeWithSelector(IValidatorRegistry.WrongVote.selector, bytes32("job"), drawn[0]);
        vm.expectRevert(wrong);
        registry.revealVote("job", 0, BAD, "salt", other);
        vm.expectRevert(wrong);
        registry.revealVote("job", 0, GOOD, "pepper", own);
        vm.expectRevert(IValidatorRegistry.InvalidSignature.selector);
        registry.revealVote("job", 0, GOOD, "salt", foreign);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoSuchDraw.selector, 5));
        registry.revealVote("job", 5, GOOD, "salt", own);
        vm.expectRevert(IValidatorRegistry.ZeroVerdict.selector);
        registry.revealVote("job", 0, 0, "salt", own);
        // Nobody else's commitment: the second drawn never committed.
        vm.expectPartialRevert(IValidatorRegistry.WrongVote.selector);
        registry.revealVote("job", 1, GOOD, "salt", foreign);
        registry.revealVote("job", 0, GOOD, "salt", own);
        vm.expectRevert(wrong);
        registry.revealVote("job", 0, GOOD, "salt", own);
    }

    function test_a_copied_commitment_cannot_be_revealed() public {
        registerSeven();
        openJob("job", 0);
        address[] memory drawn = registry.drawnOf("job", SEED);
        bytes32 commitment = registry.commitmentOf("job", drawn[0], GOOD, "salt");
        vm.prank(drawn[1]);
        registry.commitVote("job", commitment);
        toSeed("job");
        bytes memory signature = signVerdict(drawn[1], "job", GOOD);
        vm.expectPartialRevert(IValidatorRegistry.WrongVote.selector);
        registry.revealVote("job", 1, GOOD, "salt", signature);
    }

    function testFuzz_a_draw_takes_no_place_twice(bytes32 seed, uint8 count, uint256 size) public pure {
        count = uint8(bound(count, 1, 15));
        size = bound(size, count, 1_000);
        uint256[] memory places = Draw.distinct(seed, count, size);
        for (uint256 i = 0; i < count; ++i) {
            assertLt(places[i], size);
            for (uint256 j = 0; j < i; ++j) {
                assertTrue(places[i] != places[j]);
            }
        }
    }

    function test_every_place_is_drawn_about_as_often() public pure {
        uint256[7] memory times;
        for (uint256 i = 0; i < 700; ++i) {
            uint256[] memory places = Draw.distinct(keccak256(abi.encode(i)), 5, 7);
            for (uint256 j = 0; j < 5; ++j) {
                ++times[places[j]];
            }
        }
        // 500 expected, a standard deviation of 12.
        for (uint256 i = 0; i < 7; ++i) {
            assertApproxEqAbs(times[i], 500, 60);
        }
    }

    // Rewards

    function test_finders_share_equally_what_a_slash_brought() public {
        registerSeven();
        openJob("job", 0);
        address[] memory drawn = registry.drawnOf("job", SEED);
        for (uint256 i = 0; i < 3; ++i) {
            commitVote(drawn[i], "job", BAD);
        }
        toSeed("job");
        for (uint256 i = 0; i < 3; ++i) {
            revealVote("job", i, BAD);
        }
        token.mint(address(bond), 1_000);
        assertEq(registry.collectFinderShares(), 1_000);
        vm.startPrank(operator);
        vm.expectPartialRevert(IValidatorRegistry.WrongEpoch.selector);
        registry.shareFinding("job", 1_000);
        skip(2 * HOUR);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NotEnoughRewards.selector, 1_001, 1_000));
        registry.shareFinding("job", 1_001);
        vm.expectRevert(IValidatorRegistry.ZeroAmount.selector);
        registry.shareFinding("job", 2);
        vm.expectEmit(address(registry));
        emit IValidatorRegistry.FindingShared("job", drawn[0], 333);
        registry.shareFinding("job", 1_000);
        vm.stopPrank();
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(registry.creditOf(drawn[i]), 333);
        }
        assertEq(registry.totals().rewardPool, 1);
    }

    function test_without_a_verdict_there_is_no_finder() public {
        registerSeven();
        openJob("job", 0);
        skip(4 * HOUR);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoVerdict.selector, bytes32("job")));
        registry.shareFinding("job", 1);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.UnknownJob.selector, bytes32("other")));
        registry.shareFinding("other", 1);
        vm.stopPrank();
    }

    // Slashing

    function test_two_signed_verdicts_on_one_job_cost_half_the_bond() public {
        registerSeven();
        address v = validators[0];
        bytes memory good = signVerdict(v, "job", GOOD);
        bytes memory bad = signVerdict(v, "job", BAD);
        vm.expectEmit(address(registry));
        emit IValidatorRegistry.Slashed(v, "job", address(this), 4_000e18, 1_000e18);
        assertEq(registry.report(v, "job", GOOD, good, BAD, bad), 5_000e18);
        assertEq(registry.creditOf(address(this)), 1_000e18);
        assertEq(registry.totals().insurance, 4_000e18);
        // What is left is too little to stay listed.
        assertTrue(registry.validatorOf(v).state == IValidatorRegistry.ValidatorState.Exiting);
        assertEq(registry.listedAt(registry.currentEpoch() + 1), 6);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.AlreadyReported.selector, v, bytes32("job")));
        registry.report(v, "job", BAD, bad, GOOD, good);
        registry.sendToInsurance();
        assertEq(token.balanceOf(address(pool)), 4_000e18);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NothingToClaim.selector, address(pool)));
        registry.sendToInsurance();
    }

    function test_nothing_else_costs_anything() public {
        registerSeven();
        address v = validators[0];
        bytes memory good = signVerdict(v, "job", GOOD);
        bytes memory elsewhere = signVerdict(v, "other", BAD);
        bytes memory foreign = signVerdict(validators[1], "job", BAD);
        vm.expectRevert(IValidatorRegistry.NoContradiction.selector);
        registry.report(v, "job", GOOD, good, GOOD, good);
        vm.expectRevert(IValidatorRegistry.InvalidSignature.selector);
        registry.report(v, "job", GOOD, good, BAD, elsewhere);
        vm.expectRevert(IValidatorRegistry.InvalidSignature.selector);
        registry.report(v, "job", GOOD, good, BAD, foreign);
        vm.expectRevert(IValidatorRegistry.ZeroVerdict.selector);
        registry.report(v, "job", GOOD, good, 0, good);
    }

    function test_a_contradiction_costs_the_same_on_the_way_out() public {
        registerSeven();
        address v = validators[0];
        bytes memory good = signVerdict(v, "job", GOOD);
        bytes memory bad = signVerdict(v, "job", BAD);
        vm.prank(v);
        registry.requestExit();
        // At the very end, after the cooldown, as long as the bond is there.
        skip(8 days);
        assertEq(registry.report(v, "job", GOOD, good, BAD, bad), 5_000e18);
        vm.prank(v);
        assertEq(registry.withdraw(), 5_000e18);
        bytes memory again = signVerdict(v, "2", GOOD);
        bytes memory other = signVerdict(v, "2", BAD);
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NothingToSlash.selector, v));
        registry.report(v, "2", GOOD, again, BAD, other);
    }

    function testFuzz_a_cut_is_rounded_up_and_never_more_than_the_bond(uint128 bonded, uint16 bps) public {
        IValidatorRegistry.RegistryConfig memory settings = config();
        settings.slashBps = uint16(bound(bps, 1, 10_000));
        settings.minBond = 1;
        registry = newRegistry(settings);
        bonded = uint128(bound(bonded, 1, type(uint128).max));
        address v = newValidator("v");
        register(v, bonded);
        uint256 expected = (uint256(bonded) * settings.slashBps + 9_999) / 10_000;
        bytes memory good = signVerdict(v, "job", GOOD);
        bytes memory bad = signVerdict(v, "job", BAD);
        assertEq(registry.report(v, "job", GOOD, good, BAD, bad), expected);
        assertEq(registry.validatorOf(v).bonded, bonded - expected);
        assertEq(uint256(registry.creditOf(address(this))), expected * 2_000 / 10_000);
    }

    function _refuses(IValidatorRegistry.RegistryConfig memory bad) private {
        vm.expectRevert(IValidatorRegistry.BadRegistryConfig.selector);
        newRegistry(bad);
    }
}
