// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { Settlement } from "../../src/Settlement.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { ChannelFixture } from "../fixtures/ChannelFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Plain18 } from "../tokens/Plain18.sol";

/// @notice An amount or a time that is cut to fewer bits becomes another one: a huge deposit a small one, a far epoch a
/// past one. Everything at the ends of its type either counts in full or is refused.
contract CastOverflowTest is SettlementFixture {
    Settlement private settlement;
    Plain18 private token;

    function setUp() public {
        begin();
        settlement = deploySettlement();
        token = new Plain18();
    }

    function test_funds_are_whole_up_to_the_end_of_their_type() public {
        _fund(type(uint128).max);
        assertEq(settlement.totals(address(token)).funded, type(uint128).max);
    }

    function test_one_more_unit_than_the_type_holds_is_refused() public {
        _fund(type(uint128).max);
        vm.prank(operator);
        settlement.settle(makeAddr("provider"), address(token), type(uint128).max, "all");
        // A supply beyond 128 bits: the buckets would wrap.
        Plain18 other = token;
        vm.store(address(other), bytes32(uint256(2)), 0);
        other.mint(address(this), 1);
        other.approve(address(settlement), 1);
        vm.expectRevert();
        settlement.fund(address(other), 1);
    }

    function test_more_arriving_than_was_asked_is_not_cut() public {
        Generous generous = new Generous();
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 128, 2 ** 128 + 1));
        settlement.fund(address(generous), 1);
    }

    function testFuzz_gross_and_boost_are_never_cut(uint256 gross, uint256 boost) public {
        _fund(type(uint128).max / 2);
        token.mint(address(this), type(uint128).max / 2);
        token.approve(address(settlement), type(uint256).max);
        settlement.fundBoost(address(token), type(uint128).max / 2);
        uint48 epoch = settlement.currentEpoch() - 1;
        bytes memory call = abi.encodePacked(
            settlement.proposeEpoch.selector,
            abi.encode(address(token), epoch, ISettlement.EpochKind.Root, bytes32("root"), gross, boost)
        );
        vm.prank(operator);
        (bool ok,) = address(settlement).call(call);
        bool fits = gross <= type(uint96).max && boost <= type(uint88).max && gross + boost != 0;
        assertEq(ok, fits);
        ISettlement.Proposal memory p = settlement.proposalOf(address(token));
        if (fits) assertEq(uint256(p.gross) + p.boost, gross + boost);
        else assertEq(uint256(p.gross) + p.boost, 0);
    }

    function testFuzz_epochs_are_never_cut(uint48 epoch) public {
        _fund(1_000);
        uint48 current = settlement.currentEpoch();
        vm.prank(operator);
        (bool ok,) = address(settlement)
            .call(
                abi.encodeCall(
                    settlement.proposeEpoch, (address(token), epoch, ISettlement.EpochKind.Root, "root", 1_000, 0)
                )
            );
        assertEq(ok, epoch < current && epoch != 0);
        if (ok) assertEq(settlement.proposalOf(address(token)).epoch, epoch);
        ISettlement.Voucher memory voucher = ISettlement.Voucher(address(1), address(token), epoch, 1);
        bytes memory signature = signVoucher(settlement, voucher);
        (ok,) = address(settlement).call(abi.encodeCall(settlement.redeem, (voucher, signature)));
        assertFalse(ok && epoch > current);
    }

    function test_terms_of_the_last_epoch_are_refused_and_stop_nobody() public {
        vm.startPrank(curator);
        vm.expectPartialRevert(ISettlement.TermsTooLate.selector);
        settlement.appendTerms(terms(type(uint48).max, 1));
        settlement.appendTerms(terms((clock() + ROLE_DELAY) / HOUR + 1, 2));
        vm.stopPrank();
        assertEq(settlement.termsAt(type(uint48).max).providerBps, 2);
    }

    function _fund(uint128 amount) private {
        token.mint(address(this), amount);
        token.approve(address(settlement), amount);
        settlement.fund(address(token), amount);
    }
}

contract ChannelCastOverflowTest is ChannelFixture {
    function setUp() public {
        begin();
    }

    function testFuzz_a_deposit_is_whole_or_refused(uint128 first, uint128 second) public {
        uint256 sum = uint256(first) + second;
        usd.mint(payer, sum);
        vm.startPrank(payer);
        usd.approve(address(channel), sum);
        bytes32 id = channel.computeChannelId(payer, payee, address(usd), "salt", address(0));
        (bool ok,) =
            address(channel).call(abi.encodeCall(channel.open, (payee, address(usd), first, "salt", address(0))));
        assertEq(ok, first != 0 && first <= type(uint96).max);
        if (!ok) return;
        (ok,) = address(channel).call(abi.encodeCall(channel.topUp, (id, second)));
        vm.stopPrank();
        assertEq(ok, second != 0 && sum <= type(uint96).max);
        assertEq(channel.getChannel(id).deposit, ok ? sum : first);
    }

    function testFuzz_a_voucher_is_never_cut(uint128 cumulative) public {
        bytes32 id = open(1_000, "salt", address(0));
        bytes memory signature = voucher(id, cumulative);
        vm.prank(payee);
        (bool ok,) = address(channel).call(abi.encodeCall(channel.settle, (id, cumulative, signature)));
        assertEq(ok, cumulative != 0 && cumulative <= 1_000);
        assertEq(usd.balanceOf(payee), ok ? cumulative : 0);
    }
}

/// @notice Says after one transfer that it gave more than 128 bits can hold.
contract Generous {
    uint256 public balance;

    function balanceOf(address) external view returns (uint256) {
        return balance;
    }

    function transferFrom(address, address, uint256) external returns (bool) {
        balance += 2 ** 128 + 1;
        return true;
    }
}
