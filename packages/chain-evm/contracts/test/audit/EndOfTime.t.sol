// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { ChannelFixture } from "../fixtures/ChannelFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice Seconds of 32 bits end on 7 February 2106. A time that wraps is long over: a delay that nobody has to wait for.
contract EndOfTimeTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
        fundWith(settlement, usd, 1_000, 0);
    }

    function test_an_epoch_whose_delay_would_wrap_is_refused_and_the_funds_leave() public {
        vm.warp(uint256(type(uint32).max) - CHALLENGE);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, "root", 100, 0);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
        vm.expectRevert(
            abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 32, clock() + CHALLENGE)
        );
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch + 1, ISettlement.EpochKind.Root, "root", 100, 0);
        vm.prank(funder);
        settlement.requestUnfund(address(usd), 900, 0);
        skip(UNFUND);
        vm.prank(funder);
        settlement.unfund(address(usd));
        assertEq(usd.balanceOf(funder), 900);
        assertEq(settlement.claimFor(treasury, address(usd)), 10);
    }
}

contract EndOfTimeChannelTest is ChannelFixture {
    function test_a_payer_leaves_also_then() public {
        begin();
        bytes32 id = open(1_000, "salt", address(0));
        vm.warp(uint256(type(uint32).max) - 1 minutes);
        vm.prank(payer);
        channel.requestClose(id);
        skip(15 minutes);
        vm.prank(payer);
        channel.withdraw(id);
        bytes32 later = open(1_000, "later", address(0));
        vm.prank(payer);
        channel.requestClose(later);
        assertEq(channel.getChannel(later).closeRequestedAt, clock());
        skip(15 minutes);
        vm.prank(payer);
        channel.withdraw(later);
        assertEq(usd.balanceOf(payer), 2_000);
    }
}
