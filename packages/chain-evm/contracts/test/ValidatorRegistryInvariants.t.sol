// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { InsurancePool } from "../src/InsurancePool.sol";
import { ValidatorRegistry } from "../src/ValidatorRegistry.sol";
import { IValidatorRegistry } from "../src/interfaces/IValidatorRegistry.sol";
import { Base } from "./Base.sol";
import { RegistryHandler } from "./handlers/RegistryHandler.sol";
import { Plain18 } from "./tokens/Plain18.sol";

contract ValidatorRegistryInvariants is Base {
    RegistryHandler internal handler;
    ValidatorRegistry internal registry;
    InsurancePool internal pool;
    Plain18 internal token;

    function setUp() public {
        handler = new RegistryHandler();
        (registry, pool, token) = handler.contracts();
        targetContract(address(handler));
    }

    function invariant_tokens_cover_every_liability() public view {
        IValidatorRegistry.RegistryTotals memory t = registry.totals();
        assertEq(
            token.balanceOf(address(registry)), uint256(t.bonded) + t.rewardPool + t.reserved + t.credits + t.insurance
        );
    }

    function invariant_what_came_in_is_somebodys() public view {
        (uint256 cameIn, uint256 wentOut, uint256 bonded, uint256 credits, uint256 insurance, uint256 rewards) =
            handler.books();
        IValidatorRegistry.RegistryTotals memory t = registry.totals();
        assertEq(cameIn, wentOut + bonded + credits + insurance + rewards, "in = out");
        assertEq(t.bonded, bonded, "bonded");
        assertEq(t.credits, credits, "credits");
        assertEq(t.insurance, insurance, "insurance");
        assertEq(uint256(t.rewardPool) + t.reserved, rewards, "rewards");
    }

    function invariant_a_bond_falls_only_by_its_owner_or_a_contradiction() public view {
        for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) {
            address account = handler.accountAt(i);
            assertEq(registry.validatorOf(account).bonded, handler.bondedOf(account));
            assertEq(registry.validatorOf(account).cooldownEnd, handler.exitAt(account));
        }
        assertFalse(handler.saw("cut unduly"), "cut");
        assertFalse(handler.saw("refused report"), "report");
    }

    function invariant_a_bond_leaves_after_its_cooldown_and_then_is_not_refused() public view {
        assertFalse(handler.saw("withdrew unduly"), "early");
        assertFalse(handler.saw("refused withdrawal"), "withdraw");
        assertFalse(handler.saw("refused exit"), "exit");
        assertFalse(handler.saw("left unduly"), "left");
        assertFalse(handler.saw("refused claim"), "claim");
    }

    function invariant_nobody_is_paid_twice_for_a_vote() public view {
        bytes32[] memory jobs = handler.jobs();
        for (uint256 j = jobs.length > 4 ? jobs.length - 4 : 0; j < jobs.length; ++j) {
            for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) {
                assertLe(handler.rewardedBy(jobs[j], handler.accountAt(i)), 1, "twice");
            }
        }
        for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) {
            assertEq(registry.creditOf(handler.accountAt(i)), handler.creditOf(handler.accountAt(i)), "credit");
        }
        assertFalse(handler.saw("claimed unduly"), "claim");
        assertFalse(handler.saw("claimed another amount"), "amount");
    }

    function invariant_a_verdict_needs_three_of_five_and_stays() public view {
        bytes32[] memory jobs = handler.jobs();
        for (uint256 j = jobs.length > 4 ? jobs.length - 4 : 0; j < jobs.length; ++j) {
            uint256 good = registry.votersFor(jobs[j], "good").length;
            uint256 bad = registry.votersFor(jobs[j], "bad").length;
            assertLe(good + bad, 5, "five");
            bytes32 expected = good >= 3 ? bytes32("good") : bad >= 3 ? bytes32("bad") : bytes32(0);
            assertEq(registry.jobOf(jobs[j]).verdict, expected);
        }
        assertFalse(handler.saw("changed a verdict"), "changed");
    }

    function invariant_each_step_has_its_epochs() public view {
        string[10] memory flags = [
            "opened unduly",
            "refused job",
            "committed unduly",
            "refused vote",
            "revealed a seed unduly",
            "refused seed",
            "revealed unduly",
            "refused reveal",
            "closed unduly",
            "refused to close"
        ];
        for (uint256 i = 0; i < flags.length; ++i) {
            assertFalse(handler.saw(flags[i]), flags[i]);
        }
    }

    function invariant_the_list_of_an_epoch_is_the_one_at_its_start() public view {
        uint48 current = registry.currentEpoch();
        for (
            uint48 epoch = current < handler.firstEpoch() + 3 ? handler.firstEpoch() : current - 3;
            epoch <= current;
            ++epoch
        ) {
            address[] memory list = handler.listOf(epoch);
            assertEq(registry.listedAt(epoch), list.length, "length");
            for (uint256 i = 0; i < list.length; ++i) {
                assertEq(registry.validatorAt(epoch, i), list[i]);
            }
        }
    }

    /// @notice An invariant over acts that never happen says nothing.
    function test_the_handler_gets_through_with_every_act() public {
        for (uint256 i = 0; i < 60; ++i) {
            handler.join(_at(i, 0), _at(i, 1));
            handler.openJob(_at(i, 2));
            handler.vote(0, _at(i, 3));
            handler.reveal(0, true);
            handler.pass(1 hours);
            handler.pass(1 hours);
            handler.close(_at(i, 4));
            handler.collect(_at(i, 5));
            handler.shareFinding(_at(i, 6), _at(i, 7));
            handler.claim(_at(i, 8), _at(i, 9));
            if (i % 6 == 0) handler.report(_at(i, 10), 0, _at(i, 11), false, false);
            handler.sendToInsurance();
            if (i % 6 == 3) handler.depart(_at(i, 12), _at(i, 13));
            handler.withdraw(_at(i, 14), i % 6 == 5);
        }
        string[10] memory acts =
            ["join", "leave", "withdraw", "openJob", "vote", "reveal", "close", "shareFinding", "report", "claim"];
        for (uint256 i = 0; i < acts.length; ++i) {
            assertGt(handler.done(acts[i]), 0, acts[i]);
        }
        invariant_what_came_in_is_somebodys();
    }

    function _at(uint256 round, uint256 place) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(round, place)));
    }
}
