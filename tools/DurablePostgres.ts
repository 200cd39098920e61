/**
 * A PostgreSQL of a test's own that waits for the disk, and that the test may kill: all its processes at once, as a
 * machine that loses power would, and starts again under the same URL. Its files can be kept from growing, as on a full
 * disk.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import { chownSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Cluster from "../apps/reference-gateway/src/embedded/Cluster.ts"
import * as Place from "../apps/reference-gateway/src/embedded/Place.ts"
import * as Postmaster from "../apps/reference-gateway/src/embedded/Postmaster.ts"

const tuning: Postmaster.Tuning = { maxConnections: 60, isDurable: true }

const temporary = (prefix: string) =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(path.join(tmpdir(), prefix))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
  )

/** The children of a process. */
const childrenOf = (pid: number): ReadonlyArray<number> =>
  spawnSync("ps", ["-e", "-o", "pid=,ppid="], { encoding: "utf8" })
    .stdout.split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []))

const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It ended by itself.
  }
}

/** Starts it in the scope; answers its URL, how to kill it and start it again, and how to fill its disk. */
export const make = Effect.gen(function* () {
  const place = yield* Place.resolve(yield* temporary("guildhall-durable-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(place.root, { recursive: true, force: true })))
  const secret = yield* Cluster.ensure(place, tuning)
  const directory = yield* temporary("ghd-")
  if (place.user !== undefined) chownSync(directory, place.user.uid, place.user.gid)
  const start = Effect.gen(function* () {
    const life = yield* Scope.make()
    const child = yield* Scope.provide(Postmaster.start(place, { _tag: "Socket", directory }, tuning), life)
    return { life, child }
  })
  let { child, life } = yield* start
  yield* Effect.addFinalizer(() => Scope.close(life, Exit.void))
  const crash = Effect.gen(function* () {
    for (const pid of [child.pid, ...childrenOf(child.pid)]) kill(pid)
    yield* child.exit
    yield* Scope.close(life, Exit.void)
    ;({ child, life } = yield* start)
  })
  /** How long a file of the server's may get; `false` where this machine has no way to say so. */
  const limitFiles = (bytes: number | undefined) =>
    Effect.sync(() => {
      const limit = (pid: number): boolean =>
        spawnSync("prlimit", [`--pid=${pid}`, `--fsize=${bytes ?? "unlimited"}:unlimited`], place.user).status === 0
      // Connections that are there have limits of their own; one that ends meanwhile needs none.
      const children = childrenOf(child.pid).map(limit)
      return limit(child.pid) && (children.length === 0 || children.includes(true))
    })
  const credentials = `${Cluster.userName}:${Redacted.value(secret)}`
  return {
    url: `postgres://${credentials}@localhost/postgres?host=${encodeURIComponent(directory)}`,
    crash,
    limitFiles,
  }
}).pipe(Effect.provideService(References.MinimumLogLevel, "Error"))
