/**
 * A part of a bond that is lost: to the insurance, and a little to those who found the fault.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/** Of five parts of a slash, finders have one at most. */
const FINDERS_PART = 5n

/**
 * The slash of a case. `from` is where the amount is kept since it was proposed; `finders` have at most a fifth of it
 * together.
 *
 * @category models
 * @since 0.1.0
 */
export const Slash = Schema.Struct({
  case: Draft.Name,
  from: AccountId,
  amount: Draft.PositiveAmount,
  finders: Schema.Array(Schema.Struct({ member: MemberId, amount: Draft.PositiveAmount })).pipe(
    Schema.check(Schema.isMaxLength(90)),
  ),
}).pipe(
  Schema.check(
    Schema.makeFilter(({ amount, finders }) => {
      if (new Set(finders.map(({ member }) => member)).size !== finders.length) return "a finder stands twice."
      const sum = Draft.sumOf(finders)
      return sum * FINDERS_PART <= amount ? undefined : `the finders have ${sum}, which is over a fifth of ${amount}.`
    }),
  ),
)
/** @since 0.1.0 */
export type Slash = typeof Slash.Type

/**
 * The funding source of what finders earn, in their accruals.
 *
 * @category constants
 * @since 0.1.0
 */
export const FUNDING_SOURCE = "slash"

/**
 * Moves the amount to the finders' accruals and the insurance, once for each case.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Slash> = Draft.template("slash", Slash, (slash) => ({
  key: `slash:${slash.case}`,
  moves: [
    [slash.from, -slash.amount],
    ...slash.finders.map(({ amount, member }): Draft.Move => [ids.accrual(FUNDING_SOURCE, member), amount]),
    [ids.insurance, slash.amount - Draft.sumOf(slash.finders)],
  ],
  links: { case: slash.case },
}))
