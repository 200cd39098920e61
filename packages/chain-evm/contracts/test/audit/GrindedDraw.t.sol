// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ValidatorRegistry } from "../../src/ValidatorRegistry.sol";
import { IRoles } from "../../src/interfaces/IRoles.sol";
import { IValidatorRegistry } from "../../src/interfaces/IValidatorRegistry.sol";
import { RegistryFixture } from "../fixtures/RegistryFixture.sol";

/// @notice Who draws tries until it likes the draw, and who is drawn has itself paid for its own fault.
contract GrindedDrawTest is RegistryFixture {
    function setUp() public {
        begin();
        registerSeven();
    }

    function test_an_operator_that_is_a_contract_cannot_look_before_it_decides() public {
        Picky picky = new Picky(registry, validators[0]);
        vm.prank(governor);
        registry.announceRole("operator", address(picky));
        skip(2 days);
        picky.take();
        uint48 epoch = registry.currentEpoch();
        vm.prank(address(picky));
        registry.commitSeed(epoch, keccak256(abi.encode(SEED)));
        vm.expectRevert(abi.encodeWithSelector(IValidatorRegistry.NoEntropy.selector, bytes32("job")));
        picky.openIfItsOwnIsDrawn("job", SEED);
        // The block's hash is not to be had in its own block, however the vote is made; it is the same whoever fixes it, and when.
        vm.prank(address(picky));
        registry.openJob("job", 0);
        uint48 opened = registry.jobOf("job").openedBlock;
        commitVote(validators[0], "job", GOOD);
        vm.roll(opened + 1);
        bytes32 first = registry.jobOf("job").entropy;
        vm.roll(opened + 256);
        assertEq(registry.jobOf("job").entropy, first);
        commitVote(validators[1], "job", GOOD);
        vm.roll(opened + 10_000);
        assertEq(registry.jobOf("job").entropy, first);
        registry.fixEntropy("job");
        assertEq(registry.jobOf("job").entropy, first);
    }

    function test_a_draw_is_not_moved_by_who_comes_or_leaves_afterwards() public {
        openJob("job", 0);
        address[] memory before = registry.drawnOf("job", SEED);
        vm.prank(before[0]);
        registry.requestExit();
        register(newValidator("late"), MIN_BOND);
        skip(HOUR);
        address[] memory afterwards = registry.drawnOf("job", SEED);
        for (uint256 i = 0; i < before.length; ++i) {
            assertEq(before[i], afterwards[i]);
        }
    }

    function test_who_reports_itself_has_no_share() public {
        address v = validators[0];
        bytes memory good = signVerdict(v, "job", GOOD);
        bytes memory bad = signVerdict(v, "job", BAD);
        vm.expectEmit(address(registry));
        emit IValidatorRegistry.Slashed(v, "job", v, 5_000e18, 0);
        vm.prank(v);
        registry.report(v, "job", GOOD, good, BAD, bad);
        assertEq(registry.creditOf(v), 0);
        assertEq(registry.totals().insurance, 5_000e18);
        assertEq(registry.totals().credits, 0);
    }

    /// @dev By another account of its own it has the share: the fault costs four fifths of the cut at least.
    function test_by_another_account_it_has_a_fifth_of_the_cut_at_most() public {
        address v = validators[0];
        bytes memory good = signVerdict(v, "job", GOOD);
        bytes memory bad = signVerdict(v, "job", BAD);
        vm.prank(makeAddr("its friend"));
        uint128 cut = registry.report(v, "job", GOOD, good, BAD, bad);
        assertEq(uint256(registry.creditOf(makeAddr("its friend"))) * 5, cut);
    }

    function test_a_pause_stops_who_has_the_operators_key_from_giving_rewards_away() public {
        fundRewards(1_000);
        openJob("job", 0);
        address[] memory drawn = registry.drawnOf("job", SEED);
        for (uint256 i = 0; i < 3; ++i) {
            commitVote(drawn[i], "job", GOOD);
        }
        toSeed("job");
        for (uint256 i = 0; i < 3; ++i) {
            revealVote("job", i, GOOD);
        }
        skip(2 * HOUR);
        vm.prank(pauser);
        registry.pause();
        uint48 until = registry.pausedUntil();
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IRoles.IsPaused.selector, until));
        registry.shareFinding("job", 1_000);
        vm.warp(until);
        registry.shareFinding("job", 1_000);
        vm.stopPrank();
        assertEq(registry.creditOf(drawn[0]), 333);
    }
}

/// @notice An operator that takes its job back where its own validator is not drawn.
contract Picky {
    ValidatorRegistry private immutable registry;
    address private immutable own;

    constructor(ValidatorRegistry registry_, address own_) {
        registry = registry_;
        own = own_;
    }

    function take() external {
        registry.takeRole("operator");
    }

    function openIfItsOwnIsDrawn(bytes32 job, bytes32 seed) external {
        registry.openJob(job, 0);
        address[] memory drawn = registry.drawnOf(job, seed);
        for (uint256 i = 0; i < drawn.length; ++i) {
            if (drawn[i] == own) return;
        }
        revert("not drawn");
    }
}
