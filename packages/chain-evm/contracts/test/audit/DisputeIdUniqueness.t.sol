// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice One offence is one slash, two offences are two, and a proposal that moved nothing leaves its name free.
contract DisputeIdUniquenessTest is BondFixture {
    bytes32 internal constant SECOND = keccak256("second device");

    function setUp() public {
        deployBonds();
        bondActive(DEVICE, provider, 1_000e18);
        bondActive(SECOND, other, 1_000e18);
        skip(1 hours);
    }

    function test_the_same_offence_twice_is_one_slash() public {
        assertEq(slash(DEVICE, "one", 500, clock()), 50e18);
        assertEq(slash(DEVICE, "one", 500, clock()), 0);
        assertEq(slash(DEVICE, "one", 1_000, clock() - 1), 0);
        assertEq(bonds.caseOf("one").amount, 50e18);
        assertEq(bonds.deviceOf(DEVICE).openCases, 1);
    }

    function test_two_offences_are_two_slashes() public {
        uint48 time = clock() - 1;
        assertEq(slash(DEVICE, "one", 500, time), 50e18);
        assertEq(slash(DEVICE, "two", 500, time), 50e18);
        skip(2 days + 1);
        bonds.finalise("one");
        bonds.finalise("two");
        assertEq(bonds.deviceOf(DEVICE).slashed, 100e18);
    }

    function test_an_offence_belongs_to_one_device() public {
        slash(DEVICE, "one", 500, clock());
        vm.expectEmit(address(bonds));
        emit IProviderBond.SlashIgnored(SECOND, "one", IProviderBond.IgnoredReason.AlreadyProposed);
        assertEq(slash(SECOND, "one", 500, clock()), 0);
        assertEq(bonds.caseOf("one").device, DEVICE);
        assertEq(slash(SECOND, "two", 500, clock()), 50e18);
    }

    function test_a_decided_offence_is_not_opened_again() public {
        slash(DEVICE, "overturned", 500, clock());
        vm.prank(arbiter);
        bonds.overturn("overturned");
        assertEq(slash(DEVICE, "overturned", 500, clock()), 0);
        slash(DEVICE, "finalised", 500, clock());
        skip(2 days + 1);
        bonds.finalise("finalised");
        assertEq(slash(DEVICE, "finalised", 500, clock()), 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderBond.WrongCaseState.selector, bytes32("finalised"), IProviderBond.CaseState.Finalised
            )
        );
        bonds.finalise("finalised");
    }

    function test_a_proposal_that_moved_nothing_can_be_made_again() public {
        assertEq(slash(DEVICE, "early", 500, clock() + 10), 0);
        skip(10);
        assertEq(slash(DEVICE, "early", 500, clock()), 50e18);
    }
}
