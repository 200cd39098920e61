/**
 * Reads the events of contracts from a chain, block by block, into an {@link IndexStore}, and survives whatever the chain does:
 * forks as deep as the chain allows, endpoints that lag, cut or contradict themselves, and its own death at any point.
 *
 * Far behind the newest block it reads long ranges. Near it, where blocks may still change, it reads every block's header:
 * each must follow from the one before, and where a header says that there may be events and none came, that block is
 * asked again by its hash.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { IndexError } from "./IndexError.ts"
import type { BlockId, Cursor, IndexStore } from "./IndexStore.ts"
import * as BlockReader from "./internal/BlockReader.ts"
import * as BlockRange from "./internal/BlockRange.ts"
import type { Rpc } from "./Rpc.ts"

/**
 * What is listened to: the events of these contracts (addresses in any case), and where `topics` are given, only those whose
 * topic in each place is one of the values, or any where it is `null`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Watch {
  readonly addresses: ReadonlyArray<string>
  readonly topics?: ReadonlyArray<ReadonlyArray<string> | null> | undefined
}

/**
 * - `rpc`: the endpoints. Its chain says after how many blocks an event is final (`confirmations`), and how deep blocks may be
 *   taken back (`finalityDepth`).
 * - `firstBlock`: nothing before it is read: the block in which the first contract was deployed.
 * - `watches`: asked for anew at each step, so that it may grow. What is added is listened to from then on.
 * - `rangeMax`: so many blocks are asked for at once at most; 2,000 if nothing is said. An endpoint that refuses is asked for half.
 * - `eventsMax`: so many events are taken at once at most; 10,000 if nothing is said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly name: string
  readonly rpc: Pick<Rpc["Service"], "chain" | "request" | "head">
  readonly store: IndexStore
  readonly firstBlock: number
  readonly watches: Effect.Effect<ReadonlyArray<Watch>, IndexError>
  readonly rangeMax?: number | undefined
  readonly eventsMax?: number | undefined
}

/**
 * What a step did: it read on and found events, it took blocks back to the last one that is still there, or there was nothing
 * to do.
 *
 * @category models
 * @since 0.1.0
 */
export type Step =
  | { readonly _tag: "Read"; readonly to: number; readonly events: number; readonly isUpToDate: boolean }
  | { readonly _tag: "TakenBack"; readonly from: number; readonly to: number }
  | { readonly _tag: "UpToDate" }

/**
 * An index that reads.
 *
 * - `step`: one bounded step, made as a whole or not at all. Two processes that make steps of one index do not disturb each other.
 * - `catchUp`: steps until there is nothing to do; answers how many events were read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Indexer {
  readonly name: string
  readonly store: IndexStore
  readonly step: Effect.Effect<Step, IndexError>
  readonly catchUp: Effect.Effect<number, IndexError>
}

const behind = Metric.gauge("guildhall_index_blocks_behind", {
  description: "Blocks of the chain that an index has not read yet, by index.",
})
const eventsRead = Metric.counter("guildhall_index_events", { description: "Events that an index has read, by index." })
const takenBack = Metric.counter("guildhall_index_blocks_taken_back", {
  description: "Blocks that a chain took back after an index had read them, by index.",
})

const minOf = (...numbers: ReadonlyArray<number>): number => Math.min(...numbers)

/** How far a step may go, and what stays once it got there. */
const plan = (options: Options, cursor: Cursor, head: number, span: number) => {
  const { confirmations, finalityDepth } = options.rpc.chain
  const settledHead = head - finalityDepth
  const from = cursor.number + 1
  const isSettled = from <= settledHead
  const to = minOf(from + span - 1, isSettled ? settledHead : head)
  const next = (hash: Cursor["hash"]): Cursor => ({
    number: to,
    hash,
    // Never beyond what is read, and never back: an endpoint that is behind knows less, not better.
    finalNumber: Math.max(cursor.finalNumber, minOf(to, head - confirmations)),
    settledNumber: Math.max(cursor.settledNumber, minOf(to, settledHead)),
    forks: cursor.forks,
  })
  return { from, to, isSettled, next }
}

const tooDeep = ({ rpc }: Options, block: BlockId, found: string) =>
  new IndexError({
    reason: "reorgTooDeep",
    detail: `Block ${block.number} of ${rpc.chain.name} was ${block.hash} and is ${found} now, and no block deeper than ${rpc.chain.finalityDepth} should change.`,
  })

/** Where an index begins: after the block before the first one, of which nothing is known and nothing wanted. */
const begin = Effect.fnUntraced(function* ({ firstBlock, rpc, store }: Options, from: Cursor | null) {
  const number = Math.max(0, firstBlock - 1)
  const { hash } = yield* BlockReader.mustHeader(rpc.request, number)
  const forks = from === null ? 0 : from.forks + 1
  const cursor: Cursor = { number, hash, finalNumber: number, settledNumber: number, forks }
  yield* store.move({
    from,
    to: cursor,
    keptUpTo: from === null ? number : number - 1,
    blocks: [{ number, hash }],
    logs: [],
  })
  return cursor
})

/**
 * The newest block that the index and the chain have in common: `behind` where the endpoint does not reach where the index
 * stands and agrees with what it does reach; `gone` where not even the one is there after which the index began.
 */
const common = Effect.fnUntraced(function* (options: Options, cursor: Cursor, head: number) {
  const { firstBlock, rpc, store } = options
  if (head >= cursor.number) {
    const found = yield* BlockReader.mustHeader(rpc.request, cursor.number)
    if (found.hash === cursor.hash) return cursor
  }
  let hasChanged = head >= cursor.number
  for (const block of yield* store.blocks) {
    if (block.number > head) continue
    const found = yield* BlockReader.mustHeader(rpc.request, block.number)
    if (found.hash === block.hash) return hasChanged ? block : "behind"
    hasChanged = true
    if (block.number < firstBlock) return "gone"
    if (block.number <= cursor.settledNumber) return yield* tooDeep(options, block, found.hash)
  }
  return "behind"
})

const takeBack = Effect.fnUntraced(function* ({ name, store }: Options, cursor: Cursor, to: BlockId) {
  yield* store.move({
    from: cursor,
    to: {
      ...to,
      finalNumber: minOf(cursor.finalNumber, to.number),
      settledNumber: minOf(cursor.settledNumber, to.number),
      forks: cursor.forks + 1,
    },
    keptUpTo: to.number,
    blocks: [],
    logs: [],
  })
  const depth = cursor.number - to.number
  yield* Metric.update(Metric.withAttributes(takenBack, { index: name }), depth)
  yield* Effect.logWarning(
    `The chain took back ${depth} block(s): ${name} goes on from block ${to.number}. What was read of them is taken back too.`,
  )
})

/**
 * Makes an index that reads. Nothing is asked of the chain before the first step.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Indexer => {
  const { eventsMax = 10_000, name, rangeMax = 2_000, rpc, store } = options
  /** How many blocks are asked for at once: half as many when an endpoint refuses, and a little more each time it does not. */
  let span = rangeMax
  const of = { index: name }

  const read = Effect.fnUntraced(function* (cursor: Cursor, head: number, watches: ReadonlyArray<Watch>) {
    for (;;) {
      const { from, isSettled, next, to } = plan(options, cursor, head, span)
      const range = { after: cursor, from, to, isSettled, eventsMax }
      const found = yield* BlockRange.read(rpc.request, range, watches).pipe(
        Effect.tapError(() => Effect.sync(() => void (span = Math.max(1, span >> 1)))),
      )
      if (found === "tooMuch") {
        span = Math.max(1, (to - from + 1) >> 1)
        continue
      }
      span = minOf(rangeMax, span + Math.max(1, span >> 2))
      yield* store.move({
        from: cursor,
        to: next(found.last),
        keptUpTo: cursor.number,
        blocks: found.blocks,
        logs: found.logs,
      })
      yield* Metric.update(Metric.withAttributes(behind, of), head - to)
      yield* Metric.update(Metric.withAttributes(eventsRead, of), found.logs.length)
      const step: Step = { _tag: "Read", to, events: found.logs.length, isUpToDate: to === head }
      return step
    }
  })

  const step = Effect.gen(function* () {
    // The newest block first: what is listened to from now on may be in the next one, and not in one that is there already.
    const head = Number(yield* Effect.mapError(rpc.head, BlockReader.toIndexError))
    const watches = yield* options.watches
    const known = yield* store.cursor
    if (known === null && head < options.firstBlock - 1) return { _tag: "UpToDate" } satisfies Step
    const cursor = known ?? (yield* begin(options, null))
    // What stays is counted from the newest block, so it must be there.
    yield* BlockReader.mustHeader(rpc.request, head)
    const at = yield* common(options, cursor, head)
    if (at === "behind") return { _tag: "UpToDate" } satisfies Step
    if (at === "gone") {
      yield* begin(options, cursor)
      return { _tag: "TakenBack", from: cursor.number, to: options.firstBlock - 1 } satisfies Step
    }
    if (at.number < cursor.number) {
      yield* takeBack(options, cursor, at)
      return { _tag: "TakenBack", from: cursor.number, to: at.number } satisfies Step
    }
    const lowered = watches.map(({ addresses, topics }) => ({
      addresses: addresses.map((address) => address.toLowerCase()),
      topics: topics?.map((values) => values?.map((value) => value.toLowerCase()) ?? null),
    }))
    return cursor.number >= head ? ({ _tag: "UpToDate" } satisfies Step) : yield* read(cursor, head, lowered)
  }).pipe(Effect.withSpan("Indexer.step"))

  return {
    name,
    store,
    step,
    catchUp: Effect.gen(function* () {
      let events = 0
      for (;;) {
        const made: Step = yield* step
        if (made._tag === "UpToDate") return events
        if (made._tag === "Read") events += made.events
      }
    }),
  }
}
