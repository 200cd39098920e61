/**
 * What a member spends: one account for each source of money that the market's definition lists, in its order.
 *
 * @since 0.1.0
 */
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { MemberId } from "@guildhall/core/Member"
import { type AccountId, ids } from "@guildhall/ledger/Account"
import type { Source } from "@guildhall/ledger/PaymentScheme"

/**
 * The accounts that a member's requests are paid from, in the order in which they are spent. A payment scheme makes its payer
 * of them: the first one, and the others as `further`.
 *
 * **Example** (Credit before the card)
 *
 * ```ts
 * import { Member } from "@guildhall/core"
 * import { Funds } from "@guildhall/gateway"
 *
 * const sources = Funds.sourcesOf({ funding: ["credit", "card"] }, Member.MemberId.make("mem_1"))
 * sources.map(({ account }) => account) // => ["buyer:credit:mem_1", "buyer:card:mem_1"]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const sourcesOf = (
  { funding }: Pick<MarketDefinition, "funding">,
  member: MemberId,
): readonly [Source, ...ReadonlyArray<Source>] => {
  const of = (fundingSource: string): Source => ({ account: ids.funds(fundingSource, member), fundingSource })
  const [first, ...further] = funding
  return [of(first), ...further.map(of)]
}

/**
 * Whether an account is one that a member spends from, whatever the source of its money.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOf = (account: AccountId, member: MemberId): boolean =>
  account.startsWith("buyer:") && account.endsWith(`:${member}`)
