// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IInsurancePool } from "./IInsurancePool.sol";

/// @title A bond for each device, which the market can slash and only its provider can withdraw
/// @notice A device is the SHA-256 of its raw Ed25519 public key. Amounts are in the token's smallest unit, times in
/// unix seconds, rates in basis points.
///
/// A slash moves money into escrow in the transaction that proposes it. Then the provider has `appealWindow` seconds to
/// appeal, the arbiter (never the slasher) decides until `rulingWindow` seconds later, and silence of the arbiter gives the
/// money back. What is taken goes to the insurance pool, less the finder's share. No call of anyone can do more:
/// - an offence is slashed once, at its rate of what was bonded when it happened, rounded up;
/// - the rates of all offences of one period (`offenceTime / period`) add up to at most `capBps`;
/// - an offence counts from the activation to the end of the cooldown, and for `evidenceWindow` seconds after it happened.
interface IProviderBond {
    /// @notice The life of a bond. A withdrawn device can be bonded again.
    enum DeviceState {
        None,
        Pending,
        Active,
        Unbonding,
        Withdrawn
    }

    /// @notice The life of a case. The last three are its ends.
    enum CaseState {
        None,
        Proposed,
        Appealed,
        Finalised,
        Overturned,
        Lapsed
    }

    /// @notice Why a proposed slash moved nothing.
    enum IgnoredReason {
        /// The offence was proposed before.
        AlreadyProposed,
        /// The offence lies in the future.
        InFuture,
        /// The device was not active when it happened.
        NotActiveThen,
        /// It happened longer ago than the evidence window.
        TooLate,
        /// The rate is 0, or the period's cap is used up.
        NothingToTake,
        /// Nothing was or is bonded.
        NothingLeft
    }

    /// @notice The settings of a deployment; none can change.
    struct BondConfig {
        /// Seconds between leaving and the withdrawal; at least evidenceWindow + appealWindow + buffer.
        uint48 cooldown;
        /// Seconds after an offence in which it can be proposed.
        uint48 evidenceWindow;
        /// Seconds after a proposal in which the provider can appeal.
        uint48 appealWindow;
        /// Seconds after the appeal window in which the arbiter can decide.
        uint48 rulingWindow;
        /// Spare time of the cooldown; at least 48 hours.
        uint48 buffer;
        /// Length of a period of the cap, in seconds: 30 days in most markets. At least evidenceWindow, so that what can be
        /// proposed at one time lies in two periods at most.
        uint48 period;
        /// Most that all slashes of a period can take, in basis points.
        uint16 capBps;
        /// The finder's share of a slash, in basis points; at most 2,000.
        uint16 finderBps;
    }

    /// @notice The first holders of the roles. The slasher and the arbiter are two addresses, always, and who ever was
    /// slasher never becomes arbiter.
    struct BondHolders {
        /// Announces new holders.
        address governor;
        /// Stops new bonds for a while.
        address pauser;
        /// Proposes slashes.
        address slasher;
        /// Decides appeals.
        address arbiter;
        /// Signs `EndpointVerified`; an account or a contract with ERC-1271.
        address verifier;
        /// Takes silent devices out.
        address registrar;
        /// Adds classes.
        address curator;
    }

    /// @notice What is known of a device. deposited = bonded + escrowed + slashed + withdrawn, always.
    struct Device {
        address provider;
        DeviceState state;
        uint32 classId;
        /// First second in which the device was active, in its current life.
        uint48 activatedAt;
        /// First second in which the bond can be withdrawn; 0 unless it is on its way out.
        uint48 cooldownEnd;
        /// Cases that are not decided yet. While there is one, the bond stays.
        uint32 openCases;
        uint128 bonded;
        uint128 escrowed;
        uint128 deposited;
        uint128 slashed;
        uint128 withdrawn;
    }

    /// @notice One offence and what became of it.
    struct Case {
        bytes32 device;
        bytes32 evidenceHash;
        address finder;
        CaseState state;
        /// The rate that counted, after the period's cap.
        uint16 rateBps;
        uint48 offenceTime;
        /// Last second of the appeal window.
        uint48 appealUntil;
        /// Last second in which the arbiter can decide an appeal.
        uint48 ruleUntil;
        /// What is or was in escrow.
        uint128 amount;
    }

    /// @notice A verifier's word that a device answered at a provider's endpoint.
    struct EndpointVerified {
        bytes32 device;
        address provider;
        uint32 classId;
        /// Last second in which it can be used.
        uint48 expiry;
        /// Any number that this verifier never used before.
        uint256 nonce;
    }

    /// @notice The contract's liabilities. The token balance is at least their sum.
    struct BondTotals {
        /// Pending, active and on its way out.
        uint128 bonded;
        uint128 escrowed;
        /// Taken and not yet sent to the insurance pool.
        uint128 insurance;
        /// Finders' shares, and bonds of providers that another one's verified claim to the device displaced.
        uint128 credits;
    }

    /// @notice A class of devices was added.
    event ClassAppended(uint32 indexed classId, uint128 minimum);
    /// @notice A device was bonded and is pending.
    event Bonded(bytes32 indexed device, address indexed provider, uint32 indexed classId, uint128 amount);
    /// @notice A bond grew to `bonded`.
    event ToppedUp(bytes32 indexed device, uint128 amount, uint128 bonded);
    /// @notice A verifier vouched for the device, and it answers for what it does from now on.
    event Activated(bytes32 indexed device, address indexed provider, uint32 classId);
    /// @notice A bond that never was active was credited back, because a verified provider bonded the device.
    event Displaced(bytes32 indexed device, address indexed provider, uint128 amount);
    /// @notice The provider took its device out.
    event UnbondRequested(bytes32 indexed device, uint48 cooldownEnd);
    /// @notice The registrar took the device out.
    event Deregistered(bytes32 indexed device, uint48 cooldownEnd);
    /// @notice The provider was paid what was left of its bond.
    event Withdrawn(bytes32 indexed device, address indexed provider, uint128 amount);
    /// @notice `amount` went from the bond into escrow. `rateBps` is the rate after the cap.
    event SlashProposed(
        bytes32 indexed device,
        bytes32 indexed offenceId,
        uint16 rateBps,
        uint128 amount,
        uint48 offenceTime,
        bytes32 evidenceHash,
        address finder,
        uint48 appealUntil
    );
    /// @notice A proposal moved nothing, and why.
    event SlashIgnored(bytes32 indexed device, bytes32 indexed offenceId, IgnoredReason reason);
    /// @notice The provider appealed.
    event Appealed(bytes32 indexed device, bytes32 indexed offenceId, uint48 ruleUntil);
    /// @notice The escrow was taken: `insurance` for the pool, `finderShare` credited to the finder.
    event SlashFinalised(
        bytes32 indexed device, bytes32 indexed offenceId, uint128 insurance, uint128 finderShare, address finder
    );
    /// @notice The arbiter gave the escrow back to the bond.
    event SlashOverturned(bytes32 indexed device, bytes32 indexed offenceId, uint128 amount);
    /// @notice Nobody decided the appeal, and the escrow went back to the bond.
    event SlashLapsed(bytes32 indexed device, bytes32 indexed offenceId, uint128 amount);
    /// @notice An account was paid its credits.
    event CreditClaimed(address indexed account, uint128 amount);
    /// @notice What was taken so far went to the insurance pool.
    event InsuranceSent(uint128 amount);

    /// @notice Nothing is no amount.
    error ZeroAmount();
    /// @notice A window, cap or share is 0 or beyond its bound.
    error BadBondConfig();
    /// @notice The cooldown leaves no time to propose, appeal and breathe before the bond is gone.
    error CooldownTooShort(uint256 cooldown, uint256 minimum);
    /// @notice A period of the configuration is longer than `MAX_PERIOD`.
    error PeriodTooLong(uint48 period, uint48 maximum);
    /// @notice The insurance pool holds another token.
    error InsuranceOfAnotherToken();
    /// @notice A class never changes.
    error ClassExists(uint32 classId);
    /// @notice There is no such class.
    error UnknownClass(uint32 classId);
    /// @notice Less than the least bond of the class.
    error UnderMinimum(uint128 amount, uint128 minimum);
    /// @notice More than a deposit can be, so that no sum overflows.
    error OverMaximum(uint128 amount, uint128 maximum);
    /// @notice The device was never bonded.
    error UnknownDevice(bytes32 device);
    /// @notice The device is in a state in which this cannot be done.
    error WrongDeviceState(bytes32 device, DeviceState state);
    /// @notice Only the provider of the device can do this.
    error NotProvider(bytes32 device, address caller);
    /// @notice The bond cannot leave before `cooldownEnd`.
    error CooldownNotOver(uint48 cooldownEnd);
    /// @notice The bond stays until its cases are decided. Anyone can finalise or lapse a case whose time is over.
    error CaseOpen(bytes32 device, uint32 openCases);
    /// @notice The attestation names another device, provider or class.
    error AttestationMismatch();
    /// @notice The attestation could be used until `expiry`.
    error AttestationExpired(uint48 expiry);
    /// @notice An attestation with this number was used before.
    error NonceUsed(uint256 nonce);
    /// @notice The verifier of today did not sign this.
    error InvalidAttestation();
    /// @notice The case is in a state in which this cannot be done.
    error WrongCaseState(bytes32 offenceId, CaseState state);
    /// @notice The last second for this was `appealUntil`.
    error AppealWindowOver(uint48 appealUntil);
    /// @notice This can be done after `appealUntil`.
    error AppealWindowOpen(uint48 appealUntil);
    /// @notice The last second for this was `ruleUntil`.
    error RulingWindowOver(uint48 ruleUntil);
    /// @notice This can be done after `ruleUntil`.
    error RulingWindowOpen(uint48 ruleUntil);
    /// @notice Nothing is owed to the account.
    error NothingToClaim(address account);

    /// @notice Adds a class of devices. A class never changes; a new minimum is a new class. Only the curator.
    function appendClass(uint32 classId, uint128 minimum) external;

    /// @notice Bonds a device for the caller. It waits, pending, for a verifier's attestation. A deposit is less than 2^96
    /// units. Refused while paused.
    function bond(bytes32 device, uint32 classId, uint128 amount) external;

    /// @notice The same with an ERC-2612 permit. A permit that somebody else already used does no harm.
    function bondWithPermit(
        bytes32 device,
        uint32 classId,
        uint128 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Bonds and activates at once. A pending bond of somebody else on the same device is credited back to that
    /// one, so nobody can keep a device from its provider by bonding it first. Refused while paused.
    function bondVerified(EndpointVerified calldata attestation, uint128 amount, bytes calldata signature) external;

    /// @notice Adds to the caller's pending or active bond. Refused while paused.
    function topUp(bytes32 device, uint128 amount) external;

    /// @notice Activates a pending bond with the verifier's attestation. Anyone may bring it. Refused while paused.
    function activate(EndpointVerified calldata attestation, bytes calldata signature) external;

    /// @notice The provider takes its device out and starts the cooldown.
    function requestUnbond(bytes32 device) external;

    /// @notice The registrar takes a silent device out. It starts the cooldown and does nothing else.
    function deregister(bytes32 device) external;

    /// @notice Pays what is left of the bond to its provider, after the cooldown and with no case open. Only the provider.
    /// Works while paused.
    function withdraw(bytes32 device) external returns (uint128 amount);

    /// @notice Moves a slash into escrow. Only the slasher. Never reverts on a known device: what cannot be slashed moves
    /// nothing and says why in `SlashIgnored`. Not stopped by a pause, which would be a way out for the guilty.
    /// @param device The device.
    /// @param offenceId Names the offence; each is slashed once.
    /// @param rateBps Basis points of what was bonded at the time of the offence.
    /// @param offenceTime When it happened.
    /// @param evidenceHash Digest of a bundle that anyone can replay.
    /// @param finder Who found it, or address 0.
    /// @return moved What is in escrow now for this offence.
    function proposeSlash(
        bytes32 device,
        bytes32 offenceId,
        uint16 rateBps,
        uint48 offenceTime,
        bytes32 evidenceHash,
        address finder
    ) external returns (uint256 moved);

    /// @notice The provider appeals, until the last second of the appeal window.
    function appeal(bytes32 offenceId) external;

    /// @notice Anyone completes a slash that was not appealed, after the appeal window.
    function finalise(bytes32 offenceId) external;

    /// @notice The arbiter confirms an appealed slash, until the last second of the ruling window.
    function uphold(bytes32 offenceId) external;

    /// @notice The arbiter gives the money back: an appealed case in the ruling window, or any open one in the appeal window.
    function overturn(bytes32 offenceId) external;

    /// @notice Anyone gives the money back when the arbiter decided nothing in time.
    function lapse(bytes32 offenceId) external;

    /// @notice Pays the caller its credits: finder's shares and displaced bonds. Works while paused.
    function claimCredit() external returns (uint128 amount);

    /// @notice Sends what was taken to the insurance pool. Anyone may call.
    function sendToInsurance() external returns (uint128 amount);

    /// @notice The token of every bond.
    function token() external view returns (IERC20);

    /// @notice Where slashed money goes.
    function insurance() external view returns (IInsurancePool);

    /// @notice What is known of a device; all zero when it was never bonded.
    function deviceOf(bytes32 device) external view returns (Device memory);

    /// @notice A case; all zero when its offence was never proposed, or moved nothing.
    function caseOf(bytes32 offenceId) external view returns (Case memory);

    /// @notice Whether a device is active and its bond reaches its class's minimum.
    function isEligible(bytes32 device) external view returns (bool);

    /// @notice The least bond of a class; 0 when there is no such class.
    function minimumOf(uint32 classId) external view returns (uint128);

    /// @notice What was bonded, without escrow, at the end of a second.
    function bondedAt(bytes32 device, uint48 time) external view returns (uint128);

    /// @notice Basis points that a period's offences have used of its cap.
    function usedBpsOf(bytes32 device, uint256 period) external view returns (uint16);

    /// @notice What an account can claim.
    function creditOf(address account) external view returns (uint128);

    /// @notice Whether an attestation with this number was used.
    function isNonceUsed(uint256 nonce) external view returns (bool);

    /// @notice The EIP-712 digest that the verifier signs, so that others can make the same.
    function digestOf(EndpointVerified calldata attestation) external view returns (bytes32);

    /// @notice Liabilities by kind.
    function totals() external view returns (BondTotals memory);
}
