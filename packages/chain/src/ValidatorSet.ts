/**
 * PORT. Those who judge jobs: their bonds, who judges which job, their votes, what they earn and what false words cost them.
 *
 * Guarantees, each proved by `ValidatorSetTest.suite`:
 *
 * 1. The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.
 * 2. Who registers with the least bond or more is on the list from the next epoch on; who leaves is off it from the next one on, and
 *    has the bond back after the cooldown.
 * 3. Who judges a job is drawn from the list of its epoch, without repetition, by a seed that was committed before the job was
 *    opened and is revealed when no vote can be committed any more.
 * 4. A vote is committed in the job's epoch or the next one, and revealed from the seed on up to the end of the third after it;
 *    one that was not committed, was not drawn, or comes late, is refused.
 * 5. A verdict is reached when enough of the drawn say the same; each of them has its part of the reward.
 * 6. Who did not reveal, or said something else, earns nothing and loses nothing; what was promised to it is free again when the
 *    job is closed.
 * 7. Two signed verdicts of one validator on one job that differ cost it a part of its bond, once for each job, also while it
 *    leaves: the reporter is credited its share, unless it is the validator itself, and the insurance has the rest.
 * 8. Nothing else lowers a validator's bond.
 * 9. What was refused moved nothing, and the totals sum to what went in less what went out.
 * 10. While paused nothing comes in, no job is opened and no finding shared; votes, exits and credits go on.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Draw from "@guildhall/core/rules/Draw"
import type { Act, Asked } from "./Act.ts"
import type { Address } from "./Address.ts"
import type { ChainError } from "./ChainError.ts"
import * as Hex from "./Hex.ts"
import type { Bytes32 } from "./Hex.ts"
import * as Keccak from "./Keccak.ts"
import type { Domain, Signature } from "./Message.ts"

/**
 * What can be done.
 *
 * - `Register`, `TopUp`, `RequestExit`, `Withdraw`, `CommitVote`, `ClaimCredit` are the validator's.
 * - `CommitSeed`, `OpenJob` and `ShareFinding` are the operator's; `RevealSeed` is of whoever knows the seed.
 * - `RevealVote` shows the vote of the validator in a draw, with its signature; anyone may bring it. `Report`, `CloseJob`,
 *   `FundRewards`, `CollectFinderShares` and `SendToInsurance` are anyone's too.
 * - `Pause` and `Unpause` are the pauser's: for a while nothing comes in; what goes out always goes.
 *
 * @category models
 * @since 0.1.0
 */
export type ValidatorAct = Asked &
  (
    | { readonly _tag: "Register"; readonly amount: bigint }
    | { readonly _tag: "TopUp"; readonly amount: bigint }
    | { readonly _tag: "RequestExit" }
    | { readonly _tag: "Withdraw" }
    | { readonly _tag: "FundRewards"; readonly amount: bigint }
    | { readonly _tag: "CollectFinderShares" }
    | { readonly _tag: "CommitSeed"; readonly epoch: number; readonly commitment: Bytes32 }
    | { readonly _tag: "OpenJob"; readonly job: Bytes32; readonly reward: bigint }
    | { readonly _tag: "CommitVote"; readonly job: Bytes32; readonly commitment: Bytes32 }
    | { readonly _tag: "RevealSeed"; readonly epoch: number; readonly seed: Bytes32 }
    | {
        readonly _tag: "RevealVote"
        readonly job: Bytes32
        readonly draw: number
        readonly verdict: Bytes32
        readonly salt: Bytes32
        readonly signature: Signature
      }
    | { readonly _tag: "CloseJob"; readonly job: Bytes32 }
    | { readonly _tag: "ShareFinding"; readonly job: Bytes32; readonly amount: bigint }
    | {
        readonly _tag: "Report"
        readonly validator: Address
        readonly job: Bytes32
        readonly verdictA: Bytes32
        readonly signatureA: Signature
        readonly verdictB: Bytes32
        readonly signatureB: Signature
      }
    | { readonly _tag: "ClaimCredit" }
    | { readonly _tag: "SendToInsurance" }
    | { readonly _tag: "Pause" }
    | { readonly _tag: "Unpause" }
  )

/**
 * A validator. `cooldownEndS` is 0 unless it leaves; `credit` is what it can take.
 *
 * @category models
 * @since 0.1.0
 */
export interface Validator {
  readonly state: "None" | "Active" | "Exiting"
  readonly bonded: bigint
  readonly cooldownEndS: number
  readonly credit: bigint
}

/**
 * A job. `drawn` is empty until the seed is revealed, `verdict` undefined until enough agree; `epoch` is 0 where there is no such
 * job. `entropy` is zero until the block after the one that opened it. `reserved` is what those who were drawn can still earn, `share` the part of one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job {
  readonly epoch: number
  readonly reserved: bigint
  readonly share: bigint
  readonly closed: boolean
  readonly entropy: Bytes32
  readonly drawn: ReadonlyArray<Address>
  readonly verdict: Bytes32 | undefined
}

/**
 * What a validator commits to: its vote with a salt, which nobody can guess and no other validator can copy.
 *
 * @category hashing
 * @since 0.1.0
 */
export const commitmentOf = (
  domain: Domain,
  vote: {
    readonly job: Bytes32
    readonly validator: Address
    readonly verdict: Bytes32
    readonly salt: Bytes32
  },
): Bytes32 =>
  Keccak.ofHex(
    Hex.concat(
      Hex.word(BigInt(domain.chainId)),
      Hex.wordOf(domain.contract),
      vote.job,
      Hex.wordOf(vote.validator),
      vote.verdict,
      vote.salt,
    ),
  )

/** What the operator commits to before the jobs of an epoch: the hash of its seed. @category hashing @since 0.1.0 */
export const seedCommitmentOf = (seed: Bytes32): Bytes32 => Keccak.ofHex(seed)

/**
 * Who is drawn for a job: the places of its epoch's list that follow from the seed and the job's entropy, in the order of the
 * draw.
 *
 * @category rules
 * @since 0.1.0
 */
export const drawnPlaces = (
  draw: { readonly seed: Bytes32; readonly entropy: Bytes32; readonly job: Bytes32 },
  count: number,
  listed: number,
): ReadonlyArray<number> => {
  const seed = Keccak.ofHex(Hex.concat(draw.seed, draw.entropy, draw.job))
  return Draw.distinct((at) => BigInt(Keccak.ofHex(Hex.concat(seed, Hex.word(BigInt(at))))), count, listed)
}

/**
 * What the contract owes: `bonded` to validators, `rewardPool` that is promised to nobody, `reserved` to open jobs, `credits` that
 * were earned and not taken, `insurance` that is to be sent on. Together they are what it must hold at least.
 *
 * @category models
 * @since 0.1.0
 */
export interface ValidatorTotals {
  readonly bonded: bigint
  readonly rewardPool: bigint
  readonly reserved: bigint
  readonly credits: bigint
  readonly insurance: bigint
}

/**
 * The terms under which it stands, for good. Seconds and basis points.
 *
 * @category models
 * @since 0.1.0
 */
export interface ValidatorTerms {
  readonly token: Address
  readonly minBond: bigint
  readonly epochLengthS: number
  readonly cooldownS: number
  readonly drawnCount: number
  readonly quorum: number
  readonly slashBps: number
  readonly reporterBps: number
}

/** What an adapter can do: as that of `StakeBook`. @category models @since 0.1.0 */
export interface ValidatorCapabilities {
  readonly atomicGrant: boolean
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class ValidatorSet extends Context.Service<
  ValidatorSet,
  {
    readonly capabilities: ValidatorCapabilities
    readonly terms: ValidatorTerms
    readonly act: (act: ValidatorAct) => Effect.Effect<Act, ChainError>
    readonly validator: (account: Address) => Effect.Effect<Validator, ChainError>
    readonly job: (job: Bytes32) => Effect.Effect<Job, ChainError>
    /** The validators of an epoch's list, in the places from which they are drawn. */
    readonly listed: (epoch: number) => Effect.Effect<ReadonlyArray<Address>, ChainError>
    /** What makes a commitment and a verdict this contract's: its chain and its address. */
    readonly domain: Domain
    readonly totals: Effect.Effect<ValidatorTotals, ChainError>
  }
>()("@guildhall/chain/ValidatorSet") {}
