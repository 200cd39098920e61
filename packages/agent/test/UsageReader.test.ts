import { assert, describe, it } from "@effect/vitest"
import * as UsageReader from "../src/serving/UsageReader.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const frame = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const delta = (content: string) => frame({ choices: [{ index: 0, delta: { content } }] })
const usage = { prompt_tokens: 12, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } }

describe("UsageReader", () => {
  it("reads the counts of a stream, however it is cut", () => {
    const text = delta("a") + delta("bé") + frame({ choices: [], usage }) + "data: [DONE]\n\n"
    const bytes = encode(text)
    for (const size of [1, 2, 7, 64, bytes.length]) {
      const reader = UsageReader.make({ endpoint: "chat/completions", stream: true, requestBytes: 800 })
      for (let at = 0; at < bytes.length; at += size) reader.read(bytes.subarray(at, at + size))
      assert.deepStrictEqual(reader.usage(), { inputToken: 8, cachedInputToken: 4, outputToken: 3 })
    }
  })

  it("reads the counts of a whole answer", () => {
    const reader = UsageReader.make({ endpoint: "chat/completions", stream: false, requestBytes: 800 })
    const text = JSON.stringify({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 0 } })
    reader.read(encode(text.slice(0, 20)))
    assert.deepStrictEqual(reader.usage(), {})
    reader.read(encode(text.slice(20)))
    assert.deepStrictEqual(reader.usage(), { inputToken: 5, outputToken: 0 })
  })

  it("counts what was seen where a stream ends early, low rather than high", () => {
    const reader = UsageReader.make({ endpoint: "chat/completions", stream: true, requestBytes: 80 })
    assert.deepStrictEqual(reader.usage(), {})
    reader.read(encode(delta("") + delta("a") + delta("b") + delta("half").slice(0, 20)))
    assert.deepStrictEqual(reader.usage(), { inputToken: 10, outputToken: 2 })
  })

  it("does not believe nonsense", () => {
    for (const wrong of [
      { prompt_tokens: -1, completion_tokens: 3 },
      { prompt_tokens: 1.5, completion_tokens: 3 },
      { prompt_tokens: 1e15, completion_tokens: 3 },
      { completion_tokens: 3 },
      "many",
    ]) {
      const reader = UsageReader.make({ endpoint: "chat/completions", stream: true, requestBytes: 8 })
      reader.read(encode(delta("a") + frame({ choices: [], usage: wrong })))
      assert.deepStrictEqual(reader.usage(), { inputToken: 1, outputToken: 1 })
    }
    const capped = UsageReader.make({ endpoint: "chat/completions", stream: true, requestBytes: 8 })
    const more = { prompt_tokens: 2, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 99 } }
    capped.read(encode(frame({ choices: [], usage: more })))
    assert.deepStrictEqual(capped.usage(), { inputToken: 0, cachedInputToken: 2, outputToken: 1 })
  })
})
