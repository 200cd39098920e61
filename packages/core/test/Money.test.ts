import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as Asset from "../src/Asset.ts"
import * as Money from "../src/Money.ts"

const decodes = (schema: typeof Money.Amount | typeof Money.NonNegativeAmount, value: unknown) =>
  Result.isSuccess(Schema.decodeUnknownResult(schema)(value))

describe("Money", () => {
  it.prop(
    "what is written is read back, in every asset",
    [Money.Amount, Asset.Asset],
    ([amount, asset]) => {
      const text = Money.format(amount, asset)
      const digits = text.replace(/^-/, "").split(".")[0] ?? ""
      // `parse` takes 60 digits before the point: more than any balance, and a limit on what a stranger can send.
      if (digits.length > 60) return
      assert.deepStrictEqual(Money.parse(text, asset), Result.succeed(amount))
    },
    { arbitrary: { seed: "money-round-trip", runs: 500 } },
  )

  it.prop(
    "what is read has one way of being written",
    [Schema.BigInt.pipe(Schema.check(Schema.isBetweenBigInt({ minimum: -(10n ** 30n), maximum: 10n ** 30n })))],
    ([amount]) => {
      const text = Money.format(amount, Asset.USD)
      assert.match(text, /^-?(0|[1-9]\d*)(\.\d*[1-9])?$/)
      const padded = text.includes(".") ? `${text}00` : `${text}.00`
      assert.deepStrictEqual(Money.parse(padded, Asset.USD), Result.succeed(amount))
    },
    { arbitrary: { seed: "money-canonical" } },
  )

  it("is written without exponent and zeros at the end", () => {
    assert.strictEqual(Money.format(0n, Asset.USD), "0")
    assert.strictEqual(Money.format(-1n, Asset.USD), "-0.000000000001")
    assert.strictEqual(Money.format(12_500_000_000_000n, Asset.USD), "12.5")
    assert.strictEqual(Money.format(-100n, { code: Asset.AssetCode.make("JPY"), scale: 0 }), "-100")
  })

  it.each(["", " 1", "1e3", "1.", ".5", "0x10", "1,5", "--1", "NaN", "1".repeat(61), `0.${"1".repeat(61)}`])(
    "refuses %j",
    (text) => {
      assert.isTrue(Result.isFailure(Money.parse(text, Asset.USD)))
    },
  )

  it("refuses what the asset cannot hold exactly, and says how much it can", () => {
    const parsed = Money.parse("0.0000000000001", Asset.USD)
    assert.include(Result.isFailure(parsed) ? parsed.failure : "", "at most 12 digits")
    assert.deepStrictEqual(Money.parse("0.1000000000000", Asset.USD), Result.succeed(100_000_000_000n))
  })

  it("crosses a wire as a decimal text of at most 78 digits", () => {
    assert.strictEqual(Schema.encodeSync(Money.Amount)(-5n), "-5")
    for (const wrong of ["1.5", "", "0x1", "1e3", 5, "9".repeat(79)])
      assert.isFalse(decodes(Money.Amount, wrong), `${wrong}`)
    assert.isTrue(decodes(Money.Amount, "-".concat("9".repeat(78))))
    assert.isFalse(decodes(Money.NonNegativeAmount, "-1"))
    assert.isTrue(decodes(Money.NonNegativeAmount, "0"))
  })
})
