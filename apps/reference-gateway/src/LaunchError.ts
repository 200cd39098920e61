/**
 * Why the market could not start or go on, in words for the person at the terminal.
 */
import * as Data from "effect/Data"

/**
 * A failure that the reader can do something about: printed as it is, without a stack trace, and the program ends
 * with exit code 1.
 *
 * @category errors
 * @since 0.1.0
 */
export class LaunchError extends Data.TaggedError("LaunchError")<{
  /** What happened, one sentence. */
  readonly what: string
  /** The reason, as far as it is known. */
  readonly why?: string | undefined
  /** What to do about it. */
  readonly todo: string
}> {
  override get message(): string {
    return [this.what, this.why, this.todo].filter((line) => line !== undefined && line !== "").join("\n  ")
  }
}

/**
 * The text of anything that was thrown, for the "why" of a {@link LaunchError}.
 *
 * @category formatting
 * @since 0.1.0
 */
export const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
