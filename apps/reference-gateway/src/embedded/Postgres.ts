/**
 * A real PostgreSQL that starts and stops with this process, with its data in the home. For the market on one machine;
 * the code behind it talks to it as to any other server.
 *
 * Nobody but the user who runs Guildhall can connect: the server listens on a Unix socket in a directory that only
 * its own user may enter, and asks for a password of 256 bits kept beside the data. On Windows, where Node has no Unix
 * sockets, it listens on a port of 127.0.0.1, and the password alone protects it.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Child from "../Child.ts"
import * as HomeLock from "../HomeLock.ts"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import * as Cluster from "./Cluster.ts"
import * as Place from "./Place.ts"
import * as Postmaster from "./Postmaster.ts"

/**
 * How the embedded database is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface PostgresOptions {
  /** The home, an existing directory whose lock the caller holds. */
  readonly home: string
  readonly tuning?: Postmaster.Tuning | undefined
}

/** Durable, with connections for a gateway, its commands and a person with `psql`. */
const defaultTuning: Postmaster.Tuning = { maxConnections: 60, isDurable: true }

const databaseName = "postgres"

const fails = (what: string, todo: string) => (cause: unknown) => new LaunchError({ what, why: reasonOf(cause), todo })

const freePort = Effect.callback<number, LaunchError>((resume) => {
  const server = createServer()
  server.once("error", (cause) => resume(Effect.fail(fails("No free port was found.", "Try again.")(cause))))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const socketPrefix = "gh-"

/** Directories of sockets that killed starts left, on this place or on one that is gone; each names its place. */
const sweepSockets = (base: string, place: Place.Place): void => {
  for (const name of readdirSync(base)) {
    if (!name.startsWith(socketPrefix)) continue
    const owner = path.join(base, name, "root")
    try {
      const root = readFileSync(owner, "utf8")
      if (root === place.root || !existsSync(root)) rmSync(path.join(base, name), { recursive: true, force: true })
    } catch {
      // Another user's, or no longer there.
    }
  }
}

/** A socket's path may be about 100 bytes long, shorter than many homes, so it lives in the directory for short names. */
const makeSocketDirectory = (place: Place.Place) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const wanted = realpathSync(tmpdir())
        const usable = wanted.length <= 70 && (place.user === undefined || Place.canReach(wanted, place.user))
        const base = usable ? wanted : "/tmp"
        sweepSockets(base, place)
        const directory = mkdtempSync(path.join(base, socketPrefix))
        writeFileSync(path.join(directory, "root"), place.root)
        if (place.user !== undefined) chownSync(directory, place.user.uid, place.user.gid)
        return directory
      },
      catch: fails(
        "No directory for the database's socket could be made.",
        "Free some space in the temporary directory.",
      ),
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
  )

const makeAddress = (place: Place.Place): Effect.Effect<Postmaster.Address, LaunchError, Scope.Scope> =>
  process.platform === "win32"
    ? Effect.map(freePort, (port) => ({ _tag: "Port", port }))
    : Effect.map(makeSocketDirectory(place), (directory) => ({ _tag: "Socket", directory }))

const urlOf = (address: Postmaster.Address, secret: Redacted.Redacted): Redacted.Redacted => {
  const credentials = `${Cluster.userName}:${Redacted.value(secret)}`
  return Redacted.make(
    address._tag === "Port"
      ? `postgres://${credentials}@127.0.0.1:${address.port}/${databaseName}`
      : `postgres://${credentials}@localhost/${databaseName}?host=${encodeURIComponent(address.directory)}`,
  )
}

/**
 * Starts the home's database, made first if there is none, and answers its URL, in the form that `DATABASE_URL` has.
 * When the server dies it is started again under the same URL; closing the scope stops it. The URL is also written to
 * the home's `postgres.json` (mode 0600), where commands find it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: PostgresOptions): Effect.Effect<Redacted.Redacted, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    const tuning = options.tuning ?? defaultTuning
    const home = realpathSync(options.home)
    const place = yield* Place.resolve(home)
    // A copied home remembers the same place outside; two servers on it would spoil it.
    if (place.isOutside) yield* HomeLock.acquire({ directory: place.root, purpose: `the market in ${home}` })
    const secret = yield* Cluster.ensure(place, tuning)
    const address = yield* makeAddress(place)
    const url = urlOf(address, secret)
    yield* Child.supervise({
      name: "The database",
      start: Postmaster.start(place, address, tuning),
      maxPauseMs: 5_000,
    })
    yield* Effect.try({
      try: () => Place.remember(home, place, Redacted.value(url)),
      catch: fails("The home's postgres.json could not be written.", "Free some space, then start again."),
    })
    return url
  })
