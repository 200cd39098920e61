/**
 * What all templates have in common: each is a schema of what a posting is about, and a function that makes the posting.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import type { LedgerError } from "../LedgerError.ts"
import type { Attachment, Posting } from "../Posting.ts"

/**
 * What may go with any posting: attachments, the digest of the definition under which it is made, and when it counts, if
 * not now, in Unix milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Extras {
  readonly attachments?: ReadonlyArray<Attachment> | undefined
  readonly definition?: string | undefined
  readonly effectiveAtMs?: number | undefined
}

/**
 * Makes a posting of what it is about. Pure: the same gives the same posting, under the same idempotency key. What makes no
 * sense is refused as an `InvalidCommand`, before any store is asked.
 *
 * @category models
 * @since 0.1.0
 */
export type Template<Given> = (given: Given, extras?: Extras) => Result.Result<Posting, LedgerError>
