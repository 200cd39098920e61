/**
 * Another's provider: `@copilotkit/aimock` answers in the shapes of OpenAI and Anthropic as its authors read them, so what
 * this repository's own providers get wrong in the same way as its gateway shows here.
 */
import { LLMock } from "@copilotkit/aimock"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Model } from "@guildhall/core"
import * as Dialects from "@guildhall/protocol/conversation/Dialects"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"

const dialects = ["chat/completions", "messages", "responses"] as const
type Dialect = (typeof dialects)[number]

const pairs = dialects.flatMap((buyer) => dialects.map((provider) => ({ buyer, provider })))
const kinds = pairs.flatMap((pair) => [true, false].map((stream) => ({ ...pair, stream })))

/** It reports nothing, as 0, where it is not told what. */
const usage = { prompt_tokens: 9, completion_tokens: 7, input_tokens: 9, output_tokens: 7 }
const TEXT = "Good day, hé€😀, and good night."
const tool = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
const tools: Readonly<Record<Dialect, object>> = {
  "chat/completions": {
    type: "function",
    function: { name: "weather", description: "The weather.", parameters: tool },
  },
  messages: { name: "weather", description: "The weather.", input_schema: tool },
  responses: { type: "function", name: "weather", description: "The weather.", parameters: tool, strict: false },
}

/** What was said, however it was written. */
const read = (dialect: Dialect, text: string, stream: boolean) => {
  const said = { text: "", calls: [] as Array<{ name: string; arguments: string }>, finish: "" }
  if (!stream) {
    const answer = Result.getOrThrow(Dialects.of(dialect).readAnswer(text))
    for (const part of answer.parts) {
      if (part.type === "text") said.text += part.text
      if (part.type === "toolCall") said.calls.push({ name: part.name, arguments: part.arguments })
    }
    return { ...said, finish: answer.finish, isComplete: true }
  }
  const reader = Dialects.of(dialect).makeEventReader()
  const lines = text.split("\n").filter((line) => line.startsWith("data:"))
  const events = lines.flatMap((line) => {
    const data = line.slice(5).trim()
    return data === "[DONE]" ? reader.done() : reader.read(JSON.parse(data))
  })
  for (const event of events) {
    if (event.type === "textDelta") said.text += event.text
    if (event.type === "toolCallStarted") said.calls.push({ name: event.name, arguments: "" })
    const call = said.calls.at(-1)
    if (event.type === "toolCallDelta" && call !== undefined) call.arguments += event.arguments
    if (event.type === "finished") said.finish = event.finish
  }
  return { ...said, isComplete: reader.isComplete() }
}

describe("aimock as the provider", () => {
  const mock = new LLMock({ port: 0, chunkSize: 3 })
  let lane: FaultLane.FaultLane

  beforeAll(async () => {
    mock.onMessage("greet", { content: TEXT, usage })
    mock.onMessage("weather", { toolCalls: [{ name: "weather", arguments: '{"city":"Köln"}' }] })
    mock.onMessage("fail", { error: { message: "broken", type: "server_error" }, status: 500 })
    mock.onMessage("busy", { error: { message: "slow down", type: "rate_limit_error" }, status: 429 })
    mock.onMessage("wrong", { error: { message: "no such thing", type: "invalid_request_error" }, status: 400 })
    mock.onMessage("break", { content: TEXT }, { truncateAfterChunks: 8, latency: 5 })
    await mock.start()
    lane = await FaultLane.start({ definition: { attempts: 1 } })
    for (const dialect of dialects) {
      const model = modelOf(dialect)
      lane.list(TestLane.instance(model.slice(5), mock.url, { model, endpoints: [dialect] }))
    }
  })
  afterEach(async () => {
    await lane.books()
  })
  afterAll(async () => {
    await lane.close()
    await mock.stop()
  })

  const modelOf = (provider: Dialect) => Model.ModelId.make(`test/${provider.replace("/", "-")}`)
  const ask = (buyer: Dialect, provider: Dialect, prompt: string, more: object = {}) =>
    FaultLane.visit(lane.port, buyer, { ...Speech.request(buyer, { model: modelOf(provider), prompt }), ...more })
      .answer

  it.each(kinds)("speaks $provider to a buyer of $buyer (stream: $stream)", async ({ buyer, provider, stream }) => {
    const answer = await ask(buyer, provider, "greet", { stream })
    assert.strictEqual(answer.status, 200, answer.text)
    const said = read(buyer, answer.text, stream)
    assert.deepStrictEqual(said, { text: TEXT, calls: [], finish: "stop", isComplete: true })
    const last = (await lane.ended()).at(-1)
    assert.strictEqual(last?.receipt.outcome, "completed")
    assert.deepStrictEqual(last?.receipt.usage, { inputToken: 9, outputToken: 7 })
  })

  it.each(kinds)("calls a tool in $provider for a buyer of $buyer (stream: $stream)", async (kind) => {
    const { buyer, provider, stream } = kind
    const answer = await ask(buyer, provider, "weather", { stream, tools: [tools[buyer]] })
    assert.strictEqual(answer.status, 200, answer.text)
    const said = read(buyer, answer.text, stream)
    assert.deepStrictEqual(
      said.calls.map((call) => ({ ...call, arguments: JSON.parse(call.arguments) })),
      [{ name: "weather", arguments: { city: "Köln" } }],
    )
    assert.isTrue(said.isComplete)
    // The tool itself has reached the provider, in its own words.
    assert.include(JSON.stringify(mock.getLastRequest()?.body), "The weather.")
  })

  it.each(kinds)("fails in $provider for a buyer of $buyer (stream: $stream)", async ({ buyer, provider, stream }) => {
    for (const [prompt, expected, code] of [
      ["fail", 502, "provider_error"],
      ["busy", 503, "provider_busy"],
    ] as const) {
      const { status, text } = await ask(buyer, provider, prompt, { stream })
      assert.deepStrictEqual([status, FaultLane.codeOf(text)], [expected, code])
    }
    const wrong = await ask(buyer, provider, "wrong", { stream })
    assert.strictEqual(wrong.status, 400)
    assert.include(wrong.text, "no such thing")
  })

  it.each(pairs)("breaks off a stream of $provider, and a buyer of $buyer is told", async ({ buyer, provider }) => {
    const { broken, status, text } = await ask(buyer, provider, "break", { stream: true })
    assert.strictEqual(status, 200)
    assert.strictEqual(FaultLane.codeOf(text), "provider_closed_early")
    assert.isFalse(read(buyer, text, true).isComplete)
    assert.isFalse(broken)
    assert.strictEqual((await lane.ended()).at(-1)?.receipt.outcome, "truncated")
  })
})
