/**
 * What the market pays an instance that was asked beside another one and was slower: the prompt that it had read, from
 * the pool that pays for it. The buyer pays the faster one alone.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { type AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * The pool that pays for hedges. Fund it like any pool; while it is empty, none is made.
 *
 * @category constants
 * @since 0.1.0
 */
export const pool: AccountId = ids.pool("hedge")

/**
 * One attempt that lost. `fundingSource` is that of the earnings it is paid on.
 *
 * @category models
 * @since 0.1.0
 */
export const Hedge = Schema.Struct({
  request: Draft.Name,
  attempt: Schema.Int,
  provider: MemberId,
  fundingSource: Draft.Name,
  amount: Draft.PositiveAmount,
})
/** @since 0.1.0 */
export type Hedge = typeof Hedge.Type

/**
 * Moves the amount from the pool to the provider's accrual, once for each attempt of a request.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Hedge> = Draft.template("hedge", Hedge, (hedge) => {
  const { amount, attempt, fundingSource, provider, request } = hedge
  return {
    key: `hedge:${request}:${attempt}`,
    moves: [
      [pool, -amount],
      [ids.accrual(fundingSource, provider), amount],
    ],
    links: { request },
  }
})
