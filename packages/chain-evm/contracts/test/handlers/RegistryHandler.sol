// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { InsurancePool } from "../../src/InsurancePool.sol";
import { ValidatorRegistry } from "../../src/ValidatorRegistry.sol";
import { IValidatorRegistry } from "../../src/interfaces/IValidatorRegistry.sol";
import { RegistryFixture } from "../fixtures/RegistryFixture.sol";
import { Plain18 } from "../tokens/Plain18.sol";
import { Flags } from "./Flags.sol";

/// @notice Nine accounts that come, vote, contradict themselves and leave; jobs of every epoch; and books about all.
contract RegistryHandler is RegistryFixture, Flags {
    uint256 public constant ACCOUNTS = 9;

    struct Books {
        uint256 cameIn;
        uint256 wentOut;
        uint256 bonded;
        uint256 credits;
        uint256 insurance;
        uint256 rewards;
    }

    Books public books;
    bytes32[] private _jobs;
    mapping(address account => uint256) public bondedOf;
    mapping(address account => uint256) public exitAt;
    mapping(address account => uint256) public creditOf;
    mapping(bytes32 job => mapping(address validator => bytes32)) private _committed;
    mapping(bytes32 job => mapping(address validator => uint256)) public rewardedBy;
    mapping(address validator => mapping(bytes32 job => bool)) private _reported;
    /// The lists from the epochs on in which they changed.
    mapping(uint48 epoch => address[]) private _lists;
    uint48[] private _changes;
    address[] private _listed;
    mapping(string act => uint256) public done;

    constructor() {
        begin();
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            newValidator(vm.toString(i));
        }
        for (uint256 i = 0; i < 7; ++i) {
            join(i, 0);
        }
        pass(HOUR);
        fund(1e22);
    }

    function contracts() external view returns (ValidatorRegistry, InsurancePool, Plain18) {
        return (registry, pool, token);
    }

    function accountAt(uint256 i) external view returns (address) {
        return validators[i];
    }

    function jobs() external view returns (bytes32[] memory) {
        return _jobs;
    }

    function listOf(uint48 epoch) public view returns (address[] memory list) {
        for (uint256 i = _changes.length; i > 0; --i) {
            if (_changes[i - 1] <= epoch) return _lists[_changes[i - 1]];
        }
    }

    function firstEpoch() external pure returns (uint48) {
        return uint48(1_800_000_000 / HOUR) + 1;
    }

    function fund(uint256 amount) public {
        amount = bound(amount, 1, 1e22);
        if (registry.paused()) return;
        fundRewards(uint128(amount));
        books.cameIn += amount;
        books.rewards += amount;
    }

    function join(uint256 i, uint256 amount) public {
        address who = validators[i % ACCOUNTS];
        amount = bound(amount, MIN_BOND, 2 * MIN_BOND);
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(registry), amount);
        bool legal = !registry.paused() && bondedOf[who] == 0 && exitAt[who] == 0;
        bytes memory call = abi.encodeCall(registry.register, (uint128(amount)));
        if (!attempt(who, address(registry), call, legal, "joined unduly", "refused to join")) return;
        bondedOf[who] = amount;
        books.bonded += amount;
        books.cameIn += amount;
        _listed.push(who);
        _changed();
        ++done["join"];
    }

    function depart(uint256 i, uint256 chance) external {
        if (uint256(keccak256(abi.encode(chance))) % 3 != 0) return;
        address who = validators[i % ACCOUNTS];
        bool legal = bondedOf[who] != 0 && exitAt[who] == 0;
        bytes memory call = abi.encodeCall(registry.requestExit, ());
        if (!attempt(who, address(registry), call, legal, "left unduly", "refused exit")) return;
        _exit(who);
        ++done["leave"];
    }

    function withdraw(uint256 i, bool patient) external {
        address who = validators[i % ACCOUNTS];
        if (patient && exitAt[who] > clock()) vm.warp(exitAt[who]);
        bool legal = exitAt[who] != 0 && clock() >= exitAt[who];
        bytes memory call = abi.encodeCall(registry.withdraw, ());
        if (!attempt(who, address(registry), call, legal, "withdrew unduly", "refused withdrawal")) return;
        books.bonded -= bondedOf[who];
        books.wentOut += bondedOf[who];
        (bondedOf[who], exitAt[who]) = (0, 0);
        ++done["withdraw"];
    }

    function openJob(uint256 reward) external {
        uint48 epoch = registry.currentEpoch();
        bytes32 job = keccak256(abi.encode("job", _jobs.length));
        reward = bound(reward, 0, registry.totals().rewardPool / 3 + 1);
        bytes memory seed = abi.encodeCall(registry.commitSeed, (epoch, keccak256(abi.encode(SEED))));
        attempt(operator, address(registry), seed, true, "", "");
        bool legal = !registry.paused() && listOf(epoch).length >= 5 && reward <= registry.totals().rewardPool;
        bytes memory call = abi.encodeCall(registry.openJob, (job, uint128(reward)));
        if (!attempt(operator, address(registry), call, legal, "opened unduly", "refused job")) return;
        _jobs.push(job);
        vm.roll(registry.jobOf(job).openedBlock + 1);
        registry.fixEntropy(job);
        ++done["openJob"];
    }

    /// @notice All drawn validators commit, some of them to something else.
    function vote(uint256 j, uint256 chance) external {
        if (_jobs.length == 0) return;
        bytes32 job = _jobs[_jobs.length - 1 - j % (_jobs.length < 3 ? _jobs.length : 3)];
        uint48 epoch = registry.jobOf(job).epoch;
        address[] memory drawn = registry.drawnOf(job, SEED);
        for (uint256 i = 0; i < drawn.length; ++i) {
            bytes32 verdict = uint256(keccak256(abi.encode(chance, i))) % 4 == 0 ? BAD : GOOD;
            bytes memory call =
                abi.encodeCall(registry.commitVote, (job, registry.commitmentOf(job, drawn[i], verdict, "salt")));
            bool legal = registry.currentEpoch() <= epoch + 1 && _committed[job][drawn[i]] == 0;
            if (!attempt(drawn[i], address(registry), call, legal, "committed unduly", "refused vote")) continue;
            _committed[job][drawn[i]] = verdict;
            ++done["vote"];
        }
    }

    /// @notice Reveals the seed and all votes of a job, once more also what is revealed, and late also what is over.
    function reveal(uint256 j, bool patient) external {
        if (_jobs.length == 0) return;
        bytes32 job = _jobs[_jobs.length - 1 - j % (_jobs.length < 3 ? _jobs.length : 3)];
        uint48 epoch = registry.jobOf(job).epoch;
        if (patient && registry.currentEpoch() < epoch + 2) vm.warp(uint256(epoch + 2) * HOUR);
        bytes memory call = abi.encodeCall(registry.revealSeed, (epoch, SEED));
        bool legal = registry.currentEpoch() == epoch + 2 && registry.seedOf(epoch) == 0;
        attempt(address(this), address(registry), call, legal, "revealed a seed unduly", "refused seed");
        address[] memory drawn = registry.drawnOf(job, SEED);
        for (uint256 draw = 0; draw < 5; ++draw) {
            _reveal(job, epoch, draw, drawn[draw]);
        }
    }

    function close(uint256 j) external {
        if (_jobs.length == 0) return;
        bytes32 job = _jobs[j % _jobs.length];
        IValidatorRegistry.Job memory before = registry.jobOf(job);
        bool legal = !before.closed && registry.currentEpoch() > before.epoch + 3;
        bytes memory call = abi.encodeCall(registry.closeJob, (job));
        if (attempt(address(this), address(registry), call, legal, "closed unduly", "refused to close")) {
            ++done["close"];
        }
    }

    function shareFinding(uint256 j, uint256 amount) external {
        if (_jobs.length == 0) return;
        bytes32 job = _jobs[j % _jobs.length];
        IValidatorRegistry.Job memory judged = registry.jobOf(job);
        amount = bound(amount, 15, 1e18);
        bool legal =
            judged.verdict != 0 && registry.currentEpoch() > judged.epoch + 3 && amount <= registry.totals().rewardPool;
        bytes memory call = abi.encodeCall(registry.shareFinding, (job, uint128(amount)));
        if (!attempt(operator, address(registry), call, legal, "shared unduly", "refused to share")) return;
        address[] memory finders = registry.votersFor(job, judged.verdict);
        for (uint256 i = 0; i < finders.length; ++i) {
            _credit(finders[i], amount / finders.length);
        }
        ++done["shareFinding"];
    }

    /// @notice Finder's shares that arrive at the bond.
    function collect(uint256 amount) external {
        amount = bound(amount, 1, 1e20);
        token.mint(address(bond), amount);
        registry.collectFinderShares();
        books.cameIn += amount;
        books.rewards += amount;
    }

    /// @notice Two verdicts or twice the same, of one validator or of two.
    function report(uint256 i, uint256 j, uint256 job_, bool same, bool foreign) external {
        address who = validators[i % ACCOUNTS];
        address other = foreign ? validators[j % ACCOUNTS] : who;
        bytes32 job = bytes32(job_ % 16 + 1);
        bool legal = !same && other == who && bondedOf[who] != 0 && !_reported[who][job];
        if (!_report(who, other, job, same ? GOOD : BAD, legal)) return;
        _reported[who][job] = true;
        uint256 cut = (bondedOf[who] + 1) / 2;
        bondedOf[who] -= cut;
        books.bonded -= cut;
        books.insurance += cut - cut / 5;
        books.rewards += cut / 5;
        _credit(address(this), cut / 5);
        if (exitAt[who] == 0 && bondedOf[who] < MIN_BOND) _exit(who);
        ++done["report"];
    }

    function claim(uint256 i, uint256 chance) external {
        address who = i % 4 == 0 ? address(this) : validators[i % ACCOUNTS];
        _pauseSometimes(chance);
        uint256 due = creditOf[who];
        uint256 before = token.balanceOf(who);
        bytes memory call = abi.encodeCall(registry.claimCredit, ());
        if (!attempt(who, address(registry), call, due != 0, "claimed unduly", "refused claim")) return;
        flagUnless(token.balanceOf(who) == before + due, "claimed another amount");
        creditOf[who] = 0;
        books.credits -= due;
        books.wentOut += due;
        ++done["claim"];
    }

    function sendToInsurance() external {
        bytes memory call = abi.encodeCall(registry.sendToInsurance, ());
        bool legal = books.insurance != 0;
        if (!attempt(address(this), address(registry), call, legal, "sent unduly", "refused to send")) return;
        books.wentOut += books.insurance;
        books.insurance = 0;
        ++done["sendToInsurance"];
    }

    function pass(uint256 time) public {
        skip(bound(time, 1, HOUR));
        if (!registry.paused()) return;
        vm.prank(pauser);
        registry.unpause();
    }

    function _reveal(bytes32 job, uint48 epoch, uint256 draw, address who) private {
        IValidatorRegistry.Job memory before = registry.jobOf(job);
        bytes32 said = _committed[job][who] == 0 ? GOOD : _committed[job][who];
        if (!_tryReveal(job, epoch, draw, who, said)) return;
        _committed[job][who] = "revealed";
        ++done["reveal"];
        bytes32 decided = registry.jobOf(job).verdict;
        flagUnless(before.verdict == 0 || decided == before.verdict, "changed a verdict");
        if (decided != said) return;
        address[] memory voters = registry.votersFor(job, said);
        // The vote that decides pays all before it.
        for (uint256 i = before.verdict == 0 ? 0 : voters.length - 1; i < voters.length; ++i) {
            _credit(voters[i], before.share);
            ++rewardedBy[job][voters[i]];
        }
    }

    function _report(address who, address other, bytes32 job, bytes32 second, bool legal) private returns (bool) {
        bytes memory signatureA = signVerdict(who, job, GOOD);
        bytes memory signatureB = signVerdict(other, job, second);
        bytes memory call = abi.encodeCall(registry.report, (who, job, GOOD, signatureA, second, signatureB));
        return attempt(address(this), address(registry), call, legal, "cut unduly", "refused report");
    }

    function _tryReveal(bytes32 job, uint48 epoch, uint256 draw, address who, bytes32 said) private returns (bool) {
        bytes memory signature = signVerdict(who, job, said);
        bytes memory call = abi.encodeCall(registry.revealVote, (job, draw, said, "salt", signature));
        bool legal = _isRevealable(_committed[job][who], epoch);
        return attempt(address(this), address(registry), call, legal, "revealed unduly", "refused reveal");
    }

    function _isRevealable(bytes32 verdict, uint48 epoch) private view returns (bool) {
        uint48 current = registry.currentEpoch();
        return verdict != 0 && verdict != "revealed" && registry.seedOf(epoch) != 0 && current >= epoch + 2
            && current <= epoch + 3;
    }

    function _credit(address who, uint256 amount) private {
        creditOf[who] += amount;
        books.credits += amount;
        books.rewards -= amount;
    }

    function _exit(address who) private {
        exitAt[who] = clock() + 7 days;
        for (uint256 i = 0; i < _listed.length; ++i) {
            if (_listed[i] != who) continue;
            _listed[i] = _listed[_listed.length - 1];
            _listed.pop();
        }
        _changed();
    }

    function _changed() private {
        uint48 next = registry.currentEpoch() + 1;
        if (_changes.length == 0 || _changes[_changes.length - 1] != next) _changes.push(next);
        _lists[next] = _listed;
    }

    function _pauseSometimes(uint256 chance) private {
        if (uint256(keccak256(abi.encode(chance))) % 12 != 0 || registry.paused()) return;
        vm.prank(pauser);
        registry.pause();
    }
}
