// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { IRootVault } from "../../src/interfaces/IRootVault.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { RegistryFixture } from "../fixtures/RegistryFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice Books that say one thing while the tokens do another, and trees in which an inner node passes for a leaf. Each
/// act moves what it says, and a leaf is hashed twice, so nothing but a leaf is one.
contract AccountingLiesTest is SettlementFixture {
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
        fundWith(settlement, usd, 10_000, 0);
    }

    function test_a_leaf_is_hashed_twice_over_all_that_it_means() public view {
        bytes32 once = keccak256(abi.encode(block.chainid, address(vault), address(usd), alice, uint128(900)));
        assertEq(vault.leafOf(address(usd), alice, 900), keccak256(bytes.concat(once)));
    }

    function test_an_inner_node_is_no_leaf() public {
        // Two accounts' leaves, hashed once: their 64 bytes are an inner node, and their hash would be a proved leaf.
        bytes32[] memory leaves = new bytes32[](4);
        for (uint160 i = 0; i < 4; ++i) {
            leaves[i] = vault.leafOf(address(usd), address(1 + i), 200);
        }
        (bytes32 root,) = treeOf(leaves, 0);
        _apply(root, 1_000);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = pairHash(leaves[2], leaves[3]);
        // Whoever could choose the fields freely would still need keccak256(keccak256(...)) of them to be this node.
        assertNotEq(vault.leafOf(address(usd), address(1), 400), pairHash(leaves[0], leaves[1]));
        vm.expectRevert(IRootVault.InvalidProof.selector);
        vault.claim(address(usd), address(1), 400, proof);
    }

    function testFuzz_packed_neighbours_are_not_confused(address account, uint128 cumulative) public view {
        // With packed encoding, digits could move from one field to the next.
        address moved = address(uint160(uint256(uint160(account)) >> 8));
        if (moved == account) return;
        assertNotEq(vault.leafOf(address(usd), account, cumulative), vault.leafOf(address(usd), moved, cumulative));
    }

    function test_a_root_that_promises_too_much_takes_from_nobody_else() public {
        vm.prank(operator);
        settlement.settle(bob, address(usd), 1_000, "request");
        bytes32 leaf = vault.leafOf(address(usd), alice, 1_000_000);
        _apply(leaf, 1_000);
        assertEq(vault.claim(address(usd), alice, 1_000_000, new bytes32[](0)), 900);
        assertEq(vault.claim(address(usd), alice, 1_000_000, new bytes32[](0)), 0);
        assertEq(settlement.claimFor(bob, address(usd)), 900);
        ISettlement.SettlementTotals memory t = settlement.totals(address(usd));
        assertEq(usd.balanceOf(address(settlement)), uint256(t.funded) + t.pending + t.owed);
        // And what it was promised beyond is paid when there is money for it.
        _apply(leaf, 500);
        assertEq(vault.claim(address(usd), alice, 1_000_000, new bytes32[](0)), 450);
    }

    function test_a_cancelled_epoch_leaves_no_trace() public {
        ISettlement.SettlementTotals memory before = settlement.totals(address(usd));
        skip(HOUR);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, "root", 5_000, 0);
        vm.prank(challenger);
        settlement.cancelEpoch(address(usd), epoch);
        ISettlement.SettlementTotals memory later = settlement.totals(address(usd));
        assertEq(abi.encode(before).length, abi.encode(later).length);
        assertEq(keccak256(abi.encode(before)), keccak256(abi.encode(later)));
        assertEq(vault.rootOf(address(usd)), 0);
    }

    function _apply(bytes32 root, uint96 gross) private {
        skip(HOUR);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, root, gross, 0);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
    }
}

contract RegistryAccountingLiesTest is RegistryFixture {
    function setUp() public {
        begin();
        registerSeven();
    }

    function test_a_cut_bond_is_smaller_and_the_cut_arrives() public {
        address v = validators[0];
        bytes memory good = signVerdict(v, "job", GOOD);
        bytes memory bad = signVerdict(v, "job", BAD);
        registry.report(v, "job", GOOD, good, BAD, bad);
        registry.sendToInsurance();
        registry.claimCredit();
        assertEq(token.balanceOf(address(pool)), 4_000e18);
        assertEq(token.balanceOf(address(this)), 1_000e18);
        assertEq(token.balanceOf(address(registry)), 7 * MIN_BOND - 5_000e18);
        vm.prank(v);
        vm.expectPartialRevert(bytes4(keccak256("CooldownNotOver(uint48)")));
        registry.withdraw();
        skip(7 days);
        vm.prank(v);
        assertEq(registry.withdraw(), 5_000e18);
    }
}
