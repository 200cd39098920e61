// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Channel } from "../src/Channel.sol";
import { IChannel } from "../src/interfaces/IChannel.sol";
import { Base } from "./Base.sol";
import { ChannelHandler } from "./handlers/ChannelHandler.sol";
import { Usd } from "./tokens/Usd.sol";

contract ChannelInvariants is Base {
    ChannelHandler internal handler;
    Channel internal channel;
    Usd internal usd;
    address internal payer;
    address internal payee;

    function setUp() public {
        handler = new ChannelHandler();
        (channel, usd, payer, payee) = handler.contracts();
        targetContract(address(handler));
    }

    function invariant_tokens_cover_every_open_channel() public view {
        uint256 escrowed = 0;
        for (uint256 i = 0; i < handler.count(); ++i) {
            ChannelHandler.Books memory b = handler.books(handler.ids(i));
            if (!b.closed) escrowed += b.deposit - b.settled;
        }
        assertEq(usd.balanceOf(address(channel)), escrowed + handler.donated());
    }

    function invariant_what_is_settled_is_signed_and_deposited() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            ChannelHandler.Books memory b = handler.books(handler.ids(i));
            IChannel.ChannelInfo memory info = channel.getChannel(handler.ids(i));
            assertEq(info.deposit, b.deposit, "deposit");
            assertEq(info.settled, b.settled, "settled");
            assertEq(info.finalized, b.closed);
            assertLe(info.settled, info.deposit, "<= deposit");
            assertLe(info.settled, b.signed, "<= signed");
        }
        assertFalse(handler.saw("took a forged voucher"), "forged");
        assertFalse(handler.saw("settled unduly"), "unduly");
    }

    function invariant_the_payer_gets_the_rest_exactly() public view {
        uint256 settled = 0;
        uint256 refunded = 0;
        for (uint256 i = 0; i < handler.count(); ++i) {
            ChannelHandler.Books memory b = handler.books(handler.ids(i));
            settled += b.settled;
            if (b.closed) refunded += b.refunded;
            if (b.closed) assertEq(b.settled + b.refunded, b.deposit, "both");
        }
        assertEq(usd.balanceOf(payee), settled, "payee");
        assertEq(usd.balanceOf(payer), refunded + handler.kept(), "payer");
    }

    function invariant_a_payer_waits_and_then_is_not_refused() public view {
        assertFalse(handler.saw("withdrew unduly"), "early");
        assertFalse(handler.saw("refused withdrawal"), "refused");
        assertFalse(handler.saw("refused request"), "request");
        assertFalse(handler.saw("requested unduly"), "requested");
    }

    function invariant_a_payee_with_a_voucher_is_not_refused() public view {
        assertFalse(handler.saw("refused voucher"));
    }

    function invariant_a_channel_is_opened_once_and_filled_by_its_payer() public view {
        assertFalse(handler.saw("opened twice"), "twice");
        assertFalse(handler.saw("topped up unduly"), "stranger");
        assertFalse(handler.saw("refused top-up"), "refused");
    }

    /// @notice An invariant over acts that never happen says nothing.
    function test_the_handler_gets_through_with_every_act() public {
        for (uint256 i = 0; i < 40; ++i) {
            handler.open_(_at(i, 0));
            handler.topUp(_at(i, 1), _at(i, 2), i % 4 == 0);
            handler.settle(_at(i, 3), _at(i, 4) % 1e20, i % 7 == 0, i % 9 == 0);
            handler.requestClose(_at(i, 5), _at(i, 6));
            handler.withdraw(_at(i, 5), i % 2 == 0);
        }
        string[5] memory acts = ["open", "topUp", "settle", "close", "withdraw"];
        for (uint256 i = 0; i < acts.length; ++i) {
            assertGt(handler.done(acts[i]), 0, acts[i]);
        }
        invariant_tokens_cover_every_open_channel();
    }

    function _at(uint256 round, uint256 place) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(round, place)));
    }
}
