// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Channel } from "../../src/Channel.sol";
import { ChannelFixture } from "../fixtures/ChannelFixture.sol";
import { Usd } from "../tokens/Usd.sol";
import { Flags } from "./Flags.sol";

/// @notice Many channels of one payer and one payee; either side, and strangers, act at any time.
contract ChannelHandler is ChannelFixture, Flags {
    struct Books {
        uint256 deposit;
        uint256 settled;
        uint256 refunded;
        /// The most that a voucher allowed the payee.
        uint256 signed;
        uint256 requestedAt;
        bool closed;
    }

    bytes32[] public ids;
    mapping(bytes32 id => Books) private _books;
    uint256 public donated;
    /// What the payer was given for top-ups that were refused.
    uint256 public kept;
    mapping(string act => uint256) public done;

    constructor() {
        begin();
        open_(1e18);
    }

    function contracts() external view returns (Channel, Usd, address, address) {
        return (channel, usd, payer, payee);
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function books(bytes32 id) external view returns (Books memory) {
        return _books[id];
    }

    function open_(uint256 deposit) public {
        if (ids.length == 12) return;
        deposit = bound(deposit, 1, 1e24);
        bytes32 id = open(uint128(deposit), bytes32(ids.length), address(0));
        ids.push(id);
        _books[id].deposit = deposit;
        ++done["open"];
    }

    /// @notice The same parties and salt again: never a second channel, also after the first is closed.
    function reopen(uint256 i, uint256 deposit) external {
        i %= ids.length;
        bytes memory call = abi.encodeCall(
            channel.open, (payee, address(usd), uint128(bound(deposit, 1, 1e20)), bytes32(i), address(0))
        );
        attempt(payer, address(channel), call, false, "opened twice", "");
    }

    function donate(uint256 amount) external {
        amount = bound(amount, 1, 1e18);
        usd.mint(address(channel), amount);
        donated += amount;
    }

    function topUp(uint256 i, uint256 amount, bool byStranger) external {
        bytes32 id = ids[i % ids.length];
        Books storage b = _books[id];
        amount = bound(amount, 1, 1e22);
        address who = byStranger ? address(this) : payer;
        usd.mint(who, amount);
        vm.prank(who);
        usd.approve(address(channel), amount);
        bytes memory call = abi.encodeCall(channel.topUp, (id, uint128(amount)));
        bool legal = !byStranger && !b.closed;
        if (!byStranger && b.closed) kept += amount;
        if (!attempt(who, address(channel), call, legal, "topped up unduly", "refused top-up")) return;
        b.deposit += amount;
        b.requestedAt = 0;
        ++done["topUp"];
    }

    function settle(uint256 i, uint256 cumulative, bool isClose, bool byStranger) external {
        bytes32 id = ids[i % ids.length];
        Books storage b = _books[id];
        cumulative = bound(cumulative, 0, b.deposit + b.deposit / 10);
        bytes memory signature = voucher(id, uint128(cumulative));
        bytes memory call = isClose
            ? abi.encodeCall(channel.close, (id, uint128(cumulative), signature))
            : abi.encodeCall(channel.settle, (id, uint128(cumulative), signature));
        bool legal = !byStranger && !b.closed && cumulative <= b.deposit && (isClose || cumulative > b.settled);
        address who = byStranger ? payer : payee;
        if (!attempt(who, address(channel), call, legal, "settled unduly", "refused voucher")) return;
        if (cumulative > b.signed) b.signed = cumulative;
        if (cumulative > b.settled) b.settled = cumulative;
        if (isClose) (b.closed, b.refunded) = (true, b.deposit - b.settled);
        ++done[isClose ? "close" : "settle"];
    }

    /// @notice A voucher of another channel, or of this one for another amount.
    function settleForged(uint256 i, uint256 j, uint256 cumulative, uint256 other) external {
        bytes32 id = ids[i % ids.length];
        bytes32 elsewhere = ids[j % ids.length];
        Books storage b = _books[id];
        if (b.settled == b.deposit) return;
        cumulative = bound(cumulative, b.settled + 1, b.deposit);
        other = bound(other, 0, b.deposit);
        if (elsewhere == id && other == cumulative) return;
        bytes memory call =
            abi.encodeCall(channel.settle, (id, uint128(cumulative), voucher(elsewhere, uint128(other))));
        attempt(payee, address(channel), call, false, "took a forged voucher", "");
    }

    function requestClose(uint256 i, uint256 chance) external {
        if (uint256(keccak256(abi.encode(chance))) % 3 != 0) return;
        bytes32 id = ids[i % ids.length];
        Books storage b = _books[id];
        bytes memory call = abi.encodeCall(channel.requestClose, (id));
        if (!attempt(payer, address(channel), call, !b.closed, "requested unduly", "refused request")) return;
        if (b.requestedAt == 0) b.requestedAt = clock();
    }

    function withdraw(uint256 i, bool patient) external {
        bytes32 id = ids[i % ids.length];
        Books storage b = _books[id];
        if (patient) skip(15 minutes);
        bool legal = !b.closed && b.requestedAt != 0 && clock() >= b.requestedAt + 15 minutes;
        bytes memory call = abi.encodeCall(channel.withdraw, (id));
        if (!attempt(payer, address(channel), call, legal, "withdrew unduly", "refused withdrawal")) return;
        (b.closed, b.refunded) = (true, b.deposit - b.settled);
        ++done["withdraw"];
    }

    function pass(uint256 time) external {
        skip(bound(time, 1, 10 minutes));
    }
}
