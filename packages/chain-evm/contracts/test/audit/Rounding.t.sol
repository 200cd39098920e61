// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";
import { StakingFixture } from "../fixtures/StakingFixture.sol";

/// @notice A slash rounds up, a reward rounds down, a split leaves nothing over.
contract RoundingOfSlashesTest is BondFixture {
    function setUp() public {
        deployBonds();
    }

    function testFuzz_a_slash_rounds_up_by_less_than_one_unit(uint128 amount, uint16 rateBps) public {
        amount = uint128(bound(amount, 500e18, type(uint96).max));
        rateBps = uint16(bound(rateBps, 1, 2_000));
        bondActive(DEVICE, provider, amount);
        uint256 moved = slash(DEVICE, "offence", rateBps, clock());
        assertGe(moved * 10_000, uint256(amount) * rateBps);
        assertLt(moved * 10_000, uint256(amount) * rateBps + 10_000);
    }

    function testFuzz_no_rate_is_too_small_to_take_something(uint128 amount) public {
        amount = uint128(bound(amount, 500e18, 501e18));
        bondActive(DEVICE, provider, amount);
        assertGt(slash(DEVICE, "offence", 1, clock()), 0);
    }

    function testFuzz_the_finders_share_and_the_pools_are_the_slash(uint128 amount, uint16 rateBps) public {
        amount = uint128(bound(amount, 500e18, type(uint96).max));
        bondActive(DEVICE, provider, amount);
        uint256 moved = slash(DEVICE, "offence", uint16(bound(rateBps, 1, 2_000)), clock());
        skip(2 days + 1);
        bonds.finalise("offence");
        IProviderBond.BondTotals memory t = bonds.totals();
        assertEq(moved, uint256(t.insurance) + t.credits);
        assertLe(uint256(t.credits) * 5, moved);
    }
}

contract RoundingOfRewardsTest is StakingFixture {
    function setUp() public {
        deployStaking();
    }

    function testFuzz_what_rounding_leaves_stays_in_the_contract_and_is_less_than_a_unit_each(
        uint96[5] memory stakes,
        uint96 funded,
        uint32[5] memory waits
    ) public {
        for (uint256 i = 0; i < 5; ++i) {
            stakeAs(vm.addr(i + 1), uint128(bound(stakes[i], 1, type(uint96).max)));
        }
        fundRewards(uint128(bound(funded, 1, type(uint96).max)));
        uint256 paid = 0;
        for (uint256 i = 0; i < 5; ++i) {
            skip(waits[i]);
            address account = vm.addr(i + 1);
            if (staking.standingOf(account).rewards == 0) continue;
            vm.prank(account);
            paid += staking.claimRewards();
            assertStakingSolvent();
        }
        assertLe(paid, bound(funded, 1, type(uint96).max));
    }

    function testFuzz_claiming_often_pays_what_claiming_once_pays(uint96 amount, uint8 times) public {
        stakeAs(alice, uint128(bound(amount, 1e6, type(uint96).max)));
        fundRewards(type(uint120).max);
        uint256 id = vm.snapshotState();
        skip(100 days);
        uint256 once = staking.standingOf(alice).rewards;
        vm.revertToState(id);
        uint256 n = bound(times, 1, 50);
        uint256 often = 0;
        for (uint256 i = 0; i < n; ++i) {
            skip(100 days / n);
            if (staking.standingOf(alice).rewards == 0) continue;
            vm.prank(alice);
            often += staking.claimRewards();
        }
        skip(100 days % n);
        assertEq(often + staking.standingOf(alice).rewards, once);
    }
}
