/**
 * What a request came to, shared among those who have a part in it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { RequestId } from "@guildhall/core/Request"
import { AccountId } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A charge: `shares` are those of core's `Split.share`, and sum to the amount. `fundingSource` is that of the payer's
 * money. `owed` is what the provider owes the market, minus the balance of its `receivable`; its share serves that first.
 *
 * @category models
 * @since 0.1.0
 */
export const Charge = Schema.Struct({
  request: RequestId,
  payer: AccountId,
  provider: MemberId,
  fundingSource: Draft.Name,
  amount: Draft.PositiveAmount,
  shares: Draft.Shares,
  owed: Schema.optionalKey(NonNegativeAmount),
}).pipe(
  Schema.check(
    Schema.makeFilter(({ amount, shares }) => {
      const sum = Draft.sumOf(shares)
      return sum === amount ? undefined : `the shares sum to ${sum}, and the charge is ${amount}.`
    }),
  ),
)
/** @since 0.1.0 */
export type Charge = typeof Charge.Type

/**
 * The idempotency key under which a request is paid for: by its settlement or by a claim, never by both.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyOf = (request: RequestId): string => `request:${request}`

/**
 * Moves the amount from the payer to the provider's accrual, the platform's fees and the pools. It is the posting that
 * settles the request's hold.
 *
 * **Example** (Ninety to ten)
 *
 * ```ts
 * import { Account } from "@guildhall/ledger"
 * import { Charge } from "@guildhall/ledger/templates"
 * import { Member, Request } from "@guildhall/core"
 * import { Split } from "@guildhall/core/rules"
 * import { Result } from "effect"
 *
 * const split = Split.Split.make({
 *   shares: [{ party: "provider", bps: 9000 }, { party: "platform", bps: 1000 }],
 *   remainderTo: "platform",
 * })
 * const posting = Charge.posting({
 *   request: Request.RequestId.make(`req_${"0".repeat(32)}`),
 *   payer: Account.ids.buyer(Member.MemberId.make("mem_1")),
 *   provider: Member.MemberId.make("mem_2"),
 *   fundingSource: "card",
 *   amount: 19n,
 *   shares: Split.share(split, 19n),
 *   owed: 5n,
 * })
 * Result.getOrThrow(posting).legs.map(({ account, amount }) => `${account} ${amount}`)
 * // => ["buyer:mem_1 -19", "receivable:mem_2 5", "accrual:card:mem_2 12", "platform:fees 2"]
 * ```
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Charge> = Draft.template("charge", Charge, (charge) => ({
  key: keyOf(charge.request),
  moves: [[charge.payer, -charge.amount], ...Draft.shared(charge.shares, charge, charge.owed ?? 0n)],
  links: { request: charge.request },
}))
