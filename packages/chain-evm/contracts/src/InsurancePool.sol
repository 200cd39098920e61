// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { MerkleProof } from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import { IInsurancePool } from "./interfaces/IInsurancePool.sol";
import { ExactTransfer } from "./libraries/ExactTransfer.sol";
import { Roles } from "./Roles.sol";

/// @title InsurancePool
/// @notice See `IInsurancePool`. `claim` is the only function that sends tokens.
contract InsurancePool is IInsurancePool, Roles, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;
    using ExactTransfer for IERC20;
    using SafeERC20 for IERC20;

    bytes32 public constant ADJUSTER = "adjuster";
    bytes32 public constant CHALLENGER = "challenger";
    uint48 public constant MIN_CHALLENGE_DELAY = 1 days;
    uint48 public constant MIN_CLAIM_WINDOW = 30 days;
    uint48 public constant MAX_PERIOD = 3650 days;

    /// @inheritdoc IInsurancePool
    IERC20 public immutable token;
    uint48 public immutable epochLength;
    uint48 public immutable challengeDelay;
    uint48 public immutable claimWindow;
    uint16 public immutable epochCapBps;
    uint128 public immutable incidentCap;

    uint128 private _reserved;
    Checkpoints.Trace208 private _free;
    mapping(uint256 epoch => uint128) private _promisedInEpoch;
    mapping(bytes32 incident => uint128) private _promisedTo;
    mapping(uint256 epoch => mapping(bytes32 incident => Claims)) private _claims;
    mapping(uint256 epoch => mapping(bytes32 incident => mapping(address account => bool))) private _claimed;

    constructor(
        IERC20 token_,
        InsuranceConfig memory config,
        uint48 roleDelay_,
        address governor,
        address pauser,
        address adjuster,
        address challenger
    ) Roles(roleDelay_, governor, pauser) {
        if (
            config.epochLength < config.challengeDelay || config.epochLength > MAX_PERIOD
                || config.challengeDelay < MIN_CHALLENGE_DELAY || config.challengeDelay > MAX_PERIOD
                || config.claimWindow < MIN_CLAIM_WINDOW || config.claimWindow > MAX_PERIOD || config.epochCapBps == 0
                || config.epochCapBps > 10_000
        ) revert BadInsuranceConfig();
        token = token_;
        epochLength = config.epochLength;
        challengeDelay = config.challengeDelay;
        claimWindow = config.claimWindow;
        epochCapBps = config.epochCapBps;
        incidentCap = config.incidentCap;
        _grantFirst(ADJUSTER, adjuster);
        _grantFirst(CHALLENGER, challenger);
        _checkApart();
    }

    /// @inheritdoc IInsurancePool
    function deposit(uint128 amount) external nonReentrant whenNotPaused {
        if (amount == 0) revert ZeroAmount();
        _setFree(_freeNow() + amount);
        emit Deposited(msg.sender, amount);
        token.takeExactly(msg.sender, amount);
    }

    /// @inheritdoc IInsurancePool
    function proposeClaims(uint256 epoch, bytes32 incident, bytes32 root, uint128 total)
        external
        nonReentrant
        onlyRole(ADJUSTER)
        whenNotPaused
    {
        if (total == 0) revert ZeroAmount();
        if (epoch != currentEpoch()) revert WrongEpoch(epoch, currentEpoch());
        if (_claims[epoch][incident].payableAt != 0) revert AlreadyProposed(epoch, incident);
        if (total > _freeNow()) revert NotEnoughFree(total, _freeNow());
        if (total > epochLeft(epoch)) revert OverEpochCap(total, epochLeft(epoch));
        if (total > incidentLeft(incident)) revert OverIncidentCap(total, incidentLeft(incident));
        _promisedInEpoch[epoch] += total;
        _promisedTo[incident] += total;
        _reserved += total;
        _setFree(_freeNow() - total);
        uint48 payableAt = _now() + challengeDelay;
        _claims[epoch][incident] = Claims(root, total, total, payableAt, payableAt + claimWindow);
        emit ClaimsProposed(epoch, incident, root, total, payableAt);
    }

    /// @inheritdoc IInsurancePool
    function cancelClaims(uint256 epoch, bytes32 incident) external nonReentrant onlyRole(CHALLENGER) {
        Claims memory claims = _published(epoch, incident);
        if (_now() >= claims.payableAt) revert TooLateToCancel(claims.payableAt);
        delete _claims[epoch][incident];
        _promisedInEpoch[epoch] -= claims.total;
        _promisedTo[incident] -= claims.total;
        _reserved -= claims.total;
        _setFree(_freeNow() + claims.total);
        emit ClaimsCancelled(epoch, incident, claims.root, claims.total);
    }

    /// @inheritdoc IInsurancePool
    function claim(uint256 epoch, bytes32 incident, address account, uint128 amount, bytes32[] calldata proof)
        external
        nonReentrant
    {
        Claims memory claims = _published(epoch, incident);
        if (_now() < claims.payableAt) revert NotPayableYet(claims.payableAt);
        if (_now() >= claims.expiresAt) revert ClaimsOver(claims.expiresAt);
        if (_claimed[epoch][incident][account]) revert AlreadyClaimed(epoch, incident, account);
        if (!MerkleProof.verifyCalldata(proof, claims.root, leafOf(epoch, incident, account, amount))) {
            revert InvalidProof();
        }
        if (amount > claims.remaining) revert OverTotal(amount, claims.remaining);
        _claimed[epoch][incident][account] = true;
        _claims[epoch][incident].remaining = claims.remaining - amount;
        _reserved -= amount;
        emit ClaimPaid(epoch, incident, account, amount);
        token.safeTransfer(account, amount);
    }

    /// @inheritdoc IInsurancePool
    function expireClaims(uint256 epoch, bytes32 incident) external nonReentrant {
        Claims memory claims = _published(epoch, incident);
        if (_now() < claims.expiresAt) revert NotExpiredYet(claims.expiresAt);
        if (claims.remaining == 0) revert ZeroAmount();
        _claims[epoch][incident].remaining = 0;
        _reserved -= claims.remaining;
        _setFree(_freeNow() + claims.remaining);
        emit ClaimsExpired(epoch, incident, claims.remaining);
    }

    /// @inheritdoc IInsurancePool
    function claimsOf(uint256 epoch, bytes32 incident) external view returns (Claims memory) {
        return _claims[epoch][incident];
    }

    /// @inheritdoc IInsurancePool
    function hasClaimed(uint256 epoch, bytes32 incident, address account) external view returns (bool) {
        return _claimed[epoch][incident][account];
    }

    /// @inheritdoc IInsurancePool
    function totals() external view returns (InsuranceTotals memory) {
        return InsuranceTotals({ free: _freeNow(), reserved: _reserved });
    }

    /// @inheritdoc IInsurancePool
    function currentEpoch() public view returns (uint256) {
        return _now() / epochLength;
    }

    /// @inheritdoc IInsurancePool
    function freeAtStartOf(uint256 epoch) public view returns (uint128) {
        if (epoch == 0) return 0;
        if (epoch > currentEpoch()) return _freeNow();
        // The last second before the epoch, so that nothing that happens in the epoch moves its cap.
        return uint128(_free.upperLookupRecent(uint48(epoch * epochLength - 1)));
    }

    /// @inheritdoc IInsurancePool
    function epochLeft(uint256 epoch) public view returns (uint128) {
        return uint128(uint256(freeAtStartOf(epoch)) * epochCapBps / 10_000) - _promisedInEpoch[epoch];
    }

    /// @inheritdoc IInsurancePool
    function incidentLeft(bytes32 incident) public view returns (uint128) {
        return incidentCap - _promisedTo[incident];
    }

    /// @inheritdoc IInsurancePool
    function leafOf(uint256 epoch, bytes32 incident, address account, uint128 amount) public view returns (bytes32) {
        bytes memory leaf = abi.encode(block.chainid, address(this), epoch, incident, account, amount);
        return keccak256(bytes.concat(keccak256(leaf)));
    }

    /// @dev Who promises the money is not who can stop the promise.
    function _checkApart() internal view override {
        _requireApart(ADJUSTER, CHALLENGER);
    }

    function _setFree(uint128 free) private {
        _free.push(_now(), free);
    }

    function _freeNow() private view returns (uint128) {
        return uint128(_free.latest());
    }

    function _published(uint256 epoch, bytes32 incident) private view returns (Claims memory claims) {
        claims = _claims[epoch][incident];
        if (claims.payableAt == 0) revert NoClaims(epoch, incident);
    }
}
