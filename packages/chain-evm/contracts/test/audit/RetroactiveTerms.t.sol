// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice New terms that reach back: another split for what was earned, another signer for old vouchers, an old signer for
/// new ones. Terms are found by epoch, so each attempt meets the terms that were in force then.
contract RetroactiveTermsTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    address private provider = makeAddr("provider");
    address private thief;
    uint256 private thiefKey;
    uint48 private turn;

    /// @dev From epoch `turn` on the provider gets nothing, and the treasury and the signer are a thief's.
    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
        fundWith(settlement, usd, 1_000_000, 1_000);
        (thief, thiefKey) = makeAddrAndKey("thief");
        turn = (clock() + ROLE_DELAY) / HOUR + 1;
        vm.prank(curator);
        settlement.appendTerms(ISettlement.Terms(turn, 0, thief, thief, new ISettlement.Share[](0)));
    }

    function test_until_they_begin_nothing_is_divided_by_new_terms() public {
        vm.warp(uint256(turn) * HOUR - 1);
        _settle("last second");
        assertEq(settlement.owedTo(provider, address(usd)), 900);
        skip(1);
        _settle("first second");
        assertEq(settlement.owedTo(provider, address(usd)), 900);
        assertEq(settlement.owedTo(thief, address(usd)), 1_000);
    }

    function test_an_epoch_proposed_late_is_divided_by_its_own_terms() public {
        vm.warp(uint256(turn + 2) * HOUR);
        bytes memory packed = entry(provider, 900);
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), turn - 1, ISettlement.EpochKind.Batch, keccak256(packed), 1_000, 0);
        skip(CHALLENGE);
        settlement.applyBatch(address(usd), turn - 1, packed);
        assertEq(settlement.owedTo(provider, address(usd)), 900);
        assertEq(settlement.owedTo(treasury, address(usd)), 100);
        assertEq(settlement.owedTo(thief, address(usd)), 0);
    }

    function test_a_signer_signs_for_its_own_epochs_only() public {
        vm.warp(uint256(turn) * HOUR);
        _isRefused(turn - 1, thiefKey);
        _isRefused(turn, signerKey);
        _redeem(turn - 1, signerKey);
        _redeem(turn, thiefKey);
        assertEq(settlement.owedTo(provider, address(usd)), 900);
    }

    /// @dev So long a stolen key is good after it was replaced, also for what it signs only now, and while paused.
    function test_a_replaced_signer_is_good_for_its_last_epochs_and_no_longer() public {
        vm.warp(uint256(turn + VOUCHER_EPOCHS) * HOUR - 1);
        vm.prank(pauser);
        settlement.pause();
        _redeem(turn - 1, signerKey);
        skip(1);
        _isRefused(turn - 1, signerKey);
    }

    function test_what_was_published_is_never_replaced() public {
        vm.startPrank(curator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TermsTooEarly.selector, turn, turn + 1));
        settlement.appendTerms(terms(turn, 9_999));
        settlement.appendTerms(terms(turn + 1, 9_999));
        vm.stopPrank();
        assertEq(settlement.termsAt(turn).treasury, thief);
        assertEq(settlement.termsAt(turn - 1).treasury, treasury);
        assertEq(settlement.termsAt(turn + 1).treasury, treasury);
    }

    /// @dev What is cancelled goes back once; what was cancelled is not applied; what was applied is not cancelled.
    function test_a_cancelled_epoch_pays_nobody_and_an_applied_one_once() public {
        uint48 epoch = settlement.currentEpoch() - 1;
        bytes memory packed = entry(provider, 910);
        bytes memory none = abi.encodeWithSelector(ISettlement.NoEpochWaiting.selector, address(usd), epoch);
        for (uint256 round = 0; round < 2; ++round) {
            vm.prank(operator);
            settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Batch, keccak256(packed), 1_000, 10);
            skip(CHALLENGE);
            if (round == 1) break;
            vm.startPrank(challenger);
            settlement.cancelEpoch(address(usd), epoch);
            vm.expectRevert(none);
            settlement.cancelEpoch(address(usd), epoch);
            vm.stopPrank();
            vm.expectRevert(none);
            settlement.applyBatch(address(usd), epoch, packed);
            assertEq(settlement.totals(address(usd)).funded, 1_000_000);
            assertEq(settlement.totals(address(usd)).boostPool, 1_000);
        }
        settlement.applyBatch(address(usd), epoch, packed);
        vm.expectRevert(none);
        settlement.applyBatch(address(usd), epoch, packed);
        vm.expectRevert(none);
        vm.prank(challenger);
        settlement.cancelEpoch(address(usd), epoch);
        assertEq(settlement.owedTo(provider, address(usd)), 910);
        assertEq(settlement.totals(address(usd)).funded, 999_000);
    }

    function _settle(bytes32 requestId) private {
        vm.prank(operator);
        settlement.settle(provider, address(usd), 1_000, requestId);
    }

    function _redeem(uint48 epoch, uint256 key) private {
        ISettlement.Voucher memory said = ISettlement.Voucher(provider, address(usd), epoch, 1_000);
        settlement.redeem(said, sign(key, settlement.digestOf(said)));
    }

    function _isRefused(uint48 epoch, uint256 key) private {
        ISettlement.Voucher memory said = ISettlement.Voucher(provider, address(usd), epoch, 1_000);
        bytes memory signature = sign(key, settlement.digestOf(said));
        vm.expectRevert();
        settlement.redeem(said, signature);
    }
}
