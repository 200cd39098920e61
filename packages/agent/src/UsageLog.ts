/**
 * The agent's log of what it served: one line for each ticket, in a hash chain on disk. Lines are kept until the market
 * acknowledges them, since line, ticket and signed head together are what the agent is paid by after a crash of a gateway.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { UsageLine, UsageReport } from "@guildhall/protocol/provider/UsageLog"
import type { AgentError } from "./AgentError.ts"
import type { AgentHome } from "./AgentHome.ts"
import { DeviceKey } from "./DeviceKey.ts"
import * as UsageStore from "./UsageStore.ts"

/**
 * The log.
 *
 * - `isOpen` says whether more may be served: not while the log is full of what the market has not acknowledged, nor while the
 *   disk cannot be written. Both pass.
 * - `record` is for the byte path: it returns at once, and the line is on disk a few milliseconds later, or once the disk can be
 *   written again. It takes what was under way when the log closed, too.
 * - `flush` waits until everything recorded so far is on disk.
 * - `report` gives the oldest lines that are not acknowledged (at most `limit`, itself at most 500) with a head over the last of them, or
 *   nothing where there is none.
 * - `acknowledge` forgets the lines up to a number.
 * - `due` waits until so many lines were recorded since the last report that the next one should not wait.
 * - `pending` are the lines in memory, oldest first.
 *
 * @category services
 * @since 0.1.0
 */
export class UsageLog extends Context.Service<
  UsageLog,
  {
    readonly isOpen: () => boolean
    readonly record: (entry: UsageStore.Entry) => void
    readonly flush: Effect.Effect<void, AgentError>
    readonly report: (limit: number) => Effect.Effect<UsageReport | undefined, AgentError>
    readonly acknowledge: (number: number) => Effect.Effect<void, AgentError>
    readonly due: Effect.Effect<void>
    readonly pending: Effect.Effect<ReadonlyArray<UsageLine>>
  }
>()("@guildhall/agent/UsageLog") {}

/** A line is about 1 KB; so many mean that the market has not been heard for long. */
const MAX_PENDING = 20_000
const MAX_REPORT = 500
/** After so many lines the head is signed and sent without waiting for the next beat. */
const DUE_AFTER = 256
/** How long a disk that failed is left alone. */
const AGAIN = "1 second"

/**
 * Opens the log in the home, and writes in groups: while one is being written the next one gathers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const key = yield* DeviceKey
  const store = yield* UsageStore.make
  const queue = yield* Queue.unbounded<UsageStore.Entry>()
  const written = yield* Latch.make(true)
  const due = yield* Latch.make(false)
  let queued = 0
  let sinceReport = 0
  let kept = (yield* store.lines).length
  let broken: AgentError | undefined

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
    if (broken !== undefined) return yield* broken
  })
  yield* Effect.addFinalizer(() => Effect.ignore(flush))

  return UsageLog.of({
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
      const last = lines.at(-1)
      return last === undefined ? undefined : { lines, head: key.signHead({ number: last.number, hash: last.hash }) }
    }),
    acknowledge: Effect.fn("UsageLog.acknowledge")(function* (number) {
      kept -= yield* store.acknowledge(number)
    }),
    due: due.await,
    pending: store.lines,
  })
})

/**
 * The log as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UsageLog, AgentError, AgentHome | DeviceKey | FileSystem.FileSystem> = Layer.effect(
  UsageLog,
  make,
)
