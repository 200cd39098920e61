// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { MerkleProof } from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import { Settlement } from "../src/Settlement.sol";
import { IRoles } from "../src/interfaces/IRoles.sol";
import { IRootVault } from "../src/interfaces/IRootVault.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { SettlementFixture } from "./fixtures/SettlementFixture.sol";
import { Usd } from "./tokens/Usd.sol";

contract SettlementEpochsTest is SettlementFixture {
    Settlement private settlement;
    IRootVault private vault;
    Usd private usd;
    address private alice = makeAddr("alice");
    address private bob = makeAddr("bob");

    function setUp() public {
        begin();
        settlement = deploySettlement();
        vault = settlement.rootVault();
        usd = new Usd();
        fundWith(settlement, usd, 10_000, 1_000);
    }

    // Proposals

    function test_an_epoch_is_proposed_when_it_is_over_and_within_the_funds() public {
        uint48 current = settlement.currentEpoch();
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.EpochNotOver.selector, current, current));
        settlement.proposeEpoch(address(usd), current, ISettlement.EpochKind.Root, "x", 1, 0);
        vm.expectRevert(ISettlement.BadEpochKind.selector);
        settlement.proposeEpoch(address(usd), current - 1, ISettlement.EpochKind.None, "x", 1, 0);
        vm.expectRevert(ISettlement.ZeroAmount.selector);
        settlement.proposeEpoch(address(usd), current - 1, ISettlement.EpochKind.Root, "x", 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotEnoughFunded.selector, 10_001, 10_000));
        settlement.proposeEpoch(address(usd), current - 1, ISettlement.EpochKind.Root, "x", 10_001, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotEnoughBoost.selector, 1_001, 1_000));
        settlement.proposeEpoch(address(usd), current - 1, ISettlement.EpochKind.Root, "x", 1, 1_001);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IRoles.MissingRole.selector, bytes32("operator"), address(this)));
        settlement.proposeEpoch(address(usd), current - 1, ISettlement.EpochKind.Root, "x", 1, 0);
    }

    function test_a_proposal_sets_the_money_aside() public {
        uint48 epoch = _propose(ISettlement.EpochKind.Root, "x", 4_000, 500);
        ISettlement.Proposal memory p = settlement.proposalOf(address(usd));
        assertEq(p.epoch, epoch);
        assertEq(p.appliesAt, clock() + CHALLENGE);
        assertEq(p.gross, 4_000);
        assertEq(p.boost, 500);
        assertEq(p.commitment, "x");
        _totals(6_000, 500, 4_500, 0);
    }

    function test_one_epoch_of_a_token_waits_at_a_time() public {
        uint48 epoch = _propose(ISettlement.EpochKind.Root, "x", 4_000, 0);
        Usd second = new Usd();
        fundWith(settlement, second, 10, 0);
        skip(HOUR);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.EpochWaiting.selector, address(usd), epoch));
        settlement.proposeEpoch(address(usd), epoch + 1, ISettlement.EpochKind.Root, "y", 1, 0);
        settlement.proposeEpoch(address(second), epoch + 1, ISettlement.EpochKind.Root, "y", 1, 0);
        vm.stopPrank();
    }

    function test_an_epoch_is_settled_once_and_in_order() public {
        uint48 epoch = _propose(ISettlement.EpochKind.Root, "x", 4_000, 0);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
        for (uint48 back = 0; back < 2; ++back) {
            vm.prank(operator);
            vm.expectRevert(abi.encodeWithSelector(ISettlement.EpochNotLater.selector, epoch - back, epoch));
            settlement.proposeEpoch(address(usd), epoch - back, ISettlement.EpochKind.Root, "y", 1, 0);
        }
    }

    function test_a_cancelled_epoch_gives_its_money_back_and_can_be_proposed_again() public {
        uint48 epoch = _propose(ISettlement.EpochKind.Root, "x", 4_000, 500);
        vm.expectRevert(abi.encodeWithSelector(IRoles.MissingRole.selector, bytes32("challenger"), address(this)));
        settlement.cancelEpoch(address(usd), epoch);
        // Also after the delay, as long as nobody applied it.
        skip(CHALLENGE + 1);
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoEpochWaiting.selector, address(usd), epoch - 1));
        settlement.cancelEpoch(address(usd), epoch - 1);
        settlement.cancelEpoch(address(usd), epoch);
        vm.stopPrank();
        _totals(10_000, 1_000, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoEpochWaiting.selector, address(usd), epoch));
        settlement.applyRoot(address(usd), epoch);
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, "y", 1, 0);
    }

    function test_nothing_is_applied_before_its_delay_or_as_something_else() public {
        uint48 epoch = _propose(ISettlement.EpochKind.Root, "x", 4_000, 0);
        uint48 appliesAt = clock() + CHALLENGE;
        skip(CHALLENGE - 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.ChallengeDelayOpen.selector, appliesAt));
        settlement.applyRoot(address(usd), epoch);
        skip(1);
        vm.expectRevert(ISettlement.BadEpochKind.selector);
        settlement.applyBatch(address(usd), epoch, entry(alice, 3_600));
        settlement.applyRoot(address(usd), epoch);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoEpochWaiting.selector, address(usd), epoch));
        settlement.applyRoot(address(usd), epoch);
    }

    function test_cancelling_a_late_epoch_loses_none_before_it() public {
        skip(5 * HOUR);
        uint48 first = _propose(ISettlement.EpochKind.Root, "x", 1, 0);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), first);
        skip(5 * HOUR);
        uint48 late = _propose(ISettlement.EpochKind.Root, "y", 1, 0);
        vm.prank(challenger);
        settlement.cancelEpoch(address(usd), late);
        assertEq(settlement.proposalOf(address(usd)).epoch, first);
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), first + 1, ISettlement.EpochKind.Root, "z", 1, 0);
    }

    function test_the_operator_cancels_what_nobody_applied_for_a_week() public {
        uint48 epoch = _propose(ISettlement.EpochKind.Batch, "no entries have this hash", 4_000, 0);
        uint48 overdueAt = clock() + CHALLENGE + 7 days;
        vm.prank(challenger);
        settlement.renounceRole("challenger");
        vm.warp(overdueAt - 1);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotOverdue.selector, overdueAt));
        settlement.cancelEpoch(address(usd), epoch);
        skip(1);
        settlement.cancelEpoch(address(usd), epoch);
        vm.stopPrank();
        _totals(10_000, 1_000, 0, 0);
        vm.expectPartialRevert(ISettlement.NoEpochWaiting.selector);
        settlement.cancelEpoch(address(usd), epoch);
    }

    // Roots

    function test_a_root_is_divided_by_the_terms_of_its_epoch() public {
        uint48 epoch = settlement.currentEpoch();
        uint48 from = (clock() + ROLE_DELAY) / HOUR + 1;
        vm.prank(curator);
        settlement.appendTerms(termsWith(from, 5_000, bob, 3_000));
        vm.warp(uint256(from + 1) * HOUR);
        // An epoch before the new terms, proposed after they began.
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, "x", 1_001, 0);
        skip(CHALLENGE);
        vm.expectEmit(address(settlement));
        emit ISettlement.RootApplied(address(usd), epoch, "x", 900, 101);
        settlement.applyRoot(address(usd), epoch);
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), from, ISettlement.EpochKind.Root, "y", 1_001, 7);
        skip(CHALLENGE);
        vm.expectEmit(address(settlement));
        emit ISettlement.RootApplied(address(usd), from, "y", 507, 501);
        settlement.applyRoot(address(usd), from);
        assertEq(settlement.owedTo(bob, address(usd)), 300);
        assertEq(settlement.owedTo(treasury, address(usd)), 101 + 201);
        assertEq(usd.balanceOf(address(vault)), 900 + 507);
        _totals(10_000 - 2_002, 993, 0, 602);
    }

    function test_a_claim_pays_what_the_leaf_says_beyond_what_was_paid() public {
        bytes32[] memory leaves = new bytes32[](3);
        leaves[0] = vault.leafOf(address(usd), alice, 1_000);
        leaves[1] = vault.leafOf(address(usd), bob, 600);
        leaves[2] = vault.leafOf(address(usd), treasury, 200);
        _applyRootOf(leaves, 2_000);
        (, bytes32[] memory proof) = treeOf(leaves, 0);
        vm.expectEmit(address(vault));
        emit IRootVault.RootClaimed(address(usd), alice, 1_000, 1_000);
        assertEq(vault.claim(address(usd), alice, 1_000, proof), 1_000);
        assertEq(vault.claim(address(usd), alice, 1_000, proof), 0);

        leaves[0] = vault.leafOf(address(usd), alice, 1_500);
        _applyRootOf(leaves, 1_000);
        (, proof) = treeOf(leaves, 0);
        assertEq(vault.claim(address(usd), alice, 1_500, proof), 500);
        assertEq(usd.balanceOf(alice), 1_500);
        // Bob never claimed of the first root: the second one pays both epochs.
        (, proof) = treeOf(leaves, 1);
        assertEq(vault.claim(address(usd), bob, 600, proof), 600);
    }

    function test_a_root_that_says_less_takes_nothing_back() public {
        bytes32[] memory leaves = new bytes32[](1);
        leaves[0] = vault.leafOf(address(usd), alice, 1_000);
        _applyRootOf(leaves, 2_000);
        vault.claim(address(usd), alice, 1_000, new bytes32[](0));
        leaves[0] = vault.leafOf(address(usd), alice, 300);
        _applyRootOf(leaves, 2_000);
        assertEq(vault.claim(address(usd), alice, 300, new bytes32[](0)), 0);
        assertEq(vault.claimedOf(alice, address(usd)), 1_000);
    }

    function test_a_proof_is_of_one_root_account_amount_and_token() public {
        bytes32[] memory leaves = new bytes32[](2);
        leaves[0] = vault.leafOf(address(usd), alice, 1_000);
        leaves[1] = vault.leafOf(address(usd), bob, 600);
        (, bytes32[] memory proof) = treeOf(leaves, 0);
        vm.expectRevert(IRootVault.InvalidProof.selector);
        vault.claim(address(usd), alice, 1_000, proof);
        _applyRootOf(leaves, 2_000);
        vm.expectRevert(IRootVault.InvalidProof.selector);
        vault.claim(address(usd), alice, 1_001, proof);
        vm.expectRevert(IRootVault.InvalidProof.selector);
        vault.claim(address(usd), bob, 1_000, proof);
        vm.expectRevert(IRootVault.InvalidProof.selector);
        vault.claim(address(0), alice, 1_000, proof);
        vault.claim(address(usd), alice, 1_000, proof);
        leaves[0] = vault.leafOf(address(usd), alice, 1_100);
        _applyRootOf(leaves, 2_000);
        vm.expectRevert(IRootVault.InvalidProof.selector);
        vault.claim(address(usd), alice, 1_000, proof);
    }

    function test_only_the_settlement_publishes_roots() public {
        vm.expectRevert(abi.encodeWithSelector(IRootVault.NotSettlement.selector, address(this)));
        vault.publish(address(usd), "x");
        assertEq(vault.settlement(), address(settlement));
    }

    function testFuzz_the_tree_of_these_tests_is_the_standard_one(uint8 size, uint256 index) public pure {
        size = uint8(bound(size, 1, 70));
        index = bound(index, 0, size - 1);
        bytes32[] memory leaves = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            leaves[i] = keccak256(abi.encode(i));
        }
        (bytes32 root, bytes32[] memory proof) = treeOf(leaves, index);
        assertTrue(MerkleProof.verify(proof, root, leaves[index]));
    }

    // Batches

    function test_a_batch_credits_its_entries_and_the_rest_to_the_treasury() public {
        // 90 % of 1,001 is 900; with a boost of 99 the providers get 999.
        bytes memory packed = bytes.concat(entry(alice, 500), entry(bob, 400), entry(alice, 97));
        uint48 epoch = _propose(ISettlement.EpochKind.Batch, keccak256(packed), 1_001, 99);
        skip(CHALLENGE);
        vm.expectEmit(address(settlement));
        emit ISettlement.BatchApplied(address(usd), epoch, 997, 103, packed);
        settlement.applyBatch(address(usd), epoch, packed);
        assertEq(settlement.owedTo(alice, address(usd)), 597);
        assertEq(settlement.owedTo(bob, address(usd)), 400);
        assertEq(settlement.owedTo(treasury, address(usd)), 103);
        _totals(8_999, 901, 0, 1_100);
    }

    function test_only_the_entries_that_were_proposed_are_applied() public {
        bytes memory packed = entry(alice, 900);
        uint48 epoch = _propose(ISettlement.EpochKind.Batch, keccak256(packed), 1_000, 0);
        skip(CHALLENGE);
        bytes memory others = entry(bob, 900);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongEntries.selector, keccak256(packed), keccak256(others)));
        settlement.applyBatch(address(usd), epoch, others);
        vm.expectRevert(ISettlement.BadEpochKind.selector);
        settlement.applyRoot(address(usd), epoch);
        settlement.applyBatch(address(usd), epoch, packed);
    }

    function test_entries_that_do_not_add_up_are_never_applied_and_can_be_cancelled() public {
        bytes[3] memory bad = [
            // One unit too much, one unit of rest with one entry, and two with two.
            entry(alice, 901), entry(alice, 899), bytes.concat(entry(alice, 449), entry(bob, 449))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            uint48 epoch = _propose(ISettlement.EpochKind.Batch, keccak256(bad[i]), 1_000, 0);
            skip(CHALLENGE);
            vm.expectPartialRevert(ISettlement.BatchDoesNotAddUp.selector);
            settlement.applyBatch(address(usd), epoch, bad[i]);
            vm.prank(challenger);
            settlement.cancelEpoch(address(usd), epoch);
        }
        _totals(10_000, 1_000, 0, 0);
    }

    function testFuzz_a_batch_adds_up_to_the_last_unit(uint96 gross, uint88 boost, uint8 count) public {
        gross = uint96(bound(gross, 10_000, type(uint96).max));
        count = uint8(bound(count, 1, 60));
        fundWith(settlement, usd, gross, boost == 0 ? 1 : boost);
        uint256 providers = uint256(gross) * 9_000 / 10_000 + boost;
        uint96 each = uint96(providers / count);
        bytes memory packed = entries(0xffff, count, each);
        uint48 epoch = _propose(ISettlement.EpochKind.Batch, keccak256(packed), gross, boost);
        skip(CHALLENGE);
        settlement.applyBatch(address(usd), epoch, packed);
        uint256 credited = uint256(each) * count;
        assertEq(settlement.owedTo(address(0xffff), address(usd)), each);
        assertEq(settlement.owedTo(treasury, address(usd)), uint256(gross) + boost - credited);
        assertEq(settlement.totals(address(usd)).owed, uint256(gross) + boost);
    }

    function _propose(ISettlement.EpochKind kind, bytes32 commitment, uint96 gross, uint88 boost)
        private
        returns (uint48 epoch)
    {
        skip(HOUR);
        epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, kind, commitment, gross, boost);
    }

    function _applyRootOf(bytes32[] memory leaves, uint96 gross) private {
        (bytes32 root,) = treeOf(leaves, 0);
        uint48 epoch = _propose(ISettlement.EpochKind.Root, root, gross, 0);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
    }

    function _totals(uint128 funded, uint128 boost, uint128 pending, uint128 owed) private view {
        ISettlement.SettlementTotals memory t = settlement.totals(address(usd));
        assertEq(t.funded, funded, "funded");
        assertEq(t.boostPool, boost, "boost");
        assertEq(t.pending, pending, "pending");
        assertEq(t.owed, owed, "owed");
    }
}
