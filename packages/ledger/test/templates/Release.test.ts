import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Split from "@guildhall/core/rules/Split"
import * as Booking from "../../src/templates/Booking.ts"
import * as Release from "../../src/templates/Release.ts"
import * as Sample from "./Sample.ts"

const { fundingSource, payer, provider, split } = Sample
const booking = "book_1"

const release = (amount: bigint, deliveredSeconds: number, bookedSeconds: number) => ({
  booking,
  payer,
  provider,
  fundingSource,
  amount,
  deliveredSeconds,
  bookedSeconds,
  split,
})

const Seconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 10_000_000 })))

describe("Booking", () => {
  it("keeps the price in an escrow of its own", () => {
    assert.deepStrictEqual(Sample.legs(Booking.posting({ booking, payer, amount: 100n })), [
      "buyer:mem_buyer -100",
      "escrow:book_1 100",
    ])
    Sample.assertRefused(Booking.posting({ booking, payer, amount: 0n }), "greater than 0")
    Sample.assertRefused(Booking.posting({ booking: "a:b", payer, amount: 1n }), "booking")
  })
})

describe("Release", () => {
  it.prop(
    "empties the escrow: what was delivered is shared, pro rata, and the rest goes back",
    [Sample.Amount, Seconds, Seconds, Sample.Room],
    ([amount, a, b, owed]) => {
      const [delivered, booked] = a < b ? [a, b] : [b, a]
      if (booked === 0) return
      const posting = Release.posting({ ...release(amount, delivered, booked), owed })
      const earned = (amount * BigInt(delivered)) / BigInt(booked)
      Sample.assertZero(posting)
      assert.strictEqual(Sample.moved(posting, "escrow:"), -amount)
      assert.strictEqual(Sample.moved(posting, "buyer:"), amount - earned)
      const share = Split.share(split, earned).find(({ party }) => party === "provider")?.amount
      assert.strictEqual(Sample.moved(posting, "accrual:") + Sample.moved(posting, "receivable:"), share)
    },
    { arbitrary: { seed: "release-pro-rata", runs: 500 } },
  )

  it("gives all back where nothing was delivered, and nothing where all was", () => {
    assert.deepStrictEqual(Sample.legs(Release.posting(release(100n, 0, 3_600))), [
      "escrow:book_1 -100",
      "buyer:mem_buyer 100",
    ])
    assert.strictEqual(Sample.moved(Release.posting(release(100n, 3_600, 3_600)), "buyer:"), 0n)
  })

  it("refuses what makes no sense", () => {
    Sample.assertRefused(Release.posting(release(100n, 0, 0)), "nothing was booked")
    Sample.assertRefused(Release.posting(release(100n, 2, 1)), "2 seconds were delivered")
    Sample.assertRefused(Release.posting(release(100n, -1, 1)), "deliveredSeconds")
    Sample.assertRefused(Release.posting(release(0n, 1, 1)), "greater than 0")
  })
})
