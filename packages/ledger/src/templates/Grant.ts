/**
 * Credit that the market gives to a buyer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AccountId } from "../Account.ts"
import { PoolAccount } from "../Pool.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A grant, by its own id, to a buyer's account.
 *
 * @category models
 * @since 0.1.0
 */
export const Grant = Schema.Struct({
  grant: Draft.Name,
  pool: PoolAccount,
  to: AccountId.pipe(
    Schema.check(
      Schema.makeFilter((id) => (id.startsWith("buyer:") ? undefined : `${id} is no buyer's, and grants are spent.`)),
    ),
  ),
  amount: Draft.PositiveAmount,
})
/** @since 0.1.0 */
export type Grant = typeof Grant.Type

/**
 * Moves the amount from the pool to the buyer, once for each grant.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Grant> = Draft.template("grant", Grant, ({ amount, grant, pool, to }) => ({
  key: `grant:${grant}`,
  moves: [
    [pool, -amount],
    [to, amount],
  ],
  links: {},
}))
