// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IChannel } from "../../src/interfaces/IChannel.sol";
import { ChannelFixture } from "../fixtures/ChannelFixture.sol";
import { Wallet } from "../tokens/Wallet.sol";

/// @notice Who signed takes its word back. An account that is given code after it signed (EIP-7702) keeps its key's word. A
/// contract may change its mind: whoever accepts its vouchers settles them at once.
contract RevocableSignatureTest is ChannelFixture {
    function setUp() public {
        begin();
    }

    function test_a_payer_that_gives_its_account_code_still_pays_what_its_key_signed() public {
        bytes32 id = open(1_000, "salt", address(0));
        bytes memory signature = voucher(id, 700);
        vm.etch(payer, address(new Refusing()).code);
        vm.prank(payee);
        channel.settle(id, 700, signature);
        assertEq(usd.balanceOf(payee), 700);
    }

    function test_the_accounts_own_code_may_accept_another_key_but_not_nothing() public {
        (address other, uint256 otherKey) = makeAddrAndKey("other");
        bytes32 id = open(1_000, "salt", address(0));
        bytes memory foreign = sign(otherKey, channel.digestOf(id, 700));
        vm.prank(payee);
        vm.expectRevert(IChannel.InvalidSignature.selector);
        channel.settle(id, 700, foreign);
        vm.etch(payer, address(new Wallet(other)).code);
        vm.startPrank(payee);
        channel.settle(id, 700, foreign);
        vm.expectRevert(IChannel.InvalidSignature.selector);
        channel.settle(id, 800, "");
        vm.stopPrank();
    }

    /// @dev What a payee has to know; README says so.
    function test_a_contract_can_take_its_word_back() public {
        Wallet wallet = new Wallet(payer);
        bytes32 id = open(1_000, "salt", address(wallet));
        bytes memory signature = voucher(id, 700);
        vm.etch(address(wallet), address(new Refusing()).code);
        vm.prank(payee);
        vm.expectRevert(IChannel.InvalidSignature.selector);
        channel.settle(id, 700, signature);
    }
}

/// @notice Answers that no signature is its own.
contract Refusing {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}
