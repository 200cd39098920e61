import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId } from "../Account.ts"
import type { Posting } from "../Posting.ts"

/** What a posting moves on the exchange accounts of an asset. */
const exchanged = (
  { legs }: Posting,
  accounts: ReadonlyMap<AccountId, Account>,
  asset: AssetCode,
): bigint | undefined => {
  let sum: bigint | undefined
  for (const leg of legs) {
    const account = accounts.get(leg.account)
    if (account?.kind === "exchange" && account.asset.code === asset) sum = (sum ?? 0n) + leg.amount
  }
  return sum
}

/**
 * What is wrong with a posting's assets. Only an exchange is in two, by its rate and through the exchange accounts of both;
 * what it gives out is what the rate makes of what it takes in, rounded to one of the two whole units beside it.
 */
export const problem = (
  posting: Posting,
  accounts: ReadonlyMap<AccountId, Account>,
  assets: ReadonlyArray<AssetCode>,
): string | undefined => {
  const { kind, rate } = posting
  if (rate === undefined) {
    return assets.length === 1 ? undefined : `it is in ${assets.join(" and ")}. Only an exchange with a rate may be.`
  }
  if (kind !== "exchange" && kind !== "reversal") return "only an exchange has a rate."
  const isBoth = assets.length === 2 && assets.includes(rate.from) && assets.includes(rate.to)
  if (!isBoth) return `it is in ${assets.join(" and ")}, and its rate is from ${rate.from} to ${rate.to}.`
  const taken = exchanged(posting, accounts, rate.from)
  const given = exchanged(posting, accounts, rate.to)
  if (taken === undefined || given === undefined)
    return "an exchange goes through the exchange accounts of both assets."
  // A reversal has both the other way round.
  const [into, out] = kind === "exchange" ? [taken, -given] : [-taken, given]
  const exact = into * rate.numerator
  const isRight =
    into > 0n && out * rate.denominator > exact - rate.denominator && out * rate.denominator < exact + rate.denominator
  return isRight ? undefined : `it gives ${out} ${rate.to} for ${into} ${rate.from}, and its rate says otherwise.`
}
