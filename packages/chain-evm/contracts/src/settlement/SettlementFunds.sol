// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC3009 } from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";
import { SettlementTerms } from "./SettlementTerms.sol";

/// @title The buckets, and the ways in and out of them that all modes share
/// @dev `held` is every unit that came in and did not leave. What is in no other bucket is owed: so a credit need not
/// write a sum.
abstract contract SettlementFunds is SettlementTerms, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @dev All that is kept of a token, so that each act touches as few slots as it can.
    struct Book {
        uint128 funded;
        uint128 boostPool;
        uint128 held;
        /// The last epoch that was applied.
        uint32 lastEpoch;
        Waiting waiting;
        bytes32 commitment;
    }

    /// @dev All of a proposal but its commitment.
    struct Waiting {
        uint96 gross;
        uint88 boost;
        uint32 epoch;
        uint32 appliesAt;
        EpochKind kind;
    }

    bytes32 public constant FUNDER = "funder";
    uint48 public constant MIN_UNFUND_DELAY = 2 days;
    uint48 public constant MAX_DELAY = 366 days;

    /// @notice Seconds between the request for unspent funds and the first second in which they can leave.
    uint48 public immutable unfundDelay;

    mapping(address token => Book) internal _books;
    mapping(address token => mapping(address account => uint256)) internal _owed;
    mapping(address token => UnfundRequest) private _unfunds;

    constructor(uint48 unfundDelay_, address funder) {
        if (unfundDelay_ < MIN_UNFUND_DELAY || unfundDelay_ > MAX_DELAY) revert BadSettlementConfig();
        // Who does not trust a new operator or new terms is out before they are in force.
        if (roleDelay < unfundDelay_) revert RoleDelayTooShort(roleDelay, unfundDelay_);
        unfundDelay = unfundDelay_;
        _grantFirst(FUNDER, funder);
    }

    /// @inheritdoc ISettlement
    function fund(address token, uint128 amount) external nonReentrant whenNotPaused returns (uint128 received) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        received = _addFunded(token, msg.sender, before);
    }

    /// @inheritdoc ISettlement
    function fundWithAuthorization(
        address token,
        address from,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenNotPaused returns (uint128 received) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC3009(token).receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, v, r, s);
        received = _addFunded(token, from, before);
    }

    /// @inheritdoc ISettlement
    function fundBoost(address token, uint128 amount) external nonReentrant whenNotPaused returns (uint128 received) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        received = _addHeld(token, before);
        _books[token].boostPool += received;
        emit BoostFunded(token, msg.sender, received);
    }

    /// @inheritdoc ISettlement
    function requestUnfund(address token, uint128 funded, uint128 boost) external onlyRole(FUNDER) {
        Book storage book = _books[token];
        // What comes in later has not been announced.
        if (funded > book.funded) funded = book.funded;
        if (boost > book.boostPool) boost = book.boostPool;
        if (funded == 0 && boost == 0) revert ZeroAmount();
        uint48 readyAt = _now() + unfundDelay;
        _unfunds[token] = UnfundRequest(funded, boost, readyAt, readyAt + unfundDelay);
        emit UnfundRequested(token, funded, boost, readyAt, readyAt + unfundDelay);
    }

    /// @inheritdoc ISettlement
    function cancelUnfund(address token) external onlyRole(FUNDER) {
        if (_unfunds[token].readyAt == 0) revert NoUnfundRequest(token);
        delete _unfunds[token];
        emit UnfundCancelled(token);
    }

    /// @inheritdoc ISettlement
    function unfund(address token) external nonReentrant onlyRole(FUNDER) {
        UnfundRequest memory request = _unfunds[token];
        if (request.readyAt == 0) revert NoUnfundRequest(token);
        if (_now() < request.readyAt) revert UnfundTooEarly(request.readyAt);
        if (_now() >= request.expiresAt) revert UnfundExpired(request.expiresAt);
        delete _unfunds[token];
        Book storage book = _books[token];
        uint128 funded = request.funded < book.funded ? request.funded : book.funded;
        uint128 boost = request.boost < book.boostPool ? request.boost : book.boostPool;
        if (funded == 0 && boost == 0) revert ZeroAmount();
        book.funded -= funded;
        book.boostPool -= boost;
        book.held -= funded + boost;
        emit Unfunded(token, msg.sender, funded, boost);
        IERC20(token).safeTransfer(msg.sender, funded + boost);
    }

    /// @inheritdoc ISettlement
    function claim(address token) external returns (uint128 amount) {
        return claimFor(msg.sender, token);
    }

    /// @inheritdoc ISettlement
    function claimFor(address account, address token) public nonReentrant returns (uint128 amount) {
        amount = _owed[token][account].toUint128();
        if (amount == 0) return 0;
        _owed[token][account] = 0;
        _books[token].held -= amount;
        emit Claimed(token, account, amount);
        IERC20(token).safeTransfer(account, amount);
    }

    /// @inheritdoc ISettlement
    function owedTo(address account, address token) external view returns (uint128) {
        return _owed[token][account].toUint128();
    }

    /// @inheritdoc ISettlement
    function unfundRequestOf(address token) external view returns (UnfundRequest memory) {
        return _unfunds[token];
    }

    function _takeFunded(address token, uint128 amount) internal {
        if (amount == 0) revert ZeroAmount();
        uint128 funded = _books[token].funded;
        if (amount > funded) revert NotEnoughFunded(amount, funded);
        _books[token].funded = funded - amount;
    }

    /// @dev Credits one provider its part of an amount that left another bucket, and the others theirs.
    function _credit(Head memory head, address token, address provider, uint128 amount, uint128 providerShare)
        internal
    {
        if (provider == address(0)) revert ZeroAddress();
        _owed[token][provider] += providerShare;
        _creditOthers(head, token, amount, amount - providerShare);
    }

    /// @dev Credits the parties floor(amount × bps) each, and the treasury what is then left of `rest`. The parties never
    /// get more than `rest`: providers and parties are promised at most the whole, and all parts are rounded down.
    function _creditOthers(Head memory head, address token, uint128 amount, uint128 rest) internal {
        mapping(address => uint256) storage owed = _owed[token];
        uint256 left = rest;
        if (head.shares != 0) {
            Share[] storage shares = _sharesOf(head);
            for (uint256 i = 0; i < head.shares; ++i) {
                uint256 part = uint256(amount) * shares[i].bps / BPS;
                owed[shares[i].party] += part;
                left -= part;
            }
        }
        if (left != 0) owed[head.treasury] += left;
    }

    function _part(uint256 amount, uint16 bps) internal pure returns (uint128) {
        // At most `amount`, which is less than 2^128 everywhere.
        return uint128(amount * bps / BPS);
    }

    function _addHeld(address token, uint256 before) private returns (uint128 received) {
        received = (IERC20(token).balanceOf(address(this)) - before).toUint128();
        if (received == 0) revert ZeroAmount();
        _books[token].held += received;
    }

    function _addFunded(address token, address from, uint256 before) private returns (uint128 received) {
        received = _addHeld(token, before);
        _books[token].funded += received;
        emit Funded(token, from, received);
    }
}
