// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { Roles } from "./Roles.sol";
import { ISettlement } from "./interfaces/ISettlement.sol";
import { ExactTransfer } from "./libraries/ExactTransfer.sol";
import { PackedEntries } from "./libraries/PackedEntries.sol";
import { SettlementEpochs } from "./settlement/SettlementEpochs.sol";
import { SettlementFunds } from "./settlement/SettlementFunds.sol";
import { SettlementTerms } from "./settlement/SettlementTerms.sol";

/// @title What buyers paid, divided and paid out
/// @notice See `ISettlement`. Read in this order: SettlementTerms (who gets which part), SettlementFunds (the buckets),
/// SettlementEpochs (roots and batches), and here the requests, the vouchers and the direct payments.
contract Settlement is SettlementEpochs, EIP712 {
    using SafeERC20 for IERC20;
    using ExactTransfer for IERC20;
    using PackedEntries for bytes;

    /// @notice The addresses that a deployment begins with.
    struct Holders {
        address governor;
        address pauser;
        address curator;
        address funder;
        address operator;
        address challenger;
    }

    bytes32 public constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address provider,address token,uint48 epoch,uint128 cumulative)");

    /// @notice Most entries of a batch.
    uint256 public constant MAX_BATCH = PackedEntries.MAX_BATCH;

    /// @notice Epochs after its own in which a voucher can be redeemed.
    uint32 public immutable voucherEpochs;

    mapping(bytes32 requestId => bool) private _settled;
    mapping(bytes32 batchId => bool) private _paid;
    mapping(address provider => mapping(address token => mapping(uint48 epoch => uint128))) private _redeemed;

    constructor(uint48 roleDelay_, Holders memory holders, SettlementConfig memory config, Terms memory terms)
        Roles(roleDelay_, holders.governor, holders.pauser)
        SettlementTerms(config.epochLength, terms)
        SettlementFunds(config.unfundDelay, holders.funder)
        SettlementEpochs(config.challengeDelay, holders.operator, holders.challenger)
        EIP712("Guildhall Settlement", "1")
    {
        if (config.voucherEpochs == 0) revert BadSettlementConfig();
        voucherEpochs = config.voucherEpochs;
        _grantFirst(CURATOR, holders.curator);
        _checkApart();
    }

    /// @inheritdoc ISettlement
    function settle(address provider, address token, uint128 amount, bytes32 requestId)
        external
        onlyRole(OPERATOR)
        whenNotPaused
    {
        _useRequest(requestId);
        _takeFunded(token, amount);
        Head memory head = _headOf(currentEpoch());
        uint128 providerShare = _part(amount, head.providerBps);
        _credit(head, token, provider, amount, providerShare);
        emit Settled(requestId, provider, token, amount, providerShare);
    }

    /// @inheritdoc ISettlement
    function settleFrom(address payer, address provider, address token, uint128 amount, bytes32 requestId)
        external
        nonReentrant
        onlyRole(OPERATOR)
        whenNotPaused
    {
        if (amount == 0) revert ZeroAmount();
        _useRequest(requestId);
        _books[token].held += amount;
        Head memory head = _headOf(currentEpoch());
        uint128 providerShare = _part(amount, head.providerBps);
        _credit(head, token, provider, amount, providerShare);
        emit SettledFrom(requestId, provider, token, payer, amount, providerShare);
        IERC20(token).takeExactly(payer, amount);
    }

    /// @inheritdoc ISettlement
    function redeem(Voucher calldata voucher, bytes calldata signature) external returns (uint128 amount) {
        (address provider, address token, uint48 epoch) = (voucher.provider, voucher.token, voucher.epoch);
        Head memory head = _checkVoucher(voucher, signature);
        uint128 before = _redeemed[provider][token][epoch];
        if (voucher.cumulative <= before) revert NothingToRedeem(voucher.cumulative, before);
        amount = voucher.cumulative - before;
        uint128 funded = _books[token].funded;
        if (funded == 0) revert NotEnoughFunded(amount, 0);
        if (amount > funded) amount = funded;
        _takeFunded(token, amount);
        uint128 redeemed = before + amount;
        _redeemed[provider][token][epoch] = redeemed;
        // Rounded once over the whole epoch: redeeming in small steps neither gains nor loses.
        uint128 providerShare = _part(redeemed, head.providerBps) - _part(before, head.providerBps);
        _credit(head, token, provider, amount, providerShare);
        emit VoucherRedeemed(provider, token, epoch, amount, providerShare, redeemed);
    }

    /// @inheritdoc ISettlement
    function payMany(address token, bytes32 batchId, bytes calldata packed)
        external
        nonReentrant
        onlyRole(OPERATOR)
        whenNotPaused
    {
        if (_paid[batchId]) revert AlreadyPaid(batchId);
        _paid[batchId] = true;
        uint256 count = packed.countEntries();
        uint128 sum = 0;
        for (uint256 i = 0; i < count; ++i) {
            (, uint96 amount) = packed.entryAt(i);
            sum += amount;
        }
        _takeFunded(token, sum);
        _books[token].held -= sum;

        uint128 credited = 0;
        for (uint256 i = 0; i < count; ++i) {
            (address account, uint96 amount) = packed.entryAt(i);
            if (IERC20(token).trySafeTransfer(account, amount)) continue;
            credited += amount;
            _books[token].held += amount;
            _owed[token][account] += amount;
            emit PayoutCredited(token, batchId, account, amount);
        }
        emit ManyPaid(token, batchId, sum - credited, credited, packed);
    }

    /// @inheritdoc ISettlement
    function isSettled(bytes32 requestId) external view returns (bool) {
        return _settled[requestId];
    }

    /// @inheritdoc ISettlement
    function isPaid(bytes32 batchId) external view returns (bool) {
        return _paid[batchId];
    }

    /// @inheritdoc ISettlement
    function redeemedOf(address provider, address token, uint48 epoch) external view returns (uint128) {
        return _redeemed[provider][token][epoch];
    }

    /// @inheritdoc ISettlement
    function digestOf(Voucher calldata voucher) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(VOUCHER_TYPEHASH, voucher.provider, voucher.token, voucher.epoch, voucher.cumulative))
        );
    }

    function _useRequest(bytes32 requestId) private {
        if (_settled[requestId]) revert AlreadySettled(requestId);
        _settled[requestId] = true;
    }

    function _checkVoucher(Voucher calldata voucher, bytes calldata signature) private view returns (Head memory head) {
        uint48 current = currentEpoch();
        if (voucher.epoch > current) revert EpochNotOver(voucher.epoch, current);
        uint48 last = voucher.epoch + voucherEpochs;
        if (current > last) revert VoucherExpired(voucher.epoch, last);
        head = _headOf(voucher.epoch);
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digestOf(voucher), signature);
        if (problem != ECDSA.RecoverError.NoError || signer != _signerOf(head)) revert InvalidVoucher();
    }
}
