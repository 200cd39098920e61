/**
 * Lowers a charge after the fact: where an exact count comes to less than was billed, the difference goes back by a
 * posting that is linked to the charge by its key. It never raises one.
 *
 * @since 0.1.0
 */
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Receipt } from "@guildhall/core/Receipt"
import * as Split from "@guildhall/core/rules/Split"
import type { Usage } from "@guildhall/core/Usage"
import type { AccountId } from "@guildhall/ledger/Account"
import type { Leg, Posting } from "@guildhall/ledger/Posting"
import * as ChargeAccounts from "./ChargeAccounts.ts"

/**
 * A charge as it was made: the receipt, the split it was shared by, and whose money it was.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charged {
  readonly receipt: Pick<Receipt, "id" | "price" | "charge" | "split" | "provider">
  readonly split: Split.Split
  readonly account: AccountId
  readonly fundingSource: string
}

const take = (charged: Charged, shares: ReadonlyArray<{ readonly party: Split.Party; readonly amount: bigint }>) => {
  const { receipt, fundingSource } = charged
  const legs: Array<Leg> = []
  for (const { party, amount } of receipt.split) {
    const kept = shares.find((share) => share.party === party)?.amount ?? 0n
    if (amount === kept || receipt.provider === undefined) continue
    legs.push({ account: ChargeAccounts.of(party, fundingSource, receipt.provider).id, amount: kept - amount })
  }
  return legs
}

/**
 * The posting that lowers a charge to what the exact count costs; `undefined` where the count is not lower, or nobody
 * served. Afterwards each party has its share of the lower charge, so the parts still sum. Pure.
 *
 * **Example** (Half of what was billed)
 *
 * ```ts
 * import { Member, PriceSheet, Request } from "@guildhall/core"
 * import { Split } from "@guildhall/core/rules"
 * import { Adjustment } from "@guildhall/gateway"
 * import { Account } from "@guildhall/ledger"
 *
 * const split = Split.Split.make({ shares: [{ party: "provider", bps: 10_000 }], remainderTo: "provider" })
 * const price = PriceSheet.perMillionCents({ input: 0n, output: 1n })
 * const posting = Adjustment.lower(
 *   {
 *     receipt: {
 *       id: Request.RequestId.make(`req_${"0".repeat(32)}`),
 *       provider: Member.MemberId.make("mem_provider"),
 *       charge: 20_000n,
 *       split: Split.share(split, 20_000n),
 *       price,
 *     },
 *     split,
 *     account: Account.AccountId.make("buyer:mem_buyer"),
 *     fundingSource: "card",
 *   },
 *   { outputToken: 1 },
 * )
 * posting?.legs[0] // => { account: "buyer:mem_buyer", amount: 10_000n }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const lower = (charged: Charged, exact: Usage): Posting | undefined => {
  const { receipt } = charged
  const cost = PriceSheet.cost(receipt.price, exact)
  const back = receipt.charge - cost
  if (back <= 0n || receipt.provider === undefined) return undefined
  const legs = take(charged, Split.share(charged.split, cost))
  return {
    idempotencyKey: `adjustment:${receipt.id}`,
    kind: "adjustment",
    legs: [{ account: charged.account, amount: back }, ...legs],
    attachments: [],
  }
}
