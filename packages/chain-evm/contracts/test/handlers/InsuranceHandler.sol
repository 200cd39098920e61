// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { InsurancePool } from "../../src/InsurancePool.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";
import { Plain18 } from "../tokens/Plain18.sol";
import { Flags } from "./Flags.sol";

/// @notice Deposits, proposals of any size, claims of anybody at any time, and books of its own about all.
contract InsuranceHandler is BondFixture, Flags {
    struct Proposal {
        uint256 epoch;
        bytes32 incident;
        uint128[2] amounts;
        uint256 proposedAt;
        bool cancelled;
        bool expired;
        bool[2] paid;
    }

    address[2] public buyers;
    bytes32[2] public incidents;
    Proposal[] private _proposals;
    uint256 public deposited;
    uint256 public donated;
    uint256 public paidOut;
    uint256 public free;
    uint256 public freeAtStart;
    uint256 private _epochOfStart;
    mapping(uint256 epoch => uint256) public promisedInEpoch;
    mapping(bytes32 incident => uint256) public promisedTo;
    mapping(bytes32 incident => uint256) public paidTo;

    constructor() {
        vm.warp(START);
        token = new Plain18();
        pool = newPool(IERC20(address(token)));
        buyers = [makeAddr("buyer"), makeAddr("second")];
        incidents = [bytes32("x"), "y"];
        _epochOfStart = pool.currentEpoch();
    }

    function contracts() external view returns (InsurancePool, Plain18) {
        return (pool, token);
    }

    function deposit(uint256 amount) external {
        if (pool.paused()) return;
        amount = bound(amount, 1, 100_000e18);
        token.mint(address(this), amount);
        token.approve(address(pool), amount);
        pool.deposit(uint128(amount));
        deposited += amount;
        free += amount;
    }

    function propose(uint256 i, uint256 a, uint256 b) external {
        uint256 epoch = pool.currentEpoch();
        bytes32 incident = incidents[i % 2];
        uint256 cap = freeAtStart * 2_500 / 10_000;
        // Around what is left, on both sides of it.
        uint256 left = cap - promisedInEpoch[epoch];
        a = bound(a, 1, a % 2 == 0 ? 4_000e18 : left / 2 + 1);
        b = bound(b, 1, b % 2 == 0 ? 4_000e18 : left / 2 + 1);
        bool legal = !pool.paused() && pool.claimsOf(epoch, incident).payableAt == 0 && a + b <= free
            && promisedInEpoch[epoch] + a + b <= cap && promisedTo[incident] + a + b <= 10_000e18;
        bytes memory call = abi.encodeCall(
            pool.proposeClaims, (epoch, incident, rootOf(epoch, incident, uint128(a), uint128(b)), uint128(a + b))
        );
        if (!attempt(adjuster, address(pool), call, legal, "promised over a cap", "refused promise")) return;
        promisedInEpoch[epoch] += a + b;
        promisedTo[incident] += a + b;
        free -= a + b;
        Proposal storage p = _proposals.push();
        (p.epoch, p.incident, p.proposedAt) = (epoch, incident, clock());
        p.amounts = [uint128(a), uint128(b)];
    }

    function cancel(uint256 i) external {
        if (_proposals.length == 0) return;
        Proposal storage p = _proposals[i % _proposals.length];
        bool legal = !p.cancelled && clock() < p.proposedAt + 2 days;
        // A cancelled claim that was published again is another proposal.
        if (p.cancelled) return;
        bytes memory call = abi.encodeCall(pool.cancelClaims, (p.epoch, p.incident));
        if (!attempt(challenger, address(pool), call, legal, "cancelled too late", "could not cancel")) return;
        p.cancelled = true;
        uint256 total = uint256(p.amounts[0]) + p.amounts[1];
        promisedInEpoch[p.epoch] -= total;
        promisedTo[p.incident] -= total;
        free += total;
    }

    function claim(uint256 i, uint256 who) external {
        if (_proposals.length == 0) return;
        Proposal storage p = _proposals[i % _proposals.length];
        who %= 2;
        bool inTime = clock() >= p.proposedAt + 2 days && clock() < p.proposedAt + 92 days;
        bool legal = !p.cancelled && !p.paid[who] && inTime;
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = pool.leafOf(p.epoch, p.incident, buyers[1 - who], p.amounts[1 - who]);
        bytes memory call = abi.encodeCall(pool.claim, (p.epoch, p.incident, buyers[who], p.amounts[who], proof));
        if (!attempt(finder, address(pool), call, legal, "paid what was not due", "refused exit")) return;
        p.paid[who] = true;
        paidOut += p.amounts[who];
        paidTo[p.incident] += p.amounts[who];
    }

    /// @notice Nobody claims for as long as it takes.
    function forget(uint256 i) external {
        if (_proposals.length == 0) return;
        uint256 over = _proposals[i % _proposals.length].proposedAt + 92 days;
        if (clock() < over) pass(over - clock());
        expire(i);
    }

    function expire(uint256 i) public {
        if (_proposals.length == 0) return;
        Proposal storage p = _proposals[i % _proposals.length];
        if (p.cancelled) return;
        uint256 left = (p.paid[0] ? 0 : p.amounts[0]) + (p.paid[1] ? 0 : p.amounts[1]);
        bool legal = clock() >= p.proposedAt + 92 days && left > 0 && !p.expired;
        bytes memory call = abi.encodeCall(pool.expireClaims, (p.epoch, p.incident));
        if (!attempt(finder, address(pool), call, legal, "paid what was not due", "could not expire")) return;
        p.expired = true;
        free += left;
    }

    function donate(uint256 amount) external {
        amount = bound(amount, 0, 1e24);
        token.mint(address(pool), amount);
        donated += amount;
    }

    function togglePause() external {
        bool on = pool.paused();
        vm.prank(pauser);
        if (on) pool.unpause();
        else pool.pause();
    }

    function passSome(uint256 time) external {
        pass(bound(time, 1, 4 days));
    }

    function pass(uint256 time) private {
        skip(time);
        if (pool.currentEpoch() == _epochOfStart) return;
        _epochOfStart = pool.currentEpoch();
        freeAtStart = free;
    }

    function rootOf(uint256 epoch, bytes32 incident, uint128 a, uint128 b) private view returns (bytes32) {
        bytes32 left = pool.leafOf(epoch, incident, buyers[0], a);
        bytes32 right = pool.leafOf(epoch, incident, buyers[1], b);
        return left < right ? keccak256(bytes.concat(left, right)) : keccak256(bytes.concat(right, left));
    }
}
