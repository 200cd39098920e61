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
 * by the store's clock. With a life of `null` it never expires: what it waits for ends by evidence only. `context` (at most
 * 8 KB of JSON) is what an expiry attaches, so that a receipt can be written although the owner is gone.
 *
 * `further` are the accounts that follow where `account` does not cover the amount: each in its order gives what it can,
 * until all is held; where all of them together cannot, nothing is. One that does not exist or is closed covers nothing; a
 * frozen one refuses the hold, so that whoever freezes a source freezes all that is spent with it.
 *
 * @category models
 * @since 0.1.0
 */
export const HoldRequest = Schema.Struct({
  id: HoldId,
  account: AccountId,
  further: Schema.optionalKey(Schema.Array(AccountId)),
  amount: NonNegativeAmount,
  owner: Schema.NonEmptyString,
  lifeMs: Schema.NullOr(Schema.Int),
  definitionDigest: Schema.String,
  context: Schema.Json,
})
/** @since 0.1.0 */
export type HoldRequest = typeof HoldRequest.Type

/**
 * What a hold is of one account: so much was set aside there, and `drawn` of it posted.
 *
 * @category models
 * @since 0.1.0
 */
export const Part = Schema.Struct({ account: AccountId, amount: NonNegativeAmount, drawn: NonNegativeAmount })
/** @since 0.1.0 */
export type Part = typeof Part.Type

const { further: _, ...kept } = HoldRequest.fields

/**
 * A hold as it stands. `drawn` is what was posted of it so far; `amount - drawn` is what it still keeps while it is
 * pending. `claimed` is set once a claim was paid after it expired. `asked` is the amount that it was taken with, where it
 * grew since. `parts` are there where it is of more than one account: `account` is the first of them then, and `amount` and
 * `drawn` are their sums. {@link partsOf} answers them for any hold.
 *
 * @category models
 * @since 0.1.0
 */
export const Hold = Schema.Struct({
  ...kept,
  asked: Schema.optionalKey(NonNegativeAmount),
  parts: Schema.optionalKey(Schema.NonEmptyArray(Part)),
  state: HoldState,
  drawn: NonNegativeAmount,
  claimed: Schema.Boolean,
  expiresAtMs: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type Hold = typeof Hold.Type

/**
 * A hold's parts, in the order in which they are spent; one, for a hold of one account.
 *
 * @category getters
 * @since 0.1.0
 */
export const partsOf = (
  hold: Pick<Hold, "account" | "amount" | "drawn" | "parts">,
): readonly [Part, ...ReadonlyArray<Part>] =>
  hold.parts ?? [{ account: hold.account, amount: hold.amount, drawn: hold.drawn }]

/**
 * Who pays how much of an amount: the first part first, each up to what it still keeps. It comes to less than the amount
 * where the parts keep less.
 *
 * **Example** (Credit before the card)
 *
 * ```ts
 * import { Account, Hold } from "@guildhall/ledger"
 *
 * const [credit, card] = [Account.AccountId.make("buyer:credit:ann"), Account.AccountId.make("buyer:card:ann")]
 * const parts = [{ account: credit, amount: 5n, drawn: 2n }, { account: card, amount: 20n, drawn: 0n }]
 * Hold.spread(parts, 4n) // => [{ account: credit, amount: 3n }, { account: card, amount: 1n }]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const spread = (
  parts: ReadonlyArray<Part>,
  amount: bigint,
): ReadonlyArray<{ readonly account: AccountId; readonly amount: bigint }> => {
  const taken: Array<{ readonly account: AccountId; readonly amount: bigint }> = []
  let rest = amount
  for (const part of parts) {
    const keeps = part.amount - part.drawn
    const takes = keeps < rest ? keeps : rest
    if (takes <= 0n) continue
    taken.push({ account: part.account, amount: takes })
    rest -= takes
  }
  return taken
}
