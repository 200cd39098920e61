/**
 * A charge that is lowered after the fact. It is never raised.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AccountId } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * An adjustment: the shares of the charge as it was made, and as it should have been. The second sum to less; an account that
 * is not among them keeps nothing. `Charge.sharesOf` makes them of a split.
 *
 * @category models
 * @since 0.1.0
 */
export const Adjustment = Schema.Struct({
  request: Draft.Name,
  payer: AccountId,
  charged: Draft.Shares,
  lowered: Draft.Shares,
}).pipe(
  Schema.check(
    Schema.makeFilter(({ charged, lowered }) => {
      const [before, after] = [Draft.sumOf(charged), Draft.sumOf(lowered)]
      if (after >= before) return `the charge was ${before}, and ${after} is not less. A charge is only ever lowered.`
      const stranger = lowered.find(({ account }) => !charged.some((share) => share.account === account))
      return stranger === undefined ? undefined : `${stranger.account} had no share in the charge.`
    }),
  ),
)
/** @since 0.1.0 */
export type Adjustment = typeof Adjustment.Type

/**
 * Gives the difference back to the payer and leaves each account with its share of the lower charge: one adjustment for each
 * request. It takes what the provider still has in its accrual; where that was moved on, make a refund.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Adjustment> = Draft.template("adjustment", Adjustment, (adjustment) => {
  const { charged, lowered, payer, request } = adjustment
  const takes = charged.map(({ account, amount }): Draft.Move => {
    const keeps = lowered.find((share) => share.account === account)?.amount ?? 0n
    return [account, keeps - amount]
  })
  return {
    key: `adjustment:${request}`,
    moves: [[payer, Draft.sumOf(charged) - Draft.sumOf(lowered)], ...takes],
    links: { request },
  }
})
