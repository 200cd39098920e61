/** One of everything that a template is given, and what an answer should be. */
import { assert } from "@effect/vitest"
import { AssetCode, USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import { Result, Schema } from "effect"
import { ids } from "../../src/Account.ts"
import type { LedgerError } from "../../src/LedgerError.ts"
import type { Posting, Rate } from "../../src/Posting.ts"
import * as Charge from "../../src/templates/Charge.ts"

export const buyer = MemberId.make("mem_buyer")
export const provider = MemberId.make("mem_provider")
export const finder = MemberId.make("mem_finder")
export const request = RequestId.make(`req_${"0".repeat(32)}`)
export const payer = ids.buyer(buyer)
export const EUR = { code: AssetCode.make("EUR"), scale: 2 }
export const fundingSource = "card"
export const rail = "Stripe"

export const split = Split.Split.make({
  shares: [
    { party: "provider", bps: 8_500 },
    { party: "validators", bps: 500 },
    { party: "insurance", bps: 300 },
    { party: "platform", bps: 700 },
  ],
  remainderTo: "platform",
})

export const rate: Rate = {
  from: USD.code,
  to: EUR.code,
  numerator: 2n,
  denominator: 3n,
  source: "ecb",
  asOfMs: 1_700_000_000_000,
}

/** Amounts with room to be added up and multiplied. */
export const Amount = Schema.BigInt.pipe(Schema.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: 10n ** 30n })))
/** Zero or more. */
export const Room = Schema.BigInt.pipe(Schema.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 10n ** 30n })))

type Answer = Result.Result<Posting, LedgerError>

export const legs = (answer: Answer): ReadonlyArray<string> =>
  Result.getOrThrow(answer).legs.map(({ account, amount }) => `${account} ${amount}`)

/** What a posting moves on the accounts that begin so. */
export const moved = (answer: Answer, prefix: string): bigint =>
  Result.getOrThrow(answer).legs.reduce(
    (sum, { account, amount }) => (account.startsWith(prefix) ? sum + amount : sum),
    0n,
  )

export const assertZero = (answer: Answer): void => {
  assert.strictEqual(moved(answer, ""), 0n)
  assert.isTrue(Result.getOrThrow(answer).legs.every(({ amount }) => amount !== 0n))
}

export const assertRefused = (answer: Answer, why: string): void => {
  assert.isTrue(Result.isFailure(answer), "it was made")
  if (Result.isSuccess(answer)) return
  assert.strictEqual(answer.failure.reason._tag, "InvalidCommand")
  assert.include(answer.failure.message, why)
}

/** The shares of an amount, by their accounts. */
export const sharesOf = (amount: bigint): Charge.Part["shares"] =>
  Charge.sharesOf(Split.share(split, amount), { provider, fundingSource })

export const accrual = ids.accrual(fundingSource, provider)
export const { pool, platformFees: fees } = ids
