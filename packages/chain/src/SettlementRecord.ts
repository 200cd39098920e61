/**
 * What a market remembers of its epochs on a chain: how far each has come, who gets what, and the proofs by which accounts claim.
 * The steward writes it, the control API reads it.
 *
 * Guarantees, each proved by the tests over both stores:
 *
 * 1. One epoch of an asset is unfinished at a time, whoever begins one.
 * 2. What an epoch pays is written once, all of it or nothing; who writes it again gets what was written first.
 * 3. An epoch only moves forward, and a finished one never moves again.
 * 4. The leaves of the newest claimable epoch stay until there is a newer one; of the older ones so many as the store is told to.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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
 * The terms under which an epoch begins, and ends: the asset of the books, the contract and its token, how it is paid, when it
 * ended (Unix milliseconds), and the digest of the market's definition.
 *
 * @category models
 * @since 0.1.0
 */
export const Beginning = Schema.Struct({
  asset: AssetCode,
  epoch: Schema.Int,
  endMs: Schema.Int,
  chainId: Schema.Int,
  contract: Address,
  token: Address,
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
 * An epoch. `appliesAtS` is from when on it can count, by the chain's clock; `transaction` brought it there.
 *
 * @category models
 * @since 0.1.0
 */
export const Epoch = Schema.Struct({
  ...Beginning.fields,
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

/** Which epoch of which asset. @category models @since 0.1.0 */
export type Of = Pick<Beginning, "asset" | "epoch">

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
    /** Begins an epoch; answers the asset's unfinished one, which may be another that was begun before. */
    readonly begin: (beginning: Beginning) => Effect.Effect<Epoch, SettlementRecordError>
    /** Writes what an epoch that has begun pays. */
    readonly net: (
      of: Of,
      sum: Sum,
      pays: { readonly payees: ReadonlyArray<Payee>; readonly leaves: ReadonlyArray<Leaf> },
    ) => Effect.Effect<Epoch, SettlementRecordError>
    /** Moves an epoch forward; one that is there already stays as it is. */
    readonly note: (of: Of, news: News) => Effect.Effect<Epoch, SettlementRecordError>
    /** Epochs of an asset, or of all, the newest first: at most `limit`, with numbers below `before` where it is given. */
    readonly epochs: (query: {
      readonly asset?: AssetCode | undefined
      readonly before?: number | undefined
      readonly epoch?: number | undefined
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<Epoch>, SettlementRecordError>
    readonly payees: (of: Of) => Effect.Effect<ReadonlyArray<Payee>, SettlementRecordError>
    /** The leaves of an epoch: all, or those of the accounts that a member was ever paid on. */
    readonly leaves: (of: Of, member?: MemberId) => Effect.Effect<ReadonlyArray<Leaf>, SettlementRecordError>
  }
>()("@guildhall/chain/SettlementRecord") {}

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

interface Kept {
  epoch: Epoch
  payees: ReadonlyArray<Payee>
  leaves: ReadonlyArray<Leaf>
}

const keyOf = ({ asset, epoch }: Of): string => `${asset}:${epoch}`
const unknown = (of: Of) =>
  new SettlementRecordError({ reason: "Corrupt", cause: new Error(`there is no epoch ${keyOf(of)}`) })

/**
 * The record in this process's memory, gone with it: for tests and simulations.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (keep: number = KEPT_EPOCHS): SettlementRecord["Service"] => {
  const kept = new Map<string, Kept>()
  const accounts = new Map<MemberId, Set<Address>>()
  const newest = () => [...kept.values()].sort((a, b) => b.epoch.epoch - a.epoch.epoch)
  const on = <A>(of: Of, use: (found: Kept) => A) =>
    Effect.suspend(() => {
      const found = kept.get(keyOf(of))
      return found === undefined ? Effect.fail(unknown(of)) : Effect.succeed(use(found))
    })
  const prune = (asset: AssetCode): void => {
    const claimable = newest().filter(({ epoch }) => epoch.asset === asset && epoch.state === "claimable")
    const oldest = claimable.slice(0, keep).at(-1)?.epoch.epoch ?? 0
    for (const old of kept.values()) {
      if (old.epoch.asset !== asset || old.epoch.epoch >= oldest) continue
      old.payees = []
      old.leaves = []
    }
  }
  return {
    begin: (beginning) =>
      Effect.sync(() => {
        const others = [...kept.values()].filter(({ epoch }) => epoch.asset === beginning.asset)
        const found = kept.get(keyOf(beginning)) ?? others.find(({ epoch }) => !isFinished(epoch))
        if (found !== undefined) return found.epoch
        const epoch: Epoch = { ...beginning, state: "begun", sum: null, transaction: null, appliesAtS: null }
        kept.set(keyOf(beginning), { epoch, payees: [], leaves: [] })
        return epoch
      }),
    net: (of, sum, { leaves, payees }) =>
      on(of, (found) => {
        if (found.epoch.state !== "begun") return found.epoch
        found.epoch = { ...found.epoch, state: "netted", sum }
        found.payees = payees
        found.leaves = leaves
        for (const { account, member } of payees) {
          accounts.set(member, new Set([...(accounts.get(member) ?? []), account]))
        }
        return found.epoch
      }),
    note: (of, news) =>
      on(of, (found) => {
        if (mayMove(found.epoch.state, news.state)) found.epoch = { ...found.epoch, ...news }
        if (news.state === "claimable") prune(of.asset)
        return found.epoch
      }),
    epochs: ({ asset, before, epoch, limit }) =>
      Effect.sync(() =>
        newest()
          .map((one) => one.epoch)
          .filter((one) => asset === undefined || one.asset === asset)
          .filter((one) => before === undefined || one.epoch < before)
          .filter((one) => epoch === undefined || one.epoch === epoch)
          .slice(0, limit),
      ),
    payees: (of) => on(of, ({ payees }) => payees),
    leaves: (of, member) =>
      on(of, ({ leaves }) =>
        member === undefined ? leaves : leaves.filter(({ account }) => accounts.get(member)?.has(account) === true),
      ),
  }
}

/**
 * {@link makeMemory} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<SettlementRecord> = Layer.sync(SettlementRecord, () => makeMemory())
