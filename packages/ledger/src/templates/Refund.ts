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
 * What goes back to one account, whose money is of this source, and how that is shared: as the charge was. Of the shares those
 * on the provider's accruals and payables go by {@link order}.
 *
 * @category models
 * @since 0.1.0
 */
export const Part = Schema.Struct({
  payer: AccountId,
  fundingSource: Draft.Name,
  amount: Draft.PositiveAmount,
  shares: Draft.Shares,
}).pipe(
  Schema.check(
    Schema.makeFilter(({ amount, shares }) => {
      const sum = Draft.sumOf(shares)
      if (sum !== amount) return `the shares sum to ${sum}, and the refund is ${amount}.`
      return shares.some(({ account }) => account === ids.insurance)
        ? "the insurance has no share. It pays in a case."
        : undefined
    }),
  ),
)
/** @since 0.1.0 */
export type Part = typeof Part.Type

/**
 * A refund of these parts; {@link back} says of which sources. `charged` is what the request came to, and `refunded` what went
 * back of it before. `rail` is the one by which the provider is paid. `case` is given where a case decided it, and lets the
 * insurance pay. `available` is what each account may still give, as read just before: `balance - held - floor`; for
 * `receivable:<provider>` that is how much more the provider may owe. An account that is not in it gives nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const Refund = Schema.Struct({
  request: Draft.Name,
  provider: MemberId,
  rail: Draft.Name,
  case: Schema.optionalKey(Draft.Name),
  charged: Draft.PositiveAmount,
  refunded: NonNegativeAmount,
  parts: Schema.Array(Part),
  available: Schema.Array(Schema.Struct({ account: AccountId, amount: NonNegativeAmount })),
}).pipe(
  Schema.check(
    Schema.makeFilter(({ available, charged, parts, refunded }) => {
      const amount = Draft.sumOf(parts)
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
 * How much of a refund goes back to which source of a charge: what was spent last comes back first. The sources are those of
 * the charge in the order in which they were spent, with what each paid; `refunded` of it went back before.
 *
 * **Example** (The card's money first)
 *
 * ```ts
 * import { Refund } from "@guildhall/ledger/templates"
 *
 * const paid = [{ fundingSource: "credit", amount: 10n }, { fundingSource: "card", amount: 9n }]
 * Refund.back(paid, { refunded: 4n, amount: 7n })
 * // => [{ fundingSource: "credit", amount: 2n }, { fundingSource: "card", amount: 5n }]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const back = <Source extends { readonly amount: bigint }>(
  sources: ReadonlyArray<Source>,
  { amount, refunded }: Pick<Refund, "refunded"> & { readonly amount: bigint },
): ReadonlyArray<Source> => {
  let [before, rest] = [refunded, amount]
  const parts = sources.toReversed().map((source) => {
    const gone = before < source.amount ? before : source.amount
    const left = source.amount - gone
    const takes = left < rest ? left : rest
    before -= gone
    rest -= takes
    return { ...source, amount: takes }
  })
  return parts.filter((part) => part.amount > 0n).toReversed()
}

/**
 * The accounts that a provider's share of a part is taken from, in their order. `platform:loss` pays the rest.
 *
 * @category rules
 * @since 0.1.0
 */
export const order = (
  refund: Pick<Refund, "provider" | "rail" | "case">,
  { fundingSource }: Pick<Part, "fundingSource">,
): ReadonlyArray<AccountId> => [
  ids.accrual(fundingSource, refund.provider),
  ids.payable(refund.rail, refund.provider),
  ids.receivable(refund.provider),
  ...(refund.case === undefined ? [] : [ids.insurance]),
]

/**
 * Who pays how much of a refund. What they pay sums to its amount exactly, and no account gives more than it has; what nobody
 * has is paid from `platform:loss`.
 *
 * **Example** (A provider that was paid out since)
 *
 * ```ts
 * import { Account } from "@guildhall/ledger"
 * import { Refund } from "@guildhall/ledger/templates"
 * import { Member } from "@guildhall/core"
 *
 * const [payer, provider] = [Account.ids.buyer(Member.MemberId.make("mem_1")), Member.MemberId.make("mem_2")]
 * const available = [
 *   { account: Account.ids.accrual("card", provider), amount: 2n },
 *   { account: Account.ids.receivable(provider), amount: 5n },
 *   { account: Account.ids.insurance, amount: 100n },
 * ]
 * const shares = [{ account: Account.ids.accrual("card", provider), amount: 9n }]
 * const parts = [{ payer, fundingSource: "card", amount: 9n, shares }]
 * const plan = Refund.plan({ provider, rail: "Stripe", parts, available })
 * plan.map(({ account, amount }) => `${account} ${amount}`)
 * // => ["accrual:card:mem_2 2", "receivable:mem_2 5", "platform:loss 2"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const plan = (
  refund: Pick<Refund, "provider" | "rail" | "case" | "parts" | "available">,
): ReadonlyArray<{ readonly account: AccountId; readonly amount: bigint }> => {
  const left = new Map(refund.available.map(({ account, amount }) => [account, amount]))
  const taken = new Map<AccountId, bigint>()
  const take = (account: AccountId, amount: bigint): void => {
    if (amount > 0n) taken.set(account, (taken.get(account) ?? 0n) + amount)
  }
  let loss = 0n
  for (const part of refund.parts) {
    const line = order(refund, part)
    for (const share of part.shares) {
      let rest = share.amount
      for (const account of Draft.isEarning(share.account, refund.provider) ? line : [share.account]) {
        const has = left.get(account) ?? 0n
        const gives = has < rest ? has : rest
        take(account, gives)
        left.set(account, has - gives)
        rest -= gives
      }
      loss += rest
    }
  }
  take(ids.platformLoss, loss)
  return [...taken].map(([account, amount]) => ({ account, amount }))
}

/**
 * Gives the parts to their payers, as {@link plan} says who pays. Its key is the request and what was refunded of it before: of
 * two refunds that know nothing of each other one is made. Send the same posting again after an `Unavailable`; one that is
 * planned anew may differ, and is then refused as a `Conflict`, which says that the first one was made.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Refund> = Draft.template("refund", Refund, (refund) => ({
  key: `refund:${refund.request}:${refund.refunded}`,
  moves: [
    ...refund.parts.map(({ amount, payer }): Draft.Move => [payer, amount]),
    ...plan(refund).map(({ account, amount }): Draft.Move => [account, -amount]),
  ],
  links: refund.case === undefined ? { request: refund.request } : { request: refund.request, case: refund.case },
}))
