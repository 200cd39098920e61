/**
 * A settlement contract for tests of epochs, as far as they see one: it lives wherever its state is kept, so it outlives the process
 * that asks it, and can be told to refuse, to cancel, to forget (as a chain does that is rewritten) and to lose its answers.
 */
import * as Address from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as Entries from "@guildhall/chain/Entries"
import { Bytes32 } from "@guildhall/chain/Hex"
import * as Hex from "@guildhall/chain/Hex"
import type { Domain } from "@guildhall/chain/Message"
import type { Settlement, SettlementAct } from "@guildhall/chain/Settlement"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Amount = Schema.BigIntFromString
const Kind = Schema.Literals(["None", "Root", "Batch"])

/** All that the contract knows. `proposed` lists every epoch that was put on the chain, as often as it was. */
export const State = Schema.Struct({
  funded: Amount,
  boostPool: Amount,
  pending: Amount,
  paid: Amount,
  proposal: Schema.Struct({
    kind: Kind,
    epoch: Schema.Int,
    appliesAtS: Schema.Int,
    gross: Amount,
    boost: Amount,
    commitment: Bytes32,
  }),
  former: Schema.Int,
  root: Bytes32,
  claimed: Schema.Record(Schema.String, Amount),
  acts: Schema.Record(Schema.String, Schema.String),
  proposed: Schema.Array(Schema.Int),
  applied: Schema.Array(Schema.Int),
})
export type State = typeof State.Type

export const zero = Hex.word(0n)
export const fresh = (funded: bigint, boostPool = 0n): State => ({
  funded,
  boostPool,
  pending: 0n,
  paid: 0n,
  proposal: { kind: "None", epoch: -1, appliesAtS: 0, gross: 0n, boost: 0n, commitment: zero },
  former: -1,
  root: zero,
  claimed: {},
  acts: {},
  proposed: [],
  applied: [],
})

export const token = Address.fromBytes(new Uint8Array(20).fill(2))
export const operator = Address.fromBytes(new Uint8Array(20).fill(3))
export const domain = { chainId: 31_337, contract: Address.fromBytes(new Uint8Array(20).fill(1)) }
export const providerBps = 9_000
export const challengeDelayS = 60

/** Where it stands, and how long an epoch can be challenged. */
export interface Terms {
  readonly at: Domain
  readonly delayS: number
}

const refused = (rule: string) =>
  new ChainError.ChainError({ reason: new ChainError.Refused({ contract: "Settlement", rule, detail: "" }) })

type Changed = State | ChainError.ChainError

const propose = (state: State, act: Extract<SettlementAct, { _tag: "ProposeEpoch" }>, appliesAtS: number): Changed => {
  const { boost, commitment, epoch, gross, kind } = act
  if (state.proposal.kind !== "None") return refused("EpochWaiting")
  if (epoch <= state.proposal.epoch) return refused("EpochNotLater")
  if (gross > state.funded) return refused("NotEnoughFunded")
  if (boost > state.boostPool) return refused("NotEnoughBoost")
  return {
    ...state,
    funded: state.funded - gross,
    boostPool: state.boostPool - boost,
    pending: gross + boost,
    former: state.proposal.epoch,
    proposal: { kind, epoch, appliesAtS, gross, boost, commitment },
    proposed: [...state.proposed, epoch],
  }
}

const apply = (
  state: State,
  act: Extract<SettlementAct, { _tag: "ApplyRoot" | "ApplyBatch" }>,
  nowS: number,
): Changed => {
  const { proposal } = state
  if (proposal.kind === "None" || proposal.epoch !== act.epoch) return refused("NoEpochWaiting")
  if (nowS < proposal.appliesAtS) return refused("ChallengeDelayOpen")
  const { boost, commitment, gross } = proposal
  const providers = (gross * BigInt(providerBps)) / 10_000n + boost
  const done = {
    ...state,
    pending: 0n,
    applied: [...state.applied, act.epoch],
    proposal: { ...proposal, kind: "None" },
  }
  if (act._tag === "ApplyRoot") return { ...done, paid: state.paid + providers, root: commitment } as State
  if (Entries.commitment(act.entries) !== commitment) return refused("WrongEntries")
  const sum = act.entries.reduce((all, { amount }) => all + amount, 0n)
  if (sum > providers || providers - sum >= BigInt(act.entries.length)) return refused("BatchDoesNotAddUp")
  return { ...done, paid: state.paid + providers } as State
}

const claim = (state: State, act: Extract<SettlementAct, { _tag: "ClaimRoot" }>, at: Domain): Changed => {
  const { account, cumulative, proof } = act
  const leaf = CumulativeTree.leaf({ ...at, token }, { account, cumulative })
  if (!CumulativeTree.isProved(state.root, leaf, proof)) return refused("InvalidProof")
  const due = cumulative - (state.claimed[account] ?? 0n)
  const amount = due < state.paid ? due : state.paid
  const claimed = { ...state.claimed, [account]: (state.claimed[account] ?? 0n) + amount }
  return { ...state, paid: state.paid - amount, claimed }
}

const made = (state: State, act: SettlementAct, nowS: number, { at, delayS }: Terms): Changed => {
  switch (act._tag) {
    case "ProposeEpoch":
      return propose(state, act, nowS + delayS)
    case "ApplyRoot":
    case "ApplyBatch":
      return apply(state, act, nowS)
    case "ClaimRoot":
      return claim(state, act, at)
    default:
      return refused("NotHere")
  }
}

/** The waiting epoch is taken off, as its challenger does it. */
export const cancelled = (state: State): State => ({
  ...state,
  funded: state.funded + state.proposal.gross,
  boostPool: state.boostPool + state.proposal.boost,
  pending: 0n,
  proposal: { ...fresh(0n).proposal, epoch: state.former },
})

/** Where the state is kept: `change` is one step, whoever else asks. */
export interface Place {
  readonly read: Effect.Effect<State>
  readonly change: <E>(step: (state: State) => State | E) => Effect.Effect<State, E>
}

/**
 * The port over a place. `around` is put around every act, to break it.
 */
export const make = (
  place: Place,
  around: (
    act: SettlementAct,
    effect: Effect.Effect<void, ChainError.ChainError>,
  ) => Effect.Effect<void, ChainError.ChainError> = (_, effect) => effect,
  { at, delayS }: Terms = { at: domain, delayS: challengeDelayS },
): Settlement["Service"] => ({
  capabilities: { pulls: false, atomicGrant: false, maxEntries: 3 },
  terms: { epochLengthS: 3_600, challengeDelayS: delayS, termsDelayS: 0, unfundDelayS: 0, voucherEpochs: 1 },
  domain: at,
  act: (act) =>
    Effect.gen(function* () {
      const atS = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
      const content = JSON.stringify(act, (_, value) => (typeof value === "bigint" ? `${value}` : value))
      const step = place.change((state): State | ChainError.ChainError => {
        const before = state.acts[act.idempotencyKey]
        if (before === content) return state
        if (before !== undefined) {
          const { idempotencyKey } = act
          return new ChainError.ChainError({ reason: new ChainError.Conflict({ idempotencyKey }) })
        }
        const next = made(state, act, atS, { at, delayS })
        if (next instanceof ChainError.ChainError) return next
        return { ...next, acts: { ...next.acts, [act.idempotencyKey]: content } }
      })
      yield* around(act, Effect.asVoid(step) as Effect.Effect<void, ChainError.ChainError>)
      return { idempotencyKey: act.idempotencyKey, transaction: `0x${act._tag}`, atS, events: [] }
    }),
  token: () =>
    Effect.map(place.read, ({ proposal, root }) => ({
      proposal,
      root,
      unfund: { funded: 0n, boost: 0n, readyAtS: 0, expiresAtS: 0 },
    })),
  credit: (_, account) => Effect.map(place.read, ({ claimed }) => ({ owed: 0n, rootClaimed: claimed[account] ?? 0n })),
  redeemed: () => Effect.succeed(0n),
  termsAt: () =>
    Effect.succeed({ fromEpoch: 0, providerBps, treasury: operator, voucherSigner: Address.ZERO, shares: [] }),
  totals: () =>
    Effect.map(place.read, ({ boostPool, funded, paid, pending }) => ({
      funded,
      boostPool,
      pending,
      rootPool: paid,
      owed: 0n,
    })),
})

/** A place in this process's memory. */
export const inMemory = (first: State): Place & { state: State } => {
  const place: Place & { state: State } = {
    state: first,
    read: Effect.sync(() => place.state),
    change: <E>(step: (state: State) => State | E): Effect.Effect<State, E> =>
      Effect.suspend(() => {
        const next = step(place.state)
        if (next instanceof ChainError.ChainError) return Effect.fail(next as E)
        place.state = next as State
        return Effect.succeed(place.state)
      }),
  }
  return place
}
