/**
 * One life of the embedded PostgreSQL: what it is started with, when it is ready, how it is stopped, and what a killed
 * gateway may have left running.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, readFileSync, readdirSync, realpathSync, rmSync } from "node:fs"
import path from "node:path"
import * as Child from "../Child.ts"
import type { LaunchError } from "../LaunchError.ts"
import * as ProcessTable from "../ProcessTable.ts"
import * as Binaries from "./Binaries.ts"
import * as Keeper from "./Keeper.ts"
import type { Place } from "./Place.ts"
import * as ServerLog from "./ServerLog.ts"

/**
 * Where clients reach the server: a Unix socket in a private directory, or a port of this machine on Windows.
 *
 * @category models
 * @since 0.1.0
 */
export type Address =
  | { readonly _tag: "Socket"; readonly directory: string }
  | { readonly _tag: "Port"; readonly port: number }

/**
 * What distinguishes a market's database from a test's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tuning {
  readonly maxConnections: number
  /** `false` gives up safety against power loss for speed: for tests whose data is thrown away. */
  readonly isDurable: boolean
}

/** The port in a socket's name; nobody listens on it, so it never collides. */
const socketPort = 5432

const dataOf = (place: Place) => path.join(place.root, "data")

/** Small in memory, few processes, nothing given up in durability. */
const settings = (address: Address, tuning: Tuning): ReadonlyArray<string> =>
  Object.entries({
    listen_addresses: address._tag === "Port" ? "127.0.0.1" : "",
    port: address._tag === "Port" ? address.port : socketPort,
    unix_socket_directories: address._tag === "Socket" ? address.directory : "",
    unix_socket_permissions: "0700",
    max_connections: tuning.maxConnections,
    shared_buffers: "32MB",
    huge_pages: "off",
    jit: "off",
    io_method: "sync",
    max_wal_size: "256MB",
    wal_level: "minimal",
    max_wal_senders: 0,
    max_logical_replication_workers: 0,
    max_parallel_workers_per_gather: 0,
    fsync: tuning.isDurable ? "on" : "off",
    synchronous_commit: tuning.isDurable ? "on" : "off",
    full_page_writes: tuning.isDurable ? "on" : "off",
    timezone: "UTC",
    log_timezone: "UTC",
    // Errors of statements are the caller's and may quote data; the log is for the server's own troubles.
    log_min_messages: "log",
    log_min_error_statement: "panic",
    log_checkpoints: "off",
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`])

/** A small environment of its own: nothing of the user's reaches the server, secrets included. */
const environment = (place: Place): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  LC_ALL: "C",
  ...(process.platform === "linux" ? { LD_LIBRARY_PATH: path.join(place.binaries.native, "lib") } : {}),
  ...(process.platform === "win32" ? { SystemRoot: process.env["SystemRoot"], TEMP: process.env["TEMP"] } : {}),
})

/**
 * How a program of PostgreSQL is run in a place.
 *
 * @category queries
 * @since 0.1.0
 */
export const spawnOptions = (place: Place) => ({ env: environment(place), cwd: place.root, user: place.user })

const pidFile = (place: Place) => path.join(dataOf(place), "postmaster.pid")

const readPidFile = (place: Place): ReadonlyArray<string> | undefined => {
  try {
    return readFileSync(pidFile(place), "utf8").split("\n")
  } catch {
    return undefined
  }
}

/** The processes of PostgreSQL on a data directory: all of them work in it. */
const serversOn = (data: string) => ProcessTable.workingIn(data, ["postgres"])

/** Whether a live process is a postmaster on this place: a pid alone may be somebody else's by now. */
const isPostmaster = (pid: number, data: string): boolean =>
  ProcessTable.identity(pid) !== undefined &&
  (serversOn(data).includes(pid) || ProcessTable.commandLine(pid).includes(`-D ${data}`))

const waitUntil = (condition: () => boolean, limitMs: number) =>
  Effect.gen(function* () {
    for (let waited = 0; waited < limitMs; waited += 20) {
      if (condition()) return true
      yield* Effect.sleep(20)
    }
    return condition()
  })

/**
 * Ends what a killed gateway left on the data directory: the server, or children of a killed server. Afterwards nobody
 * works there, and a lock file of a dead server does not stand in the way.
 *
 * @category commands
 * @since 0.1.0
 */
export const stopOrphan = (place: Place): Effect.Effect<void> =>
  Effect.gen(function* () {
    const data = existsSync(dataOf(place)) ? realpathSync(dataOf(place)) : dataOf(place)
    const pid = Number(readPidFile(place)?.[0] ?? Number.NaN)
    if (isPostmaster(pid, data)) {
      yield* Effect.logInfo(`A database that a killed start left behind (process ${pid}) is stopped first.`)
      for (const [signal, waitMs] of [
        ["SIGINT", 5_000],
        ["SIGQUIT", 3_000],
        ["SIGKILL", 3_000],
      ] as const) {
        ProcessTable.signal(pid, signal)
        if (yield* waitUntil(() => !isPostmaster(pid, data), waitMs)) break
      }
    }
    const isFree = () => serversOn(data).length === 0
    // Children of a killed server end by themselves within moments; one that computes may need to be told.
    if (!(yield* waitUntil(isFree, 1_000))) {
      for (const stray of serversOn(data)) ProcessTable.signal(stray, "SIGKILL")
      yield* waitUntil(isFree, 2_000)
    }
    // PostgreSQL removes a dead server's file itself, except where the pid is taken again or is a zombie.
    if (ProcessTable.isTaken(pid) && !isPostmaster(pid, data)) rmSync(pidFile(place), { force: true })
  })

/** Waits for the server's own word, in its lock file, that it takes connections. Recovery after a crash takes a while. */
const awaitReady = (place: Place, child: Child.Child) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    let toldAt = began
    while (true) {
      const lines = readPidFile(place)
      if (Number(lines?.[0]) === child.pid && lines?.[7]?.trim() === "ready") return
      const now = yield* Clock.currentTimeMillis
      if (now - toldAt >= 5_000) {
        toldAt = now
        yield* Effect.logInfo(`The database is recovering, ${Math.round((now - began) / 1_000)} s …`)
      }
      yield* Effect.sleep(10)
    }
  })

const clearSockets = (address: Address): void => {
  if (address._tag !== "Socket" || !existsSync(address.directory)) return
  for (const name of readdirSync(address.directory)) {
    if (name.startsWith(".s.")) rmSync(path.join(address.directory, name), { force: true })
  }
}

/**
 * Starts the server in the scope and waits until it takes connections. Closing the scope shuts it down: fast first
 * (transactions are rolled back, everything is written), at once after three seconds (the next start recovers).
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (
  place: Place,
  address: Address,
  tuning: Tuning,
): Effect.Effect<Child.Child, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* stopOrphan(place)
    clearSockets(address)
    const log = yield* ServerLog.open(place)
    const child = yield* Child.start({
      name: "database",
      command: Binaries.program(place.binaries, "postgres"),
      args: ["-D", dataOf(place), ...settings(address, tuning)],
      ...spawnOptions(place),
      output: { fd: log.fd },
      stop: [
        { signal: "SIGINT", waitMs: 3_000 },
        { signal: "SIGQUIT", waitMs: 1_000 },
      ],
      force: "SIGQUIT",
    })
    const died = Effect.flatMap(child.exit, () => Effect.fail(ServerLog.explain(place, log)))
    yield* Effect.raceFirst(awaitReady(place, child), died)
    const { env, user } = spawnOptions(place)
    yield* Keeper.start({ name: "database keeper", pid: child.pid, signal: "INT", env, user })
    return child
  })
