/**
 * A lock between processes that work on one file. The lock of a dead process is taken over.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isAlive, startTime } from "../ProcessIdentity.ts"

/** Who holds a lock. Machines and containers that share a folder have process ids of their own, so the host is named. */
const Holder = Schema.fromJsonString(Schema.Struct({ pid: Schema.Int, startedAt: Schema.String, host: Schema.String }))
type Holder = typeof Holder.Type

const POLL_MS = 250
const BEAT_MS = 5_000
/** A holder elsewhere cannot be asked; it shows that it lives by touching its lock. */
const STALE_MS = 60_000

/** The locks of this process: its own id in a lock that it does not hold was another's, before a restart. */
const held = new Set<string>()
let attempts = 0

const isLive = Effect.fnUntraced(function* (file: string, holder: Holder) {
  const fs = yield* FileSystem.FileSystem
  if (holder.host !== Os.hostname()) {
    const touched = Option.flatMap(yield* Effect.option(fs.stat(file)), ({ mtime }) => mtime)
    const now = yield* Clock.currentTimeMillis
    return Option.exists(touched, (time) => now - time.getTime() < STALE_MS)
  }
  if (holder.pid === process.pid) return held.has(file)
  return (yield* isAlive(holder.pid)) && (yield* startTime(holder.pid)) === holder.startedAt
})

/** Who holds the lock now and lives, after a dead one's was put aside. */
const other = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const seen = yield* Effect.option(fs.readFileString(file))
  if (Option.isNone(seen)) return undefined
  const holder = Option.getOrUndefined(Schema.decodeUnknownOption(Holder)(seen.value))
  if (holder !== undefined && (yield* isLive(file, holder))) return holder
  // Renaming tells two apart that both found the stale lock: only one of them moved what it had read.
  const aside = `${file}.${process.pid}.stale`
  const moved = yield* Effect.option(Effect.andThen(fs.rename(file, aside), fs.readFileString(aside)))
  if (Option.isSome(moved) && moved.value !== seen.value) yield* Effect.ignore(fs.link(aside, file))
  yield* Effect.ignore(fs.remove(aside, { force: true }))
  return undefined
})

const take = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  if (held.has(file)) return false
  const startedAt = yield* startTime(process.pid)
  const mine = Schema.encodeSync(Holder)({ pid: process.pid, startedAt, host: Os.hostname() })
  // Two fibers of this process may try at once.
  const fresh = `${file}.${process.pid}.${attempts++}.new`
  // A link appears at once with its content, so nobody ever reads half a lock.
  return yield* fs.writeFileString(fresh, mine).pipe(
    Effect.andThen(fs.link(fresh, file)),
    Effect.as(true),
    Effect.catchTag("PlatformError", (error) =>
      error.reason._tag === "AlreadyExists" ? Effect.succeed(false) : Effect.fail(error),
    ),
    Effect.ensuring(Effect.ignore(fs.remove(fresh, { force: true }))),
    Effect.tap((taken) => Effect.sync(() => taken && held.add(file))),
  )
})

const release = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.ignore(fs.remove(file, { force: true }))
  // Only now: a lock of this process that it does not hold counts as another's.
  held.delete(file)
})

/** Shows holders elsewhere that this one lives. */
const beat = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  for (;;) {
    yield* Effect.sleep(BEAT_MS)
    const now = yield* Clock.currentTimeMillis
    yield* Effect.ignore(fs.utimes(file, now / 1000, now / 1000))
  }
})

/**
 * Takes the lock if it is free, until the scope closes. Answers whether it did.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tryAcquire = Effect.fnUntraced(function* (file: string) {
  const taken = yield* Effect.acquireRelease(
    Effect.gen(function* () {
      if (yield* take(file)) return true
      return (yield* other(file)) === undefined ? yield* take(file) : false
    }),
    (isMine) => (isMine ? release(file) : Effect.void),
  )
  if (taken) yield* Effect.forkScoped(beat(file))
  return taken
})

/**
 * Waits for the lock and holds it until the scope closes. `onBusy` hears once the id of the process that holds it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const acquire = <E, R>(file: string, onBusy: (pid: number) => Effect.Effect<void, E, R>) =>
  Effect.gen(function* () {
    for (let tries = 0; ; tries++) {
      if (yield* tryAcquire(file)) return
      if (tries === 0) {
        const fs = yield* FileSystem.FileSystem
        const text: Option.Option<string> = yield* Effect.option(fs.readFileString(file))
        const holder = Option.flatMap(text, Schema.decodeUnknownOption(Holder))
        yield* onBusy(Option.match(holder, { onNone: () => process.pid, onSome: ({ pid }) => pid }))
      }
      yield* Effect.sleep(POLL_MS)
    }
  })
