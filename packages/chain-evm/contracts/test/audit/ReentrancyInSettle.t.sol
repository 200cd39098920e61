// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Channel } from "../../src/Channel.sol";
import { Settlement } from "../../src/Settlement.sol";
import { IRootVault } from "../../src/interfaces/IRootVault.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Reentrant } from "../tokens/Reentrant.sol";

/// @notice A token with hooks calls back in the middle of a transfer. It finds either a closed door or books that are
/// already right, and gets nothing twice.
contract ReentrancyInSettleTest is SettlementFixture {
    Settlement private settlement;
    IRootVault private vault;
    Reentrant private token;
    address private provider = makeAddr("provider");

    function setUp() public {
        begin();
        settlement = deploySettlement();
        vault = settlement.rootVault();
        token = new Reentrant();
        token.mint(address(this), 1e6);
        token.approve(address(settlement), 1e6);
        settlement.fund(address(token), 10_000);
    }

    function test_a_claim_made_in_a_claim_pays_nothing() public {
        _settle();
        for (uint256 i = 0; i < 2; ++i) {
            token.arm(address(settlement), abi.encodeCall(settlement.claimFor, (provider, address(token))), i == 0);
            uint256 id = vm.snapshotState();
            settlement.claimFor(provider, address(token));
            _wasShut();
            assertEq(token.balanceOf(provider), 900);
            vm.revertToState(id);
        }
    }

    function test_funding_made_in_funding_is_not_counted_twice() public {
        token.arm(address(settlement), abi.encodeCall(settlement.fund, (address(token), 100)), false);
        settlement.fund(address(token), 100);
        _wasShut();
        assertEq(settlement.totals(address(token)).funded, 10_100);
    }

    function test_a_claim_made_in_funding_is_shut_out() public {
        _settle();
        token.arm(address(settlement), abi.encodeCall(settlement.claimFor, (provider, address(token))), false);
        settlement.fund(address(token), 100);
        _wasShut();
        _covers();
    }

    function test_a_voucher_redeemed_in_a_claim_finds_the_books_right() public {
        _settle();
        ISettlement.Voucher memory voucher =
            ISettlement.Voucher(provider, address(token), settlement.currentEpoch(), 100);
        bytes memory call = abi.encodeCall(settlement.redeem, (voucher, signVoucher(settlement, voucher)));
        token.arm(address(settlement), call, true);
        settlement.claimFor(provider, address(token));
        assertEq(token.succeeded(), 1);
        assertEq(settlement.owedTo(provider, address(token)), 90);
        _covers();
    }

    function test_a_claim_made_in_payMany_is_shut_out() public {
        _settle();
        token.arm(address(settlement), abi.encodeCall(settlement.claimFor, (provider, address(token))), true);
        vm.prank(operator);
        settlement.payMany(address(token), "batch", entry(makeAddr("other"), 50));
        _wasShut();
        _covers();
    }

    function test_an_unfund_made_by_its_token_is_shut_out() public {
        vm.prank(funder);
        settlement.requestUnfund(address(token), 5_000, 0);
        skip(UNFUND);
        token.arm(address(settlement), abi.encodeCall(settlement.fund, (address(token), 1)), false);
        vm.prank(funder);
        settlement.unfund(address(token));
        _wasShut();
        _covers();
    }

    function test_a_root_claim_made_in_a_root_claim_pays_nothing() public {
        bytes32 leaf = vault.leafOf(address(token), provider, 900);
        skip(HOUR);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(token), epoch, ISettlement.EpochKind.Root, leaf, 5_000, 0);
        skip(CHALLENGE);
        bytes memory again = abi.encodeCall(settlement.applyRoot, (address(token), epoch));
        token.arm(address(settlement), again, true);
        settlement.applyRoot(address(token), epoch);
        _wasShut();
        token.arm(address(vault), abi.encodeCall(vault.claim, (address(token), provider, 900, new bytes32[](0))), true);
        vault.claim(address(token), provider, 900, new bytes32[](0));
        assertEq(token.succeeded(), 1);
        assertEq(token.balanceOf(provider), 900);
    }

    function test_a_channel_settled_in_itself_pays_once() public {
        Channel channel = new Channel();
        // The token is the payee, so its calls are the payee's.
        (address payer, uint256 key) = makeAddrAndKey("payer");
        token.mint(payer, 1_000);
        vm.startPrank(payer);
        token.approve(address(channel), 1_000);
        bytes32 id = channel.open(address(token), address(token), 1_000, "salt", address(0));
        vm.stopPrank();
        bytes memory signature = sign(key, channel.digestOf(id, 400));
        bytes memory more = sign(key, channel.digestOf(id, 1_000));
        token.arm(address(channel), abi.encodeCall(channel.close, (id, 1_000, more)), true);
        vm.prank(address(token));
        channel.settle(id, 400, signature);
        assertEq(token.succeeded(), 0);
        assertEq(bytes32(token.lastAnswer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        assertEq(token.balanceOf(address(token)), 400);
        assertEq(token.balanceOf(address(channel)), 600);
    }

    function _settle() private {
        vm.prank(operator);
        settlement.settle(provider, address(token), 1_000, "request");
    }

    function _wasShut() private view {
        assertGt(token.calls(), 0);
        assertEq(token.succeeded(), 0);
        assertEq(bytes32(token.lastAnswer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
    }

    function _covers() private view {
        ISettlement.SettlementTotals memory t = settlement.totals(address(token));
        assertEq(token.balanceOf(address(settlement)), uint256(t.funded) + t.boostPool + t.pending + t.owed);
    }
}
