// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IRootVault } from "./IRootVault.sol";

/// @title What buyers paid, divided and paid out: per request, by voucher, by epoch, or directly
/// @notice Amounts are in the token's smallest unit, times in unix seconds, rates in basis points. Any number of tokens;
/// what happens to one never touches another. Epoch n lasts from n × epochLength to (n + 1) × epochLength.
///
/// Every unit of a token is in one of four buckets:
/// - `funded`: the operator's, free. It moves on by the operator's acts, and back to the funder only after `unfundDelay`;
/// - `boostPool`: set aside for multipliers of earnings. It moves on with an epoch only, or back like `funded`;
/// - `pending`: of the epoch that is proposed and waits for its challenge delay. One per token at a time;
/// - `owed`: credited to an account, which can claim it at any time, also while paused.
/// What an applied root promises leaves for the root vault, where it is claimed with proofs.
///
/// Who gets which part is in the terms of an epoch, published before it begins and never changed:
/// - the provider gets floor(amount × providerBps / 10,000);
/// - each party of the terms gets floor(amount × bps / 10,000); the treasury gets the rest, so nothing is lost;
/// - of vouchers, a provider's part is floor(cumulative × providerBps / 10,000) over the whole epoch, however often it is
///   redeemed, and the parties' parts are rounded down at each redemption;
/// - of an epoch, the providers together get their part of its gross plus its boost.
interface ISettlement {
    /// @notice How an epoch is paid out.
    enum EpochKind {
        None,
        Root,
        Batch
    }

    /// @notice The settings of a deployment; none can change.
    struct SettlementConfig {
        /// Length of an epoch in seconds, at least a minute.
        uint48 epochLength;
        /// Seconds between the proposal of an epoch and its application, in which the challenger looks at it.
        uint48 challengeDelay;
        /// Seconds between the request for unspent funds and the first second in which they can leave. As long again
        /// it can be used. At least 2 days and challengeDelay + epochLength, at most roleDelay.
        uint48 unfundDelay;
        /// Epochs after its own in which a voucher can be redeemed; at least 1.
        uint32 voucherEpochs;
    }

    /// @notice A part of the gross that goes neither to providers nor to the treasury: validators, a referrer.
    struct Share {
        address party;
        uint16 bps;
    }

    /// @notice How the epochs from `fromEpoch` on are divided, until later terms.
    struct Terms {
        uint48 fromEpoch;
        uint16 providerBps;
        /// Gets what is left over.
        address treasury;
        /// Signs the vouchers of these epochs; address 0 when there are none.
        address voucherSigner;
        /// At most `MAX_SHARES`.
        Share[] shares;
    }

    /// @notice The gateway's word that a provider earned `cumulative`, gross, in an epoch.
    /// EIP-712 type `Voucher(address provider,address token,uint48 epoch,uint128 cumulative)`, domain
    /// `Guildhall Settlement`, version `1`.
    struct Voucher {
        address provider;
        address token;
        uint48 epoch;
        uint128 cumulative;
    }

    /// @notice The epoch of a token that waits for its challenge delay, or the last one that was applied.
    struct Proposal {
        /// None when nothing waits.
        EpochKind kind;
        /// The waiting epoch, or else the last one that was applied. A new one must be later.
        uint32 epoch;
        /// First second in which it can be applied.
        uint32 appliesAt;
        uint96 gross;
        uint88 boost;
        /// A Merkle root, or the keccak256 of packed entries.
        bytes32 commitment;
    }

    /// @notice A request for unspent funds.
    struct UnfundRequest {
        uint128 funded;
        uint128 boost;
        /// First second in which they can leave; 0 when nothing is requested.
        uint48 readyAt;
        /// First second in which they cannot any more.
        uint48 expiresAt;
    }

    /// @notice The contract's liabilities in a token, by bucket. The token balance is at least their sum.
    struct SettlementTotals {
        uint128 funded;
        uint128 boostPool;
        uint128 pending;
        uint128 owed;
    }

    event TermsAppended(
        uint48 indexed fromEpoch, uint16 providerBps, address treasury, address voucherSigner, Share[] shares
    );
    event Funded(address indexed token, address indexed from, uint128 amount);
    event BoostFunded(address indexed token, address indexed from, uint128 amount);
    event UnfundRequested(address indexed token, uint128 funded, uint128 boost, uint48 readyAt, uint48 expiresAt);
    event UnfundCancelled(address indexed token);
    event Unfunded(address indexed token, address indexed to, uint128 funded, uint128 boost);
    /// @notice `funded` fell and `owed` rose by `amount`.
    event Settled(
        bytes32 indexed requestId,
        address indexed provider,
        address indexed token,
        uint128 amount,
        uint128 providerShare
    );
    /// @notice The same with money of a payer: only `owed` rose.
    event SettledFrom(
        bytes32 indexed requestId,
        address indexed provider,
        address indexed token,
        address payer,
        uint128 amount,
        uint128 providerShare
    );
    /// @notice `funded` fell and `owed` rose by `amount`; `redeemed` is the gross paid of this epoch so far.
    event VoucherRedeemed(
        address indexed provider,
        address indexed token,
        uint48 indexed epoch,
        uint128 amount,
        uint128 providerShare,
        uint128 redeemed
    );
    /// @notice `funded` fell by `gross` and `boostPool` by `boost`; `pending` rose by both. It applies `challengeDelay` later.
    event EpochProposed(
        address indexed token, uint48 indexed epoch, EpochKind kind, bytes32 commitment, uint128 gross, uint128 boost
    );
    /// @notice The same back.
    event EpochCancelled(address indexed token, uint48 indexed epoch, uint128 gross, uint128 boost);
    /// @notice `pending` fell by both amounts; `providers` left as tokens for the root vault, `owed` rose by `fees`.
    event RootApplied(address indexed token, uint48 indexed epoch, bytes32 root, uint128 providers, uint128 fees);
    /// @notice `pending` fell and `owed` rose by both amounts. `packed` are the entries as in `applyBatch`.
    event BatchApplied(address indexed token, uint48 indexed epoch, uint128 providers, uint128 fees, bytes packed);
    /// @notice Tokens left `owed` for `account`.
    event Claimed(address indexed token, address indexed account, uint128 amount);
    /// @notice `funded` fell by both amounts; `paid` left as tokens, `credited` went to `owed` because a transfer failed.
    event ManyPaid(address indexed token, bytes32 indexed batchId, uint128 paid, uint128 credited, bytes packed);
    /// @notice A transfer of `payMany` failed; the amount is in `owed` of this account.
    event PayoutCredited(address indexed token, bytes32 indexed batchId, address indexed account, uint128 amount);

    error ZeroAmount();
    error ZeroAddress();
    error BadSettlementConfig();
    /// @notice The parts add up to more than the whole, or there are too many.
    error BadTerms();
    /// @notice Terms begin after all earlier ones and at least `roleDelay` from now.
    error TermsTooEarly(uint48 fromEpoch, uint48 earliest);
    /// @notice Terms begin at most `MAX_TERMS_AHEAD` later than they could.
    error TermsTooLate(uint48 fromEpoch, uint48 latest);
    error NotEnoughFunded(uint256 asked, uint256 funded);
    error NotEnoughBoost(uint256 asked, uint256 boostPool);
    error NoUnfundRequest(address token);
    error UnfundTooEarly(uint48 readyAt);
    error UnfundExpired(uint48 expiresAt);
    /// @notice This request was settled before. It is not paid again.
    error AlreadySettled(bytes32 requestId);
    /// @notice This batch was paid before. It is not paid again.
    error AlreadyPaid(bytes32 batchId);
    /// @notice The epoch is not over yet, or for a voucher has not begun.
    error EpochNotOver(uint48 epoch, uint48 current);
    /// @notice The voucher was to be redeemed until the end of epoch `last`.
    error VoucherExpired(uint48 epoch, uint48 last);
    /// @notice The epoch's voucher signer did not sign this voucher for this contract on this chain.
    error InvalidVoucher();
    /// @notice The voucher's whole amount was redeemed before.
    error NothingToRedeem(uint128 cumulative, uint128 redeemed);
    /// @notice Another epoch of this token waits to be applied.
    error EpochWaiting(address token, uint48 epoch);
    /// @notice An epoch of a token is proposed once, and after all earlier ones.
    error EpochNotLater(uint48 epoch, uint48 last);
    error BadEpochKind();
    /// @notice No such epoch waits to be applied.
    error NoEpochWaiting(address token, uint48 epoch);
    /// @notice The operator can cancel from `overdueAt` on.
    error NotOverdue(uint48 overdueAt);
    /// @notice The challenge delay lasts until `appliesAt`.
    error ChallengeDelayOpen(uint48 appliesAt);
    /// @notice Packed entries are 1 to `MAX_BATCH` times 32 bytes: address, then uint96 amount, neither of them zero.
    error BadEntries();
    /// @notice These are not the entries that the epoch was proposed with.
    error WrongEntries(bytes32 expected, bytes32 actual);
    /// @notice The entries add up to more than the providers get, or leave a rest of one unit per entry or more.
    error BatchDoesNotAddUp(uint256 entries, uint256 providers);

    /// @notice Publishes the terms of coming epochs. Only the curator.
    function appendTerms(Terms calldata terms) external;

    /// @notice Adds to `funded`. Anyone may. What arrives counts, so a fee on transfer is the sender's. Refused while paused.
    function fund(address token, uint128 amount) external returns (uint128 received);

    /// @notice The same with an EIP-3009 `ReceiveWithAuthorization` of `from` to this contract. Anyone may bring it.
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
    ) external returns (uint128 received);

    /// @notice Adds to `boostPool`. Anyone may. Refused while paused.
    function fundBoost(address token, uint128 amount) external returns (uint128 received);

    /// @notice Announces that unspent funds will leave, as much as asked or what is there now. It replaces an earlier
    /// announcement and its date. Only the funder.
    function requestUnfund(address token, uint128 funded, uint128 boost) external;

    /// @notice Takes the announcement back. Only the funder.
    function cancelUnfund(address token) external;

    /// @notice Sends what was announced, or what is left of it, to the funder. Only the funder, in the announced time.
    function unfund(address token) external;

    /// @notice Divides the price of one request by the terms of the current epoch. Once per request id, which must never
    /// come again. Only the operator; refused while paused.
    function settle(address provider, address token, uint128 amount, bytes32 requestId) external;

    /// @notice The same with money pulled from a payer, who gave this contract an allowance and so trusts the operator
    /// with it. Tokens with a fee on transfer are refused.
    function settleFrom(address payer, address provider, address token, uint128 amount, bytes32 requestId) external;

    /// @notice Credits the provider what its voucher says beyond what was redeemed of that epoch before, as far as
    /// `funded` reaches; the rest can be redeemed later. Anyone may bring it; works while paused.
    function redeem(Voucher calldata voucher, bytes calldata signature) external returns (uint128 amount);

    /// @notice Sets the money of an epoch that is over aside and publishes how it is divided. Only the operator. Works
    /// while paused, because it is how providers are paid; the challenger is who stops a wrong one.
    /// @param commitment Root: the root of cumulative leaves. Batch: keccak256 of the packed entries.
    /// @param gross What buyers paid in the epoch. At most `funded`.
    /// @param boost What providers get on top. At most `boostPool`.
    function proposeEpoch(address token, uint48 epoch, EpochKind kind, bytes32 commitment, uint96 gross, uint88 boost)
        external;

    /// @notice Puts a waiting epoch's money back; it can be proposed again. The challenger, until it is applied; also the
    /// operator, when nobody applied it for a week.
    function cancelEpoch(address token, uint48 epoch) external;

    /// @notice Publishes a proposed root in the root vault, with the tokens. Anyone may, after the challenge delay.
    function applyRoot(address token, uint48 epoch) external;

    /// @notice Credits the entries of a proposed batch. Anyone may, after the challenge delay.
    /// @param packed Entries of 32 bytes each: 20 bytes of address, then 12 bytes of amount, big-endian.
    function applyBatch(address token, uint48 epoch, bytes calldata packed) external;

    /// @notice Pays the caller what it is owed; 0 when that is nothing. Works while paused.
    function claim(address token) external returns (uint128 amount);

    /// @notice Pays an account what it is owed. Anyone may call; works while paused.
    function claimFor(address account, address token) external returns (uint128 amount);

    /// @notice Pays up to `MAX_BATCH` accounts out of `funded`, without a split. An account whose transfer fails is
    /// credited instead. Once per batch id. Only the operator; refused while paused.
    /// @param packed Entries as in `applyBatch`.
    function payMany(address token, bytes32 batchId, bytes calldata packed) external;

    function currentEpoch() external view returns (uint48);

    /// @notice The terms in force in an epoch.
    function termsAt(uint48 epoch) external view returns (Terms memory);

    function owedTo(address account, address token) external view returns (uint128);

    /// @notice Gross of a provider's vouchers that was redeemed of an epoch.
    function redeemedOf(address provider, address token, uint48 epoch) external view returns (uint128);

    /// @notice Where roots are claimed.
    function rootVault() external view returns (IRootVault);

    function proposalOf(address token) external view returns (Proposal memory);

    function unfundRequestOf(address token) external view returns (UnfundRequest memory);

    function isSettled(bytes32 requestId) external view returns (bool);

    function isPaid(bytes32 batchId) external view returns (bool);

    /// @notice The EIP-712 digest that the voucher signer signs.
    function digestOf(Voucher calldata voucher) external view returns (bytes32);

    function totals(address token) external view returns (SettlementTotals memory);
}
