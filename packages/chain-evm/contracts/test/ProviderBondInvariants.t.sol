// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../src/interfaces/IProviderBond.sol";
import { InsurancePool } from "../src/InsurancePool.sol";
import { ProviderBond } from "../src/ProviderBond.sol";
import { Base } from "./Base.sol";
import { BondHandler } from "./handlers/BondHandler.sol";
import { Plain18 } from "./tokens/Plain18.sol";

contract ProviderBondInvariants is Base {
    BondHandler internal handler;
    ProviderBond internal bonds;
    InsurancePool internal pool;
    Plain18 internal token;

    function setUp() public {
        handler = new BondHandler();
        (bonds, pool, token) = handler.contracts();
        targetContract(address(handler));
    }

    function invariant_tokens_cover_every_liability() public view {
        IProviderBond.BondTotals memory t = bonds.totals();
        uint256 liabilities = uint256(t.bonded) + t.escrowed + t.insurance + t.credits;
        assertEq(token.balanceOf(address(bonds)), liabilities + handler.donated());
    }

    function invariant_every_device_adds_up() public view {
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 device = handler.devices(i);
            IProviderBond.Device memory d = bonds.deviceOf(device);
            assertEq(d.deposited, handler.deposited(device), "deposited");
            assertEq(d.withdrawn, handler.withdrawn(device), "withdrawn");
            assertEq(d.deposited, uint256(d.bonded) + d.escrowed + d.slashed + d.withdrawn, "sum");
            assertEq(bonds.bondedAt(device, clock()), d.bonded, "checkpoint");
        }
    }

    function invariant_totals_are_the_sums_of_devices() public view {
        (uint256 bonded, uint256 escrowed) = (0, 0);
        for (uint256 i = 0; i < 4; ++i) {
            IProviderBond.Device memory d = bonds.deviceOf(handler.devices(i));
            bonded += d.bonded;
            escrowed += d.escrowed;
        }
        assertEq(bonds.totals().bonded, bonded, "bonded");
        assertEq(bonds.totals().escrowed, escrowed, "escrowed");
    }

    function invariant_escrow_is_what_open_cases_hold() public view {
        uint256 escrowed = 0;
        uint256 slashed = 0;
        for (uint256 i = 0; i < handler.offenceCount(); ++i) {
            (,, uint256 amount,,,, BondHandler.Fate fate) = handler.offences(i);
            if (uint256(fate) < uint256(BondHandler.Fate.Taken)) escrowed += amount;
            if (fate == BondHandler.Fate.Taken) slashed += amount;
        }
        assertEq(bonds.totals().escrowed, escrowed, "escrowed");
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 device = handler.devices(i);
            assertEq(bonds.deviceOf(device).openCases, handler.openCasesOf(device), "open cases");
            slashed -= bonds.deviceOf(device).slashed;
        }
        assertEq(slashed, 0, "slashed");
    }

    function invariant_no_bond_leaves_before_its_cooldown_or_with_an_open_case() public view {
        assertFalse(handler.saw("early exit"));
        assertFalse(handler.saw("wrong exit"));
        assertFalse(handler.saw("empty claim"));
    }

    function invariant_exits_and_credits_work_also_while_paused() public view {
        assertFalse(handler.saw("refused exit"));
    }

    function invariant_a_slash_never_reverts_and_never_exceeds() public view {
        assertFalse(handler.saw("a slash reverted"), "reverted");
        assertFalse(handler.saw("a slash took more than it said"), "took more");
        assertFalse(handler.saw("one offence was slashed twice"), "twice");
    }

    function invariant_a_slash_takes_the_same_fraction_at_every_point_of_the_exit() public view {
        assertFalse(handler.saw("a slash took another fraction"));
    }

    function invariant_no_period_takes_more_than_its_cap() public view {
        assertFalse(handler.saw("a period took more than its cap"), "amount");
        for (uint256 i = 0; i < handler.offenceCount(); ++i) {
            (, bytes32 device,,, uint256 period,,) = handler.offences(i);
            assertEq(bonds.usedBpsOf(device, period), handler.usedBps(device, period), "bps");
            assertLe(bonds.usedBpsOf(device, period), 2_000, "cap");
        }
    }

    function invariant_a_case_ends_in_its_windows_and_always_can() public view {
        assertFalse(handler.saw("a case ended out of time"), "out of time");
        assertFalse(handler.saw("a case could not end in time"), "stuck");
    }

    function invariant_what_is_taken_goes_to_the_pool_and_at_most_a_fifth_to_finders() public view {
        uint256 slashed = 0;
        uint256 displaced = 0;
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 device = handler.devices(i);
            slashed += bonds.deviceOf(device).slashed;
            displaced += bonds.deviceOf(device).withdrawn;
        }
        IProviderBond.BondTotals memory t = bonds.totals();
        uint256 toPool = t.insurance + handler.sent();
        assertEq(pool.totals().free, handler.sent(), "sent");
        assertGe(toPool, slashed - slashed / 5, "the pool's part");
        assertLe(slashed - toPool, uint256(t.credits) + handler.creditsPaid(), "the finders' part");
        assertLe(uint256(t.credits) + handler.creditsPaid(), slashed - toPool + displaced, "credits");
    }
}
