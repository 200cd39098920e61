// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { RootVault } from "../RootVault.sol";
import { IRootVault } from "../interfaces/IRootVault.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";
import { PackedEntries } from "../libraries/PackedEntries.sol";
import { SettlementFunds } from "./SettlementFunds.sol";

/// @title Netted epochs: proposed, looked at, applied as a root of claims or as a batch of credits
abstract contract SettlementEpochs is SettlementFunds {
    using SafeERC20 for IERC20;
    using PackedEntries for bytes;
    using SafeCast for uint256;

    bytes32 public constant OPERATOR = "operator";
    bytes32 public constant CHALLENGER = "challenger";
    /// @notice Seconds after which the operator may cancel what it proposed and nobody applied.
    uint48 public constant OVERDUE = 7 days;

    /// @notice Seconds between the proposal of an epoch and its application.
    uint48 public immutable challengeDelay;

    /// @inheritdoc ISettlement
    IRootVault public immutable rootVault = new RootVault();

    constructor(uint48 challengeDelay_, address operator, address challenger) {
        if (challengeDelay_ == 0 || challengeDelay_ > MAX_DELAY) revert BadSettlementConfig();
        if (unfundDelay < challengeDelay_ + epochLength) revert BadSettlementConfig();
        challengeDelay = challengeDelay_;
        _grantFirst(OPERATOR, operator);
        _grantFirst(CHALLENGER, challenger);
    }

    /// @inheritdoc ISettlement
    function proposeEpoch(address token, uint48 epoch, EpochKind kind, bytes32 commitment, uint96 gross, uint88 boost)
        external
        onlyRole(OPERATOR)
    {
        if (kind == EpochKind.None) revert BadEpochKind();
        if (gross == 0 && boost == 0) revert ZeroAmount();
        uint48 current = currentEpoch();
        if (epoch >= current) revert EpochNotOver(epoch, current);
        Book storage book = _books[token];
        (uint32 last, EpochKind lastKind) = (book.waiting.epoch, book.waiting.kind);
        if (lastKind != EpochKind.None) revert EpochWaiting(token, last);
        if (epoch <= last) revert EpochNotLater(epoch, last);
        (uint128 funded, uint128 boostPool) = (book.funded, book.boostPool);
        if (gross > funded) revert NotEnoughFunded(gross, funded);
        if (boost > boostPool) revert NotEnoughBoost(boost, boostPool);
        unchecked {
            // Both were compared above.
            funded -= gross;
            boostPool -= boost;
        }
        book.funded = funded;
        book.boostPool = boostPool;
        book.waiting = Waiting({
            gross: gross,
            boost: boost,
            // An epoch is a minute at least, so its number fits for thousands of years.
            epoch: uint32(epoch),
            // From 2106 on this is refused, for what is cut to fewer bits would apply at once; what is funded can leave.
            appliesAt: uint256(_now() + challengeDelay).toUint32(),
            kind: kind
        });
        book.commitment = commitment;
        emit EpochProposed(token, epoch, kind, commitment, gross, boost);
    }

    /// @inheritdoc ISettlement
    function cancelEpoch(address token, uint48 epoch) external {
        Book storage book = _books[token];
        Waiting memory waiting = _take(token, book, epoch);
        if (msg.sender != _holderOf(CHALLENGER)) {
            if (msg.sender != _holderOf(OPERATOR)) revert MissingRole(CHALLENGER, msg.sender);
            if (_now() < waiting.appliesAt + OVERDUE) revert NotOverdue(waiting.appliesAt + OVERDUE);
        }
        // So that this epoch, and those before it that were passed over, can be proposed again.
        book.waiting.epoch = book.lastEpoch;
        book.funded += waiting.gross;
        book.boostPool += waiting.boost;
        emit EpochCancelled(token, epoch, waiting.gross, waiting.boost);
    }

    /// @inheritdoc ISettlement
    function applyRoot(address token, uint48 epoch) external nonReentrant {
        Book storage book = _books[token];
        Waiting memory waiting = _takeReady(token, book, epoch, EpochKind.Root);
        Head memory head = _headOf(epoch);
        uint128 providers = _part(waiting.gross, head.providerBps) + waiting.boost;
        uint128 fees = uint128(waiting.gross) + waiting.boost - providers;
        bytes32 root = book.commitment;
        book.held -= providers;
        book.lastEpoch = waiting.epoch;
        _creditOthers(head, token, waiting.gross, fees);
        emit RootApplied(token, epoch, root, providers, fees);
        rootVault.publish(token, root);
        IERC20(token).safeTransfer(address(rootVault), providers);
    }

    /// @inheritdoc ISettlement
    function applyBatch(address token, uint48 epoch, bytes calldata packed) external {
        Book storage book = _books[token];
        Waiting memory waiting = _takeReady(token, book, epoch, EpochKind.Batch);
        bytes32 actual = keccak256(packed);
        if (actual != book.commitment) revert WrongEntries(book.commitment, actual);
        Head memory head = _headOf(epoch);
        uint256 providers = uint256(_part(waiting.gross, head.providerBps)) + waiting.boost;

        uint256 count = packed.countEntries();
        mapping(address => uint256) storage owed = _owed[token];
        uint256 sum = 0;
        for (uint256 i = 0; i < count; ++i) {
            (address account, uint96 amount) = packed.entryAt(i);
            sum += amount;
            owed[account] += amount;
        }
        // What rounding leaves of the providers' part is the treasury's, and it is less than one unit each.
        if (sum > providers || providers - sum >= count) revert BatchDoesNotAddUp(sum, providers);
        book.lastEpoch = waiting.epoch;
        // All is at most gross + boost, which fits.
        uint128 fees = uint128(uint256(waiting.gross) + waiting.boost - sum);
        _creditOthers(head, token, waiting.gross, fees);
        emit BatchApplied(token, epoch, uint128(sum), fees, packed);
    }

    /// @inheritdoc ISettlement
    function proposalOf(address token) external view returns (Proposal memory) {
        Waiting memory waiting = _books[token].waiting;
        return Proposal({
            kind: waiting.kind,
            epoch: waiting.epoch,
            appliesAt: waiting.appliesAt,
            gross: waiting.gross,
            boost: waiting.boost,
            commitment: _books[token].commitment
        });
    }

    /// @inheritdoc ISettlement
    function totals(address token) external view returns (SettlementTotals memory) {
        Book memory book = _books[token];
        Waiting memory waiting = book.waiting;
        uint128 pending = waiting.kind == EpochKind.None ? 0 : uint128(waiting.gross) + waiting.boost;
        return SettlementTotals({
            funded: book.funded,
            boostPool: book.boostPool,
            pending: pending,
            owed: book.held - book.funded - book.boostPool - pending
        });
    }

    /// @dev The operator proposes and the challenger looks: never one address.
    function _checkApart() internal view override {
        _requireApart(OPERATOR, CHALLENGER);
    }

    /// @dev Ends the wait of an epoch. What it set aside is the caller's to place.
    function _take(address token, Book storage book, uint48 epoch) private returns (Waiting memory waiting) {
        waiting = book.waiting;
        if (waiting.kind == EpochKind.None || waiting.epoch != epoch) revert NoEpochWaiting(token, epoch);
        book.waiting.kind = EpochKind.None;
    }

    function _takeReady(address token, Book storage book, uint48 epoch, EpochKind kind)
        private
        returns (Waiting memory waiting)
    {
        waiting = _take(token, book, epoch);
        if (waiting.kind != kind) revert BadEpochKind();
        if (_now() < waiting.appliesAt) revert ChallengeDelayOpen(waiting.appliesAt);
    }
}
