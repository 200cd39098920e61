// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice A voucher over more than there is must not be worth nothing: it pays what there is, and the rest later.
contract OversizedVoucherPartlyCollectableTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    address private provider = makeAddr("provider");

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
    }

    function test_it_pays_what_there_is_and_the_rest_later() public {
        fundWith(settlement, usd, 300, 0);
        ISettlement.Voucher memory voucher =
            ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), 1_001);
        bytes memory signature = signVoucher(settlement, voucher);
        assertEq(settlement.redeem(voucher, signature), 300);
        assertEq(settlement.owedTo(provider, address(usd)), 270);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotEnoughFunded.selector, 701, 0));
        settlement.redeem(voucher, signature);
        fundWith(settlement, usd, 5_000, 0);
        assertEq(settlement.redeem(voucher, signature), 701);
        // As if it had been paid at once.
        assertEq(settlement.owedTo(provider, address(usd)), 900);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToRedeem.selector, 1_001, 1_001));
        settlement.redeem(voucher, signature);
    }

    function testFuzz_in_any_portions_it_pays_the_whole_exactly(uint128 cumulative, uint64[5] memory portions) public {
        cumulative = uint128(bound(cumulative, 1, type(uint64).max));
        ISettlement.Voucher memory voucher =
            ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), cumulative);
        bytes memory signature = signVoucher(settlement, voucher);
        uint256 paid = 0;
        for (uint256 i = 0; i < 6 && paid < cumulative; ++i) {
            fundWith(settlement, usd, i < 5 ? uint128(bound(portions[i], 1, cumulative)) : cumulative, 0);
            paid += settlement.redeem(voucher, signature);
        }
        assertEq(paid, cumulative);
        assertEq(settlement.owedTo(provider, address(usd)), uint256(cumulative) * 9_000 / 10_000);
    }
}
