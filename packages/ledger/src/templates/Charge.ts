/**
 * What a request came to, shared among those who have a part in it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import * as Split from "@guildhall/core/rules/Split"
import { AccountId } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * What one account pays of a charge, and how that is shared: the shares sum to the amount.
 *
 * @category models
 * @since 0.1.0
 */
export const Part = Schema.Struct({ payer: AccountId, amount: Draft.PositiveAmount, shares: Draft.Shares }).pipe(
  Schema.check(
    Schema.makeFilter(({ amount, shares }) => {
      const sum = Draft.sumOf(shares)
      return sum === amount ? undefined : `the shares sum to ${sum}, and the charge is ${amount}.`
    }),
  ),
)
/** @since 0.1.0 */
export type Part = typeof Part.Type

/**
 * A charge for a request, or for whatever else has an id: what each account pays of it, each once. {@link shared} makes the
 * parts of a split. `owed` is what the provider owes the market, minus the balance of its `receivable`: what it gets on an
 * account of its earnings, `accrual` or `payable`, serves that first.
 *
 * @category models
 * @since 0.1.0
 */
export const Charge = Schema.Struct({
  request: Draft.Name,
  provider: MemberId,
  parts: Schema.Array(Part).pipe(
    Schema.check(
      Schema.makeFilter((parts) =>
        parts.every(({ payer }, at) => parts.findIndex((part) => part.payer === payer) === at)
          ? undefined
          : "an account pays twice. Give each account one part.",
      ),
    ),
  ),
  owed: Schema.optionalKey(NonNegativeAmount),
})
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
  parts: ReadonlyArray<{ readonly party: Split.Party; readonly amount: bigint }>,
  earner: { readonly provider: MemberId; readonly fundingSource: string },
) => Part["shares"] = Draft.sharesOf

/**
 * Where the money of a charge comes from: so much of this account, whose money is of this source.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly payer: AccountId
  readonly fundingSource: string
  readonly amount: bigint
}

/**
 * Shares what each source pays by a split, each by itself: money of one source may be paid out earlier than that of another.
 * Answers the parts of the charge, and what each party gets of all of them.
 *
 * @category rules
 * @since 0.1.0
 */
export const shared = (
  split: Split.Split,
  provider: MemberId,
  sources: ReadonlyArray<Source>,
): {
  readonly parts: ReadonlyArray<Part>
  readonly split: ReadonlyArray<{ readonly party: Split.Party; readonly amount: bigint }>
} => {
  const totals = new Map<Split.Party, bigint>()
  const parts = sources.map(({ amount, fundingSource, payer }) => {
    const shares = Split.share(split, amount)
    for (const share of shares) totals.set(share.party, (totals.get(share.party) ?? 0n) + share.amount)
    return { payer, amount, shares: sharesOf(shares, { provider, fundingSource }) }
  })
  return { parts, split: Array.from(totals, ([party, amount]) => ({ party, amount })) }
}

/**
 * The idempotency key under which a request is paid for: by its settlement or by a claim, never by both.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyOf = (request: string): string => `request:${request}`

const draft = ({ owed, parts, provider, request }: Charge): Draft.Draft => ({
  key: keyOf(request),
  moves: [
    ...parts.map(({ amount, payer }): Draft.Move => [payer, -amount]),
    ...Draft.shared(
      parts.flatMap(({ shares }) => shares),
      provider,
      owed ?? 0n,
    ),
  ],
  links: { request },
})

/**
 * Moves what each part is from its payer to those who have a share in it. It is the posting that settles the request's hold,
 * of which it may take as much from each account as is held there.
 *
 * **Example** (Ninety to ten, of two sources)
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
 * const ann = Member.MemberId.make("mem_1")
 * const { parts } = Charge.shared(split, provider, [
 *   { payer: Account.ids.funds("credit", ann), fundingSource: "credit", amount: 10n },
 *   { payer: Account.ids.funds("card", ann), fundingSource: "card", amount: 9n },
 * ])
 * const request = Request.RequestId.make(`req_${"0".repeat(32)}`)
 * const posting = Charge.posting({ request, provider, parts, owed: 5n })
 * Result.getOrThrow(posting).legs.map(({ account, amount }) => `${account} ${amount}`)
 * // => ["buyer:credit:mem_1 -10", "buyer:card:mem_1 -9", "receivable:mem_2 5", "accrual:credit:mem_2 4", "platform:fees 2", "accrual:card:mem_2 8"]
 * ```
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Charge> = Draft.template("charge", Charge, draft)

/**
 * {@link posting} without a look at what is given, for parts that {@link shared} made: it runs for every request, and the ledger
 * looks at each leg again.
 *
 * @category templates
 * @since 0.1.0
 */
export const postingUnchecked: Template<Charge> = Draft.unchecked("charge", draft)
