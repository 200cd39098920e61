// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { ExactTransfer } from "../../src/libraries/ExactTransfer.sol";
import { ChannelFixture } from "../fixtures/ChannelFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Blocking } from "../tokens/Blocking.sol";
import { FeeOnTransfer } from "../tokens/FeeOnTransfer.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice Tokens that lie about what they moved, take a fee, answer nothing or stop. What one of them does never reaches
/// the money in another one.
contract MaliciousTokenTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    address private provider = makeAddr("provider");

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
        fundWith(settlement, usd, 10_000, 0);
    }

    function test_a_token_that_moves_nothing_funds_nothing() public {
        Liar liar = new Liar();
        vm.expectRevert(ISettlement.ZeroAmount.selector);
        settlement.fund(address(liar), 100);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 100, 0));
        settlement.settleFrom(provider, provider, address(liar), 100, "request");
    }

    function test_a_token_that_says_no_is_believed() public {
        Blocking token = new Blocking();
        token.mint(address(this), 100);
        token.approve(address(settlement), 100);
        token.block_(address(this), Blocking.Way.AnswersFalse);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        settlement.fund(address(token), 100);
    }

    function test_no_token_at_all_funds_nothing() public {
        vm.expectRevert();
        settlement.fund(makeAddr("nobody"), 100);
        vm.expectRevert();
        settlement.fund(address(0), 100);
    }

    function test_a_fee_that_begins_later_is_the_receivers() public {
        FeeOnTransfer token = new FeeOnTransfer();
        token.switchTo(false);
        token.mint(address(this), 1_000);
        token.approve(address(settlement), 1_000);
        settlement.fund(address(token), 1_000);
        vm.prank(operator);
        settlement.settle(provider, address(token), 1_000, "request");
        token.switchTo(true);
        assertEq(settlement.claimFor(provider, address(token)), 900);
        assertEq(token.balanceOf(provider), 891);
        assertEq(token.balanceOf(address(settlement)), settlement.totals(address(token)).owed);
    }

    function test_a_token_that_burns_all_gas_stops_itself_only() public {
        Blocking token = new Blocking();
        token.mint(address(this), 100);
        token.approve(address(settlement), 100);
        settlement.fund(address(token), 100);
        vm.prank(operator);
        settlement.settle(provider, address(token), 100, "1");
        vm.prank(operator);
        settlement.settle(provider, address(usd), 1_000, "2");
        token.block_(provider, Blocking.Way.BurnsGas);
        (bool ok,) =
            address(settlement).call{ gas: 300_000 }(abi.encodeCall(settlement.claimFor, (provider, address(token))));
        assertFalse(ok);
        assertEq(settlement.claimFor(provider, address(usd)), 900);
        token.block_(provider, Blocking.Way.None);
        assertEq(settlement.claimFor(provider, address(token)), 90);
    }

    function test_a_token_without_balances_takes_nothing_from_another() public {
        Liar liar = new Liar();
        liar.setBalance(1e18);
        // It first says that it gave, so its books are full, and then pays nobody.
        settlement.fund(address(liar), 1);
        vm.prank(operator);
        settlement.settle(provider, address(liar), 1e18, "lie");
        settlement.claimFor(provider, address(liar));
        assertEq(usd.balanceOf(address(settlement)), 10_000);
        assertEq(settlement.totals(address(usd)).funded, 10_000);
    }
}

contract MaliciousTokenChannelTest is ChannelFixture {
    function test_a_channel_in_a_lying_token_is_not_opened() public {
        begin();
        open(1_000, "honest", address(0));
        Liar liar = new Liar();
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 100, 0));
        channel.open(payee, address(liar), 100, "salt", address(0));
        // Not even one whose authorization does nothing.
        bytes32 nonce = keccak256(abi.encode(payer, payee, address(liar), bytes32("salt"), address(0)));
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 100, 0));
        channel.openWithAuthorization(payee, address(liar), 100, "salt", address(0), payer, 0, 1, nonce, "");
        assertEq(usd.balanceOf(address(channel)), 1_000);
    }

    function test_a_payer_who_is_blocked_does_not_keep_the_payee_from_its_money() public {
        begin();
        Blocking token = new Blocking();
        token.mint(payer, 1_000);
        vm.startPrank(payer);
        token.approve(address(channel), 1_000);
        bytes32 id = channel.open(payee, address(token), 1_000, "salt", address(0));
        vm.stopPrank();
        token.block_(payer, Blocking.Way.Reverts);
        bytes memory signature = voucher(id, 600);
        vm.startPrank(payee);
        vm.expectRevert(abi.encodeWithSelector(Blocking.Blocked.selector, payer));
        channel.close(id, 600, signature);
        channel.settle(id, 600, signature);
        vm.stopPrank();
        assertEq(token.balanceOf(payee), 600);
    }
}

/// @notice Says yes to everything and moves nothing.
contract Liar {
    uint256 private _balance;
    bool private _gave;

    function setBalance(uint256 balance) external {
        _balance = balance;
    }

    function balanceOf(address) external view returns (uint256) {
        return _gave ? _balance : 0;
    }

    function transferFrom(address, address, uint256) external returns (bool) {
        _gave = true;
        return true;
    }

    function transfer(address, uint256) external pure returns (bool) {
        return true;
    }

    function receiveWithAuthorization(address, address, uint256, uint256, uint256, bytes32, bytes calldata) external { }
}
