// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IERC1271 } from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import { IProviderBond } from "../src/interfaces/IProviderBond.sol";
import { IRoles } from "../src/interfaces/IRoles.sol";
import { ExactTransfer } from "../src/libraries/ExactTransfer.sol";
import { ProviderBond } from "../src/ProviderBond.sol";
import { BondFixture } from "./fixtures/BondFixture.sol";
import { FeeOnTransfer } from "./tokens/FeeOnTransfer.sol";
import { Plain18 } from "./tokens/Plain18.sol";

/// @notice A verifier that is a contract: it says yes to one digest.
contract ContractVerifier is IERC1271 {
    bytes32 public digest;

    function agreeTo(bytes32 digest_) external {
        digest = digest_;
    }

    function isValidSignature(bytes32 digest_, bytes calldata) external view returns (bytes4) {
        return digest_ == digest ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

contract ProviderBondTest is BondFixture {
    bytes32 internal constant OFFENCE = keccak256("offence");

    function setUp() public {
        deployBonds();
    }

    function test_a_bond_waits_for_the_verifier() public {
        fund(provider, 500e18);
        vm.expectEmit(address(bonds));
        emit IProviderBond.Bonded(DEVICE, provider, CONSUMER, 500e18);
        vm.prank(provider);
        bonds.bond(DEVICE, CONSUMER, 500e18);
        IProviderBond.Device memory d = bonds.deviceOf(DEVICE);
        assertEq(d.provider, provider);
        assertEq(uint256(d.state), uint256(IProviderBond.DeviceState.Pending));
        assertEq(d.bonded, 500e18);
        assertFalse(bonds.isEligible(DEVICE));

        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest(DEVICE, provider, CONSUMER);
        vm.expectEmit(address(bonds));
        emit IProviderBond.Activated(DEVICE, provider, CONSUMER);
        bonds.activate(attestation, signature);
        assertTrue(bonds.isEligible(DEVICE));
        assertTrue(bonds.isNonceUsed(attestation.nonce));
        assertEq(bonds.deviceOf(DEVICE).activatedAt, START);
    }

    function test_a_class_has_a_minimum_and_never_changes() public {
        fund(provider, 500e18);
        vm.startPrank(provider);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.UnderMinimum.selector, 500e18 - 1, 500e18));
        bonds.bond(DEVICE, CONSUMER, 500e18 - 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.UnknownClass.selector, 9));
        bonds.bond(DEVICE, 9, 500e18);
        vm.stopPrank();
        vm.startPrank(curator);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.ClassExists.selector, CONSUMER));
        bonds.appendClass(CONSUMER, 1);
        vm.expectRevert(IProviderBond.ZeroAmount.selector);
        bonds.appendClass(9, 0);
        vm.stopPrank();
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        bonds.appendClass(9, 1);
        assertEq(bonds.minimumOf(DATACENTER), 3_000e18);
    }

    function test_a_device_is_bonded_once_at_a_time() public {
        bondActive(DEVICE, provider, 500e18);
        fund(other, 500e18);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderBond.WrongDeviceState.selector, DEVICE, IProviderBond.DeviceState.Active)
        );
        vm.prank(other);
        bonds.bond(DEVICE, CONSUMER, 500e18);
    }

    function test_a_permit_bonds_in_one_transaction_and_used_before_does_no_harm() public {
        (address carol, uint256 key) = makeAddrAndKey("carol");
        token.mint(carol, 500e18);
        uint256 deadline = clock() + 1;
        bytes32 permit = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(permit, carol, address(bonds), 500e18, 0, deadline));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        token.permit(carol, address(bonds), 500e18, deadline, v, r, s);
        vm.prank(carol);
        bonds.bondWithPermit(DEVICE, CONSUMER, 500e18, deadline, v, r, s);
        assertEq(bonds.deviceOf(DEVICE).provider, carol);
    }

    function test_nobody_keeps_a_device_from_its_provider_by_bonding_it_first() public {
        bondPending(DEVICE, other, 700e18);
        startExit(DEVICE, other);
        fund(provider, 500e18);
        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest(DEVICE, provider, CONSUMER);
        vm.expectEmit(address(bonds));
        emit IProviderBond.Displaced(DEVICE, other, 700e18);
        vm.prank(provider);
        bonds.bondVerified(attestation, 500e18, signature);
        assertEq(bonds.deviceOf(DEVICE).provider, provider);
        assertTrue(bonds.isEligible(DEVICE));
        assertEq(bonds.creditOf(other), 700e18);
        assertDeviceAddsUp(DEVICE);
        assertBondsSolvent();
        vm.prank(other);
        bonds.claimCredit();
        assertEq(token.balanceOf(other), 700e18);
    }

    function test_a_bond_that_was_active_is_displaced_by_nobody() public {
        bondActive(DEVICE, provider, 500e18);
        startExit(DEVICE, provider);
        fund(other, 500e18);
        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest(DEVICE, other, CONSUMER);
        vm.expectPartialRevert(IProviderBond.WrongDeviceState.selector);
        vm.prank(other);
        bonds.bondVerified(attestation, 500e18, signature);
    }

    function test_a_verified_bond_is_the_callers_own() public {
        fund(other, 500e18);
        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest(DEVICE, provider, CONSUMER);
        vm.expectRevert(IProviderBond.AttestationMismatch.selector);
        vm.prank(other);
        bonds.bondVerified(attestation, 500e18, signature);
    }

    /// @dev Looked at before any sum is made, so it is refused by a reason of its own, whatever the signature is.
    function test_a_deposit_is_less_than_two_to_the_96() public {
        bondActive(keccak256("another"), other, 500e18);
        uint128 most = type(uint96).max;
        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest(DEVICE, provider, CONSUMER);
        vm.startPrank(provider);
        for (uint256 i = 0; i < 2; ++i) {
            uint128 amount = i == 0 ? most + 1 : type(uint128).max;
            bytes memory tooMuch = abi.encodeWithSelector(IProviderBond.OverMaximum.selector, amount, most);
            vm.expectRevert(tooMuch);
            bonds.bond(DEVICE, CONSUMER, amount);
            vm.expectRevert(tooMuch);
            bonds.bondVerified(attestation, amount, signature);
            vm.expectRevert(tooMuch);
            bonds.bondVerified(attestation, amount, "forged");
        }
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.bondVerified(attestation, most, "forged");
        vm.stopPrank();
        fund(provider, most);
        vm.startPrank(provider);
        bonds.bondVerified(attestation, most, signature);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.OverMaximum.selector, most + 1, most));
        bonds.topUp(DEVICE, most + 1);
        vm.stopPrank();
        assertEq(bondedOf(DEVICE), most);
    }

    function test_topping_up_makes_a_device_eligible_again() public {
        bondActive(DEVICE, provider, 500e18);
        slash(DEVICE, OFFENCE, 500, clock());
        assertFalse(bonds.isEligible(DEVICE));
        fund(provider, 25e18);
        vm.startPrank(provider);
        vm.expectEmit(address(bonds));
        emit IProviderBond.ToppedUp(DEVICE, 25e18, 500e18);
        bonds.topUp(DEVICE, 25e18);
        assertTrue(bonds.isEligible(DEVICE));
        vm.expectRevert(IProviderBond.ZeroAmount.selector);
        bonds.topUp(DEVICE, 0);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.NotProvider.selector, DEVICE, other));
        vm.prank(other);
        bonds.topUp(DEVICE, 1);
        startExit(DEVICE, provider);
        vm.expectPartialRevert(IProviderBond.WrongDeviceState.selector);
        vm.prank(provider);
        bonds.topUp(DEVICE, 1);
    }

    function test_leaving_takes_the_cooldown_to_the_second() public {
        bondActive(DEVICE, provider, 500e18);
        uint48 cooldownEnd = clock() + 7 days;
        vm.expectEmit(address(bonds));
        emit IProviderBond.UnbondRequested(DEVICE, cooldownEnd);
        startExit(DEVICE, provider);
        assertFalse(bonds.isEligible(DEVICE));
        skip(7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.CooldownNotOver.selector, cooldownEnd));
        withdraw(DEVICE, provider);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.NotProvider.selector, DEVICE, other));
        withdraw(DEVICE, other);
        vm.expectEmit(address(bonds));
        emit IProviderBond.Withdrawn(DEVICE, provider, 500e18);
        assertEq(withdraw(DEVICE, provider), 500e18);
        assertEq(token.balanceOf(provider), 500e18);
        vm.expectPartialRevert(IProviderBond.WrongDeviceState.selector);
        withdraw(DEVICE, provider);
        assertDeviceAddsUp(DEVICE);
    }

    function test_the_registrar_starts_the_cooldown_and_does_nothing_else() public {
        bondActive(DEVICE, provider, 500e18);
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        bonds.deregister(DEVICE);
        vm.startPrank(registrar);
        vm.expectEmit(address(bonds));
        emit IProviderBond.Deregistered(DEVICE, clock() + 7 days);
        bonds.deregister(DEVICE);
        vm.expectPartialRevert(IProviderBond.WrongDeviceState.selector);
        bonds.deregister(DEVICE);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.UnknownDevice.selector, bytes32("none")));
        bonds.deregister("none");
        vm.stopPrank();
        vm.expectPartialRevert(IProviderBond.CooldownNotOver.selector);
        withdraw(DEVICE, provider);
        assertEq(bondedOf(DEVICE), 500e18);
        skip(7 days);
        assertEq(withdraw(DEVICE, provider), 500e18);
    }

    function test_a_device_comes_back_after_it_left_and_answers_only_for_its_new_life() public {
        bondActive(DEVICE, provider, 500e18);
        startExit(DEVICE, provider);
        skip(7 days);
        withdraw(DEVICE, provider);
        uint48 before = clock();
        skip(1 hours);
        bondActive(DEVICE, other, 600e18);
        assertEq(slash(DEVICE, OFFENCE, 500, before), 0);
        assertEq(slash(DEVICE, OFFENCE, 500, clock()), 30e18);
        assertDeviceAddsUp(DEVICE);
    }

    function test_a_slash_goes_into_escrow_at_once_and_to_the_pool_after_the_appeal_window() public {
        bondActive(DEVICE, provider, 1_000e18);
        skip(1 days);
        uint48 appealUntil = clock() + 2 days;
        vm.expectEmit(address(bonds));
        emit IProviderBond.SlashProposed(DEVICE, OFFENCE, 500, 50e18, clock() - 60, EVIDENCE, finder, appealUntil);
        assertEq(slash(DEVICE, OFFENCE, 500, clock() - 60), 50e18);
        assertEq(bondedOf(DEVICE), 950e18);
        assertEq(bonds.totals().escrowed, 50e18);
        skip(2 days);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.AppealWindowOpen.selector, appealUntil));
        bonds.finalise(OFFENCE);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.AppealWindowOver.selector, appealUntil));
        vm.prank(provider);
        bonds.appeal(OFFENCE);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.AppealWindowOver.selector, appealUntil));
        vm.prank(arbiter);
        bonds.overturn(OFFENCE);
        vm.expectEmit(address(bonds));
        emit IProviderBond.SlashFinalised(DEVICE, OFFENCE, 40e18, 10e18, finder);
        bonds.finalise(OFFENCE);
        assertEq(bonds.creditOf(finder), 10e18);
        assertEq(bonds.totals().insurance, 40e18);
        vm.expectEmit(address(bonds));
        emit IProviderBond.InsuranceSent(40e18);
        bonds.sendToInsurance();
        assertEq(pool.totals().free, 40e18);
        assertEq(token.balanceOf(address(pool)), 40e18);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.NothingToClaim.selector, address(pool)));
        bonds.sendToInsurance();
        vm.prank(finder);
        assertEq(bonds.claimCredit(), 10e18);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.NothingToClaim.selector, finder));
        vm.prank(finder);
        bonds.claimCredit();
        assertDeviceAddsUp(DEVICE);
        vm.expectPartialRevert(IProviderBond.WrongCaseState.selector);
        bonds.finalise(OFFENCE);
    }

    function test_without_a_finder_all_goes_to_the_pool() public {
        bondActive(DEVICE, provider, 1_000e18);
        vm.prank(slasher);
        bonds.proposeSlash(DEVICE, OFFENCE, 500, clock(), EVIDENCE, address(0));
        skip(2 days + 1);
        bonds.finalise(OFFENCE);
        assertEq(bonds.totals().insurance, 50e18);
        assertEq(bonds.totals().credits, 0);
    }

    function test_an_appealed_slash_waits_for_the_arbiter() public {
        bondActive(DEVICE, provider, 1_000e18);
        slash(DEVICE, OFFENCE, 500, clock());
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.NotProvider.selector, DEVICE, other));
        vm.prank(other);
        bonds.appeal(OFFENCE);
        skip(2 days);
        uint48 ruleUntil = clock() + 3 days;
        vm.expectEmit(address(bonds));
        emit IProviderBond.Appealed(DEVICE, OFFENCE, ruleUntil);
        vm.prank(provider);
        bonds.appeal(OFFENCE);
        skip(1);
        vm.expectPartialRevert(IProviderBond.WrongCaseState.selector);
        bonds.finalise(OFFENCE);
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        vm.prank(slasher);
        bonds.uphold(OFFENCE);
        uint256 id = vm.snapshotState();

        vm.prank(arbiter);
        bonds.uphold(OFFENCE);
        assertEq(bonds.deviceOf(DEVICE).slashed, 50e18);

        vm.revertToState(id);
        vm.expectEmit(address(bonds));
        emit IProviderBond.SlashOverturned(DEVICE, OFFENCE, 50e18);
        vm.prank(arbiter);
        bonds.overturn(OFFENCE);
        assertEq(bondedOf(DEVICE), 1_000e18);
        assertEq(bonds.usedBpsOf(DEVICE, clock() / 30 days), 0);

        vm.revertToState(id);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.RulingWindowOpen.selector, ruleUntil));
        bonds.lapse(OFFENCE);
        vm.warp(uint256(ruleUntil) + 1);
        vm.startPrank(arbiter);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.RulingWindowOver.selector, ruleUntil));
        bonds.uphold(OFFENCE);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.RulingWindowOver.selector, ruleUntil));
        bonds.overturn(OFFENCE);
        vm.stopPrank();
        vm.expectEmit(address(bonds));
        emit IProviderBond.SlashLapsed(DEVICE, OFFENCE, 50e18);
        bonds.lapse(OFFENCE);
        assertEq(bondedOf(DEVICE), 1_000e18);
        assertDeviceAddsUp(DEVICE);
    }

    function test_the_arbiter_overturns_in_the_appeal_window_without_an_appeal() public {
        bondActive(DEVICE, provider, 1_000e18);
        slash(DEVICE, OFFENCE, 500, clock());
        vm.prank(arbiter);
        bonds.overturn(OFFENCE);
        assertEq(bondedOf(DEVICE), 1_000e18);
        vm.expectPartialRevert(IProviderBond.WrongCaseState.selector);
        vm.prank(arbiter);
        bonds.overturn(OFFENCE);
    }

    function test_escrow_that_comes_back_to_a_leaving_bond_leaves_with_it() public {
        bondActive(DEVICE, provider, 1_000e18);
        startExit(DEVICE, provider);
        skip(6 days);
        slash(DEVICE, OFFENCE, 2_000, clock());
        vm.prank(provider);
        bonds.appeal(OFFENCE);
        skip(5 days);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.CaseOpen.selector, DEVICE, 1));
        withdraw(DEVICE, provider);
        skip(1);
        bonds.lapse(OFFENCE);
        assertEq(withdraw(DEVICE, provider), 1_000e18);
    }

    function test_a_provider_waits_for_no_one_to_close_its_case() public {
        bondActive(DEVICE, provider, 1_000e18);
        startExit(DEVICE, provider);
        skip(7 days);
        slash(DEVICE, OFFENCE, 500, clock() - 1);
        skip(2 days + 1);
        vm.startPrank(provider);
        bonds.finalise(OFFENCE);
        assertEq(bonds.withdraw(DEVICE), 950e18);
        vm.stopPrank();
    }

    function test_what_cannot_be_slashed_moves_nothing_and_says_why() public {
        bondPending(DEVICE, provider, 500e18);
        expectIgnored(DEVICE, OFFENCE, 500, clock(), IProviderBond.IgnoredReason.NotActiveThen);
        skip(10);
        activate(DEVICE, provider);
        expectIgnored(DEVICE, OFFENCE, 500, clock() + 1, IProviderBond.IgnoredReason.InFuture);
        expectIgnored(DEVICE, OFFENCE, 500, clock() - 1, IProviderBond.IgnoredReason.NotActiveThen);
        expectIgnored(DEVICE, OFFENCE, 0, clock(), IProviderBond.IgnoredReason.NothingToTake);
        uint48 then = clock();
        skip(3 days);
        assertEq(slash(DEVICE, "old", 2_000, then), 100e18);
        expectIgnored(DEVICE, "old", 500, clock(), IProviderBond.IgnoredReason.AlreadyProposed);
        expectIgnored(DEVICE, OFFENCE, 500, clock(), IProviderBond.IgnoredReason.NothingToTake);
        skip(1);
        expectIgnored(DEVICE, OFFENCE, 500, then, IProviderBond.IgnoredReason.TooLate);
        // None of these used the id up.
        assertEq(uint256(bonds.caseOf(OFFENCE).state), uint256(IProviderBond.CaseState.None));
    }

    function test_only_the_slasher_slashes_and_only_known_devices() public {
        vm.expectPartialRevert(IRoles.MissingRole.selector);
        bonds.proposeSlash(DEVICE, OFFENCE, 500, clock(), EVIDENCE, finder);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.UnknownDevice.selector, DEVICE));
        slash(DEVICE, OFFENCE, 500, clock());
    }

    function test_a_verifier_can_be_a_contract() public {
        ContractVerifier wallet = new ContractVerifier();
        vm.prank(governor);
        bonds.announceRole("verifier", address(wallet));
        skip(7 days);
        vm.prank(address(wallet));
        bonds.takeRole("verifier");
        bondPending(DEVICE, provider, 500e18);
        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest(DEVICE, provider, CONSUMER);
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, signature);
        wallet.agreeTo(bonds.digestOf(attestation));
        bonds.activate(attestation, "");
        assertTrue(bonds.isEligible(DEVICE));
    }

    function test_the_digest_is_that_of_eip_712() public view {
        IProviderBond.EndpointVerified memory a = IProviderBond.EndpointVerified(DEVICE, provider, 2, START, 7);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Guildhall ProviderBond"),
                keccak256("1"),
                block.chainid,
                address(bonds)
            )
        );
        bytes32 typeHash =
            keccak256("EndpointVerified(bytes32 device,address provider,uint32 classId,uint48 expiry,uint256 nonce)");
        bytes32 structHash = keccak256(abi.encode(typeHash, a.device, a.provider, a.classId, a.expiry, a.nonce));
        assertEq(bonds.digestOf(a), keccak256(abi.encodePacked("\x19\x01", domain, structHash)));
    }

    function test_a_token_that_takes_a_fee_is_refused() public {
        FeeOnTransfer fee = new FeeOnTransfer();
        bonds = newBonds(fee, newPool(fee), bondConfig());
        appendClasses(bonds);
        fee.mint(provider, 1_000e18);
        vm.startPrank(provider);
        fee.approve(address(bonds), 1_000e18);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.TokenTookFee.selector, 1_000e18, 990e18));
        bonds.bond(DEVICE, CONSUMER, 1_000e18);
        vm.stopPrank();
    }

    function test_a_configuration_that_cannot_be_is_refused() public {
        IProviderBond.BondConfig memory config = bondConfig();
        config.buffer = 2 days - 1;
        vm.expectRevert(IProviderBond.BadBondConfig.selector);
        newBonds(token, pool, config);
        config = bondConfig();
        config.finderBps = 2_001;
        vm.expectRevert(IProviderBond.BadBondConfig.selector);
        newBonds(token, pool, config);
        config = bondConfig();
        config.capBps = 10_001;
        vm.expectRevert(IProviderBond.BadBondConfig.selector);
        newBonds(token, pool, config);
        config = bondConfig();
        config.rulingWindow = 366 days;
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.PeriodTooLong.selector, 366 days, 365 days));
        newBonds(token, pool, config);
        IERC20 foreign = new Plain18();
        vm.expectRevert(IProviderBond.InsuranceOfAnotherToken.selector);
        newBonds(foreign, pool, bondConfig());
        vm.expectRevert(abi.encodeWithSelector(IRoles.RoleDelayTooShort.selector, 7 days - 1, 7 days));
        new ProviderBond(token, pool, bondConfig(), 7 days - 1, bondHolders());
        IProviderBond.BondHolders memory holders = bondHolders();
        holders.arbiter = slasher;
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesNotApart.selector, bytes32("slasher"), bytes32("arbiter")));
        new ProviderBond(token, pool, bondConfig(), 7 days, holders);
    }

    function testFuzz_what_is_bonded_and_not_slashed_comes_back(uint128 amount, uint16 rateBps, uint48 wait) public {
        amount = uint128(bound(amount, 500e18, type(uint96).max));
        bondActive(DEVICE, provider, amount);
        skip(bound(wait, 0, 3650 days));
        uint256 moved = slash(DEVICE, OFFENCE, rateBps, clock());
        uint256 rate = rateBps < 2_000 ? rateBps : 2_000;
        assertEq(moved, (uint256(amount) * rate + 9_999) / 10_000);
        startExit(DEVICE, provider);
        skip(7 days);
        if (moved > 0) bonds.finalise(OFFENCE);
        assertEq(withdraw(DEVICE, provider), amount - moved);
        assertDeviceAddsUp(DEVICE);
        assertBondsSolvent();
    }

    function expectIgnored(
        bytes32 device,
        bytes32 offenceId,
        uint16 rateBps,
        uint48 offenceTime,
        IProviderBond.IgnoredReason reason
    ) private {
        vm.expectEmit(address(bonds));
        emit IProviderBond.SlashIgnored(device, offenceId, reason);
        assertEq(slash(device, offenceId, rateBps, offenceTime), 0);
    }
}
