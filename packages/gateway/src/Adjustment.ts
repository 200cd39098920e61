/**
 * Lowers a charge after the fact: where an exact count comes to less than was billed, the difference goes back by a
 * posting that is linked to the charge by its key. It never raises one.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Receipt } from "@guildhall/core/Receipt"
import * as Split from "@guildhall/core/rules/Split"
import type { Usage } from "@guildhall/core/Usage"
import type { AccountId } from "@guildhall/ledger/Account"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Posting } from "@guildhall/ledger/Posting"
import * as Template from "@guildhall/ledger/templates/Adjustment"
import * as ChargeTemplate from "@guildhall/ledger/templates/Charge"

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
 * import { Result } from "effect"
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
 * posting && Result.getOrThrow(posting).legs[0] // => { account: "buyer:mem_buyer", amount: 10_000n }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const lower = (charged: Charged, exact: Usage): Result.Result<Posting, LedgerError> | undefined => {
  const { account, fundingSource, receipt, split } = charged
  const { charge, id, price, provider } = receipt
  const cost = PriceSheet.cost(price, exact)
  if (cost >= charge || provider === undefined) return undefined
  const earner = { provider, fundingSource }
  return Template.posting({
    request: id,
    payer: account,
    charged: ChargeTemplate.sharesOf(receipt.split, earner),
    lowered: ChargeTemplate.sharesOf(Split.share(split, cost), earner),
  })
}
