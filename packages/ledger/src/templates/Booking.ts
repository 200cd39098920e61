/**
 * Money that is kept for a booking until it ends.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A booking, its payer and its whole price.
 *
 * @category models
 * @since 0.1.0
 */
export const Booking = Schema.Struct({
  booking: Draft.Name,
  payer: AccountId,
  amount: Draft.PositiveAmount,
})
/** @since 0.1.0 */
export type Booking = typeof Booking.Type

/**
 * Moves the amount from the payer to the booking's escrow, once. `Release` ends it.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Booking> = Draft.template("booking", Booking, ({ amount, booking, payer }) => ({
  key: `booking:${booking}`,
  moves: [
    [payer, -amount],
    [ids.escrow(booking), amount],
  ],
  links: { booking },
}))
