// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import { Roles } from "../Roles.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";

/// @title Epochs, and the terms by which each of them is divided
abstract contract SettlementTerms is ISettlement, Roles {
    using Checkpoints for Checkpoints.Trace208;

    /// @dev What every division needs, in one slot; signer and shares are kept beside under the same `fromEpoch`.
    struct Head {
        uint48 fromEpoch;
        uint16 providerBps;
        uint8 shares;
        address treasury;
    }

    bytes32 public constant CURATOR = "curator";
    uint256 public constant MAX_SHARES = 8;
    /// @notice How much later than possible terms may begin. Nothing can be published before terms that are published, so
    /// without a limit one call could keep a lost voucher signer for ever.
    uint48 public constant MAX_TERMS_AHEAD = 30 days;
    uint256 internal constant BPS = 10_000;

    /// @notice Length of an epoch in seconds.
    uint48 public immutable epochLength;

    Head private _newest;
    /// @dev fromEpoch → fromEpoch, to find the terms of an earlier epoch.
    Checkpoints.Trace208 private _beginnings;
    mapping(uint48 fromEpoch => Head) private _heads;
    mapping(uint48 fromEpoch => address) private _signers;
    mapping(uint48 fromEpoch => Share[]) private _shares;

    constructor(uint48 epochLength_, Terms memory first) {
        if (epochLength_ < 1 minutes || epochLength_ > 366 days) revert BadSettlementConfig();
        epochLength = epochLength_;
        if (first.fromEpoch != 0) revert BadTerms();
        _append(first);
    }

    /// @inheritdoc ISettlement
    function appendTerms(Terms calldata terms) external onlyRole(CURATOR) {
        // The first epoch that begins after everyone had `roleDelay` to look at them.
        uint48 earliest = (_now() + roleDelay) / epochLength + 1;
        uint48 latest = earliest + MAX_TERMS_AHEAD / epochLength;
        if (earliest <= _newest.fromEpoch) earliest = _newest.fromEpoch + 1;
        if (terms.fromEpoch < earliest) revert TermsTooEarly(terms.fromEpoch, earliest);
        if (terms.fromEpoch > latest) revert TermsTooLate(terms.fromEpoch, latest);
        _append(terms);
    }

    /// @inheritdoc ISettlement
    function termsAt(uint48 epoch) external view returns (Terms memory) {
        Head memory head = _headOf(epoch);
        return Terms({
            fromEpoch: head.fromEpoch,
            providerBps: head.providerBps,
            treasury: head.treasury,
            voucherSigner: _signers[head.fromEpoch],
            shares: _shares[head.fromEpoch]
        });
    }

    /// @inheritdoc ISettlement
    function currentEpoch() public view returns (uint48) {
        return _now() / epochLength;
    }

    function _headOf(uint48 epoch) internal view returns (Head memory head) {
        head = _newest;
        if (epoch < head.fromEpoch) head = _heads[uint48(_beginnings.upperLookupRecent(epoch))];
    }

    function _signerOf(Head memory head) internal view returns (address) {
        return _signers[head.fromEpoch];
    }

    function _sharesOf(Head memory head) internal view returns (Share[] storage) {
        return _shares[head.fromEpoch];
    }

    function _append(Terms memory terms) private {
        if (terms.treasury == address(0)) revert ZeroAddress();
        if (terms.shares.length > MAX_SHARES) revert BadTerms();
        uint256 sum = terms.providerBps;
        for (uint256 i = 0; i < terms.shares.length; ++i) {
            if (terms.shares[i].party == address(0)) revert ZeroAddress();
            if (terms.shares[i].bps == 0) revert BadTerms();
            sum += terms.shares[i].bps;
            _shares[terms.fromEpoch].push(terms.shares[i]);
        }
        if (sum > BPS) revert BadTerms();
        // At most MAX_SHARES, so it fits.
        _newest = Head(terms.fromEpoch, terms.providerBps, uint8(terms.shares.length), terms.treasury);
        _heads[terms.fromEpoch] = _newest;
        _signers[terms.fromEpoch] = terms.voucherSigner;
        _beginnings.push(terms.fromEpoch, terms.fromEpoch);
        emit TermsAppended(terms.fromEpoch, terms.providerBps, terms.treasury, terms.voucherSigner, terms.shares);
    }
}
