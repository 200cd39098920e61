// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { ChannelFixture } from "../fixtures/ChannelFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice Who pays takes the money back before those who earned it can. Unspent funds leave after a delay that everyone
/// sees, in which vouchers are redeemed; an announcement does not stay good for ever; and what is set aside is out of reach.
contract PayerThawRugTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    address private provider = makeAddr("provider");

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
        fundWith(settlement, usd, 10_000, 1_000);
    }

    function test_a_voucher_is_redeemed_in_the_delay() public {
        vm.prank(funder);
        settlement.requestUnfund(address(usd), 10_000, 0);
        skip(UNFUND - 1);
        ISettlement.Voucher memory voucher =
            ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), 4_000);
        settlement.redeem(voucher, signVoucher(settlement, voucher));
        skip(1);
        vm.prank(funder);
        settlement.unfund(address(usd));
        assertEq(usd.balanceOf(funder), 6_000);
        assertEq(settlement.claimFor(provider, address(usd)), 3_600);
    }

    function test_an_old_announcement_is_no_standing_right() public {
        vm.startPrank(funder);
        settlement.requestUnfund(address(usd), 10_000, 0);
        skip(UNFUND);
        uint48 expiresAt = clock() + UNFUND;
        skip(UNFUND);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnfundExpired.selector, expiresAt));
        settlement.unfund(address(usd));
        vm.stopPrank();
    }

    function test_an_announcement_is_not_of_what_comes_later() public {
        vm.prank(funder);
        settlement.requestUnfund(address(usd), type(uint128).max, type(uint128).max);
        skip(UNFUND);
        fundWith(settlement, usd, 5_000, 5_000);
        vm.prank(funder);
        settlement.unfund(address(usd));
        assertEq(usd.balanceOf(funder), 11_000);
        assertEq(settlement.totals(address(usd)).funded, 5_000);
    }

    function test_an_announcement_is_used_once() public {
        vm.startPrank(funder);
        settlement.requestUnfund(address(usd), 100, 0);
        skip(UNFUND);
        settlement.unfund(address(usd));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoUnfundRequest.selector, address(usd)));
        settlement.unfund(address(usd));
        vm.stopPrank();
    }

    function test_a_new_announcement_begins_its_delay_anew() public {
        vm.startPrank(funder);
        settlement.requestUnfund(address(usd), 1, 0);
        skip(UNFUND);
        settlement.requestUnfund(address(usd), 10_000, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnfundTooEarly.selector, clock() + UNFUND));
        settlement.unfund(address(usd));
        vm.stopPrank();
    }

    function test_a_proposed_epoch_is_out_of_reach() public {
        vm.prank(funder);
        settlement.requestUnfund(address(usd), 10_000, 1_000);
        skip(UNFUND);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, "root", 9_000, 1_000);
        vm.prank(funder);
        settlement.unfund(address(usd));
        assertEq(usd.balanceOf(funder), 1_000);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
        assertEq(usd.balanceOf(address(settlement.rootVault())), 9_100);
    }
}

contract PayerThawRugChannelTest is ChannelFixture {
    function test_a_payee_settles_in_the_grace_period() public {
        begin();
        bytes32 id = open(1_000, "salt", address(0));
        bytes memory signature = voucher(id, 700);
        vm.prank(payer);
        channel.requestClose(id);
        skip(15 minutes - 1);
        vm.prank(payee);
        channel.settle(id, 700, signature);
        skip(1);
        vm.prank(payer);
        channel.withdraw(id);
        assertEq(usd.balanceOf(payee), 700);
        assertEq(usd.balanceOf(payer), 300);
    }
}
