/**
 * The data of the embedded PostgreSQL (it calls it a cluster): made on first use, and the password to it.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import {
  chownSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs"
import path from "node:path"
import * as Child from "../Child.ts"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import * as ProcessTable from "../ProcessTable.ts"
import * as Binaries from "./Binaries.ts"
import type { Place } from "./Place.ts"
import * as Postmaster from "./Postmaster.ts"
import * as ServerLog from "./ServerLog.ts"

/**
 * The role that owns everything.
 *
 * @category constants
 * @since 0.1.0
 */
export const userName = "guildhall"

/** What a new cluster needs (63 MB after its first start, and room to work), and what a used one needs to get going. */
const minimumFreeBytes = { first: 150 * 1024 * 1024, later: 24 * 1024 * 1024 }

const dataOf = (place: Place) => path.join(place.root, "data")

const requireSpace = (place: Place, isFirst: boolean) =>
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
const password = (place: Place, file: string) =>
  Effect.try({
    try: () => {
      const known = existsSync(file) ? readFileSync(file, "utf8").trim() : ""
      if (known !== "") return Redacted.make(known)
      if (existsSync(dataOf(place))) throw new Error(`${file} is missing, and the database knows only that password`)
      const made = randomBytes(32).toString("hex")
      writeFileSync(file, `${made}\n`, { mode: 0o600 })
      if (place.user !== undefined) chownSync(file, place.user.uid, place.user.gid)
      return Redacted.make(made)
    },
    catch: (cause) =>
      new LaunchError({
        what: `The password of the database in ${place.root} could not be read or made.`,
        why: reasonOf(cause),
        todo: "Put the file back from a copy of the home, or choose another home with GUILDHALL_HOME.",
      }),
  })

const draftPrefix = "data.draft-"

/** Throws away what killed first starts left: their drafts, and an initdb that still works on one. */
const clearDrafts = (place: Place): void => {
  for (const pid of ProcessTable.workingIn(place.root, ["initdb", "postgres"])) ProcessTable.signal(pid, "SIGKILL")
  for (const name of readdirSync(place.root)) {
    if (name.startsWith(draftPrefix))
      rmSync(path.join(place.root, name), { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Makes an empty cluster in one step: what counts appears at the end, under its own name. */
const initialise = (place: Place, tuning: Postmaster.Tuning, passwordFile: string) =>
  Effect.gen(function* () {
    const draft = path.join(place.root, `${draftPrefix}${randomBytes(4).toString("hex")}`)
    const clear = Effect.sync(() => clearDrafts(place))
    yield* clear
    yield* Effect.logInfo(`Making the database in ${place.root} …`)
    const log = yield* ServerLog.open(place)
    const initdb = Child.start({
      name: "initdb",
      command: Binaries.program(place.binaries, "initdb"),
      args: [
        ...["-D", draft, "-U", userName, "-A", "scram-sha-256", `--pwfile=${passwordFile}`],
        ...["-E", "UTF8", "--locale=C", "--no-instructions", ...(tuning.isDurable ? [] : ["--no-sync"])],
      ],
      ...Postmaster.spawnOptions(place),
      output: { fd: log.fd },
      stop: [],
      force: "SIGKILL",
    })
    const made = Effect.gen(function* () {
      const { code } = yield* Effect.scoped(Effect.flatMap(initdb, (child) => child.exit))
      if (code !== 0) return yield* Effect.fail(ServerLog.explain(place, log))
    })
    yield* Effect.onError(made, () => clear)
    yield* Effect.sync(() => renameSync(draft, dataOf(place)))
  }).pipe(Effect.scoped)

/**
 * Makes the cluster of a place if there is none, and answers the password of {@link userName}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ensure = (place: Place, tuning: Postmaster.Tuning): Effect.Effect<Redacted.Redacted, LaunchError> =>
  Effect.gen(function* () {
    const isFirst = !existsSync(dataOf(place))
    yield* requireSpace(place, isFirst)
    const file = path.join(place.root, "password")
    const secret = yield* password(place, file)
    if (isFirst) yield* initialise(place, tuning, file)
    return secret
  })
