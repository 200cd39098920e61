/**
 * The agent's log of what it served: one line for each ticket, in a hash chain on disk. Lines are kept until the market
 * acknowledges them, since line, ticket and signed head together are what the agent is paid by after a crash of a gateway.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { lineBytes, UsageLine, type UsageReport } from "@guildhall/protocol/provider/UsageLog"
import { AgentError } from "./AgentError.ts"
import { AgentHome } from "./AgentHome.ts"
import { DeviceKey } from "./DeviceKey.ts"
import * as UsageFile from "./UsageFile.ts"

/**
 * What is recorded of a served ticket; the log adds number and hashes.
 *
 * @category models
 * @since 0.1.0
 */
export type Entry = Omit<UsageLine, "number" | "previous" | "hash">

/**
 * The log.
 *
 * - `record` is for the byte path: it returns at once, and the line is on disk a few milliseconds later. It returns `false` where the log
 *   is full or the disk failed; then nothing more should be served.
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
    readonly record: (entry: Entry) => boolean
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
const encodeLine = Schema.encodeSync(UsageLine)

interface State {
  readonly lines: ReadonlyArray<UsageLine>
  readonly head: UsageFile.Base
  /** How many lines on disk have been acknowledged: what a compaction would free. */
  readonly dead: number
}

const chain = (head: UsageFile.Base, entry: Entry): UsageLine => {
  const line = { ...entry, number: head.number + 1, previous: head.hash }
  return { ...line, hash: Crypto.createHash("sha256").update(lineBytes(line)).digest("hex") }
}

/**
 * Opens the log in the home. A last line that a crash cut off is dropped; it belongs to an answer that had not been
 * logged. Lines after a damaged one are moved aside and said so.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const home = yield* AgentHome
  const key = yield* DeviceKey
  const file = home.path(UsageFile.NAME)
  const failed = Effect.mapError(
    (error: { readonly message: string }) =>
      new AgentError({
        reason: "HomeUnusable",
        detail: `The usage log ${file} cannot be written: ${error.message}. Free the disk and start the agent again.`,
      }),
  )
  const opened = yield* UsageFile.open(file).pipe(failed)
  const state = yield* Ref.make<State>({ lines: opened.lines, head: opened.head, dead: opened.dead })
  const queue = yield* Queue.unbounded<Entry>()
  const written = yield* Latch.make(true)
  const due = yield* Latch.make(false)
  const oneAtATime = yield* Semaphore.make(1)
  let queued = 0
  let sinceReport = 0
  let broken: AgentError | undefined = undefined
  let pendingCount = opened.lines.length

  const append = (text: string) =>
    Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(file, { flag: "a", mode: 0o600 })
        yield* handle.writeAll(new TextEncoder().encode(text))
        yield* handle.sync
      }),
    ).pipe(failed)

  /** One group: every entry that came in while the group before it was being written. */
  const writeGroup = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
    const before = yield* Ref.get(state)
    let head = before.head
    const lines = entries.map((entry) => {
      const line = chain(head, entry)
      head = { number: line.number, hash: line.hash }
      return line
    })
    yield* append(lines.map((line) => `${JSON.stringify({ line: encodeLine(line) })}\n`).join(""))
    yield* Ref.update(state, (now) => ({ ...now, lines: [...now.lines, ...lines], head }))
  })

  const writer = Effect.gen(function* () {
    const entries = yield* Queue.takeAll(queue)
    yield* oneAtATime.withPermit(writeGroup(entries)).pipe(
      Effect.catch((error) => {
        broken = error
        return Effect.logError(error.message)
      }),
      Effect.uninterruptible,
    )
    queued -= entries.length
    if (queued === 0) yield* Latch.open(written)
  }).pipe(Effect.forever)
  yield* Effect.forkScoped(writer)

  const flush = Effect.gen(function* () {
    yield* Latch.await(written)
    if (broken !== undefined) return yield* broken
  })
  yield* Effect.addFinalizer(() => Effect.ignore(flush))

  const compact = Effect.gen(function* () {
    const { lines, head } = yield* Ref.get(state)
    const [first] = lines
    const base = first === undefined ? head : { number: first.number - 1, hash: first.previous }
    yield* home.write(
      UsageFile.NAME,
      UsageFile.encode(
        base,
        lines.map((line) => encodeLine(line)),
      ),
    )
    yield* Ref.update(state, (now) => ({ ...now, dead: 0 }))
  })

  return UsageLog.of({
    record: (entry) => {
      if (broken !== undefined || pendingCount >= MAX_PENDING) return false
      queued += 1
      pendingCount += 1
      sinceReport += 1
      if (sinceReport >= DUE_AFTER) due.openUnsafe()
      written.closeUnsafe()
      return Queue.offerUnsafe(queue, entry)
    },
    flush,
    report: Effect.fn("UsageLog.report")(function* (limit) {
      sinceReport = 0
      due.closeUnsafe()
      yield* flush
      const lines = (yield* Ref.get(state)).lines.slice(0, Math.min(limit, MAX_REPORT))
      const last = lines.at(-1)
      return last === undefined ? undefined : { lines, head: key.signHead({ number: last.number, hash: last.hash }) }
    }),
    acknowledge: Effect.fn("UsageLog.acknowledge")(function* (number) {
      yield* oneAtATime.withPermit(
        Effect.gen(function* () {
          const { lines, dead } = yield* Ref.get(state)
          const kept = lines.filter((line) => line.number > number)
          const gone = lines.length - kept.length
          if (gone === 0) return
          pendingCount -= gone
          yield* Ref.update(state, (now) => ({ ...now, lines: kept, dead: dead + gone }))
          // Rewriting pays once at least as much is freed as is copied.
          if (dead + gone >= Math.max(64, kept.length)) yield* compact
          else yield* append(`${JSON.stringify({ acknowledged: number })}\n`)
        }),
      )
    }),
    due: due.await,
    pending: Effect.map(Ref.get(state), ({ lines }) => lines),
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
