// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IChannel } from "../src/interfaces/IChannel.sol";
import { ExactTransfer } from "../src/libraries/ExactTransfer.sol";
import { ChannelFixture } from "./fixtures/ChannelFixture.sol";
import { FeeOnTransfer } from "./tokens/FeeOnTransfer.sol";
import { Usd } from "./tokens/Usd.sol";
import { Wallet } from "./tokens/Wallet.sol";

contract ChannelTest is ChannelFixture {
    bytes32 private id;

    function setUp() public {
        begin();
        id = open(1_000, "salt", address(0));
    }

    function test_a_channel_has_the_id_of_the_draft() public view {
        bytes32 expected = keccak256(
            abi.encode(payer, payee, address(usd), bytes32("salt"), address(0), address(channel), block.chainid)
        );
        assertEq(id, expected);
        assertEq(channel.computeChannelId(payer, payee, address(usd), "salt", address(0)), expected);
    }

    function test_every_part_of_a_channel_makes_another_id() public {
        address signer = makeAddr("signer");
        address usdAddress = address(usd);
        bytes32 all = channel.computeChannelId(payer, payee, usdAddress, "salt", signer);
        assertEq(
            all,
            keccak256(abi.encode(payer, payee, usdAddress, bytes32("salt"), signer, address(channel), block.chainid))
        );
        assertNotEq(all, channel.computeChannelId(payee, payee, usdAddress, "salt", signer));
        assertNotEq(all, channel.computeChannelId(payer, payer, usdAddress, "salt", signer));
        assertNotEq(all, channel.computeChannelId(payer, payee, payer, "salt", signer));
        assertNotEq(all, channel.computeChannelId(payer, payee, usdAddress, "pepper", signer));
        assertNotEq(all, channel.computeChannelId(payer, payee, usdAddress, "salt", address(0)));
        assertEq(open(10, "salt", signer), all);
    }

    function test_a_voucher_has_the_digest_of_the_draft() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("EVM Payment Channel"),
                keccak256("1"),
                block.chainid,
                address(channel)
            )
        );
        bytes32 structHash =
            keccak256(abi.encode(keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)"), id, 700));
        assertEq(channel.digestOf(id, 700), keccak256(abi.encodePacked("\x19\x01", domain, structHash)));
    }

    function test_all_that_changes_is_in_one_slot() public {
        bytes memory signature = voucher(id, 700);
        vm.record();
        vm.prank(payee);
        channel.settle(id, 700, signature);
        (, bytes32[] memory writes) = vm.accesses(address(channel));
        for (uint256 i = 1; i < writes.length; ++i) {
            assertEq(writes[i], writes[0]);
        }
    }

    function test_opening_needs_a_payee_a_deposit_and_a_new_salt() public {
        usd.mint(payer, 10);
        vm.startPrank(payer);
        usd.approve(address(channel), 10);
        vm.expectRevert(abi.encodeWithSelector(IChannel.ChannelAlreadyExists.selector, id));
        channel.open(payee, address(usd), 10, "salt", address(0));
        vm.expectRevert(IChannel.ZeroDeposit.selector);
        channel.open(payee, address(usd), 0, "new", address(0));
        vm.expectRevert(IChannel.ZeroPayee.selector);
        channel.open(address(0), address(usd), 10, "new", address(0));
        vm.expectRevert(abi.encodeWithSelector(IChannel.DepositOverflow.selector, 2 ** 96));
        channel.open(payee, address(usd), 2 ** 96, "new", address(0));
        vm.stopPrank();
    }

    function test_a_token_with_a_fee_is_refused() public {
        FeeOnTransfer fee = new FeeOnTransfer();
        fee.mint(payer, 1_000);
        vm.startPrank(payer);
        fee.approve(address(channel), 1_000);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 1_000, 990));
        channel.open(payee, address(fee), 1_000, "salt", address(0));
        vm.stopPrank();
    }

    function test_settling_pays_the_difference_and_only_more() public {
        _settle(300);
        bytes memory signature = voucher(id, 700);
        vm.expectEmit(address(channel));
        emit IChannel.ChannelSettled(id, 400, 700);
        vm.prank(payee);
        channel.settle(id, 700, signature);
        assertEq(usd.balanceOf(payee), 700);
        vm.startPrank(payee);
        vm.expectRevert(abi.encodeWithSelector(IChannel.AmountNotIncreasing.selector, 700, 700));
        channel.settle(id, 700, signature);
        signature = voucher(id, 1_001);
        vm.expectRevert(abi.encodeWithSelector(IChannel.AmountExceedsDeposit.selector, 1_001, 1_000));
        channel.settle(id, 1_001, signature);
        vm.stopPrank();
    }

    function test_each_side_does_its_own_part_only() public {
        bytes memory signature = voucher(id, 700);
        vm.expectRevert(abi.encodeWithSelector(IChannel.NotPayee.selector, address(this)));
        channel.settle(id, 700, signature);
        vm.expectRevert(abi.encodeWithSelector(IChannel.NotPayee.selector, address(this)));
        channel.close(id, 700, signature);
        vm.startPrank(payee);
        vm.expectRevert(abi.encodeWithSelector(IChannel.NotPayer.selector, payee));
        channel.topUp(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IChannel.NotPayer.selector, payee));
        channel.requestClose(id);
        vm.expectRevert(abi.encodeWithSelector(IChannel.NotPayer.selector, payee));
        channel.withdraw(id);
        vm.stopPrank();
    }

    function test_no_channel_does_nothing() public {
        bytes32 none = "none";
        bytes memory missing = abi.encodeWithSelector(IChannel.ChannelNotFound.selector, none);
        vm.expectRevert(missing);
        channel.settle(none, 1, "");
        vm.expectRevert(missing);
        channel.close(none, 1, "");
        vm.expectRevert(missing);
        channel.topUp(none, 1);
        vm.expectRevert(missing);
        channel.requestClose(none);
        vm.expectRevert(missing);
        channel.withdraw(none);
        assertEq(channel.getChannel(none).payer, address(0));
    }

    function test_closing_pays_both_for_good() public {
        _settle(300);
        bytes memory signature = voucher(id, 800);
        vm.expectEmit(address(channel));
        emit IChannel.ChannelClosed(id, 800, 200);
        vm.prank(payee);
        channel.close(id, 800, signature);
        assertEq(usd.balanceOf(payee), 800);
        assertEq(usd.balanceOf(payer), 200);
        assertTrue(channel.getChannel(id).finalized);
        bytes memory over = abi.encodeWithSelector(IChannel.ChannelFinalized.selector, id);
        signature = voucher(id, 900);
        vm.startPrank(payee);
        vm.expectRevert(over);
        channel.settle(id, 900, signature);
        vm.expectRevert(over);
        channel.close(id, 900, signature);
        vm.stopPrank();
        vm.startPrank(payer);
        vm.expectRevert(over);
        channel.requestClose(id);
        vm.expectRevert(over);
        channel.withdraw(id);
        vm.expectRevert(over);
        channel.topUp(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IChannel.ChannelAlreadyExists.selector, id));
        channel.open(payee, address(usd), 10, "salt", address(0));
        vm.stopPrank();
    }

    function test_a_payee_can_close_without_a_voucher() public {
        _settle(300);
        vm.startPrank(payee);
        channel.close(id, 0, "");
        vm.stopPrank();
        assertEq(usd.balanceOf(payee), 300);
        assertEq(usd.balanceOf(payer), 700);
    }

    function test_a_closing_voucher_is_checked_like_any_other() public {
        vm.startPrank(payee);
        vm.expectRevert(IChannel.InvalidSignature.selector);
        channel.close(id, 1, "");
        bytes memory signature = voucher(id, 1_001);
        vm.expectRevert(abi.encodeWithSelector(IChannel.AmountExceedsDeposit.selector, 1_001, 1_000));
        channel.close(id, 1_001, signature);
        vm.stopPrank();
    }

    function test_a_payer_leaves_after_the_grace_period_and_not_before() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(IChannel.CloseNotReady.selector, 0));
        channel.withdraw(id);
        uint48 ready = clock() + 15 minutes;
        channel.requestClose(id);
        skip(15 minutes - 1);
        // A second request does not begin anew.
        channel.requestClose(id);
        vm.expectRevert(abi.encodeWithSelector(IChannel.CloseNotReady.selector, ready));
        channel.withdraw(id);
        vm.stopPrank();
        // Until the payer takes it, the payee still can.
        skip(1);
        _settle(600);
        vm.prank(payer);
        channel.withdraw(id);
        assertEq(usd.balanceOf(payer), 400);
        assertEq(usd.balanceOf(payee), 600);
    }

    function test_topping_up_takes_the_request_to_close_back() public {
        vm.prank(payer);
        channel.requestClose(id);
        usd.mint(payer, 50);
        vm.startPrank(payer);
        usd.approve(address(channel), 50);
        vm.expectEmit(address(channel));
        emit IChannel.CloseRequestCancelled(id);
        channel.topUp(id, 50);
        skip(15 minutes);
        vm.expectRevert(abi.encodeWithSelector(IChannel.CloseNotReady.selector, 0));
        channel.withdraw(id);
        vm.expectRevert(abi.encodeWithSelector(IChannel.DepositOverflow.selector, uint256(1_050) + type(uint128).max));
        channel.topUp(id, type(uint128).max);
        vm.stopPrank();
        assertEq(channel.getChannel(id).deposit, 1_050);
    }

    function test_an_authorization_opens_exactly_its_channel() public {
        bytes32 salt = "gasless";
        bytes32 nonce = keccak256(abi.encode(payer, payee, address(usd), salt, address(0)));
        bytes memory signature = authorization(payer, payerKey, 500, nonce);
        usd.mint(payer, 500);
        bytes32 others = keccak256(abi.encode(payer, address(this), address(usd), salt, address(0)));
        vm.expectRevert(abi.encodeWithSelector(IChannel.NonceMismatch.selector, others, nonce));
        channel.openWithAuthorization(
            address(this), address(usd), 500, salt, address(0), payer, 0, type(uint256).max, nonce, signature
        );
        vm.expectRevert(Usd.InvalidSignature.selector);
        channel.openWithAuthorization(
            payee, address(usd), 499, salt, address(0), payer, 0, type(uint256).max, nonce, signature
        );
        bytes32 opened = channel.openWithAuthorization(
            payee, address(usd), 500, salt, address(0), payer, 0, type(uint256).max, nonce, signature
        );
        IChannel.ChannelInfo memory info = channel.getChannel(opened);
        assertEq(info.payer, payer);
        assertEq(info.payee, payee);
        assertEq(info.deposit, 500);
    }

    function test_an_authorization_tops_up_exactly_its_channel() public {
        address friend = makeAddr("friend");
        (, uint256 friendKey) = makeAddrAndKey("friend");
        usd.mint(friend, 80);
        bytes32 nonce = keccak256(abi.encode(id, uint128(80), friend, bytes32("top")));
        bytes memory signature = authorization(friend, friendKey, 80, nonce);
        bytes32 other = open(10, "other", address(0));
        vm.expectPartialRevert(IChannel.NonceMismatch.selector);
        channel.topUpWithAuthorization(other, 80, friend, "top", 0, type(uint256).max, nonce, signature);
        channel.topUpWithAuthorization(id, 80, friend, "top", 0, type(uint256).max, nonce, signature);
        assertEq(channel.getChannel(id).deposit, 1_080);
        // What a friend paid in is refunded to the payer.
        vm.startPrank(payee);
        channel.close(id, 0, "");
        vm.stopPrank();
        assertEq(usd.balanceOf(payer), 1_080);
    }

    function test_a_strangers_unit_does_not_keep_the_payer() public {
        vm.prank(payer);
        channel.requestClose(id);
        (address stranger, uint256 key) = makeAddrAndKey("stranger");
        usd.mint(stranger, 1);
        bytes32 nonce = keccak256(abi.encode(id, uint128(1), stranger, bytes32("top")));
        bytes memory signature = authorization(stranger, key, 1, nonce);
        channel.topUpWithAuthorization(id, 1, stranger, "top", 0, type(uint256).max, nonce, signature);
        skip(15 minutes);
        vm.prank(payer);
        channel.withdraw(id);
        assertEq(usd.balanceOf(payer), 1_001);
    }

    function test_an_authorized_signer_signs_instead_of_the_payer() public {
        (address delegate, uint256 key) = makeAddrAndKey("delegate");
        bytes32 delegated = open(100, "delegated", delegate);
        bytes memory signature = voucher(delegated, 60);
        vm.startPrank(payee);
        vm.expectRevert(IChannel.InvalidSignature.selector);
        channel.settle(delegated, 60, signature);
        channel.settle(delegated, 60, sign(key, channel.digestOf(delegated, 60)));
        vm.stopPrank();
    }

    function test_a_contract_signs_by_its_own_rule() public {
        Wallet wallet = new Wallet(payer);
        bytes32 owned = open(100, "wallet", address(wallet));
        bytes memory foreign = sign(uint256(1), channel.digestOf(owned, 60));
        vm.startPrank(payee);
        vm.expectRevert(IChannel.InvalidSignature.selector);
        channel.settle(owned, 60, foreign);
        channel.settle(owned, 60, voucher(owned, 60));
        vm.stopPrank();
    }

    function testFuzz_payee_and_payer_share_the_deposit_exactly(uint96 deposit, uint96[4] memory steps, uint96 last)
        public
    {
        deposit = uint96(bound(deposit, 1, type(uint96).max));
        bytes32 fuzzed = open(deposit, "fuzz", address(0));
        uint96 settled = 0;
        for (uint256 i = 0; i < steps.length; ++i) {
            uint96 next = uint96(bound(steps[i], settled, deposit));
            if (next == settled) continue;
            vm.startPrank(payee);
            channel.settle(fuzzed, next, voucher(fuzzed, next));
            vm.stopPrank();
            settled = next;
        }
        last = uint96(bound(last, 0, deposit));
        vm.startPrank(payee);
        channel.close(fuzzed, last, last > settled ? voucher(fuzzed, last) : bytes(""));
        vm.stopPrank();
        if (last > settled) settled = last;
        assertEq(usd.balanceOf(payee), settled);
        assertEq(usd.balanceOf(payer), deposit - settled);
        assertEq(usd.balanceOf(address(channel)), 1_000);
    }

    function _settle(uint128 cumulative) private {
        vm.startPrank(payee);
        channel.settle(id, cumulative, voucher(id, cumulative));
        vm.stopPrank();
    }
}
