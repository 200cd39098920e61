import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Reason } from "@guildhall/core"
import { ErrorBody as AnthropicErrorBody } from "../../src/anthropic/index.ts"
import type { Answer, AnswerEvent, Finish } from "../../src/conversation/Answer.ts"
import { Answer as Answers, Dialects } from "../../src/conversation/index.ts"
import type { Dialect } from "../../src/conversation/Dialect.ts"
import * as EndpointShape from "../../src/EndpointShape.ts"
import { ErrorBody } from "../../src/openai/index.ts"
import * as Frames from "./Frames.ts"

const { chat, messages, responses } = Dialects

const read = (dialect: Dialect, body: unknown): Answer => Result.getOrThrow(dialect.readAnswer(JSON.stringify(body)))

const fault = (dialect: Dialect, body: unknown): string => {
  const result = dialect.readAnswer(typeof body === "string" ? body : JSON.stringify(body))
  assert(Result.isFailure(result))
  return result.failure
}

const choice = (message: object, finish_reason: string, rest: object = {}) => ({
  choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason, ...rest }],
})

const events = (dialect: Dialect, ...json: ReadonlyArray<unknown>): ReadonlyArray<AnswerEvent> => {
  const reader = dialect.makeEventReader()
  return [...json.flatMap((one) => reader.read(one)), ...reader.done()]
}

const delta = (one: object, finish_reason: string | null = null) => ({
  choices: [{ index: 0, delta: one, finish_reason }],
})

const parts = (dialect: Dialect, ...json: ReadonlyArray<unknown>) => Frames.collect(events(dialect, ...json)).parts

describe("why an answer ended", () => {
  const finish = (dialect: Dialect, body: unknown): Finish => read(dialect, body).finish
  const message = (stop_reason: string, content: ReadonlyArray<unknown> = []) => ({ content, stop_reason })
  const response = (status: string, reason?: string, output: ReadonlyArray<unknown> = []) => ({
    status,
    output,
    incomplete_details: reason === undefined ? null : { reason },
  })

  it("is read from every word of every dialect", () => {
    const cases: ReadonlyArray<readonly [Dialect, unknown, Finish]> = [
      [chat, choice({}, "stop"), "stop"],
      [chat, choice({}, "length"), "length"],
      [chat, choice({}, "tool_calls"), "toolCalls"],
      [chat, choice({}, "function_call"), "toolCalls"],
      [chat, choice({}, "content_filter"), "contentFilter"],
      [chat, choice({}, "abort"), "stop"],
      [chat, choice({}, "stop", { stop_reason: "END" }), "stopSequence"],
      [messages, message("end_turn"), "stop"],
      [messages, message("stop_sequence"), "stopSequence"],
      [messages, message("max_tokens"), "length"],
      [messages, message("model_context_window_exceeded"), "contextLength"],
      [messages, message("tool_use"), "toolCalls"],
      [messages, message("pause_turn"), "pause"],
      [messages, message("refusal"), "contentFilter"],
      [responses, response("completed"), "stop"],
      [responses, response("incomplete", "max_output_tokens"), "length"],
      [responses, response("incomplete", "content_filter"), "contentFilter"],
      [responses, response("incomplete"), "length"],
    ]
    for (const [dialect, body, expected] of cases) {
      assert.strictEqual(finish(dialect, body), expected, JSON.stringify(body))
    }
  })

  it("is a call where there is one, though a server that was told which calls it a stop", () => {
    const tool_calls = [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }]
    assert.strictEqual(finish(chat, choice({ tool_calls }, "stop")), "toolCalls")
    const item = { type: "function_call", call_id: "c", name: "f", arguments: "{}" }
    assert.strictEqual(finish(responses, response("completed", undefined, [item])), "toolCalls")
    const told = events(chat, delta({ tool_calls: [{ index: 0, ...tool_calls[0] }] }), delta({}, "stop"))
    assert.deepInclude(told.at(-1), { finish: "toolCalls" })
  })

  it("is written in the words of every dialect", () => {
    const written = (dialect: Dialect, finish: Finish) => {
      const answer: Answer = { parts: [{ type: "text", text: "a" }], finish, stopSequence: "END" }
      const json: unknown = JSON.parse(dialect.writeAnswer(answer, Frames.options))
      return json
    }
    const finishes = {
      stop: ["stop", "end_turn", "completed"],
      stopSequence: ["stop", "stop_sequence", "completed"],
      toolCalls: ["tool_calls", "tool_use", "completed"],
      length: ["length", "max_tokens", "incomplete"],
      contextLength: ["length", "model_context_window_exceeded", "incomplete"],
      contentFilter: ["content_filter", "refusal", "incomplete"],
      pause: ["stop", "pause_turn", "completed"],
    } as const
    for (const finish of Object.keys(finishes) as ReadonlyArray<Finish>) {
      const [inChat, inMessages, inResponses] = finishes[finish]
      assert.nestedPropertyVal(written(chat, finish), "choices[0].finish_reason", inChat)
      assert.propertyVal(written(messages, finish), "stop_reason", inMessages)
      assert.propertyVal(written(messages, finish), "stop_sequence", finish === "stopSequence" ? "END" : null)
      assert.propertyVal(written(responses, finish), "status", inResponses)
    }
  })
})

describe("an answer", () => {
  it("is read though servers write it in their own ways", () => {
    assert.deepStrictEqual(read(chat, choice({ content: null, reasoning: "Hm.", refusal: null }, "stop")).parts, [
      { type: "reasoning", text: "Hm." },
    ])
    assert.deepStrictEqual(
      read(chat, choice({ function_call: { name: "f", arguments: "{}" } }, "function_call")).parts,
      [{ type: "toolCall", kind: "function", id: "call_0", name: "f", arguments: "{}" }],
    )
    const summary = [
      { type: "summary_text", text: "First." },
      { type: "summary_text", text: "Then." },
    ]
    const output = [{ type: "reasoning", summary }, { type: "web_search_call" }]
    assert.deepStrictEqual(read(responses, { status: "completed", output }).parts, [
      { type: "reasoning", text: "First.\n\nThen." },
    ])
    assert.deepStrictEqual(
      read(messages, { content: [{ type: "server_tool_use" }], stop_reason: "end_turn" }).parts,
      [],
    )
  })

  it("keeps the digits of a tool's input", () => {
    const body =
      '{"content":[{"type":"tool_use","id":"t","name":"f","input":{"id":12345678901234567890,"x":1.0}}],"stop_reason":"tool_use"}'
    const [part] = Result.getOrThrow(messages.readAnswer(body)).parts
    assert.propertyVal(part, "arguments", '{"id":12345678901234567890,"x":1.0}')
  })

  it("gives broken arguments as they are, where an object was expected", () => {
    const call = { type: "toolCall", kind: "function", id: "t", name: "f", arguments: '{"a":' } as const
    const written = messages.writeAnswer({ parts: [call], finish: "length" }, Frames.options)
    assert.include(written, `"input":${JSON.stringify('{"a":')}`)
    assert.deepStrictEqual(Result.getOrThrow(messages.readAnswer(written)).parts, [call])
  })

  it("is none where an error stands in its place", () => {
    assert.strictEqual(fault(chat, { error: { message: "Out of memory." } }), "Out of memory.")
    assert.strictEqual(fault(messages, { type: "error", error: { message: "Busy." } }), "Busy.")
    assert.strictEqual(fault(responses, { status: "failed", error: { message: "No." }, output: [] }), "No.")
    assert.include(fault(responses, { status: "queued", output: [] }), "queued")
    assert.include(fault(chat, { error: "plain" }), "plain")
    for (const dialect of [chat, messages, responses]) {
      for (const body of ["", "null", "[]", "{", "{}"]) assert.isNotEmpty(fault(dialect, body))
    }
  })

  it("counts tokens alike in all of them", () => {
    const usage = { input: 10, cached: 4, cacheWrite: 2, output: 7, reasoning: 3 }
    for (const dialect of [chat, messages, responses]) {
      const written = dialect.writeAnswer({ parts: [], finish: "stop", usage }, Frames.options)
      assert.deepStrictEqual(Result.getOrThrow(dialect.readAnswer(written)).usage, usage)
    }
    assert.deepStrictEqual(Answers.toUsage(usage), { inputToken: 6, cachedInputToken: 4, outputToken: 7 })
  })
})

describe("Chat's events", () => {
  const call = (index: number | undefined, id: string | undefined, name?: string, text?: string) =>
    delta({
      tool_calls: [
        { ...(index === undefined ? {} : { index }), id, type: "function", function: { name, arguments: text } },
      ],
    })
  const made = (id: string, name: string, text: string) => ({
    type: "toolCall",
    kind: "function",
    id,
    name,
    arguments: text,
  })

  it("are read though calls come mixed, without an index, under one index, or named late", () => {
    const two = [made("a", "f", "{}"), made("b", "g", "[]")]
    assert.deepStrictEqual<unknown>(
      parts(chat, call(0, "a", "f"), call(1, "b", "g"), call(1, undefined, undefined, "[]"), call(0, "", "", "{}")),
      two,
    )
    assert.deepStrictEqual<unknown>(
      parts(chat, call(undefined, "a", "f", "{}"), call(undefined, "b", "g", "["), call(undefined, undefined, "", "]")),
      two,
    )
    assert.deepStrictEqual<unknown>(parts(chat, call(0, "a", "f", "{}"), call(0, "b", "g", "[]")), two)
    assert.deepStrictEqual<unknown>(
      parts(chat, call(0, "a"), call(0, undefined, undefined, "{"), call(0, undefined, "f", "}")),
      [made("a", "f", "{}")],
    )
    assert.deepStrictEqual<unknown>(
      parts(
        chat,
        delta({ function_call: { name: "f", arguments: "{" } }),
        delta({ function_call: { arguments: "}" } }),
      ),
      [made("call_0", "f", "{}")],
    )
  })

  it("say nothing where nothing is said", () => {
    assert.deepStrictEqual(events(chat, null, [], 1, {}, { choices: [] }, { choices: null, usage: null }), [])
    assert.deepStrictEqual(events(chat, delta({ role: "assistant", content: "" }), delta({ content: null })), [
      { type: "started" },
    ])
    assert.deepStrictEqual(events(chat, { choices: [{ index: 1, delta: { content: "other" } }] }), [])
  })

  it("tell of an error", () => {
    assert.deepStrictEqual(events(chat, { error: { message: "Busy." } }), [{ type: "failed", message: "Busy." }])
    assert.deepInclude(events(chat, delta({}, "error")).at(-1), { type: "failed" })
  })

  it("are over at [DONE]", () => {
    const reader = chat.makeEventReader()
    reader.read(delta({}, "stop"))
    assert.isFalse(reader.isComplete())
    reader.done()
    assert.isTrue(reader.isComplete())
  })
})

describe("the events of Messages", () => {
  it("give a call without arguments an empty object, and skip what is not the model's", () => {
    const start = (index: number, content_block: object) => ({ type: "content_block_start", index, content_block })
    const stop = (index: number) => ({ type: "content_block_stop", index })
    const read = events(
      messages,
      { type: "ping" },
      start(0, { type: "server_tool_use", id: "s", name: "search", input: {} }),
      { type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: "{}" } },
      stop(0),
      start(1, { type: "tool_use", id: "t", name: "now", input: {} }),
      stop(1),
      start(2, { type: "tool_use", id: "u", name: "all", input: { at: "once" } }),
      stop(2),
      start(3, { type: "text", text: "First words" }),
      stop(3),
    )
    assert.deepStrictEqual(Frames.collect(read).parts, [
      { type: "toolCall", kind: "function", id: "t", name: "now", arguments: "{}" },
      { type: "toolCall", kind: "function", id: "u", name: "all", arguments: '{"at":"once"}' },
      { type: "text", text: "First words" },
    ])
  })

  it("tell of an error, and that they are over", () => {
    const reader = messages.makeEventReader()
    assert.deepStrictEqual(reader.read({ type: "error", error: { type: "overloaded_error", message: "Busy." } }), [
      { type: "failed", message: "Busy." },
    ])
    assert.isFalse(reader.isComplete())
    reader.read({ type: "message_stop" })
    assert.isTrue(reader.isComplete())
  })
})

describe("the events of Responses", () => {
  const item = (type: "added" | "done", output_index: number, one: object) => ({
    type: `response.output_item.${type}`,
    output_index,
    item: one,
  })

  it("are read from a server that sends no deltas", () => {
    const call = { type: "function_call", call_id: "c", name: "f" }
    assert.deepStrictEqual<unknown>(
      parts(
        responses,
        { type: "response.output_text.done", output_index: 0, content_index: 0, text: "All." },
        item("done", 1, { ...call, arguments: "{}" }),
      ),
      [
        { type: "text", text: "All." },
        { type: "toolCall", kind: "function", id: "c", name: "f", arguments: "{}" },
      ],
    )
    assert.deepStrictEqual<unknown>(
      parts(
        responses,
        item("added", 0, { ...call, arguments: "" }),
        { type: "response.function_call_arguments.delta", output_index: 0, delta: "{}" },
        { type: "response.function_call_arguments.done", output_index: 0, arguments: "{}" },
        item("done", 0, { ...call, arguments: "{}" }),
      ),
      [{ type: "toolCall", kind: "function", id: "c", name: "f", arguments: "{}" }],
    )
  })

  it("take thoughts as they are or as a summary, not both", () => {
    const thought = (kind: string, key: string, index: number, text: string) => ({
      type: `response.${kind}.delta`,
      output_index: 0,
      [key]: index,
      delta: text,
    })
    assert.deepStrictEqual<unknown>(
      parts(
        responses,
        thought("reasoning_summary_text", "summary_index", 0, "First."),
        thought("reasoning_summary_text", "summary_index", 1, "Then."),
        thought("reasoning_text", "content_index", 0, "Raw."),
        item("done", 0, { type: "reasoning", summary: [], encrypted_content: "token" }),
      ),
      [{ type: "reasoning", text: "First.\n\nThen.", signature: "token" }],
    )
  })

  it("tell of an error in each of its forms, and that they are over", () => {
    const failed = { type: "response.failed", response: { status: "failed", error: { code: "x", message: "No." } } }
    assert.deepStrictEqual(events(responses, failed), [{ type: "failed", message: "No." }])
    assert.deepStrictEqual(events(responses, { type: "error", code: "x", message: "Flat." }), [
      { type: "failed", message: "Flat." },
    ])
    assert.deepStrictEqual(events(responses, { type: "error", error: { message: "Nested." } }), [
      { type: "failed", message: "Nested." },
    ])
    const reader = responses.makeEventReader()
    reader.read({ type: "response.completed", response: { status: "completed", output: [] } })
    assert.isTrue(reader.isComplete())
  })
})

describe("an error", () => {
  const types = {
    400: ["invalid_request_error", "invalid_request_error"],
    401: ["authentication_error", "authentication_error"],
    402: ["insufficient_quota", "billing_error"],
    403: ["permission_error", "permission_error"],
    404: ["invalid_request_error", "not_found_error"],
    405: ["invalid_request_error", "invalid_request_error"],
    408: ["invalid_request_error", "timeout_error"],
    409: ["invalid_request_error", "conflict_error"],
    410: ["invalid_request_error", "invalid_request_error"],
    413: ["invalid_request_error", "request_too_large"],
    415: ["invalid_request_error", "invalid_request_error"],
    422: ["invalid_request_error", "invalid_request_error"],
    429: ["rate_limit_error", "rate_limit_error"],
    499: ["invalid_request_error", "invalid_request_error"],
    500: ["server_error", "api_error"],
    502: ["server_error", "api_error"],
    503: ["server_error", "overloaded_error"],
    504: ["server_error", "timeout_error"],
  } as const

  it("has the family and the code of its reason in every dialect, as a body and as a frame", () => {
    for (const code of Reason.ReasonCode.literals) {
      const { sentence, status } = Reason.describe(code)
      const [inOpenAi, inAnthropic] = types[status as keyof typeof types] ?? assert.fail(`${code} has status ${status}`)
      const openAi = { message: sentence, type: inOpenAi, param: null, code }
      const bodyOf = (dialect: Dialect): unknown => JSON.parse(dialect.errorBody(code))
      assert.deepStrictEqual(bodyOf(chat), { error: openAi })
      assert.deepStrictEqual(bodyOf(responses), { error: openAi })
      const anthropic = { type: "error", error: { ...openAi, type: inAnthropic } }
      assert.deepStrictEqual(bodyOf(messages), anthropic)
      assert.isTrue(Schema.is(AnthropicErrorBody.ErrorBody)(anthropic))
      assert.isTrue(Schema.is(ErrorBody.ErrorBody)({ error: openAi }))
      assert.deepStrictEqual(Frames.split(chat.errorFrame(code)), [
        { event: undefined, data: JSON.stringify({ error: openAi }) },
      ])
      assert.deepStrictEqual(Frames.split(messages.errorFrame(code)), [
        { event: "error", data: messages.errorBody(code) },
      ])
      const [frame] = Frames.json(responses.errorFrame(code, { message: "Said.", param: "input" }))
      assert.deepInclude(frame, { type: "error", code, message: "Said.", param: "input" })
    }
  })
})

describe("what a stranger sends", () => {
  const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`

  it("may nest as deep as it likes without harm", () => {
    const nested = deep(100_000)
    const user = '{"role":"user","content":"Hi"}'
    for (const body of [
      `{"model":"m","messages":[${user}],"tools":[{"type":"function","function":{"name":"f","parameters":${nested}}}]}`,
      `{"model":"m","messages":[${user}],"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
    ]) {
      for (const dialect of [chat, messages, responses]) assert.isTrue(Result.isFailure(dialect.readRequest(body)))
    }
    const answer = `{"content":[{"type":"tool_use","id":"t","name":"f","input":${nested}}]}`
    assert.isTrue(Result.isFailure(messages.readAnswer(answer)))
    const block: unknown = JSON.parse(`{"type":"tool_use","id":"t","name":"f","input":${nested}}`)
    const started = events(messages, { type: "content_block_start", index: 0, content_block: block })
    assert.lengthOf(started, 1)
    const call = { type: "toolCall", kind: "function", id: "t", name: "f", arguments: nested } as const
    assert.include(messages.writeAnswer({ parts: [call], finish: "toolCalls" }, Frames.options), '"input":"')
    const results = `${'[{"type":"tool_result","content":'.repeat(50_000)}""${"}]".repeat(50_000)}`
    const touched = EndpointShape.of("messages")
    assert(touched.body === "json")
    const body: unknown = JSON.parse(`{"model":"m","messages":[{"role":"user","content":${results}}]}`)
    assert.isTrue(Result.isSuccess(touched.touch(body)))
  })

  it("may have a quote with backslashes before it, and brackets in texts", () => {
    const content = `\\"${"[".repeat(1000)}`
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content }] })
    const read = Result.getOrThrow(chat.readRequest(body))
    assert.deepStrictEqual(read.turns[0]?.parts, [{ type: "text", text: content }])
  })

  it("may be an object that looks like a number of ours", () => {
    const temperature = { rawJSON: "0.5" }
    const body = { model: "m", messages: [{ role: "user", content: "Hi" }], temperature }
    const read = chat.readRequest(JSON.stringify(body))
    assert(Result.isFailure(read))
    assert.strictEqual(read.failure.param, "temperature")
  })
})
