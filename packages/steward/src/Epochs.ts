/**
 * Settles a market's epochs on its chain. When an epoch is over, the books are closed up to its end; what each provider earned is
 * added up, floored once to the token's unit, and held; the chain is given a root or a batch; the proofs are published; and when
 * the time for challenges is over and the chain is final, providers can claim, and the books say that they were paid.
 *
 * One epoch is under way at a time. Each step is durable and made once, whichever process makes it and however often it is
 * killed; what the chain rewrites is brought there again; what it refuses waits, and says what to do. An epoch that was cancelled
 * gives everything back, to be paid with the next one. Where the market was stopped for several epochs, the last one pays for all.
 * A market moves to another contract or token between two epochs: one that is under way ends on the contract it began on.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import type { Address } from "@guildhall/chain/Address"
import { Settlement } from "@guildhall/chain/Settlement"
import { type Beginning, type Epoch, isFinished, type Place, SettlementRecord } from "@guildhall/chain/SettlementRecord"
import type { Asset } from "@guildhall/core/Asset"
import * as MarketChain from "@guildhall/core/MarketChain"
import { Ledger } from "@guildhall/ledger/Ledger"
import { LedgerStore } from "@guildhall/ledger/LedgerStore"
import * as EpochChain from "./internal/EpochChain.ts"
import type { Desk, Order } from "./internal/EpochTerms.ts"
import * as EpochWorkflow from "./internal/EpochWorkflow.ts"
import * as Loop from "./Loop.ts"

/**
 * What epochs are settled by.
 *
 * - `settling`, `asset` and `token`: the market's terms, the asset that it counts in, and the token's address on the chain with its
 *   decimals. `definition` is the digest under which epochs that begin now begin and end.
 * - `by`: the contract's operator, who proposes.
 * - `wallets`: where members are paid; whoever has none keeps what it earned in the books until it has one.
 * - `multipliers`: what tiers multiply accounts' earnings by, asked only where the terms have a boost.
 * - `finalityMs`: after so long the chain does not take back what it has. 0 by default.
 * - `graceMs`: an epoch begins to be settled so long after its end: 5,000, which covers that clocks differ.
 * - `everyMs`: how often it looks for what to do: 10,000. `firstWaitMs`, `longestWaitMs`: the wait before a step that did not
 *   succeed is made again, at first and at most: 5 seconds and 10 minutes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly settling: MarketChain.Settling
  readonly asset: Asset
  readonly token: { readonly address: Address; readonly decimals: number }
  readonly definition: string
  readonly by: Address
  readonly wallets: Desk["wallets"]
  readonly multipliers?: Desk["multipliers"] | undefined
  readonly finalityMs?: number | undefined
  readonly graceMs?: number | undefined
  readonly everyMs?: number | undefined
  readonly firstWaitMs?: number | undefined
  readonly longestWaitMs?: number | undefined
}

const GRACE_MS = 5_000
const EVERY_MS = 10_000
const FIRST_WAIT_MS = 5_000
const LONGEST_WAIT_MS = 600_000

const claimable = Metric.gauge("guildhall_settlement_epoch", {
  description: "The number of the last epoch that providers can claim.",
})

const beginningOf = (options: Options, place: Place, epoch: number): Beginning => {
  const { asset, definition, settling, token } = options
  const endMs = (epoch + 1) * settling.epochMs
  return { ...place, epoch, unit: MarketChain.unitOf(asset, token), endMs, kind: settling.kind, definition }
}

const orderOf = (options: Options, beginning: Beginning): Order => {
  const { asset, by, settling } = options
  return {
    beginning,
    asset,
    untilMs: Object.fromEntries(
      Object.entries(settling.sources).map(([source, { afterMs }]) => [source, beginning.endMs - afterMs]),
    ),
    minimum: settling.minimum ?? 0n,
    boostCap: settling.boost?.cap ?? null,
    by,
    firstWaitMs: options.firstWaitMs ?? FIRST_WAIT_MS,
    longestWaitMs: options.longestWaitMs ?? LONGEST_WAIT_MS,
    finalityMs: options.finalityMs ?? 0,
  }
}

/** Looks whether the chain still has what was final, and brings it back where it has not: a rewrite deeper than it should be. */
const guard = Effect.fnUntraced(function* (desk: Desk, by: Address, last: Epoch) {
  if (last.sum === null) return
  const seen = yield* EpochChain.look(desk, last, last.sum)
  if (seen._tag === "Applied" || seen._tag === "Foreign") return
  yield* Effect.logError(
    `The chain took back epoch ${last.epoch} (${last.asset}), which was final. It is brought there again; look at the chain and its endpoints, and reconcile.`,
  )
  if (seen._tag === "Gone") yield* EpochChain.attempt(desk, EpochChain.proposing({ ...last, by }, last.sum))
  yield* EpochChain.attempt(desk, yield* EpochChain.applying(desk, { ...last, by }))
})

/**
 * Makes the `round` that looks once: it begins the run of the epoch that is over, sees to it that one under way goes on, and
 * watches the last one. Registers the runs with the engine of this process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const engine = yield* WorkflowEngine
  const record = yield* SettlementRecord
  const settlement = yield* Settlement
  const desk: Desk = {
    ledger: yield* Ledger,
    store: yield* LedgerStore,
    record,
    settlement,
    wallets: options.wallets,
    multipliers: options.multipliers ?? (() => Effect.succeed(new Map())),
  }
  yield* EpochWorkflow.register(desk)
  const { asset, settling, token } = options
  const place: Place = { asset: asset.code, token: token.address, ...settlement.domain }

  const start = (beginning: Beginning) =>
    EpochWorkflow.begin(orderOf(options, beginning)).pipe(Effect.provideService(WorkflowEngine, engine))

  const round = Effect.gen(function* () {
    const [newest] = yield* record.epochs({ asset: asset.code, limit: 1 })
    if (newest !== undefined && !isFinished(newest)) return yield* start(newest)
    // Where the market has moved, nothing of the former contract counts here.
    const [last] = yield* record.epochs({ ...place, limit: 1 })
    if (last?.state === "claimable") {
      yield* Metric.update(claimable, last.epoch)
      yield* guard(desk, options.by, last)
    }
    const nowMs = yield* Clock.currentTimeMillis
    const over = MarketChain.epochAt(settling, nowMs - (options.graceMs ?? GRACE_MS)) - 1
    if (over >= 0 && (last === undefined || last.epoch < over)) yield* start(beginningOf(options, place, over))
  }).pipe(Effect.withSpan("Epochs.round"))
  return { round }
})

/**
 * Looks again and again, for as long as the layer lives. Needs a workflow engine that keeps its runs where the books are: restore
 * both to the same moment, or neither.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { round } = yield* make(options)
      yield* Loop.run("Epochs", options.everyMs ?? EVERY_MS, round)
    }),
  )
