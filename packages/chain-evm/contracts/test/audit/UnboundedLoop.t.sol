// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { IStaking } from "../../src/interfaces/IStaking.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";
import { StakingFixture } from "../fixtures/StakingFixture.sol";

/// @notice Nobody can make an exit dearer than a block: nothing that a call runs over grows, but for 16 tiers.
contract UnboundedLoopInStakingTest is StakingFixture {
    function setUp() public {
        deployStaking();
    }

    function test_leaving_costs_the_same_after_hundreds_of_requests() public {
        stakeAs(alice, 1_000);
        stakeAs(bob, 1_000);
        for (uint256 i = 0; i < 300; ++i) {
            skip(1);
            requestAs(alice, 1);
        }
        requestAs(bob, 300);
        skip(7 days);
        uint256 long = gasOfWithdrawal(alice);
        uint256 short = gasOfWithdrawal(bob);
        // Both in one transaction, where slots that were touched before are cheaper.
        assertLe(long, short + 3_000);
    }

    function test_a_long_history_is_searched_not_walked() public {
        stakeAs(alice, 1_000);
        for (uint256 i = 0; i < 1_000; ++i) {
            skip(1);
            requestAs(alice, 1);
        }
        uint256 before = gasleft();
        staking.getPastStake(alice, START + 500);
        assertLt(before - gasleft(), 80_000);
    }

    function test_nobody_grows_anothers_account() public {
        stakeAs(alice, 1_000);
        requestAs(alice, 400);
        IStaking.Standing memory before = staking.standingOf(alice);
        for (uint256 i = 0; i < 100; ++i) {
            stakeAs(bob, 1);
            requestAs(bob, 1);
        }
        IStaking.Standing memory afterwards = staking.standingOf(alice);
        assertEq(keccak256(abi.encode(before)), keccak256(abi.encode(afterwards)));
    }

    function gasOfWithdrawal(address account) private returns (uint256) {
        vm.prank(account);
        uint256 before = gasleft();
        staking.withdraw();
        return before - gasleft();
    }
}

contract UnboundedLoopInBondsTest is BondFixture {
    function setUp() public {
        deployBonds();
    }

    function test_leaving_costs_the_same_after_hundreds_of_cases() public {
        bytes32 quiet = keccak256("quiet");
        bondActive(DEVICE, provider, 1_000e18);
        bondActive(quiet, other, 1_000e18);
        for (uint256 i = 0; i < 300; ++i) {
            skip(1);
            slash(DEVICE, keccak256(abi.encode(i)), 1, clock());
        }
        skip(2 days + 1);
        for (uint256 i = 0; i < 300; ++i) {
            bonds.finalise(keccak256(abi.encode(i)));
        }
        startExit(DEVICE, provider);
        startExit(quiet, other);
        skip(7 days);
        uint256 long = gasOfWithdrawal(DEVICE, provider);
        uint256 short = gasOfWithdrawal(quiet, other);
        // Both in one transaction, where slots that were touched before are cheaper.
        assertLe(long, short + 3_000);
    }

    function test_a_device_has_no_more_cases_than_its_cap_has_basis_points() public {
        bondActive(DEVICE, provider, 1_000e18);
        uint256 opened = 0;
        for (uint256 i = 0; i < 2_100; ++i) {
            if (slash(DEVICE, keccak256(abi.encode(i)), 1, clock()) > 0) ++opened;
        }
        assertEq(opened, 2_000);
    }

    function test_nobody_else_tops_up_a_bond_with_dust() public {
        bondActive(DEVICE, provider, 1_000e18);
        fund(other, 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.NotProvider.selector, DEVICE, other));
        vm.prank(other);
        bonds.topUp(DEVICE, 1);
    }

    function gasOfWithdrawal(bytes32 device, address account) private returns (uint256) {
        vm.prank(account);
        uint256 before = gasleft();
        bonds.withdraw(device);
        return before - gasleft();
    }
}
