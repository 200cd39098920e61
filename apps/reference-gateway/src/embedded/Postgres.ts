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
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  statfsSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Child from "../Child.ts"
import * as HomeLock from "../HomeLock.ts"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import * as Binaries from "./Binaries.ts"
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

const userName = "guildhall"
const databaseName = "postgres"

/** What a new database needs (63 MB after its first start), and what a used one needs to get going. */
const minimumFreeBytes = { first: 150 * 1024 * 1024, later: 24 * 1024 * 1024 }

const passwordFile = (place: Place.Place) => path.join(place.root, "password")
const dataOf = (place: Place.Place) => path.join(place.root, "data")

const fails = (what: string, todo: string) => (cause: unknown) => new LaunchError({ what, why: reasonOf(cause), todo })

const requireSpace = (place: Place.Place, isFirst: boolean) =>
  Effect.suspend(() => {
    const { bavail, bsize } = statfsSync(place.root)
    const needed = isFirst ? minimumFreeBytes.first : minimumFreeBytes.later
    if (bavail * bsize >= needed) return Effect.void
    const mb = (bytes: number) => `${Math.floor(bytes / 1024 / 1024)} MB`
    return Effect.fail(
      new LaunchError({
        what: `The disk of ${place.root} is full: ${mb(bavail * bsize)} are left, ${mb(needed)} are needed.`,
        why: "The database could not write, and nothing may be half written.",
        todo: "Free some space, or choose a home on another disk with GUILDHALL_HOME.",
      }),
    )
  })

/** The password, made on first use. It belongs to the database's user, because initdb reads it as that user. */
const password = (place: Place.Place) =>
  Effect.try({
    try: () => {
      const file = passwordFile(place)
      const known = existsSync(file) ? readFileSync(file, "utf8").trim() : ""
      if (known !== "") return Redacted.make(known)
      if (existsSync(dataOf(place))) throw new Error(`${file} is missing, and the database knows only that password`)
      const made = randomBytes(32).toString("hex")
      writeFileSync(file, `${made}\n`, { mode: 0o600 })
      if (place.user !== undefined) chownSync(file, place.user.uid, place.user.gid)
      return Redacted.make(made)
    },
    catch: fails(
      `The password of the database in ${place.root} could not be read or made.`,
      "Put the file back from a copy of the home, or choose another home with GUILDHALL_HOME.",
    ),
  })

const run = (place: Place.Place, command: string, args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }, Error>((resume) => {
    const { env, cwd, user } = Postmaster.spawnOptions(place)
    const child = spawn(command, [...args], { env, cwd, ...user, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    const collect = (chunk: Buffer) => {
      output = `${output}${chunk.toString()}`.slice(-8_192)
    }
    child.stdout.on("data", collect)
    child.stderr.on("data", collect)
    child.once("error", (error) => resume(Effect.fail(error)))
    child.once("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.callback<void>((done) => {
      child.once("close", () => done(Effect.void))
      child.kill("SIGKILL")
      if (child.exitCode !== null) done(Effect.void)
    })
  })

/** Makes an empty database in one step: a killed first start leaves only a draft, which the next one throws away. */
const initialise = (place: Place.Place, tuning: Postmaster.Tuning) =>
  Effect.gen(function* () {
    const draft = path.join(place.root, "data.draft")
    const clear = Effect.sync(() => rmSync(draft, { recursive: true, force: true }))
    yield* clear
    yield* Effect.logInfo(`Making the database in ${place.root} …`)
    const args = [
      ...["-D", draft, "-U", userName, "-A", "scram-sha-256", `--pwfile=${passwordFile(place)}`],
      ...["-E", "UTF8", "--locale=C", "--no-instructions", ...(tuning.isDurable ? [] : ["--no-sync"])],
    ]
    const made = yield* run(place, Binaries.program(place.binaries, "initdb"), args).pipe(
      Effect.mapError(
        fails(
          "PostgreSQL's initdb could not be started.",
          "Remove node_modules and start again, which installs it anew.",
        ),
      ),
      Effect.tapError(() => clear),
    )
    if (made.code !== 0) {
      yield* clear
      const why = made.output.split("\n").filter((line) => /error|fatal|could not/i.test(line))
      const isFull = /No space left on device|Disk quota exceeded/.test(made.output)
      return yield* new LaunchError({
        what: isFull ? `The disk of ${place.root} is full.` : `The database could not be made in ${place.root}.`,
        why: why.slice(0, 4).join("\n  ") || made.output.trim(),
        todo: isFull
          ? "Free 150 MB, or choose a home on another disk with GUILDHALL_HOME."
          : "Check who may write there, or name another server with DATABASE_URL.",
      })
    }
    yield* Effect.sync(() => renameSync(draft, dataOf(place)))
  })

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

/** Directories of sockets that killed starts on this place left; each is ours by the name in its file. */
const sweepSockets = (base: string, place: Place.Place): void => {
  for (const name of readdirSync(base)) {
    if (!name.startsWith(socketPrefix)) continue
    const owner = path.join(base, name, "root")
    try {
      if (readFileSync(owner, "utf8") === place.root) rmSync(path.join(base, name), { recursive: true, force: true })
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
  const credentials = `${userName}:${Redacted.value(secret)}`
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
    const isFirst = statSync(dataOf(place), { throwIfNoEntry: false }) === undefined
    yield* requireSpace(place, isFirst)
    const secret = yield* password(place)
    if (isFirst) yield* initialise(place, tuning)
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
