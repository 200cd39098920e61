/**
 * Money for a pool: nothing is paid from one that was not put into it before.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AccountId } from "../Account.ts"
import { PoolAccount } from "../Pool.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A funding, by its own id, from any account into a pool or the insurance.
 *
 * @category models
 * @since 0.1.0
 */
export const Fund = Schema.Struct({
  funding: Draft.Name,
  pool: PoolAccount,
  from: AccountId,
  amount: Draft.PositiveAmount,
})
/** @since 0.1.0 */
export type Fund = typeof Fund.Type

/**
 * Moves the amount into the pool, once for each pool and funding.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Fund> = Draft.template("fund", Fund, ({ amount, from, funding, pool }) => ({
  key: `fund:${pool}:${funding}`,
  moves: [
    [from, -amount],
    [pool, amount],
  ],
  links: {},
}))
