/**
 * What the market pays on top for a model that too few providers serve, from the pool that pays for it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { ids } from "../Account.ts"
import { PoolAccount } from "../Pool.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * One provider's bounty of an epoch. `fundingSource` is that of the earnings it is paid on, and matures like them. Where a cap
 * may not cover all of an epoch, pay all of them at once with `Pool.postings`, and none like this.
 *
 * @category models
 * @since 0.1.0
 */
export const Bounty = Schema.Struct({
  pool: PoolAccount,
  epoch: Draft.Name,
  provider: MemberId,
  fundingSource: Draft.Name,
  amount: Draft.PositiveAmount,
})
/** @since 0.1.0 */
export type Bounty = typeof Bounty.Type

/**
 * Moves the amount from the pool to the provider's accrual, once for each pool, epoch, provider and source.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Bounty> = Draft.template("bounty", Bounty, (bounty) => {
  const { amount, epoch, fundingSource, pool, provider } = bounty
  const accrual = ids.accrual(fundingSource, provider)
  return {
    key: `bounty:${pool}:${epoch}:${fundingSource}:${provider}`,
    moves: [
      [pool, -amount],
      [accrual, amount],
    ],
    links: { epoch },
  }
})
