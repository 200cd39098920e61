/**
 * Runs the program as the process it is: Ctrl-C, signals, a closed terminal, the exit code.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as CliError from "effect/cli/CliError"
import * as Child from "./Child.ts"
import { LaunchError } from "./LaunchError.ts"
import * as ProcessTable from "./ProcessTable.ts"

/**
 * Everything has ended by then, or is ended. A person waits at a terminal; what sends SIGTERM waits ten seconds where it is a
 * container's manager, and longer elsewhere, and a busy gateway has many streams to settle.
 */
const STOP_LIMIT_MS = { SIGINT: 4_600, SIGHUP: 4_600, SIGTERM: 9_000 } as const

type StopSignal = keyof typeof STOP_LIMIT_MS
const STOP_SIGNALS: ReadonlyArray<StopSignal> = ["SIGINT", "SIGHUP", "SIGTERM"]

/**
 * One Ctrl-C arrives several times: from the terminal, from npm, from the launcher. Only a later one is a second one.
 */
const sameSignalMs = 700

const guardianPollMs = 250

/**
 * Calls back when one of the processes in `GUILDHALL_EXIT_WITH` is gone: the launcher and npm, which hold the terminal.
 * When they are killed, a market that went on would be one that nobody can stop with Ctrl-C.
 */
const onGuardianDeath = (callback: () => void): void => {
  const pids = (process.env["GUILDHALL_EXIT_WITH"] ?? "").split(",").filter((pid) => pid !== "")
  if (pids.length === 0) return
  const look = () =>
    // Elsewhere asking for a process means running `ps`; there the parent is the only one anyway.
    process.platform === "linux"
      ? pids.map((pid) => ProcessTable.identity(Number(pid)) ?? "gone").join()
      : String(process.ppid)
  const first = look()
  const timer = setInterval(() => {
    if (look() === first) return
    clearInterval(timer)
    callback()
  }, guardianPollMs)
  timer.unref()
}

const exitCode = (exit: Exit.Exit<unknown, unknown>, isStopped: boolean): number => {
  if (exit._tag === "Success" || (isStopped && Cause.hasInterruptsOnly(exit.cause))) return 0
  return exit._tag === "Failure" ? Runtime.getErrorExitCode(Cause.squash(exit.cause)) : 1
}

const report = (exit: Exit.Exit<unknown, unknown>): void => {
  if (exit._tag === "Success" || Cause.hasInterruptsOnly(exit.cause)) return
  const error = Cause.squash(exit.cause)
  // Told already: a wrong command line by effect/cli, with the help, and what a command reported itself.
  if (CliError.isCliError(error) || !Runtime.getErrorReported(error)) return
  // A letter is printed as it is; anything else is a defect of ours, told in full.
  process.stderr.write(`\n${error instanceof LaunchError ? error.message : Cause.pretty(exit.cause)}\n`)
}

/**
 * Runs the main program to its end and exits. The first SIGINT, SIGTERM or SIGHUP interrupts it, which closes its
 * scopes; a second one, or 4.6 seconds (9 after SIGTERM), ends every child and this process at once.
 *
 * @category running
 * @since 0.1.0
 */
export const runMain = (program: Effect.Effect<unknown, unknown>): void => {
  // Whoever read our output may be gone before us; that must not end us halfway through.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)
  process.on("exit", Child.forceAllUnsafe)
  const fiber = Effect.runFork(program)
  let stoppedAt: number | undefined
  const force = (why: string): never => {
    process.stderr.write(`${why}; ending everything at once. The next start recovers.\n`)
    // The hook at exit ends the children.
    process.exit(130)
  }
  const stop = (signal: StopSignal) => {
    const now = performance.now()
    if (stoppedAt === undefined) {
      stoppedAt = now
      process.stderr.write("\nStopping …\n")
      setTimeout(force, STOP_LIMIT_MS[signal], "Stopping took too long").unref()
      fiber.interruptUnsafe()
    } else if (now - stoppedAt > sameSignalMs) force("Interrupted again")
  }
  for (const signal of STOP_SIGNALS) process.on(signal, () => stop(signal))
  onGuardianDeath(() => {
    if (stoppedAt === undefined) stop("SIGHUP")
  })
  fiber.addObserver((exit) => {
    report(exit)
    process.exit(exitCode(exit, stoppedAt !== undefined))
  })
}
