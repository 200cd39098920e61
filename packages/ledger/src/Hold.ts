/**
 * Money set aside for a request while it runs: `pending` until it is `posted`, `voided` or `expired`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { AccountId } from "./Account.ts"

/**
 * The id of a hold; for an inference request, the request's id.
 *
 * @category models
 * @since 0.1.0
 */
export const HoldId = Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(320)), Schema.brand("HoldId"))
/** @since 0.1.0 */
export type HoldId = typeof HoldId.Type

/**
 * Where a hold is in its life. A hold leaves `pending` once and never comes back.
 *
 * @category models
 * @since 0.1.0
 */
export const HoldState = Schema.Literals(["pending", "posted", "voided", "expired"])
/** @since 0.1.0 */
export type HoldState = typeof HoldState.Type

/**
 * A hold to be taken. `owner` is the process that renews it; it expires `lifeMs` after it was taken or last renewed,
 * by the store's clock. With a life of `null` it never expires: what it waits for ends by evidence only. `context` (at most 8 KB of JSON) is what an expiry attaches, so that a receipt can be written
 * although the owner is gone.
 *
 * @category models
 * @since 0.1.0
 */
export const HoldRequest = Schema.Struct({
  id: HoldId,
  account: AccountId,
  amount: NonNegativeAmount,
  owner: Schema.NonEmptyString,
  lifeMs: Schema.NullOr(Schema.Int),
  definitionDigest: Schema.String,
  context: Schema.Json,
})
/** @since 0.1.0 */
export type HoldRequest = typeof HoldRequest.Type

/**
 * A hold as it stands. `drawn` is what was posted of it so far; `amount - drawn` is what it still keeps while it is
 * pending. `claimed` is set once a claim was paid after it expired.
 *
 * @category models
 * @since 0.1.0
 */
export const Hold = Schema.Struct({
  ...HoldRequest.fields,
  state: HoldState,
  drawn: NonNegativeAmount,
  claimed: Schema.Boolean,
  expiresAtMs: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type Hold = typeof Hold.Type
