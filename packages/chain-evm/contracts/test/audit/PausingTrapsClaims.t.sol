// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { IRoles } from "../../src/interfaces/IRoles.sol";
import { IRootVault } from "../../src/interfaces/IRootVault.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { RegistryFixture } from "../fixtures/RegistryFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice A pause that was made against theft must not hold what was earned. It stops what comes in; each way out works
/// while it lasts, and it ends by itself.
contract PausingTrapsClaimsTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    address private provider = makeAddr("provider");

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
        fundWith(settlement, usd, 10_000, 1_000);
        vm.prank(operator);
        settlement.settle(provider, address(usd), 1_000, "request");
    }

    function test_what_comes_in_stops() public {
        _pause();
        bytes memory refused = abi.encodeWithSelector(IRoles.IsPaused.selector, clock() + 7 days);
        vm.expectRevert(refused);
        settlement.fund(address(usd), 1);
        vm.expectRevert(refused);
        settlement.fundBoost(address(usd), 1);
        vm.expectRevert(refused);
        settlement.fundWithAuthorization(address(usd), provider, 1, 0, 1, 0, 0, 0, 0);
        vm.startPrank(operator);
        vm.expectRevert(refused);
        settlement.settle(provider, address(usd), 1, "2");
        vm.expectRevert(refused);
        settlement.settleFrom(provider, provider, address(usd), 1, "2");
        vm.expectRevert(refused);
        settlement.payMany(address(usd), "2", entry(provider, 1));
        vm.stopPrank();
    }

    function test_claims_vouchers_and_unspent_funds_go_out() public {
        vm.prank(funder);
        settlement.requestUnfund(address(usd), 1_000, 0);
        skip(UNFUND);
        _pause();
        assertEq(settlement.claimFor(provider, address(usd)), 900);
        ISettlement.Voucher memory voucher = ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), 100);
        assertEq(settlement.redeem(voucher, signVoucher(settlement, voucher)), 100);
        vm.prank(funder);
        settlement.unfund(address(usd));
        assertEq(usd.balanceOf(funder), 1_000);
    }

    function test_epochs_are_proposed_applied_cancelled_and_claimed() public {
        _pause();
        IRootVault vault = settlement.rootVault();
        uint48 epoch = settlement.currentEpoch() - 1;
        bytes32 leaf = vault.leafOf(address(usd), provider, 900);
        vm.startPrank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, "wrong", 1_000, 0);
        vm.stopPrank();
        vm.prank(challenger);
        settlement.cancelEpoch(address(usd), epoch);
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, leaf, 1_000, 0);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
        assertEq(vault.claim(address(usd), provider, 900, new bytes32[](0)), 900);
        bytes memory packed = entry(provider, 900);
        skip(HOUR);
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch + 1, ISettlement.EpochKind.Batch, keccak256(packed), 1_000, 0);
        skip(CHALLENGE);
        settlement.applyBatch(address(usd), epoch + 1, packed);
        assertTrue(settlement.paused());
        assertEq(settlement.claimFor(provider, address(usd)), 1_800);
    }

    function test_a_pause_ends_by_itself() public {
        _pause();
        skip(7 days);
        vm.prank(operator);
        settlement.settle(provider, address(usd), 1, "2");
    }

    function _pause() private {
        vm.prank(pauser);
        settlement.pause();
    }
}

contract PausingTrapsValidatorsTest is RegistryFixture {
    function setUp() public {
        begin();
        registerSeven();
        fundRewards(1_000);
    }

    function test_validators_vote_earn_and_leave_while_paused() public {
        openJob("job", 1_000);
        vm.prank(pauser);
        registry.pause();
        address[] memory drawn = registry.drawnOf("job", SEED);
        for (uint256 i = 0; i < 3; ++i) {
            commitVote(drawn[i], "job", GOOD);
        }
        toSeed("job");
        for (uint256 i = 0; i < 3; ++i) {
            revealVote("job", i, GOOD);
        }
        vm.prank(drawn[0]);
        assertEq(registry.claimCredit(), 200);
        vm.prank(validators[0]);
        registry.requestExit();
        assertTrue(registry.paused());
        vm.expectPartialRevert(IRoles.IsPaused.selector);
        vm.prank(drawn[0]);
        registry.topUp(1);
        vm.expectPartialRevert(IRoles.IsPaused.selector);
        vm.prank(operator);
        registry.openJob("next", 0);
        vm.warp(registry.validatorOf(validators[0]).cooldownEnd);
        _pauseAgain();
        vm.prank(validators[0]);
        assertEq(registry.withdraw(), MIN_BOND);
    }

    function _pauseAgain() private {
        vm.prank(pauser);
        registry.pause();
    }
}
