import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { NonNegativeAmount } from "../src/Money.ts"
import * as Split from "../src/rules/Split.ts"

const parties = Split.Party.literals
const Weights = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000 })))).pipe(
  Schema.check(Schema.isMinLength(1), Schema.isMaxLength(parties.length)),
)

/** A split with these weights, its odd basis points to the first party. */
const splitOf = (weights: ReadonlyArray<number>, remainder: number) => {
  const sum = weights.reduce((a, b) => a + b, 0)
  const [, ...others] = weights.map((weight) => (sum === 0 ? 0 : Math.floor((weight * 10_000) / sum)))
  const [first, ...rest] = parties
  const shares = others.map((bps, at) => ({ party: rest[at] ?? first, bps }))
  const bps = 10_000 - others.reduce((a, b) => a + b, 0)
  const remainderTo = parties[remainder % weights.length] ?? first
  return Split.Split.make({ shares: [{ party: first, bps }, ...shares], remainderTo })
}

describe("Split", () => {
  it.prop(
    "the parts sum to the whole, and none is more than a unit per party off its share",
    [Weights, Schema.Natural, NonNegativeAmount],
    ([weights, remainder, amount]) => {
      const split = splitOf(weights, remainder)
      const parts = Split.share(split, amount)
      assert.strictEqual(
        parts.reduce((sum, part) => sum + part.amount, 0n),
        amount,
      )
      for (const [at, part] of parts.entries()) {
        const exact = (amount * BigInt(split.shares[at]?.bps ?? 0)) / 10_000n
        const odd = part.amount - exact
        if (part.party === split.remainderTo) assert.isTrue(odd >= 0n && odd < BigInt(parts.length))
        else assert.strictEqual(odd, 0n)
      }
    },
    { arbitrary: { seed: "split-sums", runs: 500 } },
  )

  it.each([
    [{ shares: [{ party: "provider", bps: 9_000 }], remainderTo: "provider" }, "sum to 9000"],
    [
      {
        shares: [
          { party: "provider", bps: 5_000 },
          { party: "provider", bps: 5_000 },
        ],
        remainderTo: "provider",
      },
      "a party stands twice",
    ],
    [{ shares: [{ party: "provider", bps: 10_000 }], remainderTo: "platform" }, "has no share"],
    [{ shares: [{ party: "provider", bps: 10_000.5 }], remainderTo: "provider" }, "integer"],
    [{ shares: [{ party: "provider", bps: -1 }], remainderTo: "provider" }, "between"],
    [{ shares: [], remainderTo: "provider" }, "Missing key"],
  ])("refuses %j", (split, why) => {
    const decoded = Schema.decodeUnknownResult(Split.Split)(split)
    assert.include(Result.isFailure(decoded) ? decoded.failure.message : "", why)
  })
})
