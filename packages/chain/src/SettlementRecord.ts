/**
 * What a market remembers of its epochs on a chain: how far each has come, who gets what, and the proofs by which accounts claim.
 * The steward writes it, the control API reads it.
 *
 * Guarantees, each proved by the tests over both stores:
 *
 * 1. One epoch of an asset is unfinished at a time, whoever begins one, and epochs of a place begin in the order of their numbers.
 * 2. What an epoch pays is written once, all of it or nothing; who writes it again gets what was written first.
 * 3. An epoch only moves forward, and a finished one never moves again.
 * 4. The leaves of a place's newest claimable epoch stay until there is a newer one; of the older ones so many as the store is told
 *    to.
 * 5. A number means another epoch in each place: on another chain, of another contract, of another token.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { Address } from "./Address.ts"
import { Bytes32 } from "./Hex.ts"

/**
 * How far an epoch has come.
 *
 * - `begun`: it is over, and what it pays is being added up. `netted`: that is known. `posted`: the chain has it, and the time
 *   runs in which it can be challenged. Proofs can be checked from here on.
 * - `claimable`: it counts. `cancelled`: it was challenged, or the chain lost it, and nothing of it counts. `empty`: there was
 *   nothing to pay.
 *
 * @category models
 * @since 0.1.0
 */
export const State = Schema.Literals(["begun", "netted", "posted", "claimable", "cancelled", "empty"])
/** @since 0.1.0 */
export type State = typeof State.Type

/**
 * Where epochs are counted: the asset of the books, and the chain, the contract and the token that it is paid by. A market that
 * moves to another contract counts anew, and what it earned on the former one stays there to be claimed.
 *
 * @category models
 * @since 0.1.0
 */
export const Place = Schema.Struct({ asset: AssetCode, chainId: Schema.Int, contract: Address, token: Address })
/** @since 0.1.0 */
export type Place = typeof Place.Type

/** Which epoch, and where. @category models @since 0.1.0 */
export const Of = Schema.Struct({ ...Place.fields, epoch: Schema.Int })
/** @since 0.1.0 */
export type Of = typeof Of.Type

/**
 * The terms under which an epoch begins, and ends: where and which it is, how much of the asset's smallest unit one of the token's
 * is, how it is paid, when it ended (Unix milliseconds), and the digest of the market's definition.
 *
 * @category models
 * @since 0.1.0
 */
export const Beginning = Schema.Struct({
  ...Of.fields,
  unit: NonNegativeAmount,
  endMs: Schema.Int,
  kind: Schema.Literals(["root", "batch"]),
  definition: Schema.String,
})
/** @since 0.1.0 */
export type Beginning = typeof Beginning.Type

/**
 * What an epoch comes to, in the token's smallest unit. `total` is what its payees get together, `boost` the part of it that the
 * boost pool pays, `gross` what the contract divides so that the providers' part of it is the rest. `boostLeft` is what is too
 * small for the token, in the asset's smallest unit, and counts in the next epoch.
 *
 * @category models
 * @since 0.1.0
 */
export const Sum = Schema.Struct({
  commitment: Bytes32,
  gross: NonNegativeAmount,
  boost: NonNegativeAmount,
  boostLeft: NonNegativeAmount,
  total: NonNegativeAmount,
  payees: Schema.Int,
  accounts: Schema.Int,
})
/** @since 0.1.0 */
export type Sum = typeof Sum.Type

/**
 * An epoch. Of two the later one to begin has the higher `sequence`, wherever they are. `appliesAtS` is from when on it can count,
 * by the chain's clock; `transaction` brought it there.
 *
 * @category models
 * @since 0.1.0
 */
export const Epoch = Schema.Struct({
  ...Beginning.fields,
  sequence: Schema.Int,
  state: State,
  sum: Schema.NullOr(Sum),
  transaction: Schema.NullOr(Schema.String),
  appliesAtS: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type Epoch = typeof Epoch.Type

/**
 * Who is paid: the member, the account of its wallet, the hold that keeps the amount in the books, and how much of the token's
 * smallest unit.
 *
 * @category models
 * @since 0.1.0
 */
export const Payee = Schema.Struct({
  member: MemberId,
  account: Address,
  hold: Schema.String,
  amount: NonNegativeAmount,
})
/** @since 0.1.0 */
export type Payee = typeof Payee.Type

/**
 * What an account can prove: what it earned in this epoch (`amount`) and in all up to it (`cumulative`), and the proof. Batches
 * have no proofs, and count cumulative amounts as well.
 *
 * @category models
 * @since 0.1.0
 */
export const Leaf = Schema.Struct({
  account: Address,
  amount: NonNegativeAmount,
  cumulative: NonNegativeAmount,
  proof: Schema.Array(Bytes32),
})
/** @since 0.1.0 */
export type Leaf = typeof Leaf.Type

/**
 * Which epochs: of an asset, a chain, a contract, a token, a number, or of all where none is named; begun before that `sequence`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Query {
  readonly asset?: AssetCode | undefined
  readonly chainId?: number | undefined
  readonly contract?: Address | undefined
  readonly token?: Address | undefined
  readonly epoch?: number | undefined
  readonly before?: number | undefined
  readonly limit: number
}

/**
 * What becomes of an epoch: on the chain, or over.
 *
 * @category models
 * @since 0.1.0
 */
export type News =
  | { readonly state: "posted"; readonly transaction: string; readonly appliesAtS: number }
  | { readonly state: "claimable" | "cancelled" | "empty" }

/**
 * The record's store is away, or holds what cannot be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class SettlementRecordError extends Schema.TaggedError<SettlementRecordError>()("SettlementRecordError", {
  reason: Schema.Literals(["Unavailable", "Corrupt"]),
  cause: Schema.Defect(),
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return this.reason === "Unavailable"
      ? "The record of the epochs did not answer. Try again once the database is back."
      : "The record of the epochs holds what cannot be read. Restore its tables (chain_…) from a backup of the same moment as the books."
  }
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class SettlementRecord extends Context.Service<
  SettlementRecord,
  {
    /**
     * Begins an epoch; answers the asset's unfinished one, which may be another that was begun before. Where that epoch or a later
     * one of its place was begun already, it answers that.
     */
    readonly begin: (beginning: Beginning) => Effect.Effect<Epoch, SettlementRecordError>
    /** Writes what an epoch that has begun pays. */
    readonly net: (
      of: Of,
      sum: Sum,
      pays: { readonly payees: ReadonlyArray<Payee>; readonly leaves: ReadonlyArray<Leaf> },
    ) => Effect.Effect<Epoch, SettlementRecordError>
    /** Moves an epoch forward; one that is there already stays as it is. */
    readonly note: (of: Of, news: News) => Effect.Effect<Epoch, SettlementRecordError>
    /** At most `limit` epochs, the last one to begin first. */
    readonly epochs: (query: Query) => Effect.Effect<ReadonlyArray<Epoch>, SettlementRecordError>
    readonly payees: (of: Of) => Effect.Effect<ReadonlyArray<Payee>, SettlementRecordError>
    /** The leaves of an epoch: all, or those of the accounts that a member was ever paid on. */
    readonly leaves: (of: Of, member?: MemberId) => Effect.Effect<ReadonlyArray<Leaf>, SettlementRecordError>
  }
>()("@guildhall/chain/SettlementRecord") {}

/**
 * The place of an epoch, and nothing else of it.
 *
 * @category destructors
 * @since 0.1.0
 */
export const placeOf = ({ asset, chainId, contract, token }: Place): Place => ({ asset, chainId, contract, token })

/**
 * Which epoch it is, and nothing else of it.
 *
 * @category destructors
 * @since 0.1.0
 */
export const of = (epoch: Of): Of => ({ ...placeOf(epoch), epoch: epoch.epoch })

/**
 * Whether two are one epoch: the same number at the same place.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isSame = (one: Of, other: Of): boolean =>
  one.epoch === other.epoch &&
  one.asset === other.asset &&
  one.chainId === other.chainId &&
  one.contract === other.contract &&
  one.token === other.token

/**
 * Whether an epoch is over, in this or another way.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isFinished = ({ state }: Pick<Epoch, "state">): boolean =>
  state === "claimable" || state === "cancelled" || state === "empty"

const ORDER: ReadonlyArray<State> = ["begun", "netted", "posted", "claimable"]

/**
 * Whether an epoch in a state may move to another: forward, and never from an end.
 *
 * @category rules
 * @since 0.1.0
 */
export const mayMove = (from: State, to: State): boolean => {
  if (isFinished({ state: from })) return false
  if (to === "cancelled") return from !== "begun"
  if (to === "empty") return from === "begun"
  return ORDER.indexOf(to) > ORDER.indexOf(from)
}

/**
 * How many claimable epochs' leaves and payees are kept, where a store is told nothing else.
 *
 * @category constants
 * @since 0.1.0
 */
export const KEPT_EPOCHS = 32
