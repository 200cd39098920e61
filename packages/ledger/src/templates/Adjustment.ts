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
 * What one account paid of a charge: how that was shared, and how it should have been. An account that is not among the second
 * shares keeps nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const Part = Schema.Struct({ payer: AccountId, charged: Draft.Shares, lowered: Draft.Shares }).pipe(
  Schema.check(
    Schema.makeFilter(({ charged, lowered }) => {
      const [before, after] = [Draft.sumOf(charged), Draft.sumOf(lowered)]
      if (after > before) return `the charge was ${before}, and ${after} is not less. A charge is only ever lowered.`
      const stranger = lowered.find(({ account }) => !charged.some((share) => share.account === account))
      return stranger === undefined ? undefined : `${stranger.account} had no share in the charge.`
    }),
  ),
)
/** @since 0.1.0 */
export type Part = typeof Part.Type

/**
 * An adjustment: the parts of the charge, in the order in which they were spent. What is lowered is lowered from the last part
 * on, as if the charge had been the lower one from the first; `Charge.shared` makes the shares of a split.
 *
 * @category models
 * @since 0.1.0
 */
export const Adjustment = Schema.Struct({ request: Draft.Name, parts: Schema.Array(Part) }).pipe(
  Schema.check(
    Schema.makeFilter(({ parts }) => {
      const before = parts.reduce((sum, { charged }) => sum + Draft.sumOf(charged), 0n)
      const after = parts.reduce((sum, { lowered }) => sum + Draft.sumOf(lowered), 0n)
      return after < before
        ? undefined
        : `the charge was ${before}, and ${after} is not less. A charge is only ever lowered.`
    }),
  ),
)
/** @since 0.1.0 */
export type Adjustment = typeof Adjustment.Type

/** What a part gives back, and what each account loses of it. */
const movesOf = ({ charged, lowered, payer }: Part): ReadonlyArray<Draft.Move> => [
  [payer, Draft.sumOf(charged) - Draft.sumOf(lowered)],
  ...charged.map(({ account, amount }): Draft.Move => {
    const keeps = lowered.find((share) => share.account === account)?.amount ?? 0n
    return [account, keeps - amount]
  }),
]

/**
 * Gives the difference back to the payers and leaves each account with its share of the lower charge: one adjustment for each
 * request. It takes what the provider still has in its accruals; where that was moved on, make a refund.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Adjustment> = Draft.template("adjustment", Adjustment, ({ parts, request }) => ({
  key: `adjustment:${request}`,
  moves: parts.flatMap(movesOf),
  links: { request },
}))
