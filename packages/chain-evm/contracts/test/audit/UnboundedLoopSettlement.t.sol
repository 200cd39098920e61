// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { RegistryFixture } from "../fixtures/RegistryFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice A list that somebody else can make longer, until an act on it costs more than a block has. Every loop has a fixed
/// end, and the longest fits into a transaction of 2^24 gas.
contract UnboundedLoopSettlementTest is SettlementFixture {
    uint256 private constant MOST = 2 ** 24;

    Settlement private settlement;
    Usd private usd;

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
        fundWith(settlement, usd, 1e15, 0);
    }

    function test_the_largest_batch_of_accounts_never_seen_before_fits() public {
        uint256 most = settlement.MAX_BATCH();
        bytes memory packed = entries(0xabcd, most, 1_000_000);
        uint96 gross = uint96(most * 1_000_000 * 10 / 9 + 1);
        skip(HOUR);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Batch, keccak256(packed), gross, 0);
        skip(CHALLENGE);
        uint256 before = gasleft();
        settlement.applyBatch(address(usd), epoch, packed);
        assertLt(before - gasleft() + 21_000 + packed.length * 16, MOST);
    }

    function test_the_largest_direct_payment_fits() public {
        bytes memory packed = entries(0xabcd, settlement.MAX_BATCH(), 1_000_000);
        vm.prank(operator);
        uint256 before = gasleft();
        settlement.payMany(address(usd), "batch", packed);
        assertLt(before - gasleft() + 21_000 + packed.length * 16, MOST);
    }

    function test_one_entry_more_is_refused() public {
        bytes memory packed = entries(0xabcd, settlement.MAX_BATCH() + 1, 1);
        vm.prank(operator);
        vm.expectRevert(ISettlement.BadEntries.selector);
        settlement.payMany(address(usd), "batch", packed);
    }

    function test_terms_have_at_most_eight_shares_and_a_request_with_all_of_them_fits() public {
        ISettlement.Terms memory full = terms(0, 1_000);
        full.shares = new ISettlement.Share[](8);
        for (uint160 i = 0; i < 8; ++i) {
            full.shares[i] = ISettlement.Share(address(1 + i), 1_000);
        }
        settlement = new Settlement(ROLE_DELAY, holders(), config(), full);
        fundWith(settlement, usd, 1e6, 0);
        vm.prank(operator);
        uint256 before = gasleft();
        settlement.settle(address(99), address(usd), 1e6, "request");
        assertLt(before - gasleft(), 400_000);
        assertEq(settlement.owedTo(address(8), address(usd)), 1e5);
    }

    function test_old_terms_are_found_among_many() public {
        uint48 from = (clock() + ROLE_DELAY) / HOUR + 1;
        vm.startPrank(curator);
        for (uint48 i = 0; i < 300; ++i) {
            settlement.appendTerms(terms(from + i, uint16(i)));
        }
        vm.stopPrank();
        uint256 before = gasleft();
        assertEq(settlement.termsAt(from + 7).providerBps, 7);
        assertLt(before - gasleft(), 80_000);
    }
}

contract UnboundedLoopRegistryTest is RegistryFixture {
    function test_registering_and_leaving_costs_the_same_in_a_long_list() public {
        begin();
        registerSeven();
        uint256 few = _costOfLeaving(validators[1]);
        for (uint256 i = 0; i < 200; ++i) {
            register(newValidator(vm.toString(i + 100)), MIN_BOND);
        }
        skip(HOUR);
        uint256 many = _costOfLeaving(validators[2]);
        assertLt(many, few + 30_000);
        openJob("job", 0);
        uint256 before = gasleft();
        registry.drawnOf("job", SEED);
        assertLt(before - gasleft(), 250_000);
    }

    function _costOfLeaving(address validator) private returns (uint256) {
        vm.prank(validator);
        uint256 before = gasleft();
        registry.requestExit();
        return before - gasleft();
    }
}
