/**
 * How a command of a command line ends badly: the reason is told once, as a letter or as JSON, and the exit code is not 0.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * Why a command ended with an exit code other than 0. It has told the reason already, so nobody tells it again.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandFailure extends Schema.TaggedError<CommandFailure>()("CommandFailure", {
  detail: Schema.String,
  /** The exit code, where it is not 1. */
  exitCode: Schema.optionalKey(Schema.Int),
}) {
  readonly isRetryable = false
  override get message(): string {
    return this.detail
  }
  override get [Runtime.errorReported](): boolean {
    return false
  }
  override get [Runtime.errorExitCode](): number {
    return this.exitCode ?? 1
  }
}

/** A name that a program can tell failures by: the reason of an error, where it has one, or the error's own. */
const nameOf = (error: { readonly _tag: string; readonly reason?: unknown }): string => {
  const { reason } = error
  if (typeof reason === "string") return reason
  const isNamed = typeof reason === "object" && reason !== null && "_tag" in reason && typeof reason._tag === "string"
  return isNamed ? String(reason._tag) : error._tag
}

/**
 * A text for a terminal: what a file or a database names must not move the cursor, its colours, or the direction of the text.
 *
 * **Example** (A name that would clear the screen)
 *
 * ```ts
 * import { CommandFailure } from "@guildhall/core"
 *
 * CommandFailure.printable("a\u001b[2Jb") // => "a\ufffd[2Jb"
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const printable = (text: string): string => text.replace(/(?!\n)[\p{Cc}\p{Cf}]/gu, "\ufffd")

/**
 * Tells what went wrong, and fails with it: as one JSON object on standard output for a program that asked for it, and else as
 * a letter. Where a part of the output is written already, only the letter is. What was told already is not told again.
 *
 * @category combinators
 * @since 0.1.0
 */
export const tell = Effect.fnUntraced(function* (
  error: { readonly _tag: string; readonly message: string; readonly reason?: unknown },
  asJson: boolean,
) {
  if (error instanceof CommandFailure) return yield* error
  if (asJson) yield* Console.log(JSON.stringify({ ok: false, reason: nameOf(error), detail: error.message }))
  else yield* Console.error(printable(`FAILED\n  ${error.message}`))
  return yield* new CommandFailure({ detail: error.message })
})
