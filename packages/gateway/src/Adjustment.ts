/**
 * Lowers a charge after the fact: where an exact count comes to less than was billed, the difference goes back by a
 * posting that is linked to the charge by its key. It never raises one.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Receipt } from "@guildhall/core/Receipt"
import type * as Split from "@guildhall/core/rules/Split"
import type { Usage } from "@guildhall/core/Usage"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Posting } from "@guildhall/ledger/Posting"
import * as Template from "@guildhall/ledger/templates/Adjustment"
import * as ChargeTemplate from "@guildhall/ledger/templates/Charge"

/**
 * A charge as it was made: the receipt, the split it was shared by, and what each source paid of it, in the order in which they
 * were spent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charged {
  readonly receipt: Pick<Receipt, "id" | "price" | "charge" | "provider">
  readonly split: Split.Split
  readonly sources: ReadonlyArray<ChargeTemplate.Source>
}

/**
 * What a lower charge comes to, how it is shared, and the posting that makes it so.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lowered {
  readonly posting: Posting
  readonly charge: bigint
  readonly split: Receipt["split"]
}

/** The sources of a lower charge: the first ones still pay, up to what they did. */
const least = (sources: ReadonlyArray<ChargeTemplate.Source>, cost: bigint): ReadonlyArray<ChargeTemplate.Source> => {
  let rest = cost
  return sources.map((source) => {
    const amount = source.amount < rest ? source.amount : rest
    rest -= amount
    return { ...source, amount }
  })
}

/**
 * Lowers a charge to what the exact count costs; `undefined` where the count is not lower, or nobody served. Afterwards each
 * source has paid, and each party has, what the lower charge would have been from the first. Pure.
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
 * const ann = Member.MemberId.make("mem_buyer")
 * const lowered = Adjustment.lower(
 *   {
 *     receipt: {
 *       id: Request.RequestId.make(`req_${"0".repeat(32)}`),
 *       provider: Member.MemberId.make("mem_provider"),
 *       charge: 20_000n,
 *       price: PriceSheet.perMillionCents({ input: 0n, output: 1n }),
 *     },
 *     split: Split.Split.make({ shares: [{ party: "provider", bps: 10_000 }], remainderTo: "provider" }),
 *     sources: [
 *       { payer: Account.ids.funds("credit", ann), fundingSource: "credit", amount: 5_000n },
 *       { payer: Account.ids.funds("card", ann), fundingSource: "card", amount: 15_000n },
 *     ],
 *   },
 *   { outputToken: 1 },
 * )
 * lowered && Result.getOrThrow(lowered).charge // => 10_000n
 * lowered && Result.getOrThrow(lowered).posting.legs[0] // => { account: "buyer:card:mem_buyer", amount: 10_000n }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const lower = (charged: Charged, exact: Usage): Result.Result<Lowered, LedgerError> | undefined => {
  const { receipt, sources, split } = charged
  const { charge, id, price, provider } = receipt
  const cost = PriceSheet.cost(price, exact)
  if (cost >= charge || provider === undefined) return undefined
  const before = ChargeTemplate.shared(split, provider, sources)
  const after = ChargeTemplate.shared(split, provider, least(sources, cost))
  const posting = Template.posting({
    request: id,
    parts: before.parts.map(({ payer, shares }, at) => ({
      payer,
      charged: shares,
      lowered: after.parts[at]?.shares ?? [],
    })),
  })
  return Result.map(posting, (posting) => ({ posting, charge: cost, split: cost === 0n ? [] : after.split }))
}
