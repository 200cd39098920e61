/**
 * What one payout discharges: a contiguous part of a `payable` account's history, and what was carried over from before.
 *
 * Ranges of an account have no gaps and do not overlap: each begins where the one before ended, which the database
 * enforces. What cannot be paid, because a rail carries only whole cents or because it was proven to have failed, is
 * carried into the next range.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount, NonNegativeAmount } from "@guildhall/core/Money"
import { AccountId } from "./Account.ts"
import { HoldId } from "./Hold.ts"

/**
 * A payout's range: the account's entries after `fromSequence` up to `toSequence` add up to
 * `amount + carriedOut - carriedIn`, payouts themselves not counted. `hold` keeps `amount` on the account until the payout
 * is `posted`, or `voided`: then nothing was paid and `carriedOut` has it all.
 *
 * @category models
 * @since 0.1.0
 */
export const PayoutRange = Schema.Struct({
  account: AccountId,
  rail: Schema.NonEmptyString,
  fromSequence: Amount,
  toSequence: Amount,
  carriedIn: Amount,
  amount: NonNegativeAmount,
  carriedOut: Amount,
  hold: HoldId,
  state: Schema.Literals(["pending", "posted", "voided"]),
})
/** @since 0.1.0 */
export type PayoutRange = typeof PayoutRange.Type

/**
 * The id of a payout, which is also the id of its hold.
 *
 * @category constructors
 * @since 0.1.0
 */
export const idOf = (account: AccountId, fromSequence: bigint, toSequence: bigint): HoldId =>
  HoldId.make(`payout:${account}:${fromSequence}-${toSequence}`)

/**
 * The key under which a rail is asked to send a payout. A new attempt is made only after the one before is proven to
 * have failed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attemptKey = (range: Pick<PayoutRange, "hold">, attempt: number): string => `${range.hold}#${attempt}`
