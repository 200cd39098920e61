import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { Entry } from "../../src/Entry.ts"
import * as Maturity from "../../src/templates/Maturity.ts"
import * as Sample from "./Sample.ts"

const { accrual, fees, fundingSource, provider, rail } = Sample
const DAY_MS = 86_400_000

const rules: Maturity.Rules = {
  card: { _tag: "AfterDays", days: 7 },
  usdc: { _tag: "AtFinality" },
  grant: { _tag: "Never" },
}

/** An entry that moves an amount on the accrual. */
const entry = (amount: bigint, postedAtMs: number, at = 0): Entry => ({
  _tag: "Posted",
  sequence: BigInt(at + 1),
  fingerprint: "",
  posting: {
    idempotencyKey: `k${at}`,
    kind: "charge",
    legs: [
      { account: fees, amount: -amount },
      { account: accrual, amount },
    ],
    attachments: [],
  },
  hold: null,
  balances: [],
  postedAtMs,
  effectiveAtMs: postedAtMs,
})

const balanceOf = (amounts: ReadonlyArray<bigint>): bigint => amounts.reduce((sum, amount) => sum + amount, 0n)

describe("Maturity", () => {
  it("waits for days with cards, for finality with chains, and for ever with grants and sources it does not know", () => {
    const clock = { nowMs: 30 * DAY_MS, finalMs: 29 * DAY_MS }
    assert.strictEqual(Maturity.safeUntilMs(rules, "card", clock), 23 * DAY_MS)
    assert.strictEqual(Maturity.safeUntilMs(rules, "usdc", clock), 29 * DAY_MS)
    assert.strictEqual(Maturity.safeUntilMs(rules, "usdc", { ...clock, finalMs: 31 * DAY_MS }), 30 * DAY_MS)
    assert.isNull(Maturity.safeUntilMs(rules, "grant", clock))
    assert.isNull(Maturity.safeUntilMs(rules, "toString", clock))
  })

  it("counts what came in before the time, less all that was taken", () => {
    const entries = [entry(10n, 1), entry(5n, 2), entry(-3n, 3), entry(7n, 4)]
    const account = { id: accrual, balance: 19n, held: 0n }
    assert.strictEqual(Maturity.safe(account, entries, 1), 0n)
    assert.strictEqual(Maturity.safe(account, entries, 2), 7n)
    assert.strictEqual(Maturity.safe(account, entries, 4), 12n)
    assert.strictEqual(Maturity.safe(account, entries, 5), 19n)
    assert.strictEqual(Maturity.safe({ ...account, held: 4n }, entries, 4), 8n)
  })

  const Amounts = Schema.Array(
    Schema.BigInt.pipe(Schema.check(Schema.isBetweenBigInt({ minimum: -99n, maximum: 99n }))),
  )

  it.prop(
    "never lets out what came in later, nor more than there is, and the later one looks the more",
    [Amounts, Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 20 })))],
    ([amounts, untilMs]) => {
      const entries = amounts.map((amount, at) => entry(amount, at, at))
      const account = { id: accrual, balance: balanceOf(amounts), held: 0n }
      const safe = Maturity.safe(account, entries, untilMs)
      const came = balanceOf(amounts.filter((amount, at) => amount > 0n && at < untilMs))
      const taken = -balanceOf(amounts.filter((amount) => amount < 0n))
      assert.strictEqual(safe, came > taken ? came - taken : 0n)
      assert.isTrue(safe <= Maturity.safe(account, entries, untilMs + 1))
      assert.isTrue(safe === 0n || safe <= account.balance)
    },
    { arbitrary: { seed: "maturity-safe", runs: 500 } },
  )

  it.prop(
    "serves what the provider owes first, and moves the rest to what is paid out",
    [Sample.Amount, Sample.Room],
    ([amount, owed]) => {
      const posting = Maturity.posting({ provider, fundingSource, rail, epoch: "7", amount, owed })
      Sample.assertZero(posting)
      assert.strictEqual(Sample.moved(posting, "accrual:"), -amount)
      assert.strictEqual(Sample.moved(posting, "receivable:"), owed < amount ? owed : amount)
    },
    { arbitrary: { seed: "maturity-owed", runs: 300 } },
  )

  it("refuses what makes no sense", () => {
    const maturity = { provider, fundingSource, rail, epoch: "7", amount: 1n, owed: 0n }
    Sample.assertRefused(Maturity.posting({ ...maturity, amount: 0n }), "greater than 0")
    Sample.assertRefused(Maturity.posting({ ...maturity, owed: -1n }), "owed")
    Sample.assertRefused(Maturity.posting({ ...maturity, epoch: "a:b" }), "epoch")
  })
})
