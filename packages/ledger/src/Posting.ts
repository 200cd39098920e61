/**
 * A movement of money: legs that sum to zero for each asset, all or nothing, once per idempotency key.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
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

const PositiveAmount = Amount.pipe(Schema.check(Schema.isGreaterThanBigInt(0n)))

/**
 * What a posting is for; the template of the same name makes it.
 *
 * @category models
 * @since 0.1.0
 */
export const PostingKind = Schema.Literals([
  "topUp",
  "charge",
  "claim",
  "adjustment",
  "refund",
  "maturity",
  "payout",
  "fund",
  "boost",
  "bounty",
  "grant",
  "hedge",
  "slash",
  "compensation",
  "booking",
  "release",
  "exchange",
  "crossing",
  "mirror",
  "reversal",
])
/** @since 0.1.0 */
export type PostingKind = typeof PostingKind.Type

const Id = Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(100)))

/**
 * What a posting belongs to, each by its id: at most four. `movement` is a rail's own id for money that moved outside,
 * `reverses` the sequence of the posting that this one takes back.
 *
 * @category models
 * @since 0.1.0
 */
export const Links = Schema.Struct({
  request: Schema.optionalKey(Id),
  payout: Schema.optionalKey(Id),
  case: Schema.optionalKey(Id),
  booking: Schema.optionalKey(Id),
  epoch: Schema.optionalKey(Id),
  movement: Schema.optionalKey(Id),
  reverses: Schema.optionalKey(Id),
  definition: Schema.optionalKey(Id),
})
/** @since 0.1.0 */
export type Links = typeof Links.Type

/**
 * The rate of an exchange: `denominator` smallest units of `from` are worth `numerator` smallest units of `to`. `source`
 * says whose rate it is, `asOfMs` of when.
 *
 * @category models
 * @since 0.1.0
 */
export const Rate = Schema.Struct({
  from: AssetCode,
  to: AssetCode,
  numerator: PositiveAmount,
  denominator: PositiveAmount,
  source: Id,
  asOfMs: Schema.Int,
})
/** @since 0.1.0 */
export type Rate = typeof Rate.Type

/**
 * A posting to be made. The same key with the same content gives the first answer again; with another content it is
 * refused as a conflict. `effectiveAtMs` is when it counts, for balances at a time and for periods: now, where it is not
 * given; never later, and never in a closed period. A posting in more than one asset has a `rate` and goes through
 * `exchange` accounts.
 *
 * The templates make postings, so that nobody has to build legs by hand.
 *
 * @category models
 * @since 0.1.0
 */
export const Posting = Schema.Struct({
  idempotencyKey: Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(200))),
  kind: PostingKind,
  legs: Schema.Array(Leg).pipe(Schema.check(Schema.isMinLength(2), Schema.isMaxLength(100))),
  attachments: Schema.Array(Attachment),
  links: Schema.optionalKey(Links),
  rate: Schema.optionalKey(Rate),
  effectiveAtMs: Schema.optionalKey(Schema.Int),
})
/** @since 0.1.0 */
export type Posting = typeof Posting.Type
