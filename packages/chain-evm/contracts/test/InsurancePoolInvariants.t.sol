// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IInsurancePool } from "../src/interfaces/IInsurancePool.sol";
import { InsurancePool } from "../src/InsurancePool.sol";
import { Base } from "./Base.sol";
import { InsuranceHandler } from "./handlers/InsuranceHandler.sol";
import { Plain18 } from "./tokens/Plain18.sol";

contract InsurancePoolInvariants is Base {
    InsuranceHandler internal handler;
    InsurancePool internal pool;
    Plain18 internal token;

    function setUp() public {
        handler = new InsuranceHandler();
        (pool, token) = handler.contracts();
        targetContract(address(handler));
    }

    function invariant_tokens_cover_every_liability() public view {
        IInsurancePool.InsuranceTotals memory t = pool.totals();
        assertEq(token.balanceOf(address(pool)), uint256(t.free) + t.reserved + handler.donated());
    }

    function invariant_what_came_in_is_free_reserved_or_paid() public view {
        IInsurancePool.InsuranceTotals memory t = pool.totals();
        assertEq(handler.deposited(), uint256(t.free) + t.reserved + handler.paidOut());
        assertEq(t.free, handler.free());
    }

    function invariant_no_epoch_and_no_incident_gets_more_than_its_cap() public view {
        assertFalse(handler.saw("promised over a cap"));
        uint256 epoch = pool.currentEpoch();
        assertEq(pool.freeAtStartOf(epoch), handler.freeAtStart(), "start");
        assertLe(handler.promisedInEpoch(epoch), uint256(pool.freeAtStartOf(epoch)) / 4, "epoch");
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 incident = handler.incidents(i);
            assertLe(handler.paidTo(incident), 10_000e18, "incident");
            assertEq(pool.incidentLeft(incident), 10_000e18 - handler.promisedTo(incident), "left");
        }
    }

    function invariant_nothing_is_paid_twice_early_late_or_after_a_cancel() public view {
        assertFalse(handler.saw("paid what was not due"));
        assertFalse(handler.saw("cancelled too late"));
    }

    function invariant_claims_and_cancels_work_also_while_paused() public view {
        assertFalse(handler.saw("refused exit"), "claim");
        assertFalse(handler.saw("could not cancel"), "cancel");
        assertFalse(handler.saw("could not expire"), "expire");
        assertFalse(handler.saw("refused promise"), "promise");
    }
}
