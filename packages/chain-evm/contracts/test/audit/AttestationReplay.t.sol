// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice A verifier's word is good once, for one device of one provider in one class, here, on this chain, in time.
contract AttestationReplayTest is BondFixture {
    IProviderBond.EndpointVerified internal attestation;
    bytes internal signature;

    function setUp() public {
        deployBonds();
        bondPending(DEVICE, provider, 3_000e18);
        (attestation, signature) = attest(DEVICE, provider, CONSUMER);
    }

    function test_it_is_good_once() public {
        bonds.activate(attestation, signature);
        startExit(DEVICE, provider);
        skip(7 days);
        withdraw(DEVICE, provider);
        bondPending(DEVICE, provider, 500e18);
        attestation.expiry = clock() + 1 hours;
        signature = sign(verifierKey, bonds.digestOf(attestation));
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.NonceUsed.selector, attestation.nonce));
        bonds.activate(attestation, signature);
    }

    function test_it_is_not_good_on_another_chain() public {
        vm.chainId(block.chainid + 1);
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, signature);
    }

    function test_it_is_not_good_in_another_contract() public {
        bonds = newBonds(token, pool, bondConfig());
        appendClasses(bonds);
        bondPending(DEVICE, provider, 500e18);
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, signature);
    }

    function test_it_is_not_good_for_another_device() public {
        bytes32 second = keccak256("second");
        bondPending(second, provider, 500e18);
        attestation.device = second;
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, signature);
    }

    function test_it_is_not_good_for_another_provider() public {
        fund(other, 500e18);
        attestation.provider = other;
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        vm.prank(other);
        bonds.bondVerified(attestation, 500e18, signature);
        // Nor does it displace anybody.
        assertEq(bonds.deviceOf(DEVICE).provider, provider);
    }

    function test_it_is_not_good_for_another_class() public {
        attestation.classId = DATACENTER;
        vm.expectRevert(IProviderBond.AttestationMismatch.selector);
        bonds.activate(attestation, signature);
        bytes32 second = keccak256("second");
        fund(provider, 3_000e18);
        attestation.device = second;
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        vm.prank(provider);
        bonds.bondVerified(attestation, 3_000e18, signature);
    }

    function test_it_is_good_to_the_last_second_of_its_time() public {
        skip(1 hours);
        uint256 id = vm.snapshotState();
        bonds.activate(attestation, signature);
        vm.revertToState(id);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.AttestationExpired.selector, attestation.expiry));
        bonds.activate(attestation, signature);
        attestation.expiry += 1;
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, signature);
    }

    function test_it_is_signed_by_the_verifier_of_today() public {
        (, uint256 foreign) = makeAddrAndKey("foreign");
        bytes memory other_ = sign(foreign, bonds.digestOf(attestation));
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, other_);
        vm.prank(verifier);
        bonds.renounceRole("verifier");
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, signature);
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, new bytes(65));
    }

    function test_its_mirror_image_on_the_curve_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(verifierKey, bonds.digestOf(attestation));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes memory mirrored = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, mirrored);
    }

    function testFuzz_no_changed_field_and_no_other_bytes_pass(uint256 bits, bytes memory noise) public {
        vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, noise);
        uint256 nonce = attestation.nonce;
        attestation.nonce = bits;
        if (bits != nonce) vm.expectRevert(IProviderBond.InvalidAttestation.selector);
        bonds.activate(attestation, signature);
    }
}
