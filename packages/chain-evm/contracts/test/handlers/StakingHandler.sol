// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Staking } from "../../src/Staking.sol";
import { StakingFixture } from "../fixtures/StakingFixture.sol";
import { Plain18 } from "../tokens/Plain18.sol";
import { Flags } from "./Flags.sol";

/// @notice Four accounts, a pauser and a donor, and books of its own about what they did.
contract StakingHandler is StakingFixture, Flags {
    uint256 internal constant SCALE = 1e27;

    address[4] public accounts;
    mapping(address account => uint256) public active;
    mapping(address account => uint256) public unbonding;
    mapping(address account => uint256) public readyAt;
    uint256 public funded;
    uint256 public paid;
    uint256 public donated;
    /// The most that the rate allows so far, scaled, if the stream were endless.
    uint256 public allowed;

    constructor() {
        deployStaking();
        accounts = [alice, bob, makeAddr("carol"), makeAddr("dave")];
    }

    function contracts() external view returns (Staking, Plain18) {
        return (staking, token);
    }

    function stake(uint256 who, uint256 amount) external {
        if (staking.paused()) return;
        address account = accounts[who % 4];
        amount = bound(amount, 1, 1e30);
        stakeAs(account, uint128(amount));
        active[account] += amount;
    }

    function requestUnstake(uint256 who, uint256 amount) external {
        address account = accounts[who % 4];
        if (active[account] == 0) return;
        amount = bound(amount, 1, active[account]);
        requestAs(account, uint128(amount));
        active[account] -= amount;
        unbonding[account] += amount;
        readyAt[account] = clock() + 7 days;
    }

    function cancelUnstake(uint256 who) external {
        address account = accounts[who % 4];
        if (unbonding[account] == 0) return;
        vm.prank(account);
        staking.cancelUnstake();
        active[account] += unbonding[account];
        unbonding[account] = 0;
    }

    function withdraw(uint256 who) external {
        address account = accounts[who % 4];
        bool legal = unbonding[account] > 0 && clock() >= readyAt[account];
        uint256 before = token.balanceOf(account);
        bytes memory call = abi.encodeCall(staking.withdraw, ());
        if (!attempt(account, address(staking), call, legal, "early exit", "refused exit")) return;
        flagUnless(token.balanceOf(account) - before == unbonding[account], "wrong exit");
        unbonding[account] = 0;
    }

    function claimRewards(uint256 who) external {
        address account = accounts[who % 4];
        uint256 due = staking.standingOf(account).rewards;
        uint256 before = token.balanceOf(account);
        bytes memory call = abi.encodeCall(staking.claimRewards, ());
        if (!attempt(account, address(staking), call, due > 0, "empty claim", "refused exit")) return;
        flagUnless(token.balanceOf(account) - before == due, "wrong exit");
        paid += due;
    }

    function fund(uint256 amount) external {
        if (staking.paused()) return;
        amount = bound(amount, 1, 1e28);
        fundRewards(uint128(amount));
        funded += amount;
    }

    /// @notice Takes what is not its own, from every side that could exist: nothing of this may go through.
    function steal(uint256 who, uint256 amount) external {
        address account = accounts[who % 4];
        vm.startPrank(governor);
        (bool a,) = address(staking).call(abi.encodeWithSignature("slash(address,uint256)", account, amount));
        (bool b,) = address(staking).call(abi.encodeWithSignature("withdraw(address)", account));
        (bool c,) = address(staking).call(abi.encodeCall(staking.withdraw, ()));
        vm.stopPrank();
        flagUnless(!a && !b && !c, "early exit");
    }

    function donate(uint256 amount) external {
        amount = bound(amount, 0, 1e24);
        token.mint(address(staking), amount);
        donated += amount;
    }

    function togglePause() external {
        bool on = staking.paused();
        vm.prank(pauser);
        if (on) staking.unpause();
        else staking.pause();
    }

    function appendTiers(uint256 ahead) external {
        if (staking.tableCount() > 8) return;
        (uint48 last,) = staking.tableAt(staking.tableCount() - 1);
        uint48 earliest = clock() + 2 days;
        if (earliest <= last) earliest = last + 1;
        vm.prank(curator);
        staking.appendTiers(fourTiers(), earliest + uint48(bound(ahead, 0, 10 days)));
    }

    function pass(uint256 time) external {
        time = bound(time, 1, 4 days);
        allowed += staking.rewardRate() * time * staking.totals().active;
        skip(time);
    }
}
