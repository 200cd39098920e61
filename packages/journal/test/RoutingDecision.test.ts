import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InstanceId } from "@guildhall/core/Instance"
import { ReasonCode } from "@guildhall/core/Reason"
import { decisionJson, RoutingDecision } from "../src/JournalEntry.ts"

const json = Schema.toCodecJson(RoutingDecision)

/** Three failed attempts with the longest code that a provider's failure has, on the longest ids that the registry makes. */
const failures = ReasonCode.literals.filter((code) => code.startsWith("provider_"))
const longest = failures.reduce((a, b) => (b.length > a.length ? b : a))
const wide: RoutingDecision = {
  replica: "gateway-mcrz8k2q0zz",
  version: 2_000_000_000,
  policy: "LeastLoaded@1",
  seed: 4_294_967_295,
  model: "meta-llama/Llama-3.3-70B-Instruc",
  contextTokens: 1_000_000,
  attempts: ["a", "b", "c"].map((digit, at) => ({
    instance: InstanceId.make(`ins_${digit.repeat(32)}`),
    version: 2_000_000_000 + at * 99,
    reason: longest,
  })),
}

/** JSON has no negative zero. */
const unsigned = (value: unknown): unknown => {
  if (typeof value === "number") return value + 0
  if (Array.isArray(value)) return value.map(unsigned)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unsigned(inner)]))
}

describe("RoutingDecision", () => {
  it("takes at most 300 bytes for three attempts on a model with a name of 32 characters", () => {
    assert.strictEqual(wide.model.length, 32)
    assert.isAtMost(Buffer.byteLength(JSON.stringify(decisionJson(wide))), 300)
  })

  it.effect.prop(
    "is read back as it was written",
    [RoutingDecision],
    ([decision]) =>
      Effect.gen(function* () {
        // Versions only rise from attempt to attempt.
        let { version } = decision
        const attempts = decision.attempts.map((attempt) => ({
          ...attempt,
          version: (version += Math.abs(attempt.version % 1000)),
        }))
        const written = { ...decision, attempts }
        const text = JSON.stringify(yield* Schema.encodeEffect(json)(written))
        const read: unknown = yield* Schema.decodeUnknownEffect(json)(JSON.parse(text))
        assert.deepStrictEqual(read, unsigned(written))
      }),
    { arbitrary: { seed: "decisions", runs: 200 } },
  )

  it.effect("refuses an attempt on something that is no instance", () =>
    Effect.gen(function* () {
      const list = [...decisionJson({ ...wide, attempts: [] }), "not an id at all"]
      assert.strictEqual((yield* Effect.flip(Schema.decodeUnknownEffect(json)(list)))._tag, "SchemaError")
    }),
  )
})
