/**
 * The chain of usage lines on disk and in memory: appended in groups, kept until acknowledged, compacted.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as FileProblem from "@guildhall/core/FileProblem"
import { UsageLine } from "@guildhall/protocol/provider/UsageLog"
import * as UsageChain from "./serving/UsageChain.ts"
import type { Base, Entry, Store } from "./serving/UsageLog.ts"
import { AgentError } from "./AgentError.ts"
import { AgentHome } from "./AgentHome.ts"
import * as UsageFile from "./UsageFile.ts"

interface State extends UsageChain.UsageChain {
  /** How many lines on disk have been acknowledged: what a compaction would free. */
  readonly dead: number
}

/** A compaction smaller than this is not worth the write. */
const MIN_DEAD = 64
const encodeLine = Schema.encodeSync(UsageLine)

const sha256 = (bytes: Uint8Array): Uint8Array => Crypto.hash("sha256", bytes, "buffer")

/**
 * Opens the chain in the home. A last line that a crash cut off is dropped: it belongs to an answer that had not been
 * logged.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const home = yield* AgentHome
  const file = home.path(UsageFile.NAME)
  const failed = (todo: string) =>
    Effect.mapError(
      (error: { readonly message: string }) =>
        new AgentError({
          reason: "HomeUnusable",
          detail: `The usage log ${file} cannot be written: ${FileProblem.words(error)}. ${todo}`,
        }),
    )
  const state = yield* Ref.make<State>(
    yield* UsageFile.open(file).pipe(failed("Free the disk and start the agent again.")),
  )
  const oneAtATime = yield* Semaphore.make(1)

  const write = (rows: ReadonlyArray<unknown>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(file, { flag: "a", mode: 0o600 })
        const { size } = yield* handle.stat
        const written = Effect.andThen(
          handle.writeAll(new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(""))),
          handle.sync,
        )
        // A disk that filled up took a part of it; what comes later would follow a torn row.
        yield* Effect.onError(written, () => Effect.ignore(handle.truncate(Number(size))))
      }),
    ).pipe(failed("Nothing is served until it can. Free the disk: it is tried again every second."))

  const compact = Effect.gen(function* () {
    const { lines, head } = yield* Ref.get(state)
    const rows = lines.map((line) => encodeLine(line))
    yield* home.write(UsageFile.NAME, UsageFile.encode(UsageChain.baseOf({ head, lines }), rows))
    yield* Ref.update(state, (now) => ({ ...now, dead: 0 }))
  })

  const append = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
    const before = yield* Ref.get(state)
    const { head, lines } = UsageChain.after(sha256, before.head, entries)
    yield* write(lines.map((line) => ({ line: encodeLine(line) })))
    yield* Ref.set(state, { ...before, lines: [...before.lines, ...lines], head })
  })

  const acknowledge = Effect.fnUntraced(function* (number: number) {
    const { lines, dead } = yield* Ref.get(state)
    const kept = lines.filter((line) => line.number > number)
    const gone = lines.length - kept.length
    if (gone === 0) return 0
    yield* Ref.update(state, (now) => ({ ...now, lines: kept, dead: dead + gone }))
    // Rewriting pays once it frees at least as much as it copies.
    if (dead + gone >= Math.max(MIN_DEAD, kept.length)) yield* compact
    else yield* write([{ acknowledged: number }])
    return gone
  })

  const goOnFrom = Effect.fnUntraced(function* (held: Base) {
    const before = yield* Ref.get(state)
    if (UsageChain.has(before, held)) return false
    const { head, lines } = UsageChain.rebase(sha256, before, held)
    const rows = lines.map((line) => encodeLine(line))
    yield* home.write(UsageFile.NAME, UsageFile.encode(held, rows))
    yield* Ref.set(state, { head, lines, dead: 0 })
    return true
  })

  // A write that was begun is finished: half a group would look like a crash.
  const alone = <A, E>(effect: Effect.Effect<A, E>) => Effect.uninterruptible(oneAtATime.withPermit(effect))
  const made: Store<AgentError> = {
    append: (entries) => alone(append(entries)),
    acknowledge: (number) => alone(acknowledge(number)),
    lines: Effect.map(Ref.get(state), ({ lines }) => lines),
    head: Effect.map(Ref.get(state), ({ head }) => head),
    goOnFrom: (held) => alone(goOnFrom(held)),
  }
  return made
})
