/**
 * Where the embedded database lives and whom it runs as. For a normal user the answer is simple: in the home, as that
 * user. PostgreSQL refuses to run as root, so root runs it under another uid, and that uid may be unable to reach the
 * repository or the home (a clone under a 0700 directory): then programs and data go where it can.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import * as Binaries from "./Binaries.ts"

/**
 * Who the database runs as, when that is not this process's user.
 *
 * @category models
 * @since 0.1.0
 */
export interface User {
  readonly uid: number
  readonly gid: number
}

/**
 * Everything about the database that does not change while it runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  /** The database's directory: `data/`, `password`, `postgres.log`. Only its user may enter. */
  readonly root: string
  readonly binaries: Binaries.Binaries
  readonly user: User | undefined
  /** Whether `root` is outside of the home, so that its own lock must be held too. */
  readonly isOutside: boolean
}

const memoryFile = (home: string) => path.join(home, "postgres.json")

/** The uid to run under: the owner of existing data, else `postgres`, else `nobody`. initdb wants one with a name. */
const chooseUser = (data: string): User => {
  const owner = statSync(data, { throwIfNoEntry: false })
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const accounts = existsSync("/etc/passwd") ? readFileSync("/etc/passwd", "utf8") : ""
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = (new RegExp(`^${name}:.*$`, "m").exec(accounts)?.[0] ?? "").split(":")
    if (uid !== undefined && gid !== undefined && Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) }
  }
  return { uid: 65_534, gid: 65_534 }
}

/** Whether a user may do what the mode bit allows (4 read, 1 enter). Access lists are not asked. */
const may = (file: string, user: User, bit: 1 | 4): boolean => {
  const { uid, gid, mode } = statSync(file)
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0
  return (mode & (bit << shift)) !== 0
}

/**
 * Whether a user can reach a directory: enter it and each one above. Parents that do not exist yet will be ours.
 *
 * @category queries
 * @since 0.1.0
 */
export const canReach = (directory: string, user: User): boolean => {
  for (let at = path.resolve(directory); ; at = path.dirname(at)) {
    if (existsSync(at) && !may(at, user, 1)) return false
    if (at === path.dirname(at)) return true
  }
}

const canRun = (binaries: Binaries.Binaries, user: User): boolean => {
  if (!canReach(path.join(binaries.native, "lib"), user)) return false
  if (!may(path.join(binaries.native, "share/postgresql/postgres.bki"), user, 4)) return false
  const tried = spawnSync(Binaries.program(binaries, "postgres"), ["--version"], { ...user, cwd: "/", stdio: "ignore" })
  return tried.status === 0
}

/** Whether this process may take the user's uid at all: not everywhere, root of a container may be without others. */
const canBecome = (user: User): string | undefined => {
  const tried = spawnSync("/bin/sh", ["-c", ":"], { ...user, cwd: "/", stdio: "ignore" })
  return tried.error?.message
}

/** A directory of root's that everybody can enter and nobody else can change. */
const sharedBase = (user: User): string => {
  const candidates = ["/var/lib/guildhall", "/srv/guildhall", path.join(tmpdir(), "guildhall"), "/tmp/guildhall"]
  for (const candidate of candidates) {
    try {
      mkdirSync(candidate, { recursive: true, mode: 0o755 })
      const { uid, mode } = statSync(candidate)
      if (uid === 0 && (mode & 0o022) === 0 && canReach(candidate, user)) return realpathSync(candidate)
    } catch {
      // Not writable here: the next one.
    }
  }
  throw new LaunchError({
    what: `The database must run as uid ${user.uid}, which can reach neither the repository nor any place to move it to.`,
    why: `Tried ${candidates.join(", ")}.`,
    todo: "Start Guildhall as a normal user, or name a database with DATABASE_URL.",
  })
}

/** The directory outside of the home where an earlier start had to put the data, if it had to. */
const recallOutside = (home: string): string | undefined => {
  const file = memoryFile(home)
  if (!existsSync(file)) return undefined
  try {
    const memory: unknown = JSON.parse(readFileSync(file, "utf8"))
    const known = typeof memory === "object" && memory !== null && "outside" in memory ? memory.outside : undefined
    return typeof known === "string" ? known : undefined
  } catch (cause) {
    throw new LaunchError({
      what: `${file} cannot be read, and it may name where the data of this home is.`,
      why: reasonOf(cause),
      todo: "Repair it, or remove it if the database is in the home itself (its directory `postgres`).",
    })
  }
}

/**
 * Writes the home's `postgres.json` in one step: where the database is, for the next start and for commands.
 *
 * @category commands
 * @since 0.1.0
 */
export const remember = (home: string, place: Pick<Place, "root" | "isOutside">, url: string | undefined): void => {
  const facts = { url, data: path.join(place.root, "data"), ...(place.isOutside ? { outside: place.root } : {}) }
  const draft = `${memoryFile(home)}.draft`
  writeFileSync(draft, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 })
  renameSync(draft, memoryFile(home))
}

/** Makes the database's directory, owned by its user and closed to all others. */
const makeRoot = (root: string, user: User | undefined): void => {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  if (user !== undefined) {
    chownSync(root, user.uid, user.gid)
    chmodSync(root, 0o700)
  }
}

const gone = (root: string, home: string) =>
  new LaunchError({
    what: `The data of this home is gone: ${root} does not exist any more.`,
    why: `The home ${home} remembers (postgres.json) that its database lives there.`,
    todo: `Put the directory back, or remove ${memoryFile(home)} to begin with an empty database.`,
  })

const outOfReach = (data: string, user: User) =>
  new LaunchError({
    what: `The database's user (uid ${user.uid}) cannot reach its data in ${data} any more.`,
    why: "A directory above it was closed to other users (its mode lacks x for others).",
    todo: "Open it (chmod o+x on each directory above), or start Guildhall as the user who owns the directory.",
  })

const resolveAsRoot = (home: string, found: Binaries.Binaries, linked: boolean) => {
  const inside = path.join(home, "postgres")
  const outside = recallOutside(home)
  if (outside !== undefined && !existsSync(outside)) throw gone(outside, home)
  const user = chooseUser(path.join(outside ?? inside, "data"))
  const refusal = canBecome(user)
  if (refusal !== undefined) {
    throw new LaunchError({
      what: `PostgreSQL does not run as root, and this root may not start a program as uid ${user.uid}.`,
      why: refusal,
      todo: "Start Guildhall as a normal user, or name a database with DATABASE_URL.",
    })
  }
  // Others must be able to pass through the home; what is secret in it is closed by itself.
  if (outside === undefined && canReach(path.dirname(home), user)) chmodSync(home, statSync(home).mode | 0o011)
  const isOutside = outside !== undefined || !canReach(home, user)
  if (isOutside && outside === undefined && existsSync(path.join(inside, "data"))) throw outOfReach(inside, user)
  const runnable = linked && canRun(found, user)
  const base = isOutside || !runnable ? sharedBase(user) : inside
  return {
    // A name that was never used: the data of a home that was removed must not come back in a new one.
    root: outside ?? (isOutside ? path.join(base, `data-${randomUUID()}`) : inside),
    user,
    binaries: runnable ? found : undefined,
    copyTo: base,
    isOutside,
  }
}

const resolveSync = (home: string, found: Binaries.Binaries, linked: boolean) => {
  if (process.getuid?.() === 0) return resolveAsRoot(home, found, linked)
  const root = path.join(home, "postgres")
  return { root, user: undefined, binaries: linked ? found : undefined, copyTo: root, isOutside: false }
}

/**
 * Decides where the database of a home lives, and makes its directory. Says so when that is not the home.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = (home: string): Effect.Effect<Place, LaunchError> =>
  Effect.gen(function* () {
    const found = yield* Binaries.find
    const linked = yield* Binaries.completeLinks(found)
    const plan = yield* Effect.try({
      try: () => {
        const decided = resolveSync(home, found, linked)
        makeRoot(decided.root, decided.user)
        // Before there is any data, so that a start that is killed meanwhile does not lose the place.
        if (decided.isOutside && recallOutside(home) === undefined) remember(home, decided, undefined)
        return decided
      },
      catch: (cause) =>
        cause instanceof LaunchError
          ? cause
          : new LaunchError({
              what: `The database's directory in ${home} could not be made.`,
              why: reasonOf(cause),
              todo: "Give the home to the user who runs Guildhall, or choose another with GUILDHALL_HOME.",
            }),
    })
    const binaries = plan.binaries ?? (yield* Binaries.copyTo(found, plan.copyTo))
    yield* Binaries.completeLinks(binaries)
    if (plan.user !== undefined && (plan.isOutside || plan.binaries === undefined)) {
      yield* Effect.logInfo(
        `PostgreSQL does not run as root, so it runs as uid ${plan.user.uid}, which cannot read ` +
          `${plan.isOutside ? "the home" : "the repository"}: its data is in ${plan.root}, its programs in ${binaries.native}.`,
      )
    }
    return { root: plan.root, binaries, user: plan.user, isOutside: plan.isOutside }
  })
