/**
 * The exit codes of the agent's command line.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import { CommandFailure } from "@guildhall/core/CommandFailure"
import { AgentError } from "./AgentError.ts"
import { BackendError } from "./Backend.ts"
import { ModelError } from "./models/ModelError.ts"

/**
 * The exit code that says: starting this agent again with the same settings cannot help. Any other failure may pass.
 *
 * @category constants
 * @since 0.1.0
 */
export const EXIT_CANNOT_SERVE = 2

/**
 * The exit code that says: no agent runs with this home.
 *
 * @category constants
 * @since 0.1.0
 */
export const EXIT_NOT_RUNNING = 7

/**
 * The exit code of a command that a person stopped: what should come after it must not.
 *
 * @category constants
 * @since 0.1.0
 */
export const EXIT_STOPPED = 130

/**
 * Every exit code with what it says, as the documentation has it.
 *
 * @category constants
 * @since 0.1.0
 */
export const MEANINGS: ReadonlyArray<readonly [code: number, meaning: string]> = [
  [0, "done; of `serve`: it was told to stop, and did"],
  [
    1,
    "it failed, and another try may help: the market is away, another agent uses the home. Of `doctor`: something is to be mended",
  ],
  [
    EXIT_CANNOT_SERVE,
    "it failed, and trying the same again cannot help: a setting, a wrong command line, a refusal of the market",
  ],
  [3, "`pair`: the code is wrong, was used, or is over"],
  [4, "`pair`: the member refused"],
  [5, "`pair`: nobody approved within an hour"],
  [6, "`pair`: too many wrong codes came from this network, or from everywhere"],
  [EXIT_NOT_RUNNING, "no agent runs with this home, and the command is about one that does"],
  [EXIT_STOPPED, "a person stopped it before it was done"],
]

const final = new Set(["BadSetting", "NoModel", "CannotLoad"])
/** What a market refuses for as long as the agent asks the same. */
const finalRefusals = new Set([
  "invalid_endpoint",
  "invalid_price",
  "device_revoked",
  "device_not_paired",
  "key_replaced",
  "provider_name_taken",
])

/**
 * The exit code of an agent that ended with this failure.
 *
 * @category getters
 * @since 0.1.0
 */
export const exitCode = (cause: Cause.Cause<unknown>): number => {
  if (Cause.hasInterruptsOnly(cause)) return 0
  const error = Cause.squash(cause)
  if (error instanceof CommandFailure && error.exitCode !== undefined) return error.exitCode
  if (CliError.isCliError(error)) return EXIT_CANNOT_SERVE
  const isFinal =
    ((error instanceof AgentError || error instanceof BackendError) && final.has(error.reason)) ||
    (error instanceof AgentError && finalRefusals.has(error.code ?? "")) ||
    (error instanceof ModelError && !error.isRetryable)
  return isFinal ? EXIT_CANNOT_SERVE : 1
}

/**
 * The exit code of a command that ended with this failure: unlike an agent, nothing starts it again by itself.
 *
 * @category getters
 * @since 0.1.0
 */
export const ofCommand = (error: AgentError): number => {
  if (error.reason === "NotRunning") return EXIT_NOT_RUNNING
  return error.isRetryable ? 1 : EXIT_CANNOT_SERVE
}
