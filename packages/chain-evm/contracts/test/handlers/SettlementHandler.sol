// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { IRootVault } from "../../src/interfaces/IRootVault.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Blocking } from "../tokens/Blocking.sol";
import { Flags } from "./Flags.sol";

/// @notice Funds, requests, vouchers and direct payments in two tokens, by anybody at any time, and books of its own.
contract SettlementHandler is SettlementFixture, Flags {
    /// @dev What the handler says of one token.
    struct Books {
        uint256 funded;
        uint256 boost;
        uint256 pending;
        uint256 owed;
        uint256 cameIn;
        uint256 wentOut;
        uint256 donated;
        uint256 vaultIn;
        uint256 vaultOut;
    }

    Settlement public settlement;
    IRootVault public vault;
    Blocking[2] public tokens;
    /// Four providers, a party of the terms, the treasury.
    address[6] public accounts;
    Books[2] internal _books;
    mapping(uint256 token => mapping(address account => uint256)) public owedTo;
    mapping(uint256 token => mapping(address provider => mapping(uint48 epoch => uint128))) public redeemed;
    mapping(uint256 token => mapping(address provider => mapping(uint48 epoch => uint128))) public signed;
    mapping(bytes32 id => bool) public settled;
    mapping(bytes32 id => bool) public paid;
    /// How often each act went through, to see that none is idle.
    mapping(string act => uint256) public done;
    uint48 private _unfundFrom;
    uint128[2] private _unfund;

    constructor() {
        begin();
        accounts = [makeAddr("a"), makeAddr("b"), makeAddr("c"), makeAddr("d"), makeAddr("party"), treasury];
        settlement = new Settlement(ROLE_DELAY, holders(), config(), termsWith(0, 8_500, accounts[4], 1_200));
        vault = settlement.rootVault();
        tokens = [new Blocking(), new Blocking()];
        for (uint256 t = 0; t < 2; ++t) {
            fund(t, 1e22, false);
            fund(t, 1e20, true);
        }
    }

    function books(uint256 t) external view returns (Books memory) {
        return _books[t];
    }

    function fund(uint256 t, uint256 amount, bool boost) public {
        amount = bound(amount, 1, 1e24);
        t %= 2;
        tokens[t].mint(address(this), amount);
        tokens[t].approve(address(settlement), amount);
        bytes memory call = boost
            ? abi.encodeCall(settlement.fundBoost, (address(tokens[t]), uint128(amount)))
            : abi.encodeCall(settlement.fund, (address(tokens[t]), uint128(amount)));
        bool legal = !settlement.paused();
        if (!attempt(address(this), address(settlement), call, legal, "came in while paused", "refused funds")) return;
        _books[t].cameIn += amount;
        if (boost) _books[t].boost += amount;
        else _books[t].funded += amount;
        ++done["fund"];
    }

    /// @notice Tokens that nobody announced, to the settlement or to the vault.
    function donate(uint256 t, uint256 amount, bool toVault) external {
        t %= 2;
        amount = bound(amount, 1, 1e18);
        tokens[t].mint(toVault ? address(vault) : address(settlement), amount);
        if (toVault) _books[t].vaultIn += amount;
        else _books[t].donated += amount;
    }

    function unfund(uint256 funded, uint256 boost, uint256 chance) external {
        if (_unfundFrom == 0 || _oneIn(4, chance)) {
            _announce(bound(funded, 1, 1e23), bound(boost, 0, 1e22));
        }
        if (_oneIn(3, chance) && _unfundFrom > clock()) vm.warp(_unfundFrom);
        Books storage b = _books[0];
        funded = b.funded < _unfund[0] ? b.funded : _unfund[0];
        boost = b.boost < _unfund[1] ? b.boost : _unfund[1];
        bool legal = _unfundFrom != 0 && clock() >= _unfundFrom && clock() < _unfundFrom + UNFUND && funded + boost != 0;
        bytes memory call = abi.encodeCall(settlement.unfund, (address(tokens[0])));
        if (!attempt(funder, address(settlement), call, legal, "left unannounced", "refused unfund")) return;
        _unfundFrom = 0;
        b.funded -= funded;
        b.boost -= boost;
        b.wentOut += funded + boost;
        ++done["unfund"];
    }

    function settle(uint256 t, uint256 who, uint256 amount, uint256 id, bool pulled) external {
        t %= 2;
        who %= 4;
        bytes32 requestId = keccak256(abi.encode(id % 512));
        Books storage b = _books[t];
        amount = bound(amount, 0, pulled ? 1e20 : b.funded + b.funded / 20 + 1);
        if (!pulled && !_oneIn(4, id)) amount /= 50;
        bool legal = !settlement.paused() && !settled[requestId] && amount != 0 && (pulled || amount <= b.funded);
        bytes memory call;
        if (pulled) {
            tokens[t].mint(address(this), amount);
            tokens[t].approve(address(settlement), amount);
            call = abi.encodeCall(
                settlement.settleFrom, (address(this), accounts[who], address(tokens[t]), uint128(amount), requestId)
            );
        } else {
            call = abi.encodeCall(settlement.settle, (accounts[who], address(tokens[t]), uint128(amount), requestId));
        }
        if (!attempt(operator, address(settlement), call, legal, "settled unduly", "refused request")) return;
        settled[requestId] = true;
        if (pulled) b.cameIn += amount;
        else b.funded -= amount;
        ISettlement.Terms memory inForce = settlement.termsAt(settlement.currentEpoch());
        _divide(t, accounts[who], amount, amount * inForce.providerBps / 10_000, inForce);
        ++done[pulled ? "settleFrom" : "settle"];
    }

    function redeem(uint256 t, uint256 who, uint256 back, uint256 more, uint256 chance) external {
        t %= 2;
        address provider = accounts[who % 4];
        uint48 epoch = settlement.currentEpoch() - uint48(back % (VOUCHER_EPOCHS + 3));
        signed[t][provider][epoch] += uint128(bound(more, 0, _books[t].funded / 8 + 2));
        _pauseSometimes(chance);
        uint256 before = redeemed[t][provider][epoch];
        uint256 amount = signed[t][provider][epoch] - before;
        bool legal = amount != 0 && _books[t].funded != 0 && settlement.currentEpoch() <= epoch + VOUCHER_EPOCHS;
        if (!_redeem(t, provider, epoch, legal)) return;
        if (amount > _books[t].funded) amount = _books[t].funded;
        redeemed[t][provider][epoch] = uint128(before + amount);
        flagUnless(
            settlement.redeemedOf(provider, address(tokens[t]), epoch) == before + amount, "redeemed another amount"
        );
        _books[t].funded -= amount;
        ISettlement.Terms memory inForce = settlement.termsAt(epoch);
        uint256 part = (before + amount) * inForce.providerBps / 10_000 - before * inForce.providerBps / 10_000;
        _divide(t, provider, amount, part, inForce);
        ++done["redeem"];
    }

    function claim(uint256 t, uint256 who, uint256 chance) external {
        t %= 2;
        address account = accounts[who % 6];
        _pauseSometimes(chance);
        uint256 due = owedTo[t][account];
        uint256 before = tokens[t].balanceOf(account);
        bool legal = due == 0 || tokens[t].wayOf(account) == Blocking.Way.None;
        bytes memory call = abi.encodeCall(settlement.claimFor, (account, address(tokens[t])));
        if (!attempt(address(this), address(settlement), call, legal, "claimed unduly", "refused claim")) return;
        flagUnless(tokens[t].balanceOf(account) == before + due, "claimed another amount");
        flagUnless(settlement.claimFor(account, address(tokens[t])) == 0, "claimed twice");
        owedTo[t][account] = 0;
        _books[t].owed -= due;
        _books[t].wentOut += due;
        if (due > 0) ++done["claim"];
    }

    function payMany(uint256 t, uint256 id, uint256 first, uint256 second, uint256 who) external {
        t %= 2;
        bytes32 batchId = keccak256(abi.encode(id % 32));
        Books storage b = _books[t];
        first = bound(first, 1, b.funded / 10 + 2);
        second = bound(second, 1, b.funded / 10 + 2);
        address[2] memory payees = [accounts[who % 4], accounts[(who / 4) % 4]];
        bytes memory packed = bytes.concat(entry(payees[0], uint96(first)), entry(payees[1], uint96(second)));
        bool legal = !settlement.paused() && !paid[batchId] && first + second <= b.funded;
        bytes memory call = abi.encodeCall(settlement.payMany, (address(tokens[t]), batchId, packed));
        if (!attempt(operator, address(settlement), call, legal, "paid unduly", "refused batch")) return;
        paid[batchId] = true;
        b.funded -= first + second;
        for (uint256 i = 0; i < 2; ++i) {
            uint256 amount = i == 0 ? first : second;
            if (tokens[t].wayOf(payees[i]) == Blocking.Way.None) b.wentOut += amount;
            else _owe(t, payees[i], amount);
        }
        ++done["payMany"];
    }

    function blockOrNot(uint256 t, uint256 who, uint256 chance) external {
        tokens[t % 2].block_(accounts[who % 4], _oneIn(3, chance) ? Blocking.Way.Reverts : Blocking.Way.None);
    }

    function pass(uint256 time, bool unpause) external {
        skip(bound(time, 1, 3 hours));
        if (!unpause || !settlement.paused()) return;
        vm.prank(pauser);
        settlement.unpause();
    }

    function appendTerms(uint256 providerBps, uint256 bps, uint256 later) external {
        uint48 earliest = (clock() + ROLE_DELAY) / HOUR + 1;
        uint48 newest = settlement.termsAt(type(uint48).max).fromEpoch;
        // At most a few tables wait, so that most of them come into force.
        if (newest > earliest + 8) return;
        uint48 from = (newest >= earliest ? newest + 1 : earliest) + uint48(later % 3);
        providerBps = bound(providerBps, 0, 9_999);
        vm.prank(curator);
        settlement.appendTerms(
            termsWith(from, uint16(providerBps), accounts[4], uint16(bound(bps, 1, 10_000 - providerBps)))
        );
    }

    function _redeem(uint256 t, address provider, uint48 epoch, bool legal) private returns (bool) {
        ISettlement.Voucher memory voucher =
            ISettlement.Voucher(provider, address(tokens[t]), epoch, signed[t][provider][epoch]);
        bytes memory call = abi.encodeCall(settlement.redeem, (voucher, signVoucher(settlement, voucher)));
        return attempt(address(this), address(settlement), call, legal, "redeemed unduly", "refused voucher");
    }

    /// @dev Numbers of a fuzzer are not spread evenly, their hashes are.
    function _oneIn(uint256 many, uint256 chance) internal pure returns (bool) {
        return uint256(keccak256(abi.encode(chance, many))) % many == 0;
    }

    function _announce(uint256 funded, uint256 boost) private {
        Books storage b = _books[0];
        bytes memory call =
            abi.encodeCall(settlement.requestUnfund, (address(tokens[0]), uint128(funded), uint128(boost)));
        (funded, boost) = (funded < b.funded ? funded : b.funded, boost < b.boost ? boost : b.boost);
        bool legal = funded + boost != 0;
        if (!attempt(funder, address(settlement), call, legal, "announced nothing", "refused announcement")) return;
        _unfund = [uint128(funded), uint128(boost)];
        _unfundFrom = clock() + UNFUND;
    }

    function _pauseSometimes(uint256 chance) internal {
        if (!_oneIn(24, chance) || settlement.paused()) return;
        vm.prank(pauser);
        settlement.pause();
    }

    /// @dev The provider's part, the party's, and the rest for the treasury.
    function _divide(uint256 t, address provider, uint256 amount, uint256 part, ISettlement.Terms memory inForce)
        internal
    {
        _owe(t, provider, part);
        _others(t, amount, amount - part, inForce);
    }

    function _others(uint256 t, uint256 amount, uint256 rest, ISettlement.Terms memory inForce) internal {
        uint256 fee = amount * inForce.shares[0].bps / 10_000;
        _owe(t, accounts[4], fee);
        _owe(t, treasury, rest - fee);
    }

    function _owe(uint256 t, address account, uint256 amount) internal {
        owedTo[t][account] += amount;
        _books[t].owed += amount;
    }
}
