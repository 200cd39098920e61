/**
 * Money that a buyer brought in by a rail.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A movement by a rail that has succeeded. `key` is the one under which the rail was asked for it, and is the posting's
 * together with the rail's name; `movement` is the rail's own id. `fundingSource` names the account outside,
 * `external:<source>`.
 *
 * @category models
 * @since 0.1.0
 */
export const TopUp = Schema.Struct({
  rail: Draft.Name,
  key: Schema.NonEmptyString,
  movement: Schema.optionalKey(Schema.String),
  fundingSource: Draft.Name,
  to: AccountId,
  amount: Draft.PositiveAmount,
})
/** @since 0.1.0 */
export type TopUp = typeof TopUp.Type

/**
 * The idempotency key of a top-up: of the rail's name and the key under which the rail was asked for it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyOf = (rail: string, key: string): string => `top-up:${rail}:${key}`

/**
 * Moves the amount from outside to the account.
 *
 * **Example** (Ten units by card)
 *
 * ```ts
 * import { Account } from "@guildhall/ledger"
 * import { TopUp } from "@guildhall/ledger/templates"
 * import { Member } from "@guildhall/core"
 * import { Result } from "effect"
 *
 * const to = Account.ids.buyer(Member.MemberId.make("mem_1"))
 * const posting = TopUp.posting({ rail: "Stripe", key: "k1", fundingSource: "card", to, amount: 10n })
 * Result.getOrThrow(posting).idempotencyKey // => "top-up:Stripe:k1"
 * Result.getOrThrow(posting).legs // => [{ account: "external:card", amount: -10n }, { account: "buyer:mem_1", amount: 10n }]
 * ```
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<TopUp> = Draft.template(
  "topUp",
  TopUp,
  ({ amount, fundingSource, key, movement, rail, to }) => ({
    key: keyOf(rail, key),
    moves: [
      [ids.external(fundingSource), -amount],
      [to, amount],
    ],
    links: movement === undefined ? {} : { movement },
  }),
)
