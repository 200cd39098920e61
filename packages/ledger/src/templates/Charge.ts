/**
 * What a request came to, shared among those who have a part in it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import type { Party } from "@guildhall/core/rules/Split"
import { AccountId } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A charge for a request, or for whatever else has an id. The shares sum to the amount; {@link sharesOf} makes them of a split.
 * `owed` is what the provider owes the market, minus the balance of its `receivable`: what it gets on an account of its
 * earnings, `accrual` or `payable`, serves that first.
 *
 * @category models
 * @since 0.1.0
 */
export const Charge = Schema.Struct({
  request: Draft.Name,
  payer: AccountId,
  provider: MemberId,
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
 * The shares of a split by their accounts: the provider's accrual for the source of the payer's money, the platform's fees, and
 * the pools of the others.
 *
 * @category rules
 * @since 0.1.0
 */
export const sharesOf: (
  parts: ReadonlyArray<{ readonly party: Party; readonly amount: bigint }>,
  earner: { readonly provider: MemberId; readonly fundingSource: string },
) => Charge["shares"] = Draft.sharesOf

/**
 * The idempotency key under which a request is paid for: by its settlement or by a claim, never by both.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyOf = (request: string): string => `request:${request}`

/**
 * Moves the amount from the payer to those who have a share in it. It is the posting that settles the request's hold.
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
 * const provider = Member.MemberId.make("mem_2")
 * const posting = Charge.posting({
 *   request: Request.RequestId.make(`req_${"0".repeat(32)}`),
 *   payer: Account.ids.buyer(Member.MemberId.make("mem_1")),
 *   provider,
 *   amount: 19n,
 *   shares: Charge.sharesOf(Split.share(split, 19n), { provider, fundingSource: "card" }),
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
  moves: [[charge.payer, -charge.amount], ...Draft.shared(charge.shares, charge.provider, charge.owed ?? 0n)],
  links: { request: charge.request },
}))
