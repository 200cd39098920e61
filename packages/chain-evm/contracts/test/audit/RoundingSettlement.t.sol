// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice Rounding that favours who acts, and dust that belongs to nobody. Every part is rounded down, what is left goes to
/// the treasury, and nobody gains by cutting an amount into pieces.
contract RoundingSettlementTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    address private provider = makeAddr("provider");
    address private party = makeAddr("party");

    function setUp() public {
        begin();
        // Parts that never divide.
        settlement = new Settlement(ROLE_DELAY, holders(), config(), termsWith(0, 3_333, party, 3_334));
        usd = new Usd();
    }

    function testFuzz_cutting_a_price_into_requests_gains_nothing(uint64[6] memory prices) public {
        uint256 sum = 0;
        for (uint256 i = 0; i < prices.length; ++i) {
            uint128 price = uint128(bound(prices[i], 1, type(uint64).max));
            sum += price;
            fundWith(settlement, usd, price, 0);
            vm.prank(operator);
            settlement.settle(provider, address(usd), price, bytes32(i));
        }
        uint256 whole = sum * 3_333 / 10_000;
        uint256 got = settlement.owedTo(provider, address(usd));
        assertLe(got, whole);
        assertLt(whole - got, prices.length + 1);
        _isWhole(sum);
    }

    function testFuzz_cutting_a_voucher_gains_and_loses_nothing(uint64[6] memory steps) public {
        uint128 cumulative = 0;
        for (uint256 i = 0; i < steps.length; ++i) {
            uint128 step = uint128(bound(steps[i], 1, type(uint64).max));
            fundWith(settlement, usd, step, 0);
            cumulative += step;
            ISettlement.Voucher memory voucher =
                ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), cumulative);
            settlement.redeem(voucher, signVoucher(settlement, voucher));
            assertEq(settlement.owedTo(provider, address(usd)), uint256(cumulative) * 3_333 / 10_000);
        }
        assertLe(settlement.owedTo(party, address(usd)), uint256(cumulative) * 3_334 / 10_000);
        _isWhole(cumulative);
    }

    /// @dev The provider's part of a step can be a unit more than the step's own share; the parties' then still fit.
    function testFuzz_the_parts_of_a_voucher_never_exceed_it(uint16 providerBps, uint16 bps, uint8 first, uint8 second)
        public
    {
        providerBps = uint16(bound(providerBps, 0, 9_999));
        settlement = new Settlement(
            ROLE_DELAY,
            holders(),
            config(),
            termsWith(0, providerBps, party, uint16(bound(bps, 1, 10_000 - providerBps)))
        );
        fundWith(settlement, usd, 1_000, 0);
        uint128[2] memory steps = [uint128(first) + 1, uint128(first) + 2 + second];
        for (uint256 i = 0; i < 2; ++i) {
            ISettlement.Voucher memory voucher =
                ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), steps[i]);
            settlement.redeem(voucher, signVoucher(settlement, voucher));
        }
        _isWhole(steps[1]);
    }

    function testFuzz_the_rest_of_a_batch_is_less_than_one_unit_each(uint8 count, uint8 missing) public {
        count = uint8(bound(count, 1, 40));
        uint96 gross = 1_000_003;
        uint256 providers = uint256(gross) * 3_333 / 10_000;
        fundWith(settlement, usd, gross, 0);
        uint96 each = uint96((providers - missing) / count);
        bytes memory packed = entries(0xbeef, count, each);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Batch, keccak256(packed), gross, 0);
        skip(CHALLENGE);
        uint256 rest = providers - uint256(each) * count;
        (bool ok,) = address(settlement).call(abi.encodeCall(settlement.applyBatch, (address(usd), epoch, packed)));
        assertEq(ok, rest < count);
        if (ok) assertEq(settlement.totals(address(usd)).owed, gross);
    }

    function _isWhole(uint256 amount) private view {
        uint256 parts = uint256(settlement.owedTo(provider, address(usd))) + settlement.owedTo(party, address(usd))
            + settlement.owedTo(treasury, address(usd));
        assertEq(parts, amount);
        assertEq(settlement.totals(address(usd)).owed, amount);
    }
}
