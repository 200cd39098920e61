/**
 * What was paid out to a member by a rail.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ids } from "../Account.ts"
import { PayoutRange } from "../PayoutRange.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A payout that is proven to have arrived: its range, and the rail's own id for the movement.
 *
 * @category models
 * @since 0.1.0
 */
export const Payout = Schema.Struct({
  account: PayoutRange.fields.account,
  rail: Draft.Name,
  amount: Draft.PositiveAmount,
  hold: PayoutRange.fields.hold,
  movement: Schema.optionalKey(Schema.String),
})
/** @since 0.1.0 */
export type Payout = typeof Payout.Type

/**
 * Moves the amount from the payable account to the outside. It is the posting that settles the payout's hold, once.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Payout> = Draft.template("payout", Payout, (payout) => {
  const { account, amount, hold, movement, rail } = payout
  return {
    key: hold,
    moves: [
      [account, -amount],
      [ids.external(rail), amount],
    ],
    links: movement === undefined ? { payout: hold } : { payout: hold, movement },
  }
})
