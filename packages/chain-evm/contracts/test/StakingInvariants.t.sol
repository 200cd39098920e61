// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IStaking } from "../src/interfaces/IStaking.sol";
import { Staking } from "../src/Staking.sol";
import { Base } from "./Base.sol";
import { StakingHandler } from "./handlers/StakingHandler.sol";
import { Plain18 } from "./tokens/Plain18.sol";

contract StakingInvariants is Base {
    StakingHandler internal handler;
    Staking internal staking;
    Plain18 internal token;

    function setUp() public {
        handler = new StakingHandler();
        (staking, token) = handler.contracts();
        targetContract(address(handler));
    }

    function invariant_tokens_cover_every_liability() public view {
        IStaking.StakingTotals memory t = staking.totals();
        uint256 liabilities = uint256(t.active) + t.unbonding + t.rewards;
        assertEq(token.balanceOf(address(staking)), liabilities + handler.donated());
    }

    function invariant_stake_falls_only_by_its_owners_hand() public view {
        for (uint256 i = 0; i < 4; ++i) {
            address account = handler.accounts(i);
            IStaking.Standing memory s = staking.standingOf(account);
            assertEq(s.active, handler.active(account), "active");
            assertEq(s.unbonding, handler.unbonding(account), "unbonding");
        }
    }

    function invariant_totals_are_the_sums_of_accounts() public view {
        (uint256 active, uint256 unbonding) = (0, 0);
        for (uint256 i = 0; i < 4; ++i) {
            IStaking.Standing memory s = staking.standingOf(handler.accounts(i));
            active += s.active;
            unbonding += s.unbonding;
        }
        assertEq(staking.totals().active, active, "active");
        assertEq(staking.totals().unbonding, unbonding, "unbonding");
    }

    function invariant_rewards_paid_and_due_never_exceed_the_fund_or_the_rate() public view {
        uint256 earned = handler.paid();
        for (uint256 i = 0; i < 4; ++i) {
            earned += staking.standingOf(handler.accounts(i)).rewards;
        }
        assertLe(earned, handler.funded(), "more than was funded");
        assertLe(earned, handler.allowed() / 1e27, "more than the rate");
        assertEq(staking.totals().rewards, handler.funded() - handler.paid(), "rewards");
    }

    function invariant_nothing_leaves_before_its_cooldown() public view {
        assertFalse(handler.saw("early exit"));
        assertFalse(handler.saw("wrong exit"));
        assertFalse(handler.saw("empty claim"));
    }

    function invariant_exits_and_claims_work_also_while_paused() public view {
        assertFalse(handler.saw("refused exit"));
    }

    function invariant_no_token_counts_for_two_tiers() public view {
        uint256 aged = 0;
        for (uint256 i = 0; i < 4; ++i) {
            IStaking.Standing memory s = staking.standingOf(handler.accounts(i));
            assertLe(s.aged, s.active);
            aged += s.aged;
        }
        IStaking.StakingTotals memory t = staking.totals();
        assertLe(aged, uint256(t.active) + t.unbonding);
    }
}
