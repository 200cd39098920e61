// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { IValidatorRegistry } from "../interfaces/IValidatorRegistry.sol";
import { Draw } from "../libraries/Draw.sol";
import { ValidatorList } from "./ValidatorList.sol";

/// @title Seeds, jobs, votes, verdicts, and the rewards that follow from them
abstract contract ValidatorJobs is ValidatorList, EIP712 {
    struct Seed {
        bytes32 commitment;
        bytes32 value;
    }

    bytes32 public constant OPERATOR = "operator";
    bytes32 public constant VERDICT_TYPEHASH = keccak256("Verdict(bytes32 job,bytes32 verdict)");

    /// @dev Epochs after a job's own: the last to commit a vote, the one to reveal the seed, the last to reveal a vote.
    uint48 private constant COMMIT_UNTIL = 1;
    uint48 private constant SEED_IN = 2;
    uint48 private constant REVEAL_UNTIL = 3;

    /// @notice Validators drawn for a job.
    uint8 public immutable drawn;
    /// @notice Equal votes that make a verdict.
    uint8 public immutable quorum;

    RegistryTotals internal _totals;
    mapping(address account => uint128) private _credits;
    mapping(uint48 epoch => Seed) private _seeds;
    mapping(bytes32 job => Job) private _jobs;
    mapping(bytes32 job => mapping(address validator => bytes32)) private _commitments;
    mapping(bytes32 job => mapping(bytes32 verdict => address[])) private _voters;

    constructor(uint8 drawn_, uint8 quorum_, address operator) {
        if (drawn_ > 15 || quorum_ > drawn_ || 2 * uint256(quorum_) <= drawn_) revert BadRegistryConfig();
        drawn = drawn_;
        quorum = quorum_;
        _grantFirst(OPERATOR, operator);
    }

    /// @inheritdoc IValidatorRegistry
    function commitSeed(uint48 epoch, bytes32 commitment) external onlyRole(OPERATOR) {
        if (epoch < currentEpoch() || commitment == 0 || _seeds[epoch].commitment != 0) {
            revert SeedNotCommittable(epoch);
        }
        _seeds[epoch].commitment = commitment;
        emit SeedCommitted(epoch, commitment);
    }

    /// @inheritdoc IValidatorRegistry
    function openJob(bytes32 job, uint128 reward) external onlyRole(OPERATOR) whenNotPaused {
        uint48 epoch = currentEpoch();
        if (_seeds[epoch].commitment == 0) revert NoSeed(epoch);
        if (_jobs[job].epoch != 0) revert JobExists(job);
        uint256 listed = listedAt(epoch);
        if (listed < drawn) revert TooFewValidators(listed, drawn);
        uint128 rewardPool = _totals.rewardPool;
        if (reward > rewardPool) revert NotEnoughRewards(reward, rewardPool);
        uint128 share = reward / drawn;
        uint128 reserved = share * drawn;
        _totals.rewardPool = rewardPool - reserved;
        _totals.reserved += reserved;
        Job storage opened = _jobs[job];
        (opened.epoch, opened.openedBlock, opened.reserved, opened.share) = (epoch, _block(), reserved, share);
        emit JobOpened(job, epoch, reserved);
    }

    /// @inheritdoc IValidatorRegistry
    function commitVote(bytes32 job, bytes32 commitment) external {
        uint48 epoch = _existing(job).epoch;
        _requireEpoch(epoch, epoch + COMMIT_UNTIL);
        if (_commitments[job][msg.sender] != 0) revert AlreadyCommitted(job, msg.sender);
        _commitments[job][msg.sender] = commitment;
        emit VoteCommitted(job, msg.sender, commitment);
        _fixEntropy(job);
    }

    /// @inheritdoc IValidatorRegistry
    function fixEntropy(bytes32 job) external {
        _existing(job);
        _fixEntropy(job);
        if (_jobs[job].entropy == 0) revert NoEntropy(job);
    }

    /// @inheritdoc IValidatorRegistry
    function revealSeed(uint48 epoch, bytes32 value) external {
        Seed storage seed = _seeds[epoch];
        if (seed.commitment == 0) revert NoSeed(epoch);
        _requireEpoch(epoch + SEED_IN, epoch + SEED_IN);
        if (value == 0 || seed.value != 0 || keccak256(abi.encode(value)) != seed.commitment) revert WrongSeed(epoch);
        seed.value = value;
        emit SeedRevealed(epoch, value);
    }

    /// @inheritdoc IValidatorRegistry
    function revealVote(bytes32 job, uint256 draw, bytes32 verdict, bytes32 salt, bytes calldata signature) external {
        Job storage judged = _existing(job);
        uint48 epoch = judged.epoch;
        bytes32 seed = _seeds[epoch].value;
        if (seed == 0) revert NoSeed(epoch);
        _requireEpoch(epoch + SEED_IN, epoch + REVEAL_UNTIL);
        if (draw >= drawn) revert NoSuchDraw(draw);
        if (verdict == 0) revert ZeroVerdict();
        address validator = validatorAt(epoch, _draw(judged, job, seed)[draw]);
        if (_commitments[job][validator] != commitmentOf(job, validator, verdict, salt)) {
            revert WrongVote(job, validator);
        }
        _checkSigned(validator, job, verdict, signature);
        // Nobody can commit any more, so this vote cannot come again.
        delete _commitments[job][validator];
        emit VoteRevealed(job, validator, verdict, signature);
        _count(judged, job, validator, verdict);
    }

    /// @inheritdoc IValidatorRegistry
    function closeJob(bytes32 job) external {
        Job storage ended = _existing(job);
        if (ended.closed) revert JobIsClosed(job);
        _requireRevealed(ended.epoch);
        uint128 returned = ended.reserved;
        (ended.reserved, ended.closed) = (0, true);
        _totals.reserved -= returned;
        _totals.rewardPool += returned;
        emit JobClosed(job, returned);
    }

    /// @inheritdoc IValidatorRegistry
    function shareFinding(bytes32 job, uint128 amount) external onlyRole(OPERATOR) whenNotPaused {
        Job storage judged = _existing(job);
        if (judged.verdict == 0) revert NoVerdict(job);
        _requireRevealed(judged.epoch);
        address[] storage finders = _voters[job][judged.verdict];
        uint256 count = finders.length;
        // At most `drawn`, so it fits.
        uint128 share = amount / uint128(count);
        if (share == 0) revert ZeroAmount();
        if (amount > _totals.rewardPool) revert NotEnoughRewards(amount, _totals.rewardPool);
        _totals.rewardPool -= share * uint128(count);
        for (uint256 i = 0; i < count; ++i) {
            _addCredit(finders[i], share);
            emit FindingShared(job, finders[i], share);
        }
    }

    /// @inheritdoc IValidatorRegistry
    function jobOf(bytes32 job) external view returns (Job memory found) {
        found = _jobs[job];
        found.entropy = _entropyOf(job);
    }

    /// @inheritdoc IValidatorRegistry
    function votersFor(bytes32 job, bytes32 verdict) external view returns (address[] memory) {
        return _voters[job][verdict];
    }

    /// @inheritdoc IValidatorRegistry
    function drawnOf(bytes32 job, bytes32 seed) external view returns (address[] memory validators) {
        Job storage judged = _existing(job);
        uint256[] memory places = _draw(judged, job, seed);
        validators = new address[](places.length);
        for (uint256 i = 0; i < places.length; ++i) {
            validators[i] = validatorAt(judged.epoch, places[i]);
        }
    }

    /// @inheritdoc IValidatorRegistry
    function seedOf(uint48 epoch) external view returns (bytes32) {
        return _seeds[epoch].value;
    }

    /// @inheritdoc IValidatorRegistry
    function creditOf(address account) external view returns (uint128) {
        return _credits[account];
    }

    /// @inheritdoc IValidatorRegistry
    function totals() external view returns (RegistryTotals memory) {
        return _totals;
    }

    /// @inheritdoc IValidatorRegistry
    function commitmentOf(bytes32 job, address validator, bytes32 verdict, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), job, validator, verdict, salt));
    }

    /// @inheritdoc IValidatorRegistry
    function digestOf(bytes32 job, bytes32 verdict) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VERDICT_TYPEHASH, job, verdict)));
    }

    function _addCredit(address account, uint128 amount) internal {
        _credits[account] += amount;
        _totals.credits += amount;
    }

    function _takeCredit(address account) internal returns (uint128 amount) {
        amount = _credits[account];
        if (amount == 0) revert NothingToClaim(account);
        _credits[account] = 0;
        _totals.credits -= amount;
    }

    /// @dev An account's own key only, never a contract's word: what a contract says now is no proof of what it said.
    function _checkSigned(address validator, bytes32 job, bytes32 verdict, bytes calldata signature) internal view {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digestOf(job, verdict), signature);
        if (problem != ECDSA.RecoverError.NoError || signer != validator) revert InvalidSignature();
    }

    /// @dev The vote that makes the quorum pays all before it, a later equal one itself: at most `drawn` payments a job.
    function _count(Job storage judged, bytes32 job, address validator, bytes32 verdict) private {
        address[] storage voters = _voters[job][verdict];
        voters.push(validator);
        if (judged.verdict == verdict) {
            _reward(judged, job, validator);
        } else if (voters.length == quorum) {
            judged.verdict = verdict;
            emit VerdictReached(job, verdict);
            for (uint256 i = 0; i < voters.length; ++i) {
                _reward(judged, job, voters[i]);
            }
        }
    }

    function _reward(Job storage judged, bytes32 job, address validator) private {
        uint128 share = judged.share;
        judged.reserved -= share;
        _totals.reserved -= share;
        _addCredit(validator, share);
        emit Rewarded(job, validator, share);
    }

    function _existing(bytes32 job) private view returns (Job storage found) {
        found = _jobs[job];
        if (found.epoch == 0) revert UnknownJob(job);
    }

    function _draw(Job storage judged, bytes32 job, bytes32 seed) private view returns (uint256[] memory) {
        bytes32 entropy = _entropyOf(job);
        if (entropy == 0) revert NoEntropy(job);
        return Draw.distinct(keccak256(abi.encode(seed, entropy, job)), drawn, listedAt(judged.epoch));
    }

    function _fixEntropy(bytes32 job) private {
        bytes32 entropy = _entropyOf(job);
        if (_jobs[job].entropy == entropy) return;
        _jobs[job].entropy = entropy;
        emit EntropyFixed(job, entropy);
    }

    /// @dev The hash of the block that opened the job is not known to the transaction that opens it, so the operator cannot
    /// look who would be drawn and take the job back. Blocks are remembered for 256 blocks: until then somebody fixes it.
    function _entropyOf(bytes32 job) private view returns (bytes32 entropy) {
        Job storage judged = _jobs[job];
        entropy = judged.entropy;
        if (entropy != 0 || judged.epoch == 0) return entropy;
        bytes32 hash = blockhash(judged.openedBlock);
        if (hash != 0) entropy = keccak256(abi.encode(hash, job));
    }

    function _block() private view returns (uint48) {
        return uint48(block.number);
    }

    function _requireEpoch(uint48 first, uint48 last) private view {
        uint48 current = currentEpoch();
        if (current < first || current > last) revert WrongEpoch(first, last, current);
    }

    function _requireRevealed(uint48 epoch) private view {
        _requireEpoch(epoch + REVEAL_UNTIL + 1, type(uint48).max);
    }
}
