/**
 * The folder in which an agent keeps what must survive a restart: its device key, its usage log, its demo model. One
 * live agent holds it at a time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as FileProblem from "@guildhall/core/FileProblem"
import * as Folder from "@guildhall/core/Folder"
import { AgentError } from "./AgentError.ts"
import { isAlive, startTime } from "./ProcessIdentity.ts"

/**
 * The home. `read` gives none where the file does not exist; `write` replaces a file at once and durably, so a crash leaves the
 * old or the new one. Names are relative to the home. Every failure is `HomeUnusable`.
 *
 * @category services
 * @since 0.1.0
 */
export class AgentHome extends Context.Service<
  AgentHome,
  {
    readonly directory: string
    readonly path: (name: string) => string
    readonly read: (name: string) => Effect.Effect<Option.Option<Uint8Array>, AgentError>
    readonly write: (
      name: string,
      bytes: Uint8Array,
      options?: { readonly mode?: number },
    ) => Effect.Effect<void, AgentError>
  }
>()("@guildhall/agent/AgentHome") {}

/** Who holds a home. A process id alone may belong to another process after a restart; its start time tells. */
const Holder = Schema.fromJsonString(Schema.Struct({ pid: Schema.Int, startedAt: Schema.String }))

const LOCK = "agent.pid"
/** No file of the home but the demo model comes near this; the usage log is read by its own module. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

const unusable = (directory: string) => (error: PlatformError.PlatformError) =>
  new AgentError({
    reason: "HomeUnusable",
    detail: `The agent cannot use its home ${directory}: ${FileProblem.words(error)}. Free the disk, fix the rights, or choose another folder with --home.`,
  })

const lock = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(directory, LOCK)
  const mine = Schema.encodeSync(Holder)({ pid: process.pid, startedAt: yield* startTime(process.pid) })
  const fresh = `${file}.${process.pid}`
  // A link appears at once with its content, so no other agent ever reads half a lock.
  const take = fs
    .writeFileString(fresh, mine, { mode: 0o600 })
    .pipe(Effect.andThen(fs.link(fresh, file)), Effect.ensuring(Effect.ignore(fs.remove(fresh))))
  const busy = (pid: number) =>
    new AgentError({
      reason: "HomeBusy",
      detail: `Another agent (process ${pid}) uses ${directory}. Stop it, or give this one its own folder with --home.`,
    })
  const takeOver = Effect.gen(function* () {
    const seen = yield* fs.readFileString(file)
    const holder = Schema.decodeUnknownOption(Holder)(seen)
    if (Option.isSome(holder)) {
      const { pid, startedAt } = holder.value
      const same = pid !== process.pid && (yield* isAlive(pid)) && (yield* startTime(pid)) === startedAt
      if (same) return yield* busy(pid)
    }
    // Renaming tells two agents apart that both found the stale file: only one of them moved what it had read.
    const aside = `${file}.${process.pid}.stale`
    yield* fs.rename(file, aside)
    const moved = yield* fs.readFileString(aside)
    if (moved !== seen) {
      yield* Effect.ignore(fs.link(aside, file))
      yield* Effect.ignore(fs.remove(aside))
      return yield* busy(0)
    }
    yield* fs.remove(aside)
    yield* take
  })
  yield* Effect.acquireRelease(
    take.pipe(
      Effect.catchTag("PlatformError", (error) =>
        error.reason._tag === "AlreadyExists" ? takeOver : Effect.fail(error),
      ),
      Effect.catchTag("PlatformError", (error) => Effect.fail(unusable(directory)(error))),
    ),
    () => Effect.ignore(fs.remove(file)),
  )
})

/**
 * Opens a home, makes it where it is not there (mode 0700), and holds it until the scope closes. Fails with `HomeBusy`
 * where another live agent holds it; a lock of a dead one is taken over.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: { readonly directory: string }) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const directory = paths.resolve(options.directory)
  const fail = Effect.mapError(unusable(directory))
  const path = (name: string) => paths.join(directory, name)
  yield* Folder.make(directory, { mode: 0o700 }).pipe(fail)
  yield* lock(directory)

  const write = Effect.fnUntraced(function* (name: string, bytes: Uint8Array, file?: { readonly mode?: number }) {
    const fresh = path(`${name}.new`)
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Effect.ignore(fs.remove(fresh))
        const handle = yield* fs.open(fresh, { flag: "w", mode: file?.mode ?? 0o600 })
        yield* handle.writeAll(bytes)
        yield* handle.sync
      }),
    ).pipe(
      Effect.andThen(fs.rename(fresh, path(name))),
      // What was written of it until the disk was full would keep it full.
      Effect.onError(() => Effect.ignore(fs.remove(fresh))),
    )
  })

  return AgentHome.of({
    directory,
    path,
    read: Effect.fnUntraced(function* (name) {
      const file = path(name)
      if (!(yield* fs.exists(file).pipe(fail))) return Option.none()
      const { size } = yield* fs.stat(file).pipe(fail)
      if (Number(size) > MAX_FILE_BYTES) {
        return yield* new AgentError({ reason: "HomeUnusable", detail: `${file} is too large to be the agent's own.` })
      }
      return Option.some(yield* fs.readFile(file).pipe(fail))
    }),
    write: (name, bytes, file) => write(name, bytes, file).pipe(fail),
  })
})

/**
 * The home as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly directory: string
}): Layer.Layer<AgentHome, AgentError, FileSystem.FileSystem | Path.Path> => Layer.effect(AgentHome, make(options))
