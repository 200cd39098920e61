// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { Blocking } from "../tokens/Blocking.sol";
import { SettlementHandler } from "./SettlementHandler.sol";

/// @notice Adds epochs: roots that promise less, as much or more than they bring, and batches that add up or do not.
contract SettlementEpochHandler is SettlementHandler {
    struct Epoch {
        bool waiting;
        bool isRoot;
        bool fits;
        uint48 number;
        uint48 last;
        uint48 appliesAt;
        uint256 gross;
        uint256 boost;
        bytes packed;
        uint128[4] parts;
    }

    Epoch[2] private _epochs;
    /// What the proposed, the applied and the applied root before it say of each provider.
    mapping(uint256 token => mapping(uint256 who => uint128[3])) private _cumulative;
    mapping(uint256 token => mapping(address account => uint256)) public rootClaimed;
    mapping(uint256 token => mapping(address account => uint256)) public rootPromised;
    mapping(uint256 token => mapping(uint48 epoch => uint256)) public timesApplied;

    function propose(uint256 t, uint256 gross, uint256 boost, uint256[4] memory seeds, uint256 kind) external {
        t %= 2;
        gross = bound(gross, 0, _books[t].funded + _books[t].funded / 20 + 1);
        boost = bound(boost, 0, _books[t].boost / 2 + 1);
        if (!_oneIn(4, gross)) gross /= 20;
        if (_oneIn(2, kind)) skip(HOUR);
        uint48 number = settlement.currentEpoch() - (_oneIn(9, kind) ? 0 : 1);
        if (_oneIn(10, kind)) number = _epochs[t].last;
        uint256 providers = gross * settlement.termsAt(number).providerBps / 10_000 + boost;
        bytes32 commitment = kind % 2 == 0 ? _root(t, providers, seeds) : _batch(t, providers, seeds);
        if (!_propose(t, kind % 2 == 0, number, commitment, gross, boost)) return;
        Epoch storage e = _epochs[t];
        e.waiting = true;
        e.isRoot = kind % 2 == 0;
        e.number = number;
        e.gross = gross;
        e.boost = boost;
        e.appliesAt = clock() + CHALLENGE;
        _books[t].funded -= gross;
        _books[t].boost -= boost;
        _books[t].pending += gross + boost;
        ++done["propose"];
    }

    function cancel(uint256 t, uint256 chance, bool byOperator) external {
        // Most are applied.
        if (!_oneIn(4, chance)) return;
        t %= 2;
        Epoch storage e = _epochs[t];
        bytes memory call = abi.encodeCall(settlement.cancelEpoch, (address(tokens[t]), e.number));
        bool legal = e.waiting && (!byOperator || clock() >= e.appliesAt + 7 days);
        address who = byOperator ? operator : challenger;
        if (!attempt(who, address(settlement), call, legal, "cancelled unduly", "refused cancel")) return;
        e.waiting = false;
        _books[t].funded += e.gross;
        _books[t].boost += e.boost;
        _books[t].pending -= e.gross + e.boost;
        ++done["cancel"];
    }

    function applyEpoch(uint256 t, uint256 chance) external {
        t %= 2;
        Epoch storage e = _epochs[t];
        if (!_oneIn(4, chance) && e.waiting && e.appliesAt > clock()) vm.warp(e.appliesAt);
        _pauseSometimes(chance);
        bool legal = e.waiting && clock() >= e.appliesAt && (e.isRoot || e.fits);
        bytes memory call = e.isRoot
            ? abi.encodeCall(settlement.applyRoot, (address(tokens[t]), e.number))
            : abi.encodeCall(settlement.applyBatch, (address(tokens[t]), e.number, e.packed));
        if (!attempt(address(this), address(settlement), call, legal, "applied unduly", "refused to apply")) return;
        e.waiting = false;
        e.last = e.number;
        ++timesApplied[t][e.number];
        flagUnless(timesApplied[t][e.number] == 1, "applied twice");
        _books[t].pending -= e.gross + e.boost;
        ISettlement.Terms memory inForce = settlement.termsAt(e.number);
        uint256 providers = e.gross * inForce.providerBps / 10_000 + e.boost;
        if (e.isRoot) _appliedRoot(t, providers);
        else providers = _appliedBatch(t);
        _others(t, e.gross, e.gross + e.boost - providers, inForce);
        ++done[e.isRoot ? "applyRoot" : "applyBatch"];
    }

    /// @notice Claims of the root in force, of the one before it, or of the one that still waits.
    function claimRoot(uint256 t, uint256 who, uint256 which, uint256 chance) external {
        t %= 2;
        who %= 4;
        which = _oneIn(8, which) ? 0 : _oneIn(8, chance) ? 2 : 1;
        _pauseSometimes(chance);
        address account = accounts[who];
        uint128 said = _cumulative[t][who][which];
        uint256 before = rootClaimed[t][account];
        uint256 due = said > before ? said - before : 0;
        uint256 there = _books[t].vaultIn - _books[t].vaultOut;
        if (due > there) due = there;
        bytes32[] memory proof = _proofOf(t, who, which);
        // Two roots can say the same of everyone.
        bool legal = vault.rootOf(address(tokens[t])) == _rootOf(t, which)
            && (due == 0 || tokens[t].wayOf(account) == Blocking.Way.None);
        bytes memory call = abi.encodeCall(vault.claim, (address(tokens[t]), account, said, proof));
        if (!attempt(address(this), address(vault), call, legal, "claimed of no root", "refused root claim")) return;
        rootClaimed[t][account] += due;
        _books[t].vaultOut += due;
        (, bytes memory again) = address(vault).call(call);
        flagUnless(abi.decode(again, (uint256)) == 0, "root claimed twice");
        if (due > 0) ++done["claimRoot"];
    }

    function _propose(uint256 t, bool isRoot, uint48 number, bytes32 commitment, uint256 gross, uint256 boost)
        private
        returns (bool)
    {
        bool legal = !_epochs[t].waiting && number < settlement.currentEpoch() && number > _epochs[t].last
            && gross + boost != 0 && gross <= _books[t].funded && boost <= _books[t].boost;
        ISettlement.EpochKind kind = isRoot ? ISettlement.EpochKind.Root : ISettlement.EpochKind.Batch;
        bytes memory call = abi.encodeCall(
            settlement.proposeEpoch, (address(tokens[t]), number, kind, commitment, uint96(gross), uint88(boost))
        );
        return attempt(operator, address(settlement), call, legal, "proposed unduly", "refused epoch");
    }

    function _appliedRoot(uint256 t, uint256 providers) private {
        _books[t].wentOut += providers;
        _books[t].vaultIn += providers;
        for (uint256 who = 0; who < 4; ++who) {
            uint128[3] storage c = _cumulative[t][who];
            (c[1], c[2]) = (c[0], c[1]);
            if (c[1] > rootPromised[t][accounts[who]]) rootPromised[t][accounts[who]] = c[1];
        }
    }

    function _appliedBatch(uint256 t) private returns (uint256 sum) {
        for (uint256 who = 0; who < 4; ++who) {
            uint128 part = _epochs[t].parts[who];
            sum += part;
            _owe(t, accounts[who], part);
        }
    }

    /// @dev Mostly what the epoch brings, sometimes twice as much; only remembered when the proposal goes through.
    function _root(uint256 t, uint256 providers, uint256[4] memory seeds) private returns (bytes32) {
        if (_epochs[t].waiting) return bytes32(seeds[0]);
        for (uint256 who = 0; who < 4; ++who) {
            uint256 most = providers / 4 * (_oneIn(6, seeds[0]) ? 2 : 1);
            _cumulative[t][who][0] = _cumulative[t][who][1] + uint128(bound(seeds[who], 0, most));
        }
        return _rootOf(t, 0);
    }

    function _batch(uint256 t, uint256 providers, uint256[4] memory seeds) private returns (bytes32) {
        Epoch storage e = _epochs[t];
        if (e.waiting) return bytes32(seeds[0]);
        uint256 left = providers;
        for (uint256 who = 0; who < 3; ++who) {
            e.parts[who] = uint128(bound(seeds[who], 0, left / 2));
            left -= e.parts[who];
        }
        e.parts[3] = uint128(left);
        // A rest that is allowed, one that is not, or one unit too much.
        if (_oneIn(2, seeds[3]) && left > 3) e.parts[3] -= uint128(seeds[3] % 4);
        else if (_oneIn(8, seeds[3]) && left > 4) e.parts[3] -= 4;
        else if (_oneIn(9, seeds[3])) e.parts[3] += 1;
        uint256 sum = 0;
        uint256 count = 0;
        e.packed = "";
        for (uint256 who = 0; who < 4; ++who) {
            if (e.parts[who] == 0) continue;
            sum += e.parts[who];
            ++count;
            e.packed = bytes.concat(e.packed, entry(accounts[who], uint96(e.parts[who])));
        }
        e.fits = sum <= providers && providers - sum < count;
        return keccak256(e.packed);
    }

    function _leaves(uint256 t, uint256 which) private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](4);
        for (uint256 who = 0; who < 4; ++who) {
            leaves[who] = vault.leafOf(address(tokens[t]), accounts[who], _cumulative[t][who][which]);
        }
    }

    function _rootOf(uint256 t, uint256 which) private view returns (bytes32 root) {
        (root,) = treeOf(_leaves(t, which), 0);
    }

    function _proofOf(uint256 t, uint256 who, uint256 which) private view returns (bytes32[] memory proof) {
        (, proof) = treeOf(_leaves(t, which), who);
    }
}
