/**
 * What a buyer gets from the insurance for a loss.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * The compensation of one account in a case.
 *
 * @category models
 * @since 0.1.0
 */
export const Compensation = Schema.Struct({
  case: Draft.Name,
  to: AccountId,
  amount: Draft.PositiveAmount,
})
/** @since 0.1.0 */
export type Compensation = typeof Compensation.Type

/**
 * Moves the amount from the insurance to the account, once for each case and account. Where a cap may not cover all who lost
 * something, pay them with `Pool.postings`.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Compensation> = Draft.template("compensation", Compensation, (compensation) => ({
  key: `compensation:${compensation.case}:${compensation.to}`,
  moves: [
    [ids.insurance, -compensation.amount],
    [compensation.to, compensation.amount],
  ],
  links: { case: compensation.case },
}))
