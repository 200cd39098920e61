// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../src/Settlement.sol";
import { IRootVault } from "../src/interfaces/IRootVault.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { Base } from "./Base.sol";
import { SettlementEpochHandler } from "./handlers/SettlementEpochHandler.sol";
import { SettlementHandler } from "./handlers/SettlementHandler.sol";
import { Blocking } from "./tokens/Blocking.sol";

contract SettlementInvariants is Base {
    SettlementEpochHandler internal handler;
    Settlement internal settlement;
    IRootVault internal vault;

    function setUp() public {
        handler = new SettlementEpochHandler();
        settlement = handler.settlement();
        vault = handler.vault();
        targetContract(address(handler));
    }

    function invariant_tokens_cover_every_liability_of_all_modes() public view {
        for (uint256 t = 0; t < 2; ++t) {
            ISettlement.SettlementTotals memory held = settlement.totals(address(handler.tokens(t)));
            uint256 liabilities = uint256(held.funded) + held.boostPool + held.pending + held.owed;
            assertEq(_balance(t, address(settlement)), liabilities + handler.books(t).donated);
        }
    }

    function invariant_every_bucket_is_what_the_acts_made_of_it() public view {
        for (uint256 t = 0; t < 2; ++t) {
            ISettlement.SettlementTotals memory held = settlement.totals(address(handler.tokens(t)));
            SettlementHandler.Books memory books = handler.books(t);
            assertEq(held.funded, books.funded, "funded");
            assertEq(held.boostPool, books.boost, "boost");
            assertEq(held.pending, books.pending, "pending");
            assertEq(held.owed, books.owed, "owed");
            assertEq(books.cameIn, books.wentOut + books.funded + books.boost + books.pending + books.owed, "in = out");
        }
    }

    function invariant_parts_add_up_to_what_is_owed() public view {
        for (uint256 t = 0; t < 2; ++t) {
            uint256 sum = 0;
            for (uint256 i = 0; i < 6; ++i) {
                uint256 owed = settlement.owedTo(handler.accounts(i), address(handler.tokens(t)));
                assertEq(owed, handler.owedTo(t, handler.accounts(i)), "owed");
                sum += owed;
            }
            assertEq(sum, settlement.totals(address(handler.tokens(t))).owed, "sum");
        }
    }

    function invariant_the_vault_pays_what_roots_say_and_no_more_than_it_got() public view {
        for (uint256 t = 0; t < 2; ++t) {
            SettlementHandler.Books memory books = handler.books(t);
            assertEq(_balance(t, address(vault)), books.vaultIn - books.vaultOut, "vault");
            for (uint256 i = 0; i < 4; ++i) {
                address account = handler.accounts(i);
                uint256 claimed = vault.claimedOf(account, address(handler.tokens(t)));
                assertEq(claimed, handler.rootClaimed(t, account), "claimed");
                assertLe(claimed, handler.rootPromised(t, account), "promised");
            }
        }
        assertFalse(handler.saw("claimed of no root"), "proof");
    }

    function invariant_redeemed_is_at_most_what_was_signed() public view {
        for (uint256 t = 0; t < 2; ++t) {
            for (uint256 i = 0; i < 4; ++i) {
                uint48 epoch = settlement.currentEpoch();
                uint256 redeemed = settlement.redeemedOf(handler.accounts(i), address(handler.tokens(t)), epoch);
                assertEq(redeemed, handler.redeemed(t, handler.accounts(i), epoch), "redeemed");
                assertLe(redeemed, handler.signed(t, handler.accounts(i), epoch), "signed");
            }
        }
        assertFalse(handler.saw("redeemed another amount"), "another");
        assertFalse(handler.saw("redeemed unduly"), "unduly");
    }

    function invariant_nothing_is_paid_twice() public view {
        assertFalse(handler.saw("settled unduly"), "settle");
        assertFalse(handler.saw("paid unduly"), "payMany");
        assertFalse(handler.saw("claimed twice"), "claim");
        assertFalse(handler.saw("root claimed twice"), "root");
        assertFalse(handler.saw("claimed another amount"), "amount");
        assertFalse(handler.saw("applied twice"), "apply");
    }

    function invariant_an_epoch_waits_its_delay_and_adds_up() public view {
        assertFalse(handler.saw("proposed unduly"), "propose");
        assertFalse(handler.saw("applied unduly"), "apply");
        assertFalse(handler.saw("cancelled unduly"), "cancel");
    }

    function invariant_funds_leave_only_as_announced() public view {
        assertFalse(handler.saw("left unannounced"), "left");
        assertFalse(handler.saw("announced nothing"), "announced");
        assertFalse(handler.saw("refused announcement"), "refused");
    }

    function invariant_claims_and_vouchers_work_also_while_paused() public view {
        assertFalse(handler.saw("refused claim"), "claim");
        assertFalse(handler.saw("refused root claim"), "root");
        assertFalse(handler.saw("refused voucher"), "voucher");
        assertFalse(handler.saw("refused to apply"), "apply");
        assertFalse(handler.saw("refused cancel"), "cancel");
        assertFalse(handler.saw("refused unfund"), "unfund");
    }

    function invariant_what_is_due_is_not_refused_and_a_pause_stops_what_comes_in() public view {
        assertFalse(handler.saw("refused funds"), "fund");
        assertFalse(handler.saw("came in while paused"), "pause");
        assertFalse(handler.saw("refused request"), "settle");
        assertFalse(handler.saw("refused batch"), "payMany");
        assertFalse(handler.saw("refused epoch"), "propose");
        assertFalse(handler.saw("claimed unduly"), "claim");
    }

    /// @notice An invariant over acts that never happen says nothing.
    function test_the_handler_gets_through_with_every_act() public {
        for (uint256 i = 0; i < 60; ++i) {
            handler.fund(_at(i, 0), 1e22, _at(i, 1) % 3 == 0);
            handler.settle(_at(i, 2), _at(i, 3), _at(i, 4), _at(i, 5), _at(i, 6) % 2 == 0);
            handler.redeem(_at(i, 7), _at(i, 8), _at(i, 9), _at(i, 10), _at(i, 11));
            handler.payMany(_at(i, 12), _at(i, 13), _at(i, 14), _at(i, 15), _at(i, 16));
            handler.propose(_at(i, 17), _at(i, 18), _at(i, 19), [_at(i, 20), _at(i, 21), _at(i, 22), 0], _at(i, 23));
            handler.cancel(_at(i, 24), _at(i, 25), i % 9 == 0);
            handler.applyEpoch(_at(i, 17), _at(i, 26));
            handler.claimRoot(_at(i, 17), _at(i, 27), _at(i, 28), _at(i, 29));
            handler.claim(_at(i, 30), _at(i, 31), _at(i, 32));
            handler.unfund(_at(i, 33), _at(i, 34), _at(i, 35));
            handler.appendTerms(_at(i, 36), _at(i, 37), _at(i, 38));
            handler.pass(_at(i, 39), true);
        }
        string[12] memory acts = [
            "fund",
            "unfund",
            "settle",
            "settleFrom",
            "redeem",
            "claim",
            "payMany",
            "propose",
            "cancel",
            "applyRoot",
            "applyBatch",
            "claimRoot"
        ];
        for (uint256 i = 0; i < acts.length; ++i) {
            assertGt(handler.done(acts[i]), 0, acts[i]);
        }
        invariant_every_bucket_is_what_the_acts_made_of_it();
    }

    function _at(uint256 round, uint256 place) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(round, place)));
    }

    function _balance(uint256 t, address account) private view returns (uint256) {
        return Blocking(address(handler.tokens(t))).balanceOf(account);
    }
}
