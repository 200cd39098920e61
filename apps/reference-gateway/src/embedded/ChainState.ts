/**
 * What the embedded chain keeps in the home: `chain/state.json`, which anvil reads when it starts and writes while it runs, a copy
 * of it from the last good start, and what is known of the running process.
 */
import * as Effect from "effect/Effect"
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import * as ProcessTable from "../ProcessTable.ts"

/**
 * The directory of a home's chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChainState {
  /** A real path. */
  readonly root: string
  readonly file: string
  /** The file as it was when the chain last started. */
  readonly lastFile: string
  readonly factsFile: string
}

/**
 * A process of anvil, as the home remembers it: its pid, what tells it from a later one with that pid, in which world, and its
 * port.
 *
 * @category models
 * @since 0.1.0
 */
export interface Facts {
  readonly pid: number
  readonly identity: string
  readonly world: string
  readonly port: number
}

/**
 * Makes the directory, which only its owner may enter.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (home: string): Effect.Effect<ChainState, LaunchError> =>
  Effect.try({
    try: () => {
      const wanted = path.join(home, "chain")
      mkdirSync(wanted, { recursive: true, mode: 0o700 })
      const root = realpathSync(wanted)
      return {
        root,
        file: path.join(root, "state.json"),
        lastFile: path.join(root, "state.last.json"),
        factsFile: path.join(root, "anvil.json"),
      }
    },
    catch: (cause) =>
      new LaunchError({
        what: `The directory of the chain in ${home} could not be made.`,
        why: reasonOf(cause),
        todo: "Free some space, or choose another home with GUILDHALL_HOME.",
      }),
  })

/**
 * What to do where a home's chain is lost. Its directory alone must not go: the books and the index stay, and they are of the chain
 * that was in it.
 *
 * @category constants
 * @since 0.1.0
 */
export const BEGIN_ANEW =
  "Begin anew in another home (GUILDHALL_HOME), or remove this one as a whole: it is a chain for development, and the books belong to it."

/** Whether a file has a state: anvil takes any other JSON for an error and ends. */
const isWhole = (file: string): boolean => {
  try {
    const state: unknown = JSON.parse(readFileSync(file, "utf8"))
    return typeof state === "object" && state !== null && "block" in state
  } catch {
    return false
  }
}

const copy = (from: string, to: string): void => {
  copyFileSync(from, `${to}.draft`)
  renameSync(`${to}.draft`, to)
}

/**
 * Sees to it that the state can be read, before anvil reads it: anvil writes it in place, so one that is killed in the middle leaves
 * half of it. Then the copy of the last start takes its place, and what happened on the chain since is gone.
 *
 * @category commands
 * @since 0.1.0
 */
export const repair = (state: ChainState): Effect.Effect<void, LaunchError> =>
  Effect.gen(function* () {
    if (!existsSync(state.file)) return
    if (isWhole(state.file)) return yield* Effect.sync(() => copy(state.file, state.lastFile))
    if (!isWhole(state.lastFile)) {
      return yield* new LaunchError({
        what: `The chain's state in ${state.root} is damaged.`,
        why: "Its process was killed while it wrote the file, and there is no copy of an earlier start.",
        todo: BEGIN_ANEW,
      })
    }
    yield* Effect.logWarning(
      `The chain's state was cut off while it was written. It goes on from its last start; what came later is gone.`,
    )
    yield* Effect.sync(() => copy(state.lastFile, state.file))
  }).pipe(
    Effect.catchDefect((cause) =>
      Effect.fail(
        new LaunchError({
          what: `The chain's state in ${state.root} could not be copied.`,
          why: reasonOf(cause),
          todo: "Free some space on its disk, then start again.",
        }),
      ),
    ),
  )

/**
 * What an earlier start wrote down; `undefined` when there was none or the file is damaged.
 *
 * @category queries
 * @since 0.1.0
 */
export const readFacts = (state: Pick<ChainState, "factsFile">): Facts | undefined => {
  try {
    const facts: unknown = JSON.parse(readFileSync(state.factsFile, "utf8"))
    if (typeof facts !== "object" || facts === null) return undefined
    if (!("pid" in facts) || !("identity" in facts) || !("world" in facts) || !("port" in facts)) return undefined
    return {
      pid: Number(facts.pid),
      identity: String(facts.identity),
      world: String(facts.world),
      port: Number(facts.port),
    }
  } catch {
    return undefined
  }
}

/**
 * Where the chain of a home listens, or listened when it last ran; `undefined` where there was none.
 *
 * @category queries
 * @since 0.1.0
 */
export const rpcUrlOf = (home: string): string | undefined => {
  const facts = readFacts({ factsFile: path.join(home, "chain", "anvil.json") })
  return facts === undefined ? undefined : `http://127.0.0.1:${facts.port}`
}

/**
 * Writes down which process it is, in one step.
 *
 * @category commands
 * @since 0.1.0
 */
export const writeFacts = (state: ChainState, pid: number, port: number): Effect.Effect<void, LaunchError> =>
  Effect.try({
    try: () => {
      const facts: Facts = { pid, identity: ProcessTable.identity(pid) ?? "", world: ProcessTable.world(), port }
      const draft = `${state.factsFile}.draft`
      writeFileSync(draft, `${JSON.stringify(facts)}\n`, { mode: 0o600 })
      renameSync(draft, state.factsFile)
    },
    catch: (cause) =>
      new LaunchError({
        what: `${state.factsFile} could not be written.`,
        why: reasonOf(cause),
        todo: "Free some space on its disk, then start again.",
      }),
  })

/**
 * The processes of anvil that an earlier start left on this state.
 *
 * @category queries
 * @since 0.1.0
 */
export const orphans = (state: ChainState): ReadonlyArray<number> => {
  const facts = readFacts(state)
  const isOurs =
    facts !== undefined && facts.world === ProcessTable.world() && ProcessTable.identity(facts.pid) === facts.identity
  return [...new Set([...(isOurs ? [facts.pid] : []), ...ProcessTable.workingIn(state.root, ["anvil"])])]
}
