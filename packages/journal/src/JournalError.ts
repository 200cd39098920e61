/**
 * Why the journal could not answer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The one error of the journal: its store is away, or holds what cannot be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class JournalError extends Schema.TaggedError<JournalError>()("JournalError", {
  reason: Schema.Literals(["Unavailable", "Corrupt"]),
  cause: Schema.Defect(),
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return this.reason === "Unavailable"
      ? "The journal's store did not answer. Try again once the database is back."
      : "The journal holds an entry that cannot be read. Run `guildhall ledger verify`, then restore the journal from a backup."
  }
}
