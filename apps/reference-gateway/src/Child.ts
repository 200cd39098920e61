/**
 * A child process in a session of its own: Ctrl-C in the terminal does not reach it, it ends when its scope closes, and
 * it can be supervised (started again when it dies).
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { LaunchError, reasonOf } from "./LaunchError.ts"
import * as ProcessTable from "./ProcessTable.ts"

/**
 * How a process ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * A running child.
 *
 * @category models
 * @since 0.1.0
 */
export interface Child {
  readonly pid: number
  /** Waits for its end. */
  readonly exit: Effect.Effect<ChildExit>
}

/**
 * One step of stopping a child: the signal, and how long to wait before the next step.
 *
 * @category models
 * @since 0.1.0
 */
export interface StopStep {
  readonly signal: NodeJS.Signals
  readonly waitMs: number
}

/**
 * What to run, and how it ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChildOptions {
  /** The word before each of its lines and in messages. */
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly cwd?: string | undefined
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /**
   * Where its output goes: an open file, or line by line to a function. Standard input is a pipe that stays open as
   * long as this process lives, so a child that ends on its end never outlives us.
   */
  readonly output: { readonly fd: number } | { readonly onLine: (line: string) => void }
  /** What standard input begins with. */
  readonly input?: string | undefined
  /** Steps of stopping it; SIGKILL follows the last. */
  readonly stop: ReadonlyArray<StopStep>
  /** The signal for it when this process must end at once. */
  readonly force: NodeJS.Signals
}

const lineLimit = 8_192

/** Children that live now, with the signal that ends each at once. */
const living = new Map<ChildProcess, NodeJS.Signals>()

/**
 * Ends every child at once, without waiting: for a second Ctrl-C, a missed deadline, and as a net at exit.
 *
 * @category commands
 * @since 0.1.0
 */
export const forceAllUnsafe = (): void => {
  for (const [child, signal] of living) send(child, signal)
}

/** A child leads a group of its own, so its children hear the signal too. */
const send = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  if (process.platform === "win32") child.kill(signal)
  else ProcessTable.signal(-child.pid, signal)
}

const launch = (options: ChildOptions): ChildProcess => {
  const { output } = options
  const child = spawn(options.command, [...options.args], {
    detached: true,
    windowsHide: true,
    ...options.user,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    stdio: "fd" in output ? ["pipe", output.fd, output.fd] : ["pipe", "pipe", "pipe"],
  })
  // A child that dies first breaks the pipe; that is not news.
  child.stdin?.on("error", () => undefined)
  if (options.input !== undefined) child.stdin?.write(options.input)
  if ("onLine" in output) {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) =>
        output.onLine(line.length > lineLimit ? `${line.slice(0, lineLimit)} …` : line),
      )
    }
  }
  return child
}

/**
 * Starts a child in the scope; closing the scope stops it and waits until it is gone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (options: ChildOptions): Effect.Effect<Child, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<ChildExit>()
    const spawned = Effect.callback<ChildProcess, LaunchError>((resume) => {
      const refuse = (cause: unknown) =>
        resume(
          Effect.fail(
            new LaunchError({
              what: `The process "${options.name}" could not be started.`,
              why: `${options.command}: ${reasonOf(cause)}`,
              todo: "Remove node_modules and start again, which installs everything anew.",
            }),
          ),
        )
      try {
        const child = launch(options)
        child.once("error", refuse)
        child.once("exit", (code, signal) => {
          living.delete(child)
          Deferred.doneUnsafe(ended, Effect.succeed({ code, signal }))
        })
        child.once("spawn", () => {
          living.set(child, options.force)
          resume(Effect.succeed(child))
        })
      } catch (cause) {
        // Some failures (a uid that may not be taken) are thrown, others arrive as an event.
        refuse(cause)
      }
    })
    const child = yield* Effect.acquireRelease(spawned, (child) => stop(child, Deferred.await(ended), options.stop))
    return { pid: child.pid ?? 0, exit: Deferred.await(ended) }
  })

const stop = (child: ChildProcess, ended: Effect.Effect<ChildExit>, steps: ReadonlyArray<StopStep>) =>
  Effect.gen(function* () {
    for (const step of steps) {
      if (child.exitCode !== null || child.signalCode !== null) return
      send(child, step.signal)
      const done = yield* Effect.timeoutOption(ended, Duration.millis(step.waitMs))
      if (Option.isSome(done)) return
    }
    send(child, "SIGKILL")
    yield* ended
  })

/**
 * How a child is kept alive.
 *
 * @category models
 * @since 0.1.0
 */
export interface SuperviseOptions<E, R> {
  readonly name: string
  /** Starts it; runs once for each life. The scope is that life's. */
  readonly start: Effect.Effect<Child, E, Scope.Scope | R>
  /** Longest pause between a death and the next start. A life of a minute or more resets it to the shortest. */
  readonly maxPauseMs: number
  /** An exit code by which the child says that starting it again cannot help. */
  readonly finalCode?: number | undefined
}

/**
 * A child that is kept alive. `gaveUp` succeeds if it ends with its final code, and never otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Supervised {
  readonly gaveUp: Effect.Effect<void>
}

const shortestPauseMs = 100
const longLifeMs = 60_000

const describeExit = (exit: ChildExit): string =>
  exit.signal === null ? `ended with code ${exit.code}` : `was ended by ${exit.signal}`

/**
 * Starts a child and starts it again whenever it ends, until the scope closes. Fails when the first start fails; later
 * failures are logged and tried again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const supervise = <E extends { readonly message: string }, R>(
  options: SuperviseOptions<E, R>,
): Effect.Effect<Supervised, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.gen(function* () {
    const first = yield* Deferred.make<void, E>()
    const gaveUp = yield* Deferred.make<void>()
    const life = Effect.scoped(
      Effect.gen(function* () {
        const child = yield* options.start
        yield* Deferred.succeed(first, undefined)
        return yield* child.exit
      }),
    )
    let pauseMs = shortestPauseMs
    const loop = Effect.gen(function* () {
      while (true) {
        const [lived, exit] = yield* Effect.timed(Effect.exit(life))
        if (exit._tag === "Success") {
          if (exit.value.code !== null && exit.value.code === options.finalCode) {
            yield* Deferred.succeed(gaveUp, undefined)
            return
          }
          yield* Effect.logWarning(`${options.name} ${describeExit(exit.value)}; starting it again.`)
        } else {
          // Before the first success the failure is the caller's.
          if (yield* Deferred.failCause(first, exit.cause)) return
          yield* Effect.logError(
            `${options.name} could not be started again; trying on. ${reasonOf(Cause.squash(exit.cause))}`,
          )
        }
        if (Duration.toMillis(lived) > longLifeMs) pauseMs = shortestPauseMs
        yield* Effect.sleep(Duration.millis(pauseMs))
        pauseMs = Math.min(pauseMs * 2, options.maxPauseMs)
      }
    })
    yield* Effect.forkScoped(loop)
    yield* Deferred.await(first)
    return { gaveUp: Deferred.await(gaveUp) }
  })
