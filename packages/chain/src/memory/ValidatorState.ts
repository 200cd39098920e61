/**
 * What the contract ValidatorRegistry keeps in memory: bonds, the lists of epochs, jobs, votes, and who is owed what.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Address } from "../Address.ts"
import * as Hex from "../Hex.ts"
import * as ValidatorSet from "../ValidatorSet.ts"
import * as Step from "./Step.ts"

/** A job: `verdict` is undefined until enough agree. @category models @since 0.1.0 */
export interface JobState extends Omit<ValidatorSet.Job, "drawn"> {
  /** Whether the entropy was written down, which the first committed vote does. */
  readonly isFixed: boolean
  /** The commitments that are not revealed yet, by validator. */
  readonly commitments: HashMap.HashMap<string, Hex.Bytes32>
  /** Who revealed which verdict, in order. */
  readonly voters: HashMap.HashMap<string, ReadonlyArray<Address>>
}

/** A seed: `value` is undefined until it is revealed. @category models @since 0.1.0 */
export interface Seed {
  readonly commitment: Hex.Bytes32
  readonly value: Hex.Bytes32 | undefined
}

/** The list from an epoch on. @category models @since 0.1.0 */
export interface Listing {
  readonly fromEpoch: number
  readonly members: ReadonlyArray<Address>
}

/** A bond. @category models @since 0.1.0 */
export type Bonded = Omit<ValidatorSet.Validator, "credit">

/** The contract's state. @category models @since 0.1.0 */
export interface State extends Step.Pausable {
  readonly terms: ValidatorSet.ValidatorTerms
  readonly validators: HashMap.HashMap<string, Bonded>
  readonly listings: ReadonlyArray<Listing>
  readonly seeds: HashMap.HashMap<string, Seed>
  readonly jobs: HashMap.HashMap<string, JobState>
  readonly credits: HashMap.HashMap<string, bigint>
  /** By validator and job. */
  readonly reported: HashMap.HashMap<string, true>
  readonly totals: ValidatorSet.ValidatorTotals
}

/** A contract that was just deployed. @category constructors @since 0.1.0 */
export const make = (terms: ValidatorSet.ValidatorTerms): State => ({
  terms,
  pausedUntilS: 0,
  validators: HashMap.empty(),
  listings: [],
  seeds: HashMap.empty(),
  jobs: HashMap.empty(),
  credits: HashMap.empty(),
  reported: HashMap.empty(),
  totals: { bonded: 0n, rewardPool: 0n, reserved: 0n, credits: 0n, insurance: 0n },
})

/** The bond of an account, in state `None` where there is none. @category destructors @since 0.1.0 */
export const bondedOf = (state: State, account: Address): Bonded =>
  Step.get(state.validators, account, { state: "None", bonded: 0n, cooldownEndS: 0 })

/** Changes what is owed. @category combinators @since 0.1.0 */
export const withTotals = (state: State, change: Partial<ValidatorSet.ValidatorTotals>): State => ({
  ...state,
  totals: {
    bonded: state.totals.bonded + (change.bonded ?? 0n),
    rewardPool: state.totals.rewardPool + (change.rewardPool ?? 0n),
    reserved: state.totals.reserved + (change.reserved ?? 0n),
    credits: state.totals.credits + (change.credits ?? 0n),
    insurance: state.totals.insurance + (change.insurance ?? 0n),
  },
})

/** Credits an account. @category combinators @since 0.1.0 */
export const credit = (state: State, account: Address, amount: bigint): State =>
  withTotals({ ...state, credits: Step.add(state.credits, account, amount) }, { credits: amount })

/** The number of the epoch of a second. @category destructors @since 0.1.0 */
export const epochAt = (state: State, nowS: number): number => Math.floor(nowS / state.terms.epochLengthS)

/** The validators of an epoch's list. @category destructors @since 0.1.0 */
export const listed = (state: State, epoch: number): ReadonlyArray<Address> =>
  state.listings.findLast(({ fromEpoch }) => fromEpoch <= epoch)?.members ?? []

/** Changes the list from the next epoch on. @category combinators @since 0.1.0 */
export const relist = (
  state: State,
  nowS: number,
  change: (members: ReadonlyArray<Address>) => ReadonlyArray<Address>,
): State => {
  const fromEpoch = epochAt(state, nowS) + 1
  const last = state.listings.at(-1)
  const before = last?.fromEpoch === fromEpoch ? state.listings.slice(0, -1) : state.listings
  return { ...state, listings: [...before, { fromEpoch, members: change(last?.members ?? []) }] }
}

/** The list without an account, whose place the last one takes. @category combinators @since 0.1.0 */
export const without = (members: ReadonlyArray<Address>, account: Address): ReadonlyArray<Address> => {
  const place = members.indexOf(account)
  const last = members.at(-1)
  if (place < 0 || last === undefined) return members
  const rest = members.slice(0, -1)
  return place === rest.length ? rest : rest.with(place, last)
}

/** A job that exists. @category rules @since 0.1.0 */
export const existing = (state: State, job: Hex.Bytes32): Result.Result<JobState, Step.Refusal> =>
  Option.match(HashMap.get(state.jobs, job), {
    onNone: () => Step.refuse("UnknownJob", { job }),
    onSome: Result.succeed,
  })

/** Who is drawn for a job: nobody, until the seed of its epoch is revealed. @category destructors @since 0.1.0 */
export const drawn = (state: State, job: Hex.Bytes32, { entropy, epoch }: JobState): ReadonlyArray<Address> => {
  const seed = Option.getOrUndefined(HashMap.get(state.seeds, String(epoch)))?.value
  if (seed === undefined) return []
  const members = listed(state, epoch)
  return ValidatorSet.drawnPlaces({ seed, entropy, job }, state.terms.drawnCount, members.length).flatMap(
    (place) => members[place] ?? [],
  )
}

/** Thirty-two zero bytes, which are no verdict, no seed and no commitment. @category constants @since 0.1.0 */
export const NOTHING: Hex.Bytes32 = Hex.word(0n)

/** A job that does not exist. @category constants @since 0.1.0 */
export const NO_JOB: ValidatorSet.Job = {
  epoch: 0,
  reserved: 0n,
  share: 0n,
  closed: false,
  entropy: NOTHING,
  drawn: [],
  verdict: undefined,
}
