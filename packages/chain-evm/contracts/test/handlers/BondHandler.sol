// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { InsurancePool } from "../../src/InsurancePool.sol";
import { ProviderBond } from "../../src/ProviderBond.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";
import { Plain18 } from "../tokens/Plain18.sol";
import { Flags } from "./Flags.sol";

/// @notice Three providers with four devices, a slasher that tries anything, an arbiter, and books of its own about all.
contract BondHandler is BondFixture, Flags {
    enum Fate {
        Open,
        Appealed,
        Taken,
        Returned
    }

    struct Offence {
        bytes32 id;
        bytes32 device;
        uint256 amount;
        uint256 rate;
        uint256 period;
        uint256 proposedAt;
        Fate fate;
    }

    address[3] public providers;
    bytes32[4] public devices;
    Offence[] public offences;
    mapping(bytes32 device => uint256) public deposited;
    mapping(bytes32 device => uint256) public withdrawn;
    mapping(bytes32 device => uint256) public mostBonded;
    mapping(bytes32 device => uint256) public activeSince;
    mapping(bytes32 device => uint256) public leftAt;
    mapping(bytes32 device => mapping(uint256 period => uint256)) public usedBps;
    mapping(bytes32 device => mapping(uint256 period => uint256)) public taken;
    mapping(bytes32 device => mapping(uint256 period => uint256)) public slashes;
    uint256 public donated;
    uint256 public sent;
    uint256 public creditsPaid;
    uint256 private _offences;

    constructor() {
        deployBonds();
        providers = [provider, other, makeAddr("third")];
        devices = [bytes32("a"), "b", "c", "d"];
    }

    function contracts() external view returns (ProviderBond, InsurancePool, Plain18) {
        return (bonds, pool, token);
    }

    function offenceCount() external view returns (uint256) {
        return offences.length;
    }

    function openCasesOf(bytes32 device) public view returns (uint256 open) {
        for (uint256 i = 0; i < offences.length; ++i) {
            if (offences[i].device == device && uint256(offences[i].fate) < uint256(Fate.Taken)) ++open;
        }
    }

    function bond(uint256 d, uint256 p, uint256 amount) external {
        bytes32 device = devices[d % 4];
        IProviderBond.Device memory x = bonds.deviceOf(device);
        if (bonds.paused()) return;
        amount = bound(amount, 500e18, 7e28);
        if (x.state == IProviderBond.DeviceState.None || x.state == IProviderBond.DeviceState.Withdrawn) {
            bondPending(device, providers[p % 3], uint128(amount));
            (activeSince[device], leftAt[device]) = (0, 0);
        } else if (x.state != IProviderBond.DeviceState.Unbonding) {
            fund(x.provider, amount);
            vm.prank(x.provider);
            bonds.topUp(device, uint128(amount));
        } else {
            return;
        }
        noteDeposit(device, amount);
    }

    function activatePending(uint256 d) external {
        bytes32 device = devices[d % 4];
        IProviderBond.Device memory x = bonds.deviceOf(device);
        if (bonds.paused() || x.state != IProviderBond.DeviceState.Pending) return;
        activate(device, x.provider);
        activeSince[device] = clock();
    }

    function bondVerified(uint256 d, uint256 p, uint256 amount) external {
        bytes32 device = devices[d % 4];
        address account = providers[p % 3];
        IProviderBond.Device memory x = bonds.deviceOf(device);
        bool taken_ = x.state == IProviderBond.DeviceState.Pending || x.state == IProviderBond.DeviceState.Unbonding;
        bool displaces = taken_ && activeSince[device] == 0 && x.provider != account;
        bool free = x.state == IProviderBond.DeviceState.None || x.state == IProviderBond.DeviceState.Withdrawn;
        if (bonds.paused() || !(free || displaces)) return;
        amount = bound(amount, 500e18, 7e28);
        fund(account, amount);
        (IProviderBond.EndpointVerified memory attestation, bytes memory signature) = attest(device, account, CONSUMER);
        vm.prank(account);
        bonds.bondVerified(attestation, uint128(amount), signature);
        withdrawn[device] += displaces ? x.bonded : 0;
        (activeSince[device], leftAt[device]) = (clock(), 0);
        noteDeposit(device, amount);
    }

    function requestUnbond(uint256 d, bool byRegistrar) external {
        bytes32 device = devices[d % 4];
        IProviderBond.Device memory x = bonds.deviceOf(device);
        if (x.state != IProviderBond.DeviceState.Pending && x.state != IProviderBond.DeviceState.Active) return;
        vm.prank(byRegistrar ? registrar : x.provider);
        if (byRegistrar) bonds.deregister(device);
        else bonds.requestUnbond(device);
        leftAt[device] = clock();
    }

    function withdraw(uint256 d) public {
        bytes32 device = devices[d % 4];
        IProviderBond.Device memory x = bonds.deviceOf(device);
        bool legal = x.state == IProviderBond.DeviceState.Unbonding && clock() >= leftAt[device] + 7 days
            && openCasesOf(device) == 0;
        uint256 before = token.balanceOf(x.provider);
        bytes memory call = abi.encodeCall(bonds.withdraw, (device));
        if (!attempt(x.provider, address(bonds), call, legal, "early exit", "refused exit")) return;
        flagUnless(token.balanceOf(x.provider) - before == x.bonded, "wrong exit");
        withdrawn[device] += x.bonded;
    }

    function slash(uint256 d, uint16 rate, uint256 when, uint256 how) public {
        bytes32 device = devices[d % 4];
        IProviderBond.Device memory x = bonds.deviceOf(device);
        if (x.state == IProviderBond.DeviceState.None) return;
        bytes32 id = keccak256(abi.encode(++_offences));
        uint48 time = offenceTime(when, how);
        if (how % 16 > 1) rate = uint16(bound(rate, 0, 3_000));
        vm.prank(slasher);
        (bool ok, bytes memory answer) =
            address(bonds).call(abi.encodeCall(bonds.proposeSlash, (device, id, rate, time, EVIDENCE, finder)));
        flagUnless(ok, "a slash reverted");
        uint256 moved = ok ? abi.decode(answer, (uint256)) : 0;
        flagUnless(moved <= x.bonded && bondedOf(device) == x.bonded - moved, "a slash took more than it said");
        if (time == clock()) {
            flagUnless(moved == expectedNow(device, x, rate), "a slash took another fraction");
        }
        if (moved > 0) noteSlash(device, id, moved, rate, time);
    }

    /// @notice An offence that was proposed before, of the same device or of another.
    function slashAgain(uint256 i, uint256 d) external {
        if (offences.length == 0) return;
        bytes32 device = d % 2 == 0 ? offences[i % offences.length].device : devices[d % 4];
        if (bonds.deviceOf(device).state == IProviderBond.DeviceState.None) return;
        vm.prank(slasher);
        bytes memory call = abi.encodeCall(
            bonds.proposeSlash, (device, offences[i % offences.length].id, 1, clock(), EVIDENCE, finder)
        );
        (bool ok, bytes memory answer) = address(bonds).call(call);
        flagUnless(ok, "a slash reverted");
        if (ok && abi.decode(answer, (uint256)) > 0) saw["one offence was slashed twice"] = true;
    }

    /// @notice A case opens in the last second of a cooldown, and the provider tries to be gone.
    function leaveUnderACase(uint256 d, uint16 rate) external {
        bytes32 device = devices[d % 4];
        IProviderBond.Device memory x = bonds.deviceOf(device);
        if (x.state != IProviderBond.DeviceState.Unbonding) return;
        if (clock() < leftAt[device] + 7 days) vm.warp(leftAt[device] + 7 days);
        slash(d, uint16(bound(rate, 1, 500)), 0, 32 + 2);
        withdraw(d);
    }

    function decide(uint256 i, uint256 how) external {
        if (offences.length == 0) return;
        Offence storage o = offences[chosen(i, how)];
        bool appealable = clock() <= o.proposedAt + 2 days;
        bool rulable = clock() <= o.proposedAt + 5 days;
        (bool open, bool appealed) = (o.fate == Fate.Open, o.fate == Fate.Appealed);
        // Half of the calls do what can be done, the other half anything.
        how = how % 2 == 0 ? possible(open, appealable, rulable, i) : (how / 2) % 5;
        if (how == 0) {
            address owner = bonds.deviceOf(o.device).provider;
            if (decided(owner, abi.encodeCall(bonds.appeal, (o.id)), open && appealable)) o.fate = Fate.Appealed;
        } else if (how == 1) {
            if (decided(other, abi.encodeCall(bonds.finalise, (o.id)), open && !appealable)) o.fate = Fate.Taken;
        } else if (how == 2) {
            if (decided(arbiter, abi.encodeCall(bonds.uphold, (o.id)), appealed && rulable)) o.fate = Fate.Taken;
        } else if (how == 3) {
            bool legal = (open && appealable) || (appealed && rulable);
            if (decided(arbiter, abi.encodeCall(bonds.overturn, (o.id)), legal)) noteReturn(o);
        } else if (decided(other, abi.encodeCall(bonds.lapse, (o.id)), appealed && !rulable)) {
            noteReturn(o);
        }
    }

    function claimCredit(uint256 who) external {
        address account = who % 4 == 3 ? finder : providers[who % 4];
        uint256 due = bonds.creditOf(account);
        bytes memory call = abi.encodeCall(bonds.claimCredit, ());
        if (attempt(account, address(bonds), call, due > 0, "empty claim", "refused exit")) creditsPaid += due;
    }

    function sendToInsurance() external {
        if (bonds.totals().insurance > 0 && !pool.paused()) sent += bonds.sendToInsurance();
    }

    function donate(uint256 amount) external {
        amount = bound(amount, 0, 1e24);
        token.mint(address(bonds), amount);
        donated += amount;
    }

    function togglePause() external {
        bool on = bonds.paused();
        vm.prank(pauser);
        if (on) bonds.unpause();
        else bonds.pause();
    }

    function pass(uint256 time) external {
        skip(bound(time, 1, 4 days));
    }

    /// @notice Often enough that cases and cooldowns end within a run.
    function passMore(uint256 time) external {
        skip(bound(time, 1 days, 6 days));
    }

    /// @dev Mostly the offence that waits the longest.
    function chosen(uint256 i, uint256 how) private view returns (uint256) {
        for (uint256 k = 0; k < offences.length && how % 4 < 3; ++k) {
            if (uint256(offences[k].fate) < uint256(Fate.Taken)) return k;
        }
        return i % offences.length;
    }

    function possible(bool open, bool appealable, bool rulable, uint256 i) private pure returns (uint256) {
        if (open) return !appealable ? 1 : i % 4 == 0 ? 3 : 0;
        return !rulable ? 4 : 2 + i % 2;
    }

    function decided(address who, bytes memory call, bool legal) private returns (bool) {
        return attempt(who, address(bonds), call, legal, "a case ended out of time", "a case could not end in time");
    }

    function offenceTime(uint256 when, uint256 how) private view returns (uint48) {
        how /= 16;
        if (how % 8 == 0) return uint48(when);
        if (how % 4 == 1) return clock() - uint48(bound(when, 0, 4 days));
        return clock();
    }

    /// @dev What an offence of this very second must move, by the handler's own books.
    function expectedNow(bytes32 device, IProviderBond.Device memory x, uint256 rate) private view returns (uint256) {
        bool leaving = x.state == IProviderBond.DeviceState.Unbonding;
        bool answers = activeSince[device] != 0
            && (x.state == IProviderBond.DeviceState.Active || (leaving && clock() <= leftAt[device] + 7 days));
        if (!answers) return 0;
        uint256 left = 2_000 - usedBps[device][clock() / 30 days];
        uint256 asked = (uint256(x.bonded) * (rate < left ? rate : left) + 9_999) / 10_000;
        return asked < x.bonded ? asked : x.bonded;
    }

    function noteDeposit(bytes32 device, uint256 amount) private {
        deposited[device] += amount;
        uint256 bonded = bondedOf(device);
        if (bonded > mostBonded[device]) mostBonded[device] = bonded;
    }

    function noteSlash(bytes32 device, bytes32 id, uint256 moved, uint256 rate, uint256 time) private {
        uint256 period = time / 30 days;
        uint256 left = 2_000 - usedBps[device][period];
        if (rate > left) rate = left;
        usedBps[device][period] += rate;
        taken[device][period] += moved;
        slashes[device][period] += 1;
        uint256 cap = mostBonded[device] * 2_000 / 10_000 + slashes[device][period];
        flagUnless(taken[device][period] <= cap, "a period took more than its cap");
        offences.push(Offence(id, device, moved, rate, period, clock(), Fate.Open));
    }

    function noteReturn(Offence storage o) private {
        o.fate = Fate.Returned;
        usedBps[o.device][o.period] -= o.rate;
        taken[o.device][o.period] -= o.amount;
        uint256 bonded = bondedOf(o.device);
        if (bonded > mostBonded[o.device]) mostBonded[o.device] = bonded;
    }
}
