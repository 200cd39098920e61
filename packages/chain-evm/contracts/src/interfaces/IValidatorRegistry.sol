// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Bonded validators, the jobs they judge, and what they earn
/// @notice Amounts are in the token's smallest unit, times in unix seconds. Epoch n lasts from n × epochLength to
/// (n + 1) × epochLength. The list of validators of an epoch is the one at its start: who registers or leaves during
/// an epoch does so from the next one on.
///
/// A job of epoch e:
/// - before the first job, the operator commits to the epoch's seed; then it opens jobs in e, and the hash of the block
///   that opened a job becomes its entropy;
/// - in e and e + 1, validators commit to their votes, without knowing on chain who was drawn;
/// - in e + 2, the operator reveals the seed, which together with the job's entropy draws `drawn` of the list;
/// - from then to the end of e + 3, the votes of the drawn are revealed, each with the validator's signature;
/// - `quorum` equal votes are the verdict. Each drawn validator that revealed it gets reward / drawn. Who revealed
///   something else or nothing gets nothing.
///
/// A bond is cut for one fault only: two different verdicts on one job, both signed by the validator. Anyone reports it.
interface IValidatorRegistry {
    enum ValidatorState {
        None,
        Active,
        Exiting
    }

    /// @notice The settings of a deployment; none can change.
    struct RegistryConfig {
        /// Least bond of a validator: ten times a worker's.
        uint128 minBond;
        uint48 epochLength;
        /// Seconds between leaving and the withdrawal; at least four epochs and 48 hours.
        uint48 cooldown;
        /// Validators drawn for a job, at most 15.
        uint8 drawn;
        /// Equal votes that make a verdict; more than half of `drawn`.
        uint8 quorum;
        /// What a contradiction costs, in basis points of the bond.
        uint16 slashBps;
        /// The reporter's part of it, in basis points; at most 2,000.
        uint16 reporterBps;
    }

    struct Validator {
        ValidatorState state;
        /// First second in which the bond can be withdrawn; 0 unless exiting.
        uint48 cooldownEnd;
        uint128 bonded;
    }

    struct Job {
        /// 0 when there is no such job.
        uint48 epoch;
        /// The block that opened it.
        uint48 openedBlock;
        /// What drawn validators can still get; 0 once closed.
        uint128 reserved;
        /// One validator's part.
        uint128 share;
        bool closed;
        /// 0 until `quorum` votes agree.
        bytes32 verdict;
        /// Mixed into the draw: of the hash of the block that opened the job, so 0 in that block itself, and for good if
        /// nobody commits a vote or fixes it in the next 256 blocks.
        bytes32 entropy;
    }

    /// @notice The contract's liabilities. The token balance is at least their sum.
    struct RegistryTotals {
        /// Of active and exiting validators.
        uint128 bonded;
        /// Funded and not promised to a job.
        uint128 rewardPool;
        /// Promised to open jobs.
        uint128 reserved;
        /// Earned by validators and reporters, and not yet claimed.
        uint128 credits;
        /// Cut from bonds and not yet sent to the insurance pool.
        uint128 insurance;
    }

    event Registered(address indexed validator, uint128 amount, uint48 fromEpoch);
    event ToppedUp(address indexed validator, uint128 amount, uint128 bonded);
    event ExitStarted(address indexed validator, uint48 fromEpoch, uint48 cooldownEnd);
    event Withdrawn(address indexed validator, uint128 amount);
    event RewardsFunded(address indexed from, uint128 amount);
    /// @notice Finder's shares arrived from the provider bond and are in the reward pool.
    event FinderSharesCollected(uint128 amount);
    event SeedCommitted(uint48 indexed epoch, bytes32 commitment);
    event SeedRevealed(uint48 indexed epoch, bytes32 seed);
    event JobOpened(bytes32 indexed job, uint48 indexed epoch, uint128 reserved);
    event EntropyFixed(bytes32 indexed job, bytes32 entropy);
    event VoteCommitted(bytes32 indexed job, address indexed validator, bytes32 commitment);
    event VoteRevealed(bytes32 indexed job, address indexed validator, bytes32 verdict, bytes signature);
    event VerdictReached(bytes32 indexed job, bytes32 verdict);
    /// @notice A validator earned `amount` of a finder's share: `rewardPool` fell.
    event FindingShared(bytes32 indexed job, address indexed validator, uint128 amount);
    /// @notice A validator earned `amount` with a job: `reserved` fell.
    event Rewarded(bytes32 indexed job, address indexed validator, uint128 amount);
    /// @notice `returned` of the job's reward is free again.
    event JobClosed(bytes32 indexed job, uint128 returned);
    event Slashed(
        address indexed validator,
        bytes32 indexed job,
        address indexed reporter,
        uint128 insurance,
        uint128 reporterShare
    );
    event CreditClaimed(address indexed account, uint128 amount);
    event InsuranceSent(uint128 amount);

    error ZeroAmount();
    error BadRegistryConfig();
    /// @notice The insurance pool or the provider bond holds another token.
    error WrongToken(address other);
    error UnderMinimum(uint128 amount, uint128 minimum);
    error WrongValidatorState(address validator, ValidatorState state);
    error CooldownNotOver(uint48 cooldownEnd);
    /// @notice A seed is committed once, for the current epoch or a later one.
    error SeedNotCommittable(uint48 epoch);
    /// @notice No seed was committed for the epoch.
    error NoSeed(uint48 epoch);
    /// @notice The seed is not the committed one, or was revealed before.
    error WrongSeed(uint48 epoch);
    /// @notice This step is possible from the start of epoch `first` to the end of epoch `last`.
    error WrongEpoch(uint48 first, uint48 last, uint48 current);
    error TooFewValidators(uint256 listed, uint256 drawn);
    error NotEnoughRewards(uint128 asked, uint128 rewardPool);
    error JobExists(bytes32 job);
    error UnknownJob(bytes32 job);
    error JobIsClosed(bytes32 job);
    /// @notice The hash of the block that opened the job is not known yet, or not any more.
    error NoEntropy(bytes32 job);
    error NoVerdict(bytes32 job);
    error AlreadyCommitted(bytes32 job, address validator);
    /// @notice The vote is not the committed one, or was revealed before.
    error WrongVote(bytes32 job, address validator);
    error InvalidSignature();
    /// @notice The list of that epoch is shorter.
    error NoSuchPlace(uint256 place, uint256 length);
    /// @notice Draws are numbered from 0 to `drawn` - 1.
    error NoSuchDraw(uint256 draw);
    /// @notice A vote of zero means nothing.
    error ZeroVerdict();
    /// @notice The two verdicts are the same.
    error NoContradiction();
    /// @notice This contradiction was reported before.
    error AlreadyReported(address validator, bytes32 job);
    error NothingToSlash(address validator);
    error NothingToClaim(address account);

    /// @notice Bonds the caller as a validator from the next epoch on. Refused while paused.
    function register(uint128 amount) external;

    /// @notice Adds to the caller's bond. Refused while paused.
    function topUp(uint128 amount) external;

    /// @notice Leaves the list from the next epoch on and starts the cooldown. The bond can still be cut.
    function requestExit() external;

    /// @notice Pays the bond to the caller once the cooldown is over. Works while paused.
    function withdraw() external returns (uint128 amount);

    /// @notice Adds to the reward pool. Anyone may; nobody can take it back. Refused while paused.
    function fundRewards(uint128 amount) external;

    /// @notice Brings this contract's finder's shares from the provider bond into the reward pool. Anyone may call.
    function collectFinderShares() external returns (uint128 amount);

    /// @notice Commits to the seed of an epoch: keccak256(abi.encode(seed)). Only the operator.
    function commitSeed(uint48 epoch, bytes32 commitment) external;

    /// @notice Opens a job in the current epoch and promises its reward. Only the operator; refused while paused.
    function openJob(bytes32 job, uint128 reward) external;

    /// @notice Commits the caller's vote, `commitmentOf` of it. Works while paused.
    function commitVote(bytes32 job, bytes32 commitment) external;

    /// @notice Keeps a job's entropy, as the first committed vote does. Anyone may, in the 256 blocks after its opening.
    function fixEntropy(bytes32 job) external;

    /// @notice Reveals the seed that was committed. Anyone who knows it may.
    function revealSeed(uint48 epoch, bytes32 seed) external;

    /// @notice Reveals the vote of the validator in a draw. Anyone may bring it.
    /// @param draw Which of the drawn: its place in `drawnOf`.
    /// @param signature The validator's, over `digestOf(job, verdict)`.
    function revealVote(bytes32 job, uint256 draw, bytes32 verdict, bytes32 salt, bytes calldata signature) external;

    /// @notice Frees what is left of a job's reward. Anyone may, after its last epoch.
    function closeJob(bytes32 job) external;

    /// @notice Divides a finder's share between the validators that revealed a job's verdict; what does not divide stays
    /// in the pool. Only the operator, which knows what job a slash came from.
    function shareFinding(bytes32 job, uint128 amount) external;

    /// @notice Cuts the bond of a validator that signed two verdicts on one job, also on its way out. Anyone may.
    function report(
        address validator,
        bytes32 job,
        bytes32 verdictA,
        bytes calldata signatureA,
        bytes32 verdictB,
        bytes calldata signatureB
    ) external returns (uint128 slashed);

    /// @notice Pays the caller what it earned. Works while paused.
    function claimCredit() external returns (uint128 amount);

    /// @notice Sends what was cut to the insurance pool. Anyone may call.
    function sendToInsurance() external returns (uint128 amount);

    function token() external view returns (IERC20);

    function currentEpoch() external view returns (uint48);

    function validatorOf(address account) external view returns (Validator memory);

    /// @notice Length of an epoch's list.
    function listedAt(uint48 epoch) external view returns (uint256);

    /// @notice The validator in a place of an epoch's list.
    function validatorAt(uint48 epoch, uint256 place) external view returns (address);

    function jobOf(bytes32 job) external view returns (Job memory);

    /// @notice Validators that revealed a verdict on a job.
    function votersFor(bytes32 job, bytes32 verdict) external view returns (address[] memory);

    /// @notice Who is drawn for a job by a seed; the operator asks before it reveals it, everybody after.
    function drawnOf(bytes32 job, bytes32 seed) external view returns (address[] memory);

    /// @notice The seed of an epoch, 0 until it is revealed.
    function seedOf(uint48 epoch) external view returns (bytes32);

    function creditOf(address account) external view returns (uint128);

    /// @notice keccak256(abi.encode(chainid, this contract, job, validator, verdict, salt)).
    function commitmentOf(bytes32 job, address validator, bytes32 verdict, bytes32 salt) external view returns (bytes32);

    /// @notice The EIP-712 digest of `Verdict(bytes32 job,bytes32 verdict)`, domain `Guildhall ValidatorRegistry`,
    /// version `1`, that a validator signs.
    function digestOf(bytes32 job, bytes32 verdict) external view returns (bytes32);

    function totals() external view returns (RegistryTotals memory);
}
