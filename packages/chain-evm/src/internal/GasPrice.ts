/** What is bid for gas: at first, and when a transaction has waited for too long. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Chain from "../Chain.ts"
import type { Price } from "../Signer.ts"
import type { ChainReads, ReadBlock } from "./ChainReads.ts"

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** Nodes take a replacement that bids a tenth more, in everything that it bids. An eighth is surely enough. */
const more = (wei: bigint): bigint => wei + wei / 8n + 1n

/** What is bid in all, at most. */
export const highest = (price: Price): bigint => (price.style === "legacy" ? price.priceWei : price.maxFeeWei)

/** What would be included now: twice the base fee, so that six full blocks in a row do not outbid it. */
export const suggest = Effect.fnUntraced(function* (
  reads: ChainReads,
  fees: Chain.Fees,
  capWei: bigint,
  head: ReadBlock,
) {
  const { minPriorityFeeWei } = fees
  if (fees.style === "legacy") {
    const price = yield* reads.gasPrice
    return { style: "legacy", priceWei: min(max(price + price / 5n, minPriorityFeeWei), capWei) } satisfies Price
  }
  const asked = Option.getOrElse(yield* reads.tip, () => minPriorityFeeWei)
  const tip = max(asked, minPriorityFeeWei)
  const maxFeeWei = min(2n * (head.baseFeeWei ?? 0n) + tip, capWei)
  return { style: "eip1559", maxFeeWei, tipWei: min(tip, maxFeeWei) } satisfies Price
})

/** A bid that replaces the last one, or undefined where the cap leaves no room for it. */
export const bump = (last: Price, now: Price, capWei: bigint): Price | undefined => {
  if (last.style === "legacy" || now.style === "legacy") {
    const priceWei = max(more(highest(last)), highest(now))
    return priceWei > capWei ? undefined : { style: "legacy", priceWei }
  }
  const maxFeeWei = max(more(last.maxFeeWei), now.maxFeeWei)
  const tipWei = max(more(last.tipWei), now.tipWei)
  const most = max(maxFeeWei, tipWei)
  return most > capWei ? undefined : { style: "eip1559", maxFeeWei: most, tipWei }
}
