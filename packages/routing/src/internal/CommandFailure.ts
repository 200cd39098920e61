import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** Why a command ended with an exit code other than 0. It has told the reason already. */
export class CommandFailure extends Schema.TaggedError<CommandFailure>()("RoutingCommandError", {
  detail: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    return this.detail
  }
  override get [Runtime.errorReported](): boolean {
    return false
  }
}

/** What a file names must not move a terminal's cursor, its colours, or the direction of its text. */
export const printable = (text: string): string => text.replace(/(?!\n)[\p{Cc}\p{Cf}]/gu, "\ufffd")

/** Tells what went wrong, as one JSON object for a program that asked for it and else as a letter, and fails with it. */
export const tell = Effect.fnUntraced(function* (
  error: { readonly _tag: string; readonly message: string },
  asJson: boolean,
) {
  if (error instanceof CommandFailure) return yield* error
  if (asJson) yield* Console.log(JSON.stringify({ ok: false, reason: error._tag, detail: error.message }))
  else yield* Console.error(printable(`FAILED\n  ${error.message}`))
  return yield* new CommandFailure({ detail: error.message })
})

/** A file that cannot be read, or written, as a letter. */
export class FileProblem extends Schema.TaggedError<FileProblem>()("FileProblem", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Flags that say nothing, or nonsense. */
export class FlagProblem extends Schema.TaggedError<FlagProblem>()("InvalidFlags", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}
