/**
 * Keeps two starts off one home, and is never in the way after a crash.
 *
 * The lock is a file `lock.N` that names its owner by pid and start time. A file whose owner is dead is stale, so
 * nothing has to be removed at exit: a start that finds `lock.N` stale makes `lock.N+1`. The file appears in one step,
 * complete (a link to a finished file), so of many starts exactly one wins.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { linkSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import path from "node:path"
import { LaunchError, reasonOf } from "./LaunchError.ts"
import * as ProcessTable from "./ProcessTable.ts"

/**
 * What a lock file says about its owner.
 *
 * @category models
 * @since 0.1.0
 */
export interface Owner {
  readonly pid: number
  /** The process's start time, as {@link ProcessTable.identity} answers it. */
  readonly identity: string
  /** Where the pid means something, see {@link ProcessTable.world}. */
  readonly world: string
  /** What the owner is doing, e.g. `guildhall start`. */
  readonly purpose: string
}

/**
 * A lock that is held until the process ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface HomeLock {
  readonly file: string
  /** Tells starts that come meanwhile that waiting a few seconds is worthwhile. */
  readonly announceStop: Effect.Effect<void>
}

const touchEveryMs = 2_000
const foreignPatienceMs = 7_000
const stopPatienceMs = 8_000
const pollMs = 100

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined

const isOwner = (value: unknown): value is Owner =>
  typeof value === "object" && value !== null && "pid" in value && "identity" in value && "world" in value

const generations = (directory: string): ReadonlyArray<number> =>
  readdirSync(directory)
    .flatMap((name) => /^lock\.(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => right - left)

const lockFile = (directory: string, generation: number) => path.join(directory, `lock.${generation}`)
const stoppingFile = (file: string) => `${file}.stopping`

const exists = (file: string): boolean => statSync(file, { throwIfNoEntry: false }) !== undefined

/** The owner that a lock file names; `undefined` when the file is gone or is not (yet) readable as one. */
const readOwner = (file: string): Owner | undefined => {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"))
    return isOwner(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Puts the file in place in one step, or answers `false` when another start did so first. */
const place = (directory: string, generation: number, owner: Owner): boolean => {
  const file = lockFile(directory, generation)
  const content = `${JSON.stringify(owner)}\n`
  const draft = path.join(directory, `lock.draft-${process.pid}-${randomBytes(4).toString("hex")}`)
  writeFileSync(draft, content, { mode: 0o600, flag: "wx" })
  try {
    linkSync(draft, file)
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false
    // A file system without hard links: created in one step too, only its content comes a moment later.
    try {
      writeFileSync(file, content, { mode: 0o600, flag: "wx" })
    } catch (second) {
      if (errorCode(second) === "EEXIST") return false
      throw second
    }
  } finally {
    rmSync(draft, { force: true })
  }
  // A start that slept between looking and linking may have made an old generation again: the highest one counts.
  if ((generations(directory)[0] ?? 0) > generation) {
    rmSync(file, { force: true })
    return false
  }
  return true
}

/** Removes what earlier owners left, drafts of killed starts included. */
const sweep = (directory: string, generation: number): void => {
  for (const name of readdirSync(directory)) {
    const found = /^lock\.(\d+)(\.stopping)?$/.exec(name)
    const draft = /^lock\.draft-(\d+)-/.exec(name)
    const old = found !== null && Number(found[1]) < generation
    const dead = draft !== null && ProcessTable.identity(Number(draft[1])) === undefined
    if (old || dead) rmSync(path.join(directory, name), { force: true })
  }
}

/**
 * Whether the owner of a lock file is alive. A pid of another machine or container says nothing here, so such an owner
 * is watched: it touches its file every two seconds while it lives.
 */
const isAlive = (file: string): Effect.Effect<Owner | undefined> =>
  Effect.gen(function* () {
    for (let waited = 0; waited <= 1_000; waited += pollMs) {
      const owner = readOwner(file)
      if (owner === undefined) {
        if (!exists(file)) return undefined
        yield* Effect.sleep(pollMs)
        continue
      }
      if (owner.world === ProcessTable.world()) {
        return ProcessTable.identity(owner.pid) === owner.identity ? owner : undefined
      }
      const seen = statSync(file, { throwIfNoEntry: false })?.mtimeMs
      yield* Effect.logInfo("The home was last used by another machine or container; watching whether it still is …")
      for (let watched = 0; watched < foreignPatienceMs; watched += pollMs) {
        yield* Effect.sleep(pollMs)
        if (statSync(file, { throwIfNoEntry: false })?.mtimeMs !== seen) return owner
      }
      return undefined
    }
    return undefined
  })

const refusal = (directory: string, owner: Owner | undefined) =>
  new LaunchError({
    what:
      owner === undefined
        ? `Another start took the home ${directory} a moment ago.`
        : `The home ${directory} is in use by \`${owner.purpose}\`, process ${owner.pid}${addressOf(directory, owner)}.`,
    why: "Two processes on one home would spoil its data.",
    todo: `Use the one that runs, stop it${owner === undefined ? "" : ` (kill ${owner.pid})`}, or give this one a home of its own: GUILDHALL_HOME=<directory>.`,
  })

/** The address of a running market, where its `dev.json` is the owner's. */
const addressOf = (directory: string, owner: Owner): string => {
  try {
    const facts: unknown = JSON.parse(readFileSync(path.join(directory, "dev.json"), "utf8"))
    if (typeof facts !== "object" || facts === null || !("pid" in facts) || !("url" in facts)) return ""
    return facts.pid === owner.pid ? `, at ${String(facts.url)}` : ""
  } catch {
    return ""
  }
}

/**
 * The live owner of a home, if there is one. For commands that want to know whether the market runs.
 *
 * @category queries
 * @since 0.1.0
 */
export const ownerOf = (directory: string): Effect.Effect<Owner | undefined> =>
  Effect.suspend(() => {
    const newest = exists(directory) ? generations(directory)[0] : undefined
    return newest === undefined ? Effect.succeed(undefined) : isAlive(lockFile(directory, newest))
  })

/**
 * Takes the lock of an existing directory for the life of this process. Fails with a letter when a live process holds
 * it; an owner that announced its stop is waited for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const acquire = (options: {
  readonly directory: string
  readonly purpose: string
}): Effect.Effect<HomeLock, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory, purpose } = options
    const me: Owner = {
      pid: process.pid,
      identity: ProcessTable.identity(process.pid) ?? "",
      world: ProcessTable.world(),
      purpose,
    }
    for (let waited = 0; ; waited += pollMs) {
      const newest = generations(directory)[0] ?? 0
      const file = lockFile(directory, newest)
      const owner = newest === 0 ? undefined : yield* isAlive(file)
      if (owner === undefined) {
        const generation = newest + 1
        if (!(yield* Effect.sync(() => place(directory, generation, me)))) {
          return yield* refusal(directory, readOwner(lockFile(directory, generation)))
        }
        sweep(directory, generation)
        return yield* hold(lockFile(directory, generation))
      }
      if (!exists(stoppingFile(file)) || waited > stopPatienceMs) return yield* refusal(directory, owner)
      yield* Effect.sleep(pollMs)
    }
  }).pipe(
    Effect.catchDefect((cause) =>
      Effect.fail(
        new LaunchError({
          what: `The home ${options.directory} could not be locked.`,
          why: reasonOf(cause),
          todo: "Give it to the user who runs Guildhall, free some space, or choose another directory with GUILDHALL_HOME.",
        }),
      ),
    ),
  )

const hold = (file: string) =>
  Effect.gen(function* () {
    const touch = Effect.sync(() => {
      try {
        utimesSync(file, new Date(), new Date())
      } catch {
        // The home was removed under us; the database will say so more clearly.
      }
    })
    yield* touch.pipe(Effect.delay(touchEveryMs), Effect.forever, Effect.forkScoped)
    const announceStop = Effect.sync(() => {
      try {
        writeFileSync(stoppingFile(file), "")
      } catch {
        // A full disk must not keep the market from stopping.
      }
    })
    return { file, announceStop }
  })
