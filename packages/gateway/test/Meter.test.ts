import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Usage } from "@guildhall/core"
import { MessageUsage } from "@guildhall/protocol/anthropic"
import * as Meter from "../src/Meter.ts"
import * as OutputBytes from "../src/OutputBytes.ts"
import * as TokenBand from "../src/TokenBand.ts"

const Small = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })))
const Reported = Schema.UndefinedOr(Usage.Usage)
const band = { low: 1, mean: 4 }
const bands = { input: band, output: band }

describe("Meter", () => {
  it.effect.prop(
    "never bills more than was reported, nor than passed through",
    [Reported, Small, Small, Small],
    ([reported, outputBytes, promptBytes, outputBound]) =>
      Effect.sync(() => {
        const tally = { outputBytes, toolCalls: 0, reported }
        const request = { promptBytes, promptBound: promptBytes + 600, outputBound, choices: 1 }
        const { usage, source } = Meter.bill(tally, request, bands)
        const prompt = (usage.inputToken ?? 0) + (usage.cachedInputToken ?? 0)
        assert.isAtMost(prompt, request.promptBound)
        assert.isAtMost(usage.outputToken ?? 0, Math.min(outputBound, Meter.outputBound(tally, band, 1)))
        if (reported !== undefined) {
          const unsaid = reported.inputToken === undefined ? 0 : Math.ceil(outputBytes / band.mean)
          assert.isAtMost(usage.outputToken ?? 0, reported.outputToken ?? unsaid)
          assert.isAtMost(prompt, (reported.inputToken ?? 0) + (reported.cachedInputToken ?? 0))
        }
        if (source === "reported") {
          assert.strictEqual(usage.outputToken, reported?.outputToken)
          assert.strictEqual(usage.inputToken ?? 0, reported?.inputToken ?? 0)
        }
      }),
  )

  it("bills cached tokens apart", () => {
    const reported = { inputToken: 6, cachedInputToken: 4, outputToken: 2 }
    const request = { promptBound: 600, promptBytes: 40, outputBound: 100, choices: 1 }
    assert.deepStrictEqual(Meter.bill({ outputBytes: 10, toolCalls: 0, reported }, request, bands), {
      usage: reported,
      source: "reported",
    })
  })
})

describe("Meter, of a stream of Messages that broke off", () => {
  it("bills the prompt as reported and what was delivered, not the count that the stream began with", () => {
    const start = { message: { usage: { input_tokens: 6, cache_read_input_tokens: 4, output_tokens: 1 } } }
    const reported = MessageUsage.read(start)
    const request = { promptBound: 600, promptBytes: 40, outputBound: 100, choices: 1 }
    assert.deepStrictEqual(Meter.bill({ outputBytes: 80, toolCalls: 0, reported }, request, bands), {
      usage: { inputToken: 6, cachedInputToken: 4, outputToken: 20 },
      source: "bounded",
    })
  })
})

describe("TokenBand", () => {
  it("starts with what is proved, and narrows once it has seen enough", () => {
    const learned = TokenBand.make()
    for (let i = 0; i < 31; i++) learned.learn("m", { bytes: 400, tokens: 100 })
    assert.deepStrictEqual(learned.band("m"), { low: 1, mean: 4 })
    for (let i = 0; i < 300; i++) learned.learn("m", { bytes: 600, tokens: 100 })
    const { low, mean } = learned.band("m")
    assert.isAbove(mean, 5.9)
    assert.isAtMost(low, mean / 2)
    assert.isAbove(low, 1)
    assert.deepStrictEqual(learned.band("other"), { low: 1, mean: 4 })
  })

  it("learns nothing from short or wild answers", () => {
    const learned = TokenBand.make()
    for (let i = 0; i < 100; i++) learned.learn("m", { bytes: 1_000_000, tokens: 1 })
    assert.deepStrictEqual(learned.band("m"), { low: 1, mean: 4 })
    for (let i = 0; i < 100; i++) learned.learn("m", { bytes: 1_000_000_000, tokens: 100 })
    assert.isAtMost(learned.band("m").mean, 64)
  })
})

describe("OutputBytes", () => {
  it("counts text, reasoning and tool calls, and nothing that pads", () => {
    assert.strictEqual(OutputBytes.count({ content: "é", reasoning_content: "ab", refusal: "c" }), 5)
    assert.strictEqual(
      OutputBytes.count({ tool_calls: [{ id: "x".repeat(99), function: { name: "ab", arguments: "{}" } }] }),
      4,
    )
    assert.strictEqual(OutputBytes.count({ padding: "x".repeat(1000), role: "assistant" }), 0)
    for (const odd of [null, undefined, 5, "text", [], { content: [] }, { tool_calls: {} }]) {
      assert.strictEqual(OutputBytes.count(odd), 0)
    }
  })
})
