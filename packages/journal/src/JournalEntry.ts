/**
 * What the journal keeps: one entry for each thing that happened.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { InstanceId } from "@guildhall/core/Instance"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { ReasonCode } from "@guildhall/core/Reason"
import { Receipt } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"

/**
 * One try on one instance: which, and why it did not serve where it did not.
 *
 * @category models
 * @since 0.1.0
 */
export const Attempt = Schema.Struct({
  instance: InstanceId,
  reason: Schema.optionalKey(ReasonCode),
})
/** @since 0.1.0 */
export type Attempt = typeof Attempt.Type

/**
 * A routing decision, by reference: with the directory's change log it can be computed again, candidate by
 * candidate. Its JSON stays within 300 bytes. `replica` and `version` name a state of one gateway's directory before
 * the first attempt; `seed` is the random seed of the ranking.
 *
 * @category models
 * @since 0.1.0
 */
export const RoutingDecision = Schema.Struct({
  replica: Schema.String,
  version: Schema.Int,
  policy: Schema.String,
  seed: Schema.Int,
  model: Schema.String,
  contextTokens: Schema.Int,
  attempts: Schema.Array(Attempt),
})
/** @since 0.1.0 */
export type RoutingDecision = typeof RoutingDecision.Type

/**
 * An entry. Every entry has an id, and writing an id again changes nothing.
 *
 * - `RequestEnded`: a request that took a hold, with its receipt (a revision has an id of its own).
 * - `RequestRefused`: a request that was refused before any money was held.
 * - `OperatorActed`: what an operator or a member changed: keys, top-ups, devices.
 *
 * @category models
 * @since 0.1.0
 */
export const JournalEntry = Schema.TaggedUnion({
  RequestEnded: {
    id: Schema.String,
    receipt: Receipt,
    salts: Schema.Struct({ request: Schema.String, response: Schema.String }),
    decision: Schema.NullOr(RoutingDecision),
  },
  RequestRefused: {
    id: Schema.String,
    requestId: RequestId,
    buyer: Schema.NullOr(MemberId),
    keyId: Schema.NullOr(KeyId),
    model: Schema.NullOr(Schema.String),
    reason: ReasonCode,
    decision: Schema.NullOr(RoutingDecision),
    atMs: Schema.Int,
  },
  OperatorActed: {
    id: Schema.String,
    actor: MemberId,
    act: Schema.String,
    subject: Schema.String,
    atMs: Schema.Int,
  },
})
/** @since 0.1.0 */
export type JournalEntry = typeof JournalEntry.Type

/** An entry as JSON: what a store keeps. Members that the schema does not name are left out. @since 0.1.0 */
export const JournalEntryJson = Schema.toCodecJson(JournalEntry)

/**
 * What a store finds an entry by. `revision` is null but for a receipt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Columns {
  readonly requestId: RequestId | null
  readonly member: MemberId | null
  readonly revision: number | null
  readonly atMs: number
}

/**
 * Reads what an entry is found by. Use it when you write a store of your own.
 *
 * @category getters
 * @since 0.1.0
 */
export const columns: (entry: JournalEntry) => Columns = JournalEntry.match({
  RequestEnded: ({ receipt }): Columns => ({
    requestId: receipt.id,
    member: receipt.buyer,
    revision: receipt.revision,
    atMs: receipt.endedAtMs,
  }),
  RequestRefused: (entry): Columns => ({
    requestId: entry.requestId,
    member: entry.buyer,
    revision: null,
    atMs: entry.atMs,
  }),
  OperatorActed: (entry): Columns => ({ requestId: null, member: entry.actor, revision: null, atMs: entry.atMs }),
})
