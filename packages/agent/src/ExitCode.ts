/**
 * The exit codes of the agent's command line.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
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
  const isFinal =
    ((error instanceof AgentError || error instanceof BackendError) && final.has(error.reason)) ||
    (error instanceof AgentError && finalRefusals.has(error.code ?? "")) ||
    (error instanceof ModelError && !error.isRetryable)
  return isFinal ? EXIT_CANNOT_SERVE : 1
}
