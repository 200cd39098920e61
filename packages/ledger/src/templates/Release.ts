/**
 * The end of a booking: what was delivered is shared like a charge, and the rest goes back.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import * as Split from "@guildhall/core/rules/Split"
import { AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

const Seconds = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

/**
 * What is released of a booking's escrow: all of it. Of `bookedSeconds`, `deliveredSeconds` were; none, where the booking was
 * never confirmed. `owed` is what the provider owes the market, which its share serves first.
 *
 * @category models
 * @since 0.1.0
 */
export const Release = Schema.Struct({
  booking: Draft.Name,
  payer: AccountId,
  provider: MemberId,
  fundingSource: Draft.Name,
  amount: Draft.PositiveAmount,
  deliveredSeconds: Seconds,
  bookedSeconds: Seconds,
  split: Split.Split,
  owed: Schema.optionalKey(NonNegativeAmount),
}).pipe(
  Schema.check(
    Schema.makeFilter(({ bookedSeconds, deliveredSeconds }) => {
      if (bookedSeconds === 0) return "nothing was booked."
      return deliveredSeconds <= bookedSeconds
        ? undefined
        : `${deliveredSeconds} seconds were delivered, and ${bookedSeconds} booked.`
    }),
  ),
)
/** @since 0.1.0 */
export type Release = typeof Release.Type

/**
 * What was earned of the amount, pro rata by the seconds, rounded down: an odd unit stays with the payer.
 *
 * @category rules
 * @since 0.1.0
 */
export const earned = ({
  amount,
  bookedSeconds,
  deliveredSeconds,
}: Pick<Release, "amount" | "bookedSeconds" | "deliveredSeconds">): bigint =>
  (amount * BigInt(deliveredSeconds)) / BigInt(bookedSeconds)

/**
 * Empties the booking's escrow, once: {@link earned} is shared by the split, and the payer gets the rest.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Release> = Draft.template("release", Release, (release) => {
  const amount = earned(release)
  return {
    key: `release:${release.booking}`,
    moves: [
      [ids.escrow(release.booking), -release.amount],
      ...Draft.shared(
        Draft.sharesOf(Split.share(release.split, amount), release),
        release.provider,
        release.owed ?? 0n,
      ),
      [release.payer, release.amount - amount],
    ],
    links: { booking: release.booking },
  }
})
