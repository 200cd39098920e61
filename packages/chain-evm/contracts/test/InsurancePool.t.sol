// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IInsurancePool } from "../src/interfaces/IInsurancePool.sol";
import { IRoles } from "../src/interfaces/IRoles.sol";
import { InsurancePool } from "../src/InsurancePool.sol";
import { ExactTransfer } from "../src/libraries/ExactTransfer.sol";
import { BondFixture } from "./fixtures/BondFixture.sol";
import { Blocking } from "./tokens/Blocking.sol";
import { FeeOnTransfer } from "./tokens/FeeOnTransfer.sol";

contract InsurancePoolTest is BondFixture {
    bytes32 internal constant INCIDENT = keccak256("incident");
    address internal buyer = makeAddr("buyer");
    address internal second = makeAddr("second");
    bytes32[] internal proofOfBuyer;
    bytes32[] internal proofOfSecond;
    uint256 internal epoch;

    function setUp() public {
        deployBonds();
        deposit(1_000e18);
        skip(7 days);
        epoch = pool.currentEpoch();
    }

    function test_what_comes_in_the_first_second_of_an_epoch_is_not_in_its_cap() public {
        vm.warp((epoch + 1) * 7 days - 1);
        deposit(8e18);
        vm.warp((epoch + 1) * 7 days);
        deposit(4_000e18);
        assertEq(pool.currentEpoch(), epoch + 1);
        assertEq(pool.freeAtStartOf(epoch + 1), 1_008e18);
        assertEq(pool.epochLeft(epoch + 1), 252e18);
    }

    function test_a_claim_is_paid_after_the_delay_once() public {
        propose(60e18, 40e18);
        uint48 payableAt = clock() + 2 days;
        skip(2 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.NotPayableYet.selector, payableAt));
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        skip(1);
        vm.expectEmit(address(pool));
        emit IInsurancePool.ClaimPaid(epoch, INCIDENT, buyer, 60e18);
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        assertEq(token.balanceOf(buyer), 60e18);
        assertTrue(pool.hasClaimed(epoch, INCIDENT, buyer));
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.AlreadyClaimed.selector, epoch, INCIDENT, buyer));
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        pool.claim(epoch, INCIDENT, second, 40e18, proofOfSecond);
        assertEq(pool.totals().reserved, 0);
        assertEq(pool.totals().free, 900e18);
    }

    function test_a_wrong_proof_account_amount_epoch_or_incident_pays_nothing() public {
        propose(60e18, 40e18);
        skip(2 days);
        vm.expectRevert(IInsurancePool.InvalidProof.selector);
        pool.claim(epoch, INCIDENT, buyer, 60e18 + 1, proofOfBuyer);
        vm.expectRevert(IInsurancePool.InvalidProof.selector);
        pool.claim(epoch, INCIDENT, other, 60e18, proofOfBuyer);
        vm.expectRevert(IInsurancePool.InvalidProof.selector);
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfSecond);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.NoClaims.selector, epoch + 1, INCIDENT));
        pool.claim(epoch + 1, INCIDENT, buyer, 60e18, proofOfBuyer);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.NoClaims.selector, epoch, EVIDENCE));
        pool.claim(epoch, EVIDENCE, buyer, 60e18, proofOfBuyer);
    }

    function test_the_leaf_names_chain_contract_epoch_and_incident() public {
        bytes32 leaf = pool.leafOf(epoch, INCIDENT, buyer, 1);
        bytes32 inner = keccak256(abi.encode(block.chainid, address(pool), epoch, INCIDENT, buyer, uint128(1)));
        assertEq(leaf, keccak256(bytes.concat(inner)));
        assertNotEq(leaf, pool.leafOf(epoch + 1, INCIDENT, buyer, 1));
        assertNotEq(leaf, pool.leafOf(epoch, EVIDENCE, buyer, 1));
        assertNotEq(leaf, newPool(token).leafOf(epoch, INCIDENT, buyer, 1));
        vm.chainId(1);
        assertNotEq(leaf, pool.leafOf(epoch, INCIDENT, buyer, 1));
    }

    function test_the_challenger_cancels_before_claims_are_payable_and_not_after() public {
        propose(60e18, 40e18);
        skip(2 days - 1);
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        vm.prank(adjuster);
        pool.cancelClaims(epoch, INCIDENT);
        uint256 id = vm.snapshotState();
        vm.prank(challenger);
        pool.cancelClaims(epoch, INCIDENT);
        assertEq(pool.totals().free, 1_000e18);
        assertEq(pool.epochLeft(epoch), 250e18);
        assertEq(pool.incidentLeft(INCIDENT), 10_000e18);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.NoClaims.selector, epoch, INCIDENT));
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        vm.revertToState(id);
        skip(1);
        vm.expectPartialRevert(IInsurancePool.TooLateToCancel.selector);
        vm.prank(challenger);
        pool.cancelClaims(epoch, INCIDENT);
    }

    function test_cancelled_claims_can_be_published_again() public {
        propose(60e18, 40e18);
        vm.prank(challenger);
        pool.cancelClaims(epoch, INCIDENT);
        propose(50e18, 40e18);
        skip(2 days);
        pool.claim(epoch, INCIDENT, buyer, 50e18, proofOfBuyer);
        assertEq(token.balanceOf(buyer), 50e18);
    }

    function test_an_epoch_promises_at_most_its_part_of_what_was_free_when_it_began() public {
        deposit(1_000_000e18);
        assertEq(pool.epochLeft(epoch), 250e18);
        vm.startPrank(adjuster);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.OverEpochCap.selector, 250e18 + 1, 250e18));
        pool.proposeClaims(epoch, INCIDENT, "root", 250e18 + 1);
        pool.proposeClaims(epoch, INCIDENT, "root", 200e18);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.OverEpochCap.selector, 50e18 + 1, 50e18));
        pool.proposeClaims(epoch, EVIDENCE, "root", 50e18 + 1);
        pool.proposeClaims(epoch, EVIDENCE, "root", 50e18);
        skip(7 days);
        assertEq(pool.freeAtStartOf(epoch + 1), 1_000_750e18);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.WrongEpoch.selector, epoch, epoch + 1));
        pool.proposeClaims(epoch, INCIDENT, "root", 1);
        vm.stopPrank();
    }

    function test_an_incident_is_promised_at_most_its_cap_over_all_epochs() public {
        deposit(1_000_000e18);
        skip(7 days);
        vm.startPrank(adjuster);
        pool.proposeClaims(epoch + 1, INCIDENT, "root", 9_000e18);
        skip(7 days);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.OverIncidentCap.selector, 1_001e18, 1_000e18));
        pool.proposeClaims(epoch + 2, INCIDENT, "root", 1_001e18);
        pool.proposeClaims(epoch + 2, INCIDENT, "root", 1_000e18);
        assertEq(pool.incidentLeft(INCIDENT), 0);
        vm.stopPrank();
    }

    function test_more_than_is_free_cannot_be_promised() public {
        IInsurancePool.InsuranceConfig memory config = insuranceConfig();
        config.epochCapBps = 10_000;
        pool = new InsurancePool(token, config, 2 days, governor, pauser, adjuster, challenger);
        deposit(100e18);
        skip(7 days);
        epoch = pool.currentEpoch();
        vm.startPrank(adjuster);
        pool.proposeClaims(epoch, INCIDENT, "root", 60e18);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.NotEnoughFree.selector, 41e18, 40e18));
        pool.proposeClaims(epoch, EVIDENCE, "root", 41e18);
        vm.expectRevert(IInsurancePool.ZeroAmount.selector);
        pool.proposeClaims(epoch, EVIDENCE, "root", 0);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.AlreadyProposed.selector, epoch, INCIDENT));
        pool.proposeClaims(epoch, INCIDENT, "root", 1);
        vm.stopPrank();
    }

    function test_a_tree_that_promises_more_than_its_total_pays_its_total() public {
        bytes32 a = pool.leafOf(epoch, INCIDENT, buyer, 60e18);
        bytes32 b = pool.leafOf(epoch, INCIDENT, second, 60e18);
        proofOfBuyer = [b];
        proofOfSecond = [a];
        bytes32 root = hashPair(a, b);
        vm.prank(adjuster);
        pool.proposeClaims(epoch, INCIDENT, root, 100e18);
        skip(2 days);
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.OverTotal.selector, 60e18, 40e18));
        pool.claim(epoch, INCIDENT, second, 60e18, proofOfSecond);
    }

    function test_what_nobody_claims_is_free_again_after_the_window() public {
        propose(60e18, 40e18);
        skip(2 days);
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        uint48 expiresAt = clock() + 90 days;
        skip(90 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.NotExpiredYet.selector, expiresAt));
        pool.expireClaims(epoch, INCIDENT);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IInsurancePool.ClaimsOver.selector, expiresAt));
        pool.claim(epoch, INCIDENT, second, 40e18, proofOfSecond);
        vm.expectEmit(address(pool));
        emit IInsurancePool.ClaimsExpired(epoch, INCIDENT, 40e18);
        pool.expireClaims(epoch, INCIDENT);
        assertEq(pool.totals().free, 940e18);
        assertEq(pool.totals().reserved, 0);
        vm.expectRevert(IInsurancePool.ZeroAmount.selector);
        pool.expireClaims(epoch, INCIDENT);
    }

    function test_one_account_that_cannot_be_paid_stops_nobody_else() public {
        Blocking blocking = new Blocking();
        pool = newPool(blocking);
        blocking.mint(address(this), 1_000e18);
        blocking.approve(address(pool), 1_000e18);
        pool.deposit(1_000e18);
        skip(7 days);
        epoch = pool.currentEpoch();
        propose(60e18, 40e18);
        skip(2 days);
        blocking.block_(buyer, Blocking.Way.Reverts);
        vm.expectRevert(abi.encodeWithSelector(Blocking.Blocked.selector, buyer));
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        blocking.block_(buyer, Blocking.Way.AnswersFalse);
        vm.expectRevert();
        pool.claim(epoch, INCIDENT, buyer, 60e18, proofOfBuyer);
        pool.claim(epoch, INCIDENT, second, 40e18, proofOfSecond);
        assertEq(blocking.balanceOf(second), 40e18);
        assertFalse(pool.hasClaimed(epoch, INCIDENT, buyer));
    }

    function test_a_token_that_takes_a_fee_is_refused() public {
        FeeOnTransfer fee = new FeeOnTransfer();
        pool = newPool(fee);
        fee.mint(address(this), 1_000);
        fee.approve(address(pool), 1_000);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 1_000, 990));
        pool.deposit(1_000);
        vm.expectRevert(IInsurancePool.ZeroAmount.selector);
        pool.deposit(0);
    }

    function test_the_adjuster_is_not_the_challenger() public {
        vm.expectRevert(
            abi.encodeWithSelector(IRoles.RolesNotApart.selector, bytes32("adjuster"), bytes32("challenger"))
        );
        new InsurancePool(token, insuranceConfig(), 2 days, governor, pauser, adjuster, adjuster);
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        vm.prank(challenger);
        pool.proposeClaims(epoch, INCIDENT, "root", 1);
    }

    function testFuzz_a_configuration_that_cannot_be_is_refused(IInsurancePool.InsuranceConfig memory config) public {
        bool fine = config.epochLength >= config.challengeDelay && config.epochLength <= 3650 days
            && config.challengeDelay >= 1 days && config.challengeDelay <= 3650 days && config.claimWindow >= 30 days
            && config.claimWindow <= 3650 days && config.epochCapBps > 0 && config.epochCapBps <= 10_000;
        if (!fine) vm.expectRevert(IInsurancePool.BadInsuranceConfig.selector);
        new InsurancePool(token, config, 2 days, governor, pauser, adjuster, challenger);
    }

    function testFuzz_an_epochs_cap_is_a_part_of_what_was_free(uint128 amount, uint16 capBps, uint128 asked) public {
        IInsurancePool.InsuranceConfig memory config = insuranceConfig();
        config.epochCapBps = uint16(bound(capBps, 1, 10_000));
        config.incidentCap = type(uint128).max;
        pool = new InsurancePool(token, config, 2 days, governor, pauser, adjuster, challenger);
        amount = uint128(bound(amount, 1, type(uint128).max));
        deposit(amount);
        skip(7 days);
        epoch = pool.currentEpoch();
        uint256 cap = uint256(amount) * config.epochCapBps / 10_000;
        asked = uint128(bound(asked, 1, type(uint128).max));
        if (asked > cap) vm.expectRevert();
        vm.prank(adjuster);
        pool.proposeClaims(epoch, INCIDENT, "root", asked);
    }

    function deposit(uint128 amount) private {
        token.mint(address(this), amount);
        token.approve(address(pool), amount);
        pool.deposit(amount);
    }

    function propose(uint128 a, uint128 b) private {
        bytes32 left = pool.leafOf(epoch, INCIDENT, buyer, a);
        bytes32 right = pool.leafOf(epoch, INCIDENT, second, b);
        proofOfBuyer = [right];
        proofOfSecond = [left];
        vm.prank(adjuster);
        pool.proposeClaims(epoch, INCIDENT, hashPair(left, right), a + b);
    }

    function hashPair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
    }
}
