import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Usage } from "@guildhall/core"
import { MessageUsage } from "@guildhall/protocol/anthropic"
import * as Meter from "../src/Meter.ts"
import * as OutputBytes from "../src/OutputBytes.ts"
import * as PromptBand from "../src/PromptBand.ts"
import * as TokenBand from "../src/TokenBand.ts"

const Small = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })))
const Reported = Schema.UndefinedOr(Usage.Usage)
const band = { low: 1, mean: 4 }
const bands = { input: { low: 0, mean: 4 }, output: band }
const prompt = (promptBytes: number) => ({
  promptBytes,
  promptLaid: promptBytes,
  promptMarks: 32,
  promptBound: promptBytes + 32 + 512,
})

describe("Meter", () => {
  it.effect.prop(
    "never bills more than was reported, nor than passed through",
    [Reported, Small, Small, Small, Schema.Literals([0, 0.1, 0.7, 2])],
    ([reported, outputBytes, promptBytes, outputBound, low]) =>
      Effect.sync(() => {
        const tally = { outputBytes, toolCalls: 0, reported }
        const request = { ...prompt(promptBytes), outputBound, choices: 1 }
        const { usage, source } = Meter.bill(tally, request, { input: { low, mean: low * 2 || 4 }, output: band })
        const tokens = (usage.inputToken ?? 0) + (usage.cachedInputToken ?? 0)
        assert.isAtMost(tokens, request.promptBound)
        if (low > 0) assert.isAtMost(tokens, Math.ceil(promptBytes / low) + 32)
        assert.isAtMost(usage.outputToken ?? 0, Math.min(outputBound, Meter.outputBound(tally, band, 1)))
        if (reported !== undefined) {
          const unsaid = reported.inputToken === undefined ? 0 : Math.ceil(outputBytes / band.mean)
          assert.isAtMost(usage.outputToken ?? 0, reported.outputToken ?? unsaid)
          assert.isAtMost(tokens, (reported.inputToken ?? 0) + (reported.cachedInputToken ?? 0))
        }
        if (source === "reported") {
          assert.strictEqual(usage.outputToken, reported?.outputToken)
          assert.strictEqual(usage.inputToken ?? 0, reported?.inputToken ?? 0)
        }
      }),
  )

  it("bills cached tokens apart", () => {
    const reported = { inputToken: 6, cachedInputToken: 4, outputToken: 2 }
    const request = { ...prompt(40), outputBound: 100, choices: 1 }
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
    const request = { ...prompt(40), outputBound: 100, choices: 1 }
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

describe("Meter, of a prompt", () => {
  const reported = { inputToken: 560, outputToken: 2 }
  const bill = (low: number, bytes = 100) =>
    Meter.bill(
      { outputBytes: 10, toolCalls: 0, reported },
      { ...prompt(bytes), outputBound: 100, choices: 1 },
      {
        input: { low, mean: 4 },
        output: band,
      },
    )

  it("bills what its bytes allow while nothing is known, and what prompts like it came to once they are", () => {
    assert.deepStrictEqual(bill(0), { usage: reported, source: "reported" })
    assert.deepStrictEqual(bill(2), { usage: { ...reported, inputToken: 50 + 32 }, source: "bounded" })
  })

  it("is never more than its bytes allow", () => {
    assert.strictEqual(bill(1 / 16, 10).usage.inputToken, 192)
    assert.strictEqual(bill(1 / 64, 10).usage.inputToken, 10 + 32 + 512)
  })
})

describe("PromptBand", () => {
  it("knows prompts by their size, once it has seen 32 of it", () => {
    const learned = PromptBand.make()
    for (let seen = 0; seen < 31; seen++) learned.learn("m", { bytes: 70, tokens: 35 })
    assert.strictEqual(learned.band("m", 70).low, 0)
    for (let seen = 0; seen < 200; seen++) learned.learn("m", { bytes: 70, tokens: 140 })
    assert.approximately(learned.band("m", 127).low, 0.25, 0.05)
    for (const bytes of [0, 1, 63, 128, 1e9]) assert.strictEqual(learned.band("m", bytes).low, 0)
    assert.strictEqual(learned.band("other", 70).low, 0)
  })

  it("is not taught by padding that text has few tokens", () => {
    const learned = PromptBand.make()
    for (let seen = 0; seen < 200; seen++) learned.learn("m", { bytes: 4_000, tokens: 60 })
    assert.strictEqual(learned.band("m", 4_000).low, 2)
  })

  it("is not narrowed away from honest reports by some that are not", () => {
    const learned = PromptBand.make()
    for (let seen = 0; seen < 320; seen++) {
      const { low } = learned.band("m", 100)
      const tokens = seen % 10 === 0 ? 560 : 20 + (seen % 7)
      if (tokens <= (low === 0 ? 644 : 100 / low + 32)) learned.learn("m", { bytes: 100, tokens })
    }
    assert.isAbove(100 / learned.band("m", 100).low + 32, 26)
    assert.isBelow(100 / learned.band("m", 100).low + 32, 130)
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
