/**
 * PORT. What happened on the market: requests with their receipts, refusals, routing decisions, operators' acts, and
 * the routing directory's change log.
 *
 * Guarantees, each proved by `JournalTest.suite`:
 *
 * 1. An entry that `append` acknowledged is durable; appending the same id again changes nothing.
 * 2. `position` is the highest ledger sequence that was appended with its entries, so a copier can go on where it stopped.
 * 3. A request is found by its id, with the newest revision of its receipt; a member's requests come newest first, page by page.
 * 4. A receipt is unsigned until a batch with it is sealed; once sealed its signed form verifies offline and never changes.
 * 5. The directory log is returned as it was appended, from the newest snapshot at or before a version up to it.
 * 6. No entry holds a body of a request or of an answer.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { MemberId } from "@guildhall/core/Member"
import type { Receipt, ReceiptBatch, SignedReceipt } from "@guildhall/core/Receipt"
import type { RequestId } from "@guildhall/core/Request"
import type { JournalEntry } from "./JournalEntry.ts"

/**
 * Why the journal could not answer.
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

/**
 * A request as the journal knows it.
 *
 * @category models
 * @since 0.1.0
 */
export type RequestRecord = Extract<JournalEntry, { readonly _tag: "RequestEnded" | "RequestRefused" }>

/**
 * A stretch of a replica's directory log: a full snapshot at `version`, or the changes after `version`, as text that
 * only the routing package reads. `hash` chains each segment to the one before it.
 *
 * @category models
 * @since 0.1.0
 */
export const DirectorySegment = Schema.Struct({
  replica: Schema.String,
  kind: Schema.Literals(["snapshot", "changes"]),
  version: Schema.Int,
  toVersion: Schema.Int,
  body: Schema.String,
  hash: Schema.String,
})
/** @since 0.1.0 */
export type DirectorySegment = typeof DirectorySegment.Type

/**
 * A receipt that waits for its batch, with the position it has in the journal.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnsealedReceipt {
  readonly entryId: string
  readonly receipt: Receipt
  readonly salts: { readonly request: string; readonly response: string }
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class Journal extends Context.Service<
  Journal,
  {
    /** Appends entries; `position` is the ledger sequence they were copied up to, where they came from the ledger. */
    readonly append: (entries: ReadonlyArray<JournalEntry>, position?: bigint) => Effect.Effect<void, JournalError>
    readonly position: Effect.Effect<bigint, JournalError>
    /** Requests, newest first: one by id, or a member's (all members' where it is null) before an id. */
    readonly requests: (
      query:
        | { readonly id: RequestId }
        | { readonly member: MemberId | null; readonly before?: RequestId | undefined; readonly limit: number },
    ) => Effect.Effect<ReadonlyArray<RequestRecord>, JournalError>
    /** The receipts: those that wait for a batch, or the signed one of a request (its newest sealed revision). */
    readonly receipts: {
      readonly unsealed: (limit: number) => Effect.Effect<ReadonlyArray<UnsealedReceipt>, JournalError>
      /** Keeps a batch with the receipts in it; each is found by `signed` from then on. */
      readonly seal: (
        batch: ReceiptBatch,
        receipts: ReadonlyArray<{ readonly entryId: string; readonly signed: SignedReceipt }>,
      ) => Effect.Effect<void, JournalError>
      readonly signed: (id: RequestId) => Effect.Effect<SignedReceipt | undefined, JournalError>
    }
    /** The routing directory's log. */
    readonly directory: {
      readonly append: (segments: ReadonlyArray<DirectorySegment>) => Effect.Effect<void, JournalError>
      readonly upTo: (replica: string, version: number) => Effect.Effect<ReadonlyArray<DirectorySegment>, JournalError>
    }
  }
>()("@guildhall/journal/Journal") {}
