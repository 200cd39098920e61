// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../src/Settlement.sol";
import { IRoles } from "../src/interfaces/IRoles.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { ExactTransfer } from "../src/libraries/ExactTransfer.sol";
import { SettlementFixture } from "./fixtures/SettlementFixture.sol";
import { Blocking } from "./tokens/Blocking.sol";
import { FeeOnTransfer } from "./tokens/FeeOnTransfer.sol";
import { NoReturn } from "./tokens/NoReturn.sol";
import { Usd } from "./tokens/Usd.sol";

contract SettlementTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    address private provider = makeAddr("provider");
    address private other = makeAddr("other");
    address private validators = makeAddr("validators");

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
    }

    // Deployment

    function test_a_settlement_refuses_settings_that_leave_nobody_time() public {
        ISettlement.SettlementConfig memory bad = config();
        bad.epochLength = 59;
        _refuses(bad);
        bad = config();
        bad.challengeDelay = 0;
        _refuses(bad);
        bad = config();
        bad.unfundDelay = 2 days - 1;
        _refuses(bad);
        bad = config();
        bad.challengeDelay = 2 days - HOUR + 1;
        _refuses(bad);
        bad = config();
        bad.voucherEpochs = 0;
        _refuses(bad);
        bad = config();
        bad.unfundDelay = type(uint48).max;
        _refuses(bad);
    }

    function test_operator_and_challenger_are_two() public {
        Settlement.Holders memory same = holders();
        same.challenger = same.operator;
        vm.expectPartialRevert(IRoles.RolesNotApart.selector);
        new Settlement(ROLE_DELAY, same, config(), terms(0, 9_000));
    }

    // Terms

    function test_first_terms_begin_with_the_first_epoch() public {
        vm.expectRevert(ISettlement.BadTerms.selector);
        new Settlement(ROLE_DELAY, holders(), config(), terms(1, 9_000));
        ISettlement.Terms memory found = settlement.termsAt(settlement.currentEpoch());
        assertEq(found.fromEpoch, 0);
        assertEq(found.providerBps, 9_000);
        assertEq(found.treasury, treasury);
        assertEq(found.voucherSigner, signer);
    }

    function test_terms_of_an_epoch_are_published_before_it_begins_and_never_change() public {
        uint48 earliest = (clock() + ROLE_DELAY) / HOUR + 1;
        vm.startPrank(curator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TermsTooEarly.selector, earliest - 1, earliest));
        settlement.appendTerms(terms(earliest - 1, 8_000));
        settlement.appendTerms(terms(earliest + 5, 8_000));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TermsTooEarly.selector, earliest + 5, earliest + 6));
        settlement.appendTerms(terms(earliest + 5, 7_000));
        settlement.appendTerms(terms(earliest + 9, 7_000));
        vm.stopPrank();
        assertEq(settlement.termsAt(earliest + 4).providerBps, 9_000);
        assertEq(settlement.termsAt(earliest + 5).providerBps, 8_000);
        assertEq(settlement.termsAt(earliest + 8).providerBps, 8_000);
        assertEq(settlement.termsAt(type(uint48).max).providerBps, 7_000);
    }

    function test_terms_are_not_so_far_ahead_that_none_can_follow() public {
        uint48 latest = (clock() + ROLE_DELAY) / HOUR + 1 + 30 days / HOUR;
        vm.startPrank(curator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TermsTooLate.selector, latest + 1, latest));
        settlement.appendTerms(terms(latest + 1, 8_000));
        settlement.appendTerms(terms(latest, 8_000));
        skip(HOUR);
        settlement.appendTerms(terms(latest + 1, 7_000));
        vm.stopPrank();
    }

    function test_roles_and_terms_change_no_faster_than_funds_can_leave() public {
        ISettlement.SettlementConfig memory slow = config();
        slow.unfundDelay = ROLE_DELAY + 1;
        vm.expectRevert(abi.encodeWithSelector(IRoles.RoleDelayTooShort.selector, ROLE_DELAY, ROLE_DELAY + 1));
        new Settlement(ROLE_DELAY, holders(), slow, terms(0, 9_000));
    }

    function test_terms_promise_at_most_the_whole() public {
        uint48 from = (clock() + ROLE_DELAY) / HOUR + 1;
        vm.startPrank(curator);
        vm.expectRevert(ISettlement.BadTerms.selector);
        settlement.appendTerms(termsWith(from, 9_000, validators, 1_001));
        vm.expectRevert(ISettlement.BadTerms.selector);
        settlement.appendTerms(termsWith(from, 9_000, validators, 0));
        vm.expectRevert(ISettlement.ZeroAddress.selector);
        settlement.appendTerms(termsWith(from, 9_000, address(0), 1));
        ISettlement.Terms memory bad = terms(from, 9_000);
        bad.shares = new ISettlement.Share[](9);
        vm.expectRevert(ISettlement.BadTerms.selector);
        settlement.appendTerms(bad);
        bad = terms(from, 9_000);
        bad.treasury = address(0);
        vm.expectRevert(ISettlement.ZeroAddress.selector);
        settlement.appendTerms(bad);
        settlement.appendTerms(termsWith(from, 9_000, validators, 1_000));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IRoles.MissingRole.selector, bytes32("curator"), address(this)));
        settlement.appendTerms(terms(from + 1, 9_000));
    }

    // Funds

    function test_funding_counts_what_arrives() public {
        FeeOnTransfer fee = new FeeOnTransfer();
        fee.mint(address(this), 1_000);
        fee.approve(address(settlement), 1_000);
        assertEq(settlement.fund(address(fee), 1_000), 990);
        _totals(address(fee), 990, 0, 0, 0);
    }

    function test_an_authorization_funds_in_one_transaction_and_once() public {
        (address payer, uint256 key) = makeAddrAndKey("payer");
        usd.mint(payer, 100);
        bytes32 nonce = keccak256("nonce");
        bytes32 structHash = keccak256(
            abi.encode(
                usd.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(), payer, address(settlement), 100, 0, type(uint256).max, nonce
            )
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", usd.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        settlement.fundWithAuthorization(address(usd), payer, 100, 0, type(uint256).max, nonce, v, r, s);
        _totals(address(usd), 100, 0, 0, 0);
        vm.expectRevert(Usd.AuthorizationUsedOrCanceled.selector);
        settlement.fundWithAuthorization(address(usd), payer, 100, 0, type(uint256).max, nonce, v, r, s);
    }

    function test_nothing_is_no_funding() public {
        vm.expectRevert(ISettlement.ZeroAmount.selector);
        settlement.fund(address(usd), 0);
        vm.expectRevert(ISettlement.ZeroAmount.selector);
        settlement.fundBoost(address(usd), 0);
        vm.prank(funder);
        vm.expectRevert(ISettlement.ZeroAmount.selector);
        settlement.requestUnfund(address(usd), 0, 0);
        vm.prank(operator);
        vm.expectRevert(ISettlement.ZeroAmount.selector);
        settlement.settle(provider, address(usd), 0, "x");
        vm.prank(operator);
        vm.expectRevert(ISettlement.ZeroAmount.selector);
        settlement.settleFrom(other, provider, address(usd), 0, "x");
    }

    function test_unspent_funds_leave_in_the_announced_time_only() public {
        fundWith(settlement, usd, 100, 50);
        vm.startPrank(funder);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoUnfundRequest.selector, address(usd)));
        settlement.unfund(address(usd));
        uint48 readyAt = clock() + UNFUND;
        settlement.requestUnfund(address(usd), 70, 60);
        // No more boost than there is.
        assertEq(settlement.unfundRequestOf(address(usd)).boost, 50);
        skip(UNFUND - 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnfundTooEarly.selector, readyAt));
        settlement.unfund(address(usd));
        skip(1);
        settlement.unfund(address(usd));
        vm.stopPrank();
        _totals(address(usd), 30, 0, 0, 0);
        assertEq(usd.balanceOf(funder), 120);
    }

    function test_an_announcement_can_be_taken_back() public {
        fundWith(settlement, usd, 100, 0);
        vm.startPrank(funder);
        settlement.requestUnfund(address(usd), 70, 0);
        settlement.cancelUnfund(address(usd));
        assertEq(settlement.unfundRequestOf(address(usd)).readyAt, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoUnfundRequest.selector, address(usd)));
        settlement.cancelUnfund(address(usd));
        vm.stopPrank();
    }

    // Per request

    function test_a_request_is_divided_ninety_to_ten() public {
        fundWith(settlement, usd, 1_000, 0);
        vm.expectEmit(address(settlement));
        emit ISettlement.Settled("r", provider, address(usd), 999, 899);
        _settle(999, "r");
        assertEq(settlement.owedTo(provider, address(usd)), 899);
        assertEq(settlement.owedTo(treasury, address(usd)), 100);
        _totals(address(usd), 1, 0, 0, 999);
        assertTrue(settlement.isSettled("r"));
    }

    function test_a_request_is_settled_once_whatever_it_says() public {
        fundWith(settlement, usd, 1_000, 0);
        _settle(10, "r");
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.AlreadySettled.selector, bytes32("r")));
        settlement.settle(other, address(usd), 20, "r");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.AlreadySettled.selector, bytes32("r")));
        settlement.settleFrom(other, other, address(usd), 20, "r");
        vm.stopPrank();
    }

    function test_only_what_is_funded_in_that_token_is_settled() public {
        fundWith(settlement, usd, 1_000, 1_000);
        fundWith(settlement, new Usd(), 5_000, 0);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotEnoughFunded.selector, 1_001, 1_000));
        settlement.settle(provider, address(usd), 1_001, "r");
        vm.expectRevert(abi.encodeWithSelector(IRoles.MissingRole.selector, bytes32("operator"), address(this)));
        settlement.settle(provider, address(usd), 1, "r");
        vm.prank(operator);
        vm.expectRevert(ISettlement.ZeroAddress.selector);
        settlement.settle(address(0), address(usd), 1, "r");
    }

    function test_a_pulled_request_takes_from_the_payer_and_not_from_the_funds() public {
        fundWith(settlement, usd, 1_000, 0);
        usd.mint(other, 100);
        vm.prank(other);
        usd.approve(address(settlement), 100);
        vm.expectEmit(address(settlement));
        emit ISettlement.SettledFrom("r", provider, address(usd), other, 100, 90);
        vm.prank(operator);
        settlement.settleFrom(other, provider, address(usd), 100, "r");
        _totals(address(usd), 1_000, 0, 0, 100);
    }

    function test_a_pulled_request_refuses_a_token_with_a_fee() public {
        FeeOnTransfer fee = new FeeOnTransfer();
        fee.mint(other, 1_000);
        vm.prank(other);
        fee.approve(address(settlement), 1_000);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 1_000, 990));
        settlement.settleFrom(other, provider, address(fee), 1_000, "r");
    }

    function test_a_claim_pays_once_and_then_nothing() public {
        fundWith(settlement, usd, 1_000, 0);
        _settle(1_000, "r");
        vm.expectEmit(address(settlement));
        emit ISettlement.Claimed(address(usd), provider, 900);
        vm.prank(provider);
        assertEq(settlement.claim(address(usd)), 900);
        assertEq(settlement.claimFor(provider, address(usd)), 0);
        assertEq(usd.balanceOf(provider), 900);
        _totals(address(usd), 0, 0, 0, 100);
    }

    function test_a_token_without_an_answer_works() public {
        NoReturn old = new NoReturn();
        old.mint(address(this), 100);
        old.approve(address(settlement), 100);
        settlement.fund(address(old), 100);
        vm.prank(operator);
        settlement.settle(provider, address(old), 100, "r");
        settlement.claimFor(provider, address(old));
        assertEq(old.balanceOf(provider), 90);
    }

    function testFuzz_parts_add_up(uint128 amount, uint16 providerBps, uint16 bps) public {
        providerBps = uint16(bound(providerBps, 0, 9_999));
        bps = uint16(bound(bps, 1, 10_000 - providerBps));
        Settlement fuzzed = new Settlement(ROLE_DELAY, holders(), config(), termsWith(0, providerBps, validators, bps));
        amount = uint128(bound(amount, 1, type(uint128).max));
        fundWith(fuzzed, usd, amount, 0);
        vm.prank(operator);
        fuzzed.settle(provider, address(usd), amount, "r");
        uint256 first = fuzzed.owedTo(provider, address(usd));
        uint256 second = fuzzed.owedTo(validators, address(usd));
        assertEq(first, uint256(amount) * providerBps / 10_000);
        assertEq(second, uint256(amount) * bps / 10_000);
        assertEq(first + second + fuzzed.owedTo(treasury, address(usd)), amount);
    }

    // Vouchers

    function test_a_voucher_pays_the_difference() public {
        fundWith(settlement, usd, 1_000, 0);
        uint48 epoch = settlement.currentEpoch();
        vm.expectEmit(address(settlement));
        emit ISettlement.VoucherRedeemed(provider, address(usd), epoch, 105, 94, 105);
        assertEq(_redeem(epoch, 105), 105);
        // floor(110 x 0.9) - floor(105 x 0.9)
        vm.expectEmit(address(settlement));
        emit ISettlement.VoucherRedeemed(provider, address(usd), epoch, 5, 5, 110);
        assertEq(_redeem(epoch, 110), 5);
        _totals(address(usd), 890, 0, 0, 110);
        assertEq(settlement.redeemedOf(provider, address(usd), epoch), 110);
    }

    function test_a_voucher_that_says_no_more_pays_nothing() public {
        fundWith(settlement, usd, 1_000, 0);
        uint48 epoch = settlement.currentEpoch();
        _redeem(epoch, 105);
        ISettlement.Voucher memory voucher = ISettlement.Voucher(provider, address(usd), epoch, 105);
        bytes memory signature = signVoucher(settlement, voucher);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToRedeem.selector, 105, 105));
        settlement.redeem(voucher, signature);
    }

    function test_epochs_of_vouchers_are_apart() public {
        fundWith(settlement, usd, 1_000, 0);
        uint48 epoch = settlement.currentEpoch();
        _redeem(epoch - 1, 105);
        _redeem(epoch, 105);
        _totals(address(usd), 790, 0, 0, 210);
    }

    function test_a_voucher_is_for_an_epoch_that_began_and_not_for_ever() public {
        fundWith(settlement, usd, 1_000, 0);
        uint48 epoch = settlement.currentEpoch();
        ISettlement.Voucher memory voucher = ISettlement.Voucher(provider, address(usd), epoch + 1, 10);
        bytes memory signature = signVoucher(settlement, voucher);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.EpochNotOver.selector, epoch + 1, epoch));
        settlement.redeem(voucher, signature);
        voucher.epoch = epoch;
        signature = signVoucher(settlement, voucher);
        vm.warp(uint256(epoch + VOUCHER_EPOCHS + 1) * HOUR);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.VoucherExpired.selector, epoch, epoch + VOUCHER_EPOCHS));
        settlement.redeem(voucher, signature);
        vm.warp(uint256(epoch + VOUCHER_EPOCHS + 1) * HOUR - 1);
        settlement.redeem(voucher, signature);
    }

    function test_a_voucher_of_an_epoch_without_a_signer_is_nobodys() public {
        ISettlement.Terms memory silent = terms(0, 9_000);
        silent.voucherSigner = address(0);
        settlement = new Settlement(ROLE_DELAY, holders(), config(), silent);
        fundWith(settlement, usd, 1_000, 0);
        ISettlement.Voucher memory voucher = ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), 1);
        bytes memory signature = signVoucher(settlement, voucher);
        vm.expectRevert(ISettlement.InvalidVoucher.selector);
        settlement.redeem(voucher, signature);
        vm.expectRevert(ISettlement.InvalidVoucher.selector);
        settlement.redeem(voucher, new bytes(65));
        vm.expectRevert(ISettlement.InvalidVoucher.selector);
        settlement.redeem(voucher, "");
    }

    function testFuzz_a_voucher_pays_the_same_in_any_number_of_steps(uint128[8] memory steps, uint128 last) public {
        last = uint128(bound(last, 1, type(uint96).max));
        fundWith(settlement, usd, uint128(last) * 2, 0);
        uint48 epoch = settlement.currentEpoch();
        uint128 cumulative = 0;
        for (uint256 i = 0; i < steps.length; ++i) {
            uint128 next = uint128(bound(steps[i], cumulative, last));
            if (next > cumulative) _redeem(epoch, next);
            cumulative = next;
        }
        if (last > cumulative) _redeem(epoch, last);
        assertEq(settlement.owedTo(provider, address(usd)), uint256(last) * 9_000 / 10_000);
        assertEq(settlement.owedTo(treasury, address(usd)), last - uint256(last) * 9_000 / 10_000);
    }

    // Many direct payments

    function test_many_are_paid_at_once_and_once() public {
        fundWith(settlement, usd, 1_000, 0);
        bytes memory packed = bytes.concat(entry(provider, 30), entry(other, 40), entry(provider, 5));
        vm.expectEmit(address(settlement));
        emit ISettlement.ManyPaid(address(usd), "b", 75, 0, packed);
        vm.startPrank(operator);
        settlement.payMany(address(usd), "b", packed);
        assertEq(usd.balanceOf(provider), 35);
        assertEq(usd.balanceOf(other), 40);
        _totals(address(usd), 925, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.AlreadyPaid.selector, bytes32("b")));
        settlement.payMany(address(usd), "b", packed);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotEnoughFunded.selector, 926, 925));
        settlement.payMany(address(usd), "c", entry(other, 926));
        vm.stopPrank();
    }

    function test_who_cannot_be_paid_is_credited_and_stops_nobody() public {
        Blocking token = new Blocking();
        token.mint(address(this), 100);
        token.approve(address(settlement), 100);
        settlement.fund(address(token), 100);
        address third = makeAddr("third");
        token.block_(provider, Blocking.Way.Reverts);
        token.block_(other, Blocking.Way.AnswersFalse);
        vm.prank(operator);
        settlement.payMany(address(token), "b", bytes.concat(entry(provider, 30), entry(other, 40), entry(third, 5)));
        assertEq(token.balanceOf(third), 5);
        assertEq(settlement.owedTo(provider, address(token)), 30);
        assertEq(settlement.owedTo(other, address(token)), 40);
        _totals(address(token), 25, 0, 0, 70);
        token.block_(provider, Blocking.Way.None);
        assertEq(settlement.claimFor(provider, address(token)), 30);
    }

    function test_two_hundred_are_paid_in_one_transaction() public {
        fundWith(settlement, usd, 1e12, 0);
        vm.prank(operator);
        settlement.payMany(address(usd), "b", entries(0xabcdef, 200, 7_000_000));
        assertEq(usd.balanceOf(address(0xabcdef + 199)), 7_000_000);
    }

    function test_entries_are_whole_few_and_not_zero() public {
        fundWith(settlement, usd, 1_000, 0);
        vm.startPrank(operator);
        bytes[5] memory bad = [bytes(""), new bytes(31), entries(1, 501, 1), entry(address(0), 1), entry(provider, 0)];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(ISettlement.BadEntries.selector);
            settlement.payMany(address(usd), "b", bad[i]);
        }
        vm.stopPrank();
    }

    function _settle(uint128 amount, bytes32 requestId) private {
        vm.prank(operator);
        settlement.settle(provider, address(usd), amount, requestId);
    }

    function _redeem(uint48 epoch, uint128 cumulative) private returns (uint128) {
        ISettlement.Voucher memory voucher = ISettlement.Voucher(provider, address(usd), epoch, cumulative);
        return settlement.redeem(voucher, signVoucher(settlement, voucher));
    }

    function _refuses(ISettlement.SettlementConfig memory bad) private {
        vm.expectRevert(ISettlement.BadSettlementConfig.selector);
        new Settlement(ROLE_DELAY, holders(), bad, terms(0, 9_000));
    }

    function _totals(address token, uint128 funded, uint128 boost, uint128 pending, uint128 owed) private view {
        ISettlement.SettlementTotals memory t = settlement.totals(token);
        assertEq(t.funded, funded, "funded");
        assertEq(t.boostPool, boost, "boost");
        assertEq(t.pending, pending, "pending");
        assertEq(t.owed, owed, "owed");
    }
}
