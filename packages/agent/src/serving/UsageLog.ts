/**
 * The log of what a provider served: one line for each ticket, in a hash chain that is kept where it runs. Lines are kept until
 * the market acknowledges them, since line, ticket and signed head together are what the provider is paid by after a crash of a
 * gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { UsageHead, UsageLine, UsageReport } from "@guildhall/protocol/provider/UsageLog"

/**
 * What is recorded of a served ticket; the chain adds number and hashes.
 *
 * @category models
 * @since 0.1.0
 */
export type Entry = Omit<UsageLine, "number" | "previous" | "hash">

/**
 * Where a chain stands: the number and the hash of its last line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Base {
  readonly number: number
  readonly hash: string
}

/**
 * The chain before its first line.
 *
 * @category constants
 * @since 0.1.0
 */
export const START: Base = { number: 0, hash: "0".repeat(64) }

/**
 * The line that follows, but for its own hash, which is SHA-256 of its `lineBytes`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const follow = (head: Base, entry: Entry): Omit<UsageLine, "hash"> => ({
  ...entry,
  number: head.number + 1,
  previous: head.hash,
})

/**
 * Where the chain is kept. `append` returns once the group is safe; where it fails nothing of the group is kept, so the same
 * group may be tried again. `acknowledge` answers how many lines it forgot. `lines` are those that are kept, oldest first;
 * `head` is where the chain ends.
 *
 * `goOnFrom` is for a chain that lags behind what this device has signed, as after its home was restored from an old copy: where
 * the chain has not this very position, what is kept goes on after it, under new numbers. Answers whether it did.
 *
 * @category models
 * @since 0.1.0
 */
export interface Store<E> {
  readonly append: (entries: ReadonlyArray<Entry>) => Effect.Effect<void, E>
  readonly acknowledge: (number: number) => Effect.Effect<number, E>
  readonly lines: Effect.Effect<ReadonlyArray<UsageLine>>
  readonly head: Effect.Effect<Base>
  readonly goOnFrom: (held: Base) => Effect.Effect<boolean, E>
}

/**
 * The log.
 *
 * - `isOpen` says whether more may be served: not while the log is full of what the market has not acknowledged, nor while the
 *   disk cannot be written. Both pass.
 * - `record` is for the byte path: it returns at once, and the line is on disk a few milliseconds later, or once the disk can be
 *   written again. It takes what was under way when the log closed, too.
 * - `flush` waits until everything recorded so far is on disk.
 * - `report` gives the oldest lines that are not acknowledged (at most `limit`, itself at most 500) with a signed head over the last
 *   of them; where there are none, the head of the chain.
 * - `goOnFrom` makes a log that lags behind what this device has signed go on from there, and answers whether it lagged.
 * - `acknowledge` forgets the lines up to a number.
 * - `due` waits until so many lines were recorded since the last report that the next one should not wait.
 * - `pending` are the lines in memory, oldest first.
 *
 * @category models
 * @since 0.1.0
 */
export interface UsageLog<E> {
  readonly isOpen: () => boolean
  readonly record: (entry: Entry) => void
  readonly flush: Effect.Effect<void, E>
  readonly report: (limit: number) => Effect.Effect<UsageReport, E>
  readonly goOnFrom: (held: Base) => Effect.Effect<boolean, E>
  readonly acknowledge: (number: number) => Effect.Effect<void, E>
  readonly due: Effect.Effect<void>
  readonly pending: Effect.Effect<ReadonlyArray<UsageLine>>
}

/** A line is about 1 KB; so many mean that the market has not been heard for long. */
const MAX_PENDING = 20_000
const MAX_REPORT = 500
/** After so many lines the head is signed and sent without waiting for the next beat. */
const DUE_AFTER = 256
/** How long a disk that failed is left alone. */
const AGAIN = "1 second"

/**
 * Opens the log over a store, and writes in groups: while one is being written the next one gathers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E extends { readonly message: string }>(
  store: Store<E>,
  signHead: (head: Base) => Effect.Effect<UsageHead, E>,
) {
  const queue = yield* Queue.unbounded<Entry>()
  const written = yield* Latch.make(true)
  const due = yield* Latch.make(false)
  let queued = 0
  let sinceReport = 0
  let kept = (yield* store.lines).length
  let broken: E | undefined

  const writer = Effect.gen(function* () {
    const entries = yield* Queue.takeAll(queue)
    yield* store.append(entries).pipe(
      Effect.tapError((error) => {
        const isNews = broken === undefined
        broken = error
        // Who flushes is told now, and waits for no disk.
        written.openUnsafe()
        return isNews ? Effect.logError(error.message) : Effect.void
      }),
      Effect.retry(Schedule.spaced(AGAIN)),
    )
    queued -= entries.length
    if (broken !== undefined) {
      broken = undefined
      yield* Effect.logInfo("The usage log can be written again.")
    }
    if (queued === 0) yield* written.open
    else written.closeUnsafe()
  }).pipe(Effect.forever)
  yield* Effect.forkScoped(writer)

  const flush = Effect.gen(function* () {
    yield* written.await
    if (broken !== undefined) return yield* Effect.fail(broken)
  })
  yield* Effect.addFinalizer(() => Effect.ignore(flush))

  const made: UsageLog<E> = {
    isOpen: () => broken === undefined && kept < MAX_PENDING,
    record: (entry) => {
      queued += 1
      kept += 1
      sinceReport += 1
      if (sinceReport >= DUE_AFTER) due.openUnsafe()
      if (broken === undefined) written.closeUnsafe()
      Queue.offerUnsafe(queue, entry)
    },
    flush,
    report: Effect.fn("UsageLog.report")(function* (limit) {
      sinceReport = 0
      due.closeUnsafe()
      yield* flush
      const lines = (yield* store.lines).slice(0, Math.min(limit, MAX_REPORT))
      const { hash, number } = lines.at(-1) ?? (yield* store.head)
      return { lines, head: yield* signHead({ number, hash }) }
    }),
    goOnFrom: Effect.fn("UsageLog.goOnFrom")(function* (held) {
      yield* flush
      return yield* store.goOnFrom(held)
    }),
    acknowledge: Effect.fn("UsageLog.acknowledge")(function* (number) {
      kept -= yield* store.acknowledge(number)
    }),
    due: due.await,
    pending: store.lines,
  }
  return made
})
