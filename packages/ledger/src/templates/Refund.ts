/**
 * What a buyer gets back of a charge, and who pays for it: each party its share, and the provider out of what it earned, what
 * is about to be paid out to it, and what it will earn; then the insurance, in a case only; and then the platform.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A refund of `amount`, shared as the charge was. `charged` is what the request came to, and `refunded` what went back of it
 * before. `rail` is the one by which the provider is paid. `case` is given where a case decided it, and lets the insurance
 * pay. Of the shares those on the provider's accruals and payables go by {@link order}. `available` is what each account may still give, as read just before: `balance - held - floor`; for
 * `receivable:<provider>` that is how much more the provider may owe. An account that is not in it gives nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const Refund = Schema.Struct({
  request: Draft.Name,
  payer: AccountId,
  provider: MemberId,
  fundingSource: Draft.Name,
  rail: Draft.Name,
  case: Schema.optionalKey(Draft.Name),
  charged: Draft.PositiveAmount,
  refunded: NonNegativeAmount,
  amount: Draft.PositiveAmount,
  shares: Draft.Shares,
  available: Schema.Array(Schema.Struct({ account: AccountId, amount: NonNegativeAmount })),
}).pipe(
  Schema.check(
    Schema.makeFilter(({ amount, available, charged, refunded, shares }) => {
      const sum = Draft.sumOf(shares)
      if (sum !== amount) return `the shares sum to ${sum}, and the refund is ${amount}.`
      if (shares.some(({ account }) => account === ids.insurance))
        return "the insurance has no share. It pays in a case."
      if (new Set(available.map(({ account }) => account)).size !== available.length) return "an account stands twice."
      return amount + refunded <= charged
        ? undefined
        : `${refunded} of ${charged} went back before, and ${amount} more is over the charge.`
    }),
  ),
)
/** @since 0.1.0 */
export type Refund = typeof Refund.Type

/**
 * The accounts that a provider's share of a refund is taken from, in their order. `platform:loss` pays the rest.
 *
 * @category rules
 * @since 0.1.0
 */
export const order = (
  refund: Pick<Refund, "provider" | "fundingSource" | "rail" | "case">,
): ReadonlyArray<AccountId> => [
  ids.accrual(refund.fundingSource, refund.provider),
  ids.payable(refund.rail, refund.provider),
  ids.receivable(refund.provider),
  ...(refund.case === undefined ? [] : [ids.insurance]),
]

/**
 * Who pays how much of a refund. The parts sum to its amount exactly, and no account gives more than it has; what nobody has
 * is paid from `platform:loss`.
 *
 * **Example** (A provider that was paid out since)
 *
 * ```ts
 * import { Account } from "@guildhall/ledger"
 * import { Refund } from "@guildhall/ledger/templates"
 * import { Member } from "@guildhall/core"
 *
 * const provider = Member.MemberId.make("mem_2")
 * const available = [
 *   { account: Account.ids.accrual("card", provider), amount: 2n },
 *   { account: Account.ids.receivable(provider), amount: 5n },
 *   { account: Account.ids.insurance, amount: 100n },
 * ]
 * const shares = [{ account: Account.ids.accrual("card", provider), amount: 9n }]
 * const plan = Refund.plan({ provider, fundingSource: "card", rail: "Stripe", shares, available })
 * plan.map(({ account, amount }) => `${account} ${amount}`)
 * // => ["accrual:card:mem_2 2", "receivable:mem_2 5", "platform:loss 2"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const plan = (
  refund: Pick<Refund, "provider" | "fundingSource" | "rail" | "case" | "shares" | "available">,
): ReadonlyArray<{ readonly account: AccountId; readonly amount: bigint }> => {
  const left = new Map(refund.available.map(({ account, amount }) => [account, amount]))
  const taken = new Map<AccountId, bigint>()
  const take = (account: AccountId, amount: bigint): void => {
    if (amount > 0n) taken.set(account, (taken.get(account) ?? 0n) + amount)
  }
  let loss = 0n
  const line = order(refund)
  for (const share of refund.shares) {
    let rest = share.amount
    for (const account of Draft.isEarning(share.account, refund.provider) ? line : [share.account]) {
      const has = left.get(account) ?? 0n
      const part = has < rest ? has : rest
      take(account, part)
      left.set(account, has - part)
      rest -= part
    }
    loss += rest
  }
  take(ids.platformLoss, loss)
  return [...taken].map(([account, amount]) => ({ account, amount }))
}

/**
 * Gives the amount to the payer, as {@link plan} says who pays. Its key is the request and what was refunded of it before: of
 * two refunds that know nothing of each other one is made. Send the same posting again after an `Unavailable`; one that is
 * planned anew may differ, and is then refused as a `Conflict`, which says that the first one was made.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Refund> = Draft.template("refund", Refund, (refund) => ({
  key: `refund:${refund.request}:${refund.refunded}`,
  moves: [[refund.payer, refund.amount], ...plan(refund).map(({ account, amount }): Draft.Move => [account, -amount])],
  links: refund.case === undefined ? { request: refund.request } : { request: refund.request, case: refund.case },
}))
