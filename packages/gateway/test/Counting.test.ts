import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Endpoint } from "@guildhall/core/Endpoint"
import { Gguf, Tokenizer } from "@guildhall/core"
import * as ChatTemplate from "../src/tokens/ChatTemplate.ts"
import * as Counting from "../src/tokens/Counting.ts"
import * as GgufTokenizer from "../src/tokens/GgufTokenizer.ts"
import * as Verdict from "../src/tokens/Verdict.ts"
import * as TestTokenizer from "./TestTokenizer.ts"

const described = Result.getOrThrow(Tokenizer.fromGguf(Result.getOrThrow(Gguf.read(TestTokenizer.gguf()))))
const counter = Result.getOrThrow(
  GgufTokenizer.make(described.tokenizer.kind === "gguf" ? described.tokenizer.metadata : {}),
)
const templateOf = (text: string) => Result.getOrThrow(ChatTemplate.make(text, counter))
const template = templateOf(TestTokenizer.TEMPLATE)

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value))
const count = (
  request: unknown,
  answer: unknown,
  endpoint: Endpoint = "chat/completions",
  used: ChatTemplate.ChatTemplate | undefined = template,
) => Counting.count(counter, used, { endpoint, request: bytes(request), answer: bytes(answer), outputBytes: 0 })

const asked = { messages: [{ role: "user", content: "hello world" }] }
const whole = (message: object) => ({ choices: [{ index: 0, message }] })
const frames = (...deltas: ReadonlyArray<object>) =>
  [
    ...deltas.map((delta) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`),
    "data: [DONE]\n\n",
  ].join("")

describe("Counting.count", () => {
  it("counts a prompt of text exactly, as the template writes it", () => {
    // <s> <|user|> hello Ġ world </s> <|assistant|>
    assert.deepStrictEqual(count(asked, whole({ content: "token" })).input, { low: 7, high: 8 })
    const parts = [{ role: "user", content: [{ type: "text", text: "hello world" }] }]
    assert.deepStrictEqual(count({ messages: parts }, whole({ content: "token" })).input, { low: 7, high: 8 })
  })

  it("adds the token for the beginning where the server does", () => {
    const bare = templateOf("{{ messages[0].content }}")
    const { input } = count(asked, whole({ content: "token" }), "chat/completions", bare)
    assert.deepStrictEqual(input, { low: 4, high: 4 })
  })

  it("counts the same answer alike, whole and streamed, however it was cut", () => {
    const content = "hello world token"
    const expected = { low: 5, high: 8 }
    assert.deepStrictEqual(count(asked, whole({ content })).output, expected)
    assert.deepStrictEqual(
      count(asked, frames(...[...content].map((letter) => ({ content: letter })))).output,
      expected,
    )
    assert.deepStrictEqual(count(asked, frames({ role: "assistant", content }, {})).output, expected)
  })

  it("counts reasoning and tool calls with room for what stands around them", () => {
    const reasoning = count(asked, whole({ content: "token", reasoning_content: "hello" })).output
    assert.deepStrictEqual(reasoning, { low: 2, high: 2 + 2 + 6 + 1 })
    const call = (index: number, piece: object) => ({ tool_calls: [{ index, function: piece }] })
    const called = frames(call(0, { name: "hello", arguments: "" }), call(0, { arguments: "{}" }))
    assert.deepStrictEqual(count(asked, called).output, { low: 3, high: 3 + 2 + 32 + 1 })
  })

  it("allows for a stop text that was written and cut off, and for characters that were lost", () => {
    const { output } = count({ ...asked, stop: ["world", "!!!"] }, whole({ content: "token" }))
    assert.deepStrictEqual(output, { low: 1, high: 1 + 2 + 1 + 3 })
    const lost = count(asked, whole({ content: "token\ufffd" })).output
    assert.isAtLeast(lost.high ?? 0, lost.low + 3)
  })

  it("counts every choice", () => {
    const choices = [0, 1].map((index) => ({ index, message: { content: "token" } }))
    assert.deepStrictEqual(count(asked, { choices }).output, { low: 2, high: 8 })
  })

  it("counts the other dialects of a conversation alike, with room for how their server writes them", () => {
    const expected = { input: { low: 0, high: 16 }, output: { low: 5, high: 5 + 2 + 32 + 1 } }
    const event = (json: { readonly type: string }) => `event: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`
    const said = [
      { type: "text", text: "hello world" },
      { type: "tool_use", id: "t", name: "token", input: "hello" },
    ]
    const messages = { model: "m", max_tokens: 9, ...asked }
    const whole = { type: "message", role: "assistant", content: said, stop_reason: "tool_use", usage: {} }
    const wholeCount = count(messages, whole, "messages")
    assert.deepStrictEqual(wholeCount.input, expected.input)
    assert.isAtLeast(wholeCount.output.low, 5)
    const stream = [
      { type: "message_start", message: { id: "m", role: "assistant", content: [], usage: { input_tokens: 1 } } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "hello " } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "world" } },
      { type: "content_block_stop", index: 0 },
      { type: "content_block_start", index: 1, content_block: { type: "tool_use", id: "t", name: "token", input: {} } },
      { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: "hello" } },
      { type: "content_block_stop", index: 1 },
    ]
    assert.deepStrictEqual(count(messages, stream.map(event).join(""), "messages"), expected)
    const responses = { model: "m", input: "hello world" }
    const answer = {
      object: "response",
      status: "completed",
      output: [
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "hello world" }] },
        { type: "function_call", call_id: "t", name: "token", arguments: "hello" },
      ],
    }
    assert.deepStrictEqual(count(responses, answer, "responses"), expected)
    const delta = {
      type: "response.output_text.delta",
      item_id: "i",
      output_index: 0,
      content_index: 0,
      delta: "token",
    }
    assert.strictEqual(count(responses, event(delta), "responses").output.low, 1)
    const last = { type: "response.completed", response: { ...answer, id: "r", model: "m", created_at: 1 } }
    assert.strictEqual(count(responses, event(last), "responses").output.low, 5)
    const hidden = { ...whole, content: [{ type: "redacted_thinking", data: "x" }, ...said] }
    assert.isUndefined(count(messages, hidden, "messages").output.high)
  })

  it("counts completions and embeddings, texts and tokens", () => {
    const completion = count(
      { prompt: ["hello", [1, 2, 3]] },
      { choices: [{ index: 0, text: "token" }] },
      "completions",
    )
    assert.deepStrictEqual(completion, { input: { low: 4, high: 6 }, output: { low: 1, high: 4 } })
    const embedding = count({ input: "hello" }, { data: [] }, "embeddings")
    assert.deepStrictEqual(embedding, { input: { low: 1, high: 3 }, output: { low: 0, high: 0 } })
  })

  it("sets no upper bound where it cannot know one", () => {
    const answer = whole({ content: "token" })
    const image = [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }]
    assert.isUndefined(count({ messages: image }, answer).input.high)
    assert.isUndefined(count({ ...asked, tools: [{ type: "function" }] }, answer).input.high)
    assert.isUndefined(count(asked, answer, "chat/completions", templateOf("{{ raise_exception('no') }}")).input.high)
    assert.isUndefined(count("not json", answer).input.high)
    for (const member of [{ functions: [] }, { documents: ["a"] }, { response_format: { type: "json_schema" } }]) {
      assert.isUndefined(count({ ...asked, ...member }, answer).input.high)
    }
    const text = { choices: [{ index: 0, text: "token" }] }
    assert.isUndefined(count({ prompt: "hello", suffix: "world" }, text, "completions").input.high)
    assert.isUndefined(count({}, text, "completions").input.high)
    for (const unreadable of ["", "nonsense", "{", { choices: [] }, whole({ content: "", audio: { id: "a" } })]) {
      assert.isUndefined(count(asked, unreadable).output.high, JSON.stringify(unreadable))
    }
    assert.isUndefined(count(asked, answer, "messages").output.high)
    const blind = Counting.count(counter, undefined, {
      endpoint: "chat/completions",
      request: bytes(asked),
      answer: bytes(answer),
      outputBytes: 0,
    })
    assert.isUndefined(blind.input.high)
    assert.strictEqual(blind.output.low, 1)
  })

  it("does not count an answer of which it reads less than the meter saw", () => {
    const output = (outputBytes: number) =>
      Counting.count(counter, template, {
        ...{ endpoint: "chat/completions", request: bytes(asked), outputBytes },
        answer: bytes(whole({ content: "token", reasoning: "hello", reasoning_content: "hello" })),
      }).output
    assert.strictEqual(output(10).low, 2)
    assert.deepStrictEqual(output(11), { low: 0, high: undefined })
  })

  it("takes whatever bytes it is given, and its low end is never above its high one", () => {
    let state = 7
    const roll = (limit: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * limit)
    }
    const tools = [{ type: "function", function: { name: "token", arguments: '{"hello":1}' } }]
    const dialects = ["chat/completions", "completions", "responses", "messages", "embeddings"] as const
    const requests = [asked, { prompt: ["hello", [1]] }, { input: "hello" }, { ...asked, tools, stop: ["a"] }]
    const answers = [
      JSON.stringify(whole({ content: "hello world", tool_calls: tools })),
      frames({ content: "hello", reasoning: "world" }, { tool_calls: [{ index: 0, ...tools[0] }] }),
      'event: a\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}\n\n',
    ]
    const damaged = (text: string): Buffer => {
      const damaged = Buffer.from(text)
      for (let times = roll(6); times > 0; times--) damaged[roll(damaged.length)] = roll(256)
      return damaged.subarray(roll(8) === 0 ? roll(damaged.length) : 0)
    }
    for (let round = 0; round < 3_000; round++) {
      const counted = Counting.count(counter, template, {
        endpoint: dialects[roll(dialects.length)] ?? "completions",
        request: damaged(JSON.stringify(requests[roll(requests.length)])),
        answer: damaged(answers[roll(answers.length)] ?? ""),
        outputBytes: 0,
      })
      for (const { high, low } of [counted.input, counted.output]) {
        assert.isTrue(low >= 0 && (high === undefined || low <= high))
      }
    }
  })

  it("takes what had come of an answer that broke off", () => {
    const stream = frames({ content: "hello" }, { content: " world" })
    const done = "data: [DONE]\n\n".length
    assert.strictEqual(count(asked, stream.slice(0, -done)).output.low, 3)
    assert.strictEqual(count(asked, stream.slice(0, -done - 1)).output.low, 1)
  })
})

describe("Verdict.of", () => {
  const counted = { input: { low: 10, high: 11 }, output: { low: 50, high: 54 } }

  it("agrees within the bands", () => {
    for (const usage of [
      { inputToken: 10, outputToken: 50 },
      { inputToken: 6, cachedInputToken: 5, outputToken: 54 },
    ]) {
      assert.deepStrictEqual(Verdict.of(usage, counted), { _tag: "agreed" })
    }
  })

  it("lowers to the highest count, cached tokens first", () => {
    assert.deepStrictEqual(Verdict.of({ inputToken: 8, cachedInputToken: 5, outputToken: 60, request: 1 }, counted), {
      _tag: "lowered",
      usage: { inputToken: 8, cachedInputToken: 3, outputToken: 54, request: 1 },
      tokens: 8,
    })
  })

  it("never raises, and says by how much a bill is too low", () => {
    assert.deepStrictEqual(Verdict.of({ inputToken: 4, outputToken: 40 }, counted), { _tag: "higher", tokens: 16 })
  })

  it("lowers nothing that has no upper bound", () => {
    const open = { low: 0, high: undefined }
    assert.deepStrictEqual(Verdict.of({ outputToken: 10 ** 6 }, { input: open, output: open }), { _tag: "unknown" })
    assert.deepStrictEqual(Verdict.of({ inputToken: 10 ** 6, outputToken: 50 }, { ...counted, input: open }), {
      _tag: "agreed",
    })
  })
})
