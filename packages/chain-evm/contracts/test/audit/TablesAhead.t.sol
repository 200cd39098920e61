// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IStaking } from "../../src/interfaces/IStaking.sol";
import { StakingFixture } from "../fixtures/StakingFixture.sol";

/// @notice A curator cannot fill the future with tables, so that its successor can never correct them.
contract TablesAheadTest is StakingFixture {
    function setUp() public {
        deployStaking();
    }

    function testFuzz_no_sequence_of_tables_reaches_further_than_a_year_and_the_delay(uint48[8] memory ahead) public {
        IStaking.Tier[] memory tiers = fourTiers();
        vm.startPrank(curator);
        for (uint256 i = 0; i < ahead.length; ++i) {
            try staking.appendTiers(tiers, clock() + ahead[i] % 800 days) { } catch { }
        }
        vm.stopPrank();
        (uint48 last,) = staking.tableAt(staking.tableCount() - 1);
        assertLe(last, uint256(clock()) + 2 days + 365 days);
    }

    function test_after_the_furthest_table_a_new_one_waits_a_year_at_most() public {
        uint48 furthest = clock() + 367 days;
        vm.startPrank(curator);
        staking.appendTiers(fourTiers(), furthest);
        vm.expectRevert(abi.encodeWithSelector(IStaking.TiersTooLate.selector, furthest + 1, furthest));
        staking.appendTiers(fourTiers(), furthest + 1);
        skip(1);
        staking.appendTiers(fourTiers(), furthest + 1);
        vm.stopPrank();
    }
}
