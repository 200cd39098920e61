/**
 * A movement of money: legs that sum to zero for each asset, all or nothing, once per idempotency key.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { AccountId } from "./Account.ts"

/**
 * One leg: a positive amount raises the account's balance, a negative one lowers it. Never zero.
 *
 * @category models
 * @since 0.1.0
 */
export const Leg = Schema.Struct({
  account: AccountId,
  amount: Amount.pipe(
    Schema.check(
      Schema.makeFilter((amount) => (amount === 0n ? "a leg of zero moves nothing. Leave it out." : undefined)),
    ),
  ),
})
/** @since 0.1.0 */
export type Leg = typeof Leg.Type

/**
 * Something that must become durable together with a posting: an outbox event, a receipt, a dedupe row. Opaque to
 * the ledger; all attachments of one command are at most 16 KB of JSON.
 *
 * @category models
 * @since 0.1.0
 */
export const Attachment = Schema.Struct({ kind: Schema.NonEmptyString, body: Schema.Json })
/** @since 0.1.0 */
export type Attachment = typeof Attachment.Type

/**
 * What a posting is for.
 *
 * @category models
 * @since 0.1.0
 */
export const PostingKind = Schema.Literals([
  "topUp",
  "charge",
  "claim",
  "adjustment",
  "maturity",
  "payout",
  "refund",
  "grant",
])
/** @since 0.1.0 */
export type PostingKind = typeof PostingKind.Type

/**
 * A posting to be made. The same key with the same content gives the first answer again; with another content it is
 * refused as a conflict.
 *
 * @category models
 * @since 0.1.0
 */
export const Posting = Schema.Struct({
  idempotencyKey: Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(200))),
  kind: PostingKind,
  legs: Schema.Array(Leg).pipe(Schema.check(Schema.isMinLength(2), Schema.isMaxLength(100))),
  attachments: Schema.Array(Attachment),
})
/** @since 0.1.0 */
export type Posting = typeof Posting.Type
