import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Canonical from "../src/Canonical.ts"

const Key = Schema.String.pipe(Schema.check(Schema.isMaxLength(8)))
const Leaf = Schema.Union([Schema.String, Schema.Int, Schema.Boolean, Schema.Null])
const Value = Schema.Record(Key, Schema.Union([Leaf, Schema.Array(Leaf), Schema.Record(Key, Leaf)]))

const reversed = (value: Canonical.Json): Canonical.Json => {
  if (value === null || typeof value !== "object") return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reversed(member)]),
  )
}

describe("Canonical", () => {
  it.prop(
    "the order of members does not matter, and nothing is lost",
    [Value],
    ([value]) => {
      const text = Canonical.stringify(value)
      assert.strictEqual(Canonical.stringify(reversed(value)), text)
      assert.strictEqual(Canonical.stringify(JSON.parse(text)), text)
      assert.deepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
    },
    { arbitrary: { seed: "canonical-order", runs: 300 } },
  )

  it("sorts by UTF-16 units and escapes as RFC 8785 says", () => {
    const value = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 }
    assert.strictEqual(
      Canonical.stringify(value),
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}',
    )
    assert.strictEqual(
      Canonical.stringify("\u20ac$\u000f\nA'\u0042\u0022\u005c\\\"/"),
      '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"',
    )
  })

  it("writes numbers as RFC 8785 does and refuses those without one text", () => {
    assert.strictEqual(Canonical.stringify([0.5, -0, 1e21 / 1e21, 4.5e-7]), "[0.5,0,1,4.5e-7]")
    for (const wrong of [Number.NaN, Infinity, 2 ** 53, 1e300])
      assert.throws(() => Canonical.stringify(wrong), TypeError)
  })

  it("gives UTF-8", () => {
    assert.deepStrictEqual(Canonical.bytes({ a: "\u20ac" }), new Uint8Array(Buffer.from('{"a":"\u20ac"}', "utf8")))
  })
})
