import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { HTTPClient, OpenRouter } from "@openrouter/sdk"
import OpenAI from "openai"
import { Schema } from "effect"
import { Message } from "../../src/anthropic/index.ts"
import type { AnswerEvent } from "../../src/conversation/Answer.ts"
import { Dialects } from "../../src/conversation/index.ts"
import { ChatCompletion, Response as ResponseAnswer } from "../../src/openai/index.ts"
import * as Frames from "./Frames.ts"

const { chat, messages, responses } = Dialects
const all = [chat, responses, messages] as const

const usage = { input: 12, cached: 4, cacheWrite: 0, output: 9, reasoning: 2 }

/** A thought, a text, and two calls that grow side by side. */
const told: ReadonlyArray<AnswerEvent> = [
  { type: "started" },
  { type: "reasoningDelta", text: "Hm." },
  { type: "textDelta", text: "Let me" },
  { type: "textDelta", text: " look." },
  { type: "toolCallStarted", call: 0, kind: "function", id: "call_a", name: "look" },
  { type: "toolCallStarted", call: 1, kind: "function", id: "call_b", name: "find" },
  { type: "toolCallDelta", call: 1, arguments: '{"id":' },
  { type: "toolCallDelta", call: 0, arguments: '{"city":' },
  { type: "toolCallDelta", call: 1, arguments: "12345678901234567890}" },
  { type: "toolCallDelta", call: 0, arguments: '"Rome"}' },
  { type: "finished", finish: "toolCalls" },
  { type: "usage", usage },
]

const INPUT_A = '{"city":"Rome"}'
const INPUT_B = '{"id":12345678901234567890}'

/** A client's `fetch` that always gets this stream, or this answer. */
const answering = (body: string, type = "text/event-stream") => {
  const bytes = new TextEncoder().encode(body)
  return (): Promise<Response> => {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        // Three bytes at a time: a client must not care.
        for (let at = 0; at < bytes.length; at += 3) controller.enqueue(bytes.subarray(at, at + 3))
        controller.close()
      },
    })
    return Promise.resolve(new Response(stream, { headers: { "content-type": type } }))
  }
}

const openai = (body: string, type?: string) =>
  new OpenAI({ apiKey: "k", baseURL: "http://127.0.0.1/v1", maxRetries: 0, fetch: answering(body, type) })
const anthropic = (body: string, type?: string) =>
  new Anthropic({ apiKey: "k", baseURL: "http://127.0.0.1", maxRetries: 0, fetch: answering(body, type) })
const openrouter = (body: string, type = "text/event-stream") =>
  new OpenRouter({
    apiKey: "k",
    serverURL: "http://127.0.0.1/v1",
    httpClient: new HTTPClient({ fetcher: answering(body, type) }),
  })

const ask = { model: "m", messages: [{ role: "user" as const, content: "Hi" }] }

describe("Chat's stream", () => {
  const stream = Frames.stream(chat, Frames.options, told)

  it("begins with the role and ends with one reason, the usage and [DONE]", () => {
    const same = {
      id: "chatcmpl-req_1",
      object: "chat.completion.chunk" as const,
      created: 1_800_000_000,
      model: "m",
    }
    type Chunk = OpenAI.ChatCompletionChunk
    type Delta = Chunk["choices"][number]["delta"] & { readonly reasoning?: string }
    const chunk = (delta: Delta, finish_reason: Chunk["choices"][number]["finish_reason"] = null): Chunk => ({
      ...same,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    })
    const started = (index: number, id: string, name: string) =>
      chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] })
    const grown = (index: number, text: string) => chunk({ tool_calls: [{ index, function: { arguments: text } }] })
    const expected: ReadonlyArray<Chunk> = [
      chunk({ role: "assistant", content: "" }),
      chunk({ reasoning: "Hm." }),
      chunk({ content: "Let me" }),
      chunk({ content: " look." }),
      started(0, "call_a", "look"),
      started(1, "call_b", "find"),
      grown(1, '{"id":'),
      grown(0, '{"city":'),
      grown(1, "12345678901234567890}"),
      grown(0, '"Rome"}'),
      chunk({}, "tool_calls"),
      {
        ...same,
        choices: [],
        usage: {
          prompt_tokens: 12,
          completion_tokens: 9,
          total_tokens: 21,
          prompt_tokens_details: { cached_tokens: 4 },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      },
    ]
    assert.deepStrictEqual<unknown>(Frames.json(stream), expected)
    assert.isTrue(stream.endsWith("data: [DONE]\n\n"))
  })

  it("is understood by the official client", async () => {
    const completion = await openai(stream).chat.completions.stream(ask).finalChatCompletion()
    const [choice] = completion.choices
    assert(choice !== undefined)
    assert.strictEqual(choice.message.content, "Let me look.")
    assert.strictEqual(choice.finish_reason, "tool_calls")
    assert.deepStrictEqual(
      choice.message.tool_calls?.map((call) => (call.type === "function" ? call.function.arguments : "")),
      [INPUT_A, INPUT_B],
    )
    assert.strictEqual(completion.usage?.total_tokens, 21)
  })

  it("has no usage unless it was asked for, or something is added to it", () => {
    const request = Frames.request({ includeUsage: false })
    const quiet = Frames.stream(chat, { ...Frames.options, request }, told)
    assert.notInclude(quiet, "usage")
    const writer = chat.makeEventWriter({ ...Frames.options, request })
    for (const event of told) writer.write(event)
    const [last] = Frames.json(writer.end({ usage: { cost: 0.5 }, members: { guildhall: {} } }))
    assert.deepInclude(last, { choices: [], guildhall: {} })
    assert.nestedPropertyVal(last, "usage.cost", 0.5)
  })

  it("gives custom tools' input as it is", () => {
    const stream = Frames.stream(chat, Frames.options, [
      { type: "toolCallStarted", call: 0, kind: "custom", id: "c", name: "patch" },
      { type: "toolCallDelta", call: 0, arguments: "*** Begin" },
      { type: "finished", finish: "toolCalls" },
    ])
    assert.include(stream, '"type":"custom","custom":{"name":"patch","input":""}')
    assert.include(stream, '"custom":{"input":"*** Begin"}')
  })
})

describe("the stream of Messages", () => {
  const stream = Frames.stream(messages, Frames.options, told)

  it("ends each block before the next one begins, though calls came mixed", () => {
    type Event = Anthropic.RawMessageStreamEvent
    const grown = (index: number, delta: Anthropic.RawContentBlockDelta): Event => ({
      type: "content_block_delta",
      index,
      delta,
    })
    const stop = (index: number): Event => ({ type: "content_block_stop", index })
    const tool = (index: number, id: string, name: string): Event => ({
      type: "content_block_start",
      index,
      content_block: { type: "tool_use", id, name, input: {}, caller: { type: "direct" } },
    })
    const expected: ReadonlyArray<Event> = [
      {
        type: "message_start",
        message: {
          id: "msg_req_1",
          type: "message",
          role: "assistant",
          model: "m",
          container: null,
          diagnostics: null,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          stop_details: null,
          usage: {
            input_tokens: 0,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens: 0,
            output_tokens_details: { thinking_tokens: 0 },
            server_tool_use: null,
            cache_creation: null,
            inference_geo: null,
            service_tier: null,
            speed: null,
          },
        },
      },
      { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
      grown(0, { type: "thinking_delta", thinking: "Hm." }),
      stop(0),
      { type: "content_block_start", index: 1, content_block: { type: "text", text: "", citations: null } },
      grown(1, { type: "text_delta", text: "Let me" }),
      grown(1, { type: "text_delta", text: " look." }),
      stop(1),
      tool(2, "call_a", "look"),
      grown(2, { type: "input_json_delta", partial_json: '{"city":' }),
      grown(2, { type: "input_json_delta", partial_json: '"Rome"}' }),
      stop(2),
      tool(3, "call_b", "find"),
      grown(3, { type: "input_json_delta", partial_json: '{"id":' }),
      grown(3, { type: "input_json_delta", partial_json: "12345678901234567890}" }),
      stop(3),
      {
        type: "message_delta",
        delta: { container: null, stop_reason: "tool_use", stop_sequence: null, stop_details: null },
        usage: {
          input_tokens: 8,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 4,
          output_tokens: 9,
          output_tokens_details: { thinking_tokens: 2 },
          server_tool_use: null,
        },
      },
      { type: "message_stop" },
    ]
    assert.deepStrictEqual<unknown>(Frames.json(stream), expected)
    for (const { data, event } of Frames.split(stream)) assert.propertyVal(JSON.parse(data), "type", event)
  })

  it("is understood by the official client", async () => {
    const message = await anthropic(stream)
      .messages.stream({ ...ask, max_tokens: 100 })
      .finalMessage()
    assert.deepStrictEqual(
      message.content.map((block) => (block.type === "tool_use" ? [block.name, block.input] : block.type)),
      ["thinking", "text", ["look", { city: "Rome" }], ["find", JSON.parse(INPUT_B)]],
    )
    assert.strictEqual(message.stop_reason, "tool_use")
    assert.deepInclude(message.usage, { input_tokens: 8, cache_read_input_tokens: 4, output_tokens: 9 })
  })

  it("goes on with a call as long as it is not complete, however long that takes", () => {
    const writer = messages.makeEventWriter(Frames.options)
    const write = (event: AnswerEvent) => writer.write(event)
    write({ type: "toolCallStarted", call: 0, kind: "function", id: "a", name: "f" })
    assert.include(write({ type: "toolCallDelta", call: 0, arguments: '{"a":"}"' }), "partial_json")
    assert.strictEqual(write({ type: "toolCallStarted", call: 1, kind: "function", id: "b", name: "g" }), "")
    assert.strictEqual(write({ type: "toolCallDelta", call: 1, arguments: "{}" }), "")
    assert.strictEqual(write({ type: "textDelta", text: "Done." }), "")
    const rest = write({ type: "toolCallDelta", call: 0, arguments: "}" })
    assert.deepStrictEqual(
      Frames.split(rest).map(({ event }) => event),
      [
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
      ],
    )
    assert.include(rest, "Done.")
  })

  it("says that a refusal is one", () => {
    const stream = Frames.stream(messages, Frames.options, [
      { type: "refusalDelta", text: "No." },
      { type: "finished", finish: "stop" },
    ])
    assert.include(stream, '"stop_reason":"refusal"')
    assert.include(stream, '"explanation":"No."')
  })
})

describe("the stream of Responses", () => {
  const stream = Frames.stream(responses, Frames.options, told)

  it("tells of each item from its beginning to its end, in sequence", () => {
    type Event = OpenAI.Responses.ResponseStreamEvent
    const read = Frames.json(stream)
    for (const [index, event] of read.entries()) assert.propertyVal(event, "sequence_number", index)
    const message = { type: "message", id: "msg_req_1_1", role: "assistant" } as const
    const text = { type: "output_text", text: "Let me look.", annotations: [], logprobs: [] } as const
    const place = { item_id: "msg_req_1_1", output_index: 1, content_index: 0 }
    const expected: ReadonlyArray<Event> = [
      {
        type: "response.output_item.added",
        sequence_number: 8,
        output_index: 1,
        item: { ...message, status: "in_progress", content: [] },
      },
      {
        type: "response.content_part.added",
        sequence_number: 9,
        ...place,
        part: { ...text, annotations: [], logprobs: [], text: "" },
      },
      { type: "response.output_text.delta", sequence_number: 10, ...place, delta: "Let me", logprobs: [] },
      { type: "response.output_text.delta", sequence_number: 11, ...place, delta: " look.", logprobs: [] },
      { type: "response.output_text.done", sequence_number: 12, ...place, text: "Let me look.", logprobs: [] },
      {
        type: "response.content_part.done",
        sequence_number: 13,
        ...place,
        part: { ...text, annotations: [], logprobs: [] },
      },
      {
        type: "response.output_item.done",
        sequence_number: 14,
        output_index: 1,
        item: { ...message, status: "completed", content: [{ ...text, annotations: [], logprobs: [] }] },
      },
      {
        type: "response.output_item.added",
        sequence_number: 15,
        output_index: 2,
        item: {
          type: "function_call",
          id: "fc_req_1_2",
          status: "in_progress",
          call_id: "call_a",
          name: "look",
          arguments: "",
        },
      },
    ]
    assert.deepStrictEqual<unknown>(read.slice(8, 16), expected)
    assert.strictEqual(Frames.split(stream).at(-1)?.event, "response.completed")
    for (const { data, event } of Frames.split(stream)) assert.propertyVal(JSON.parse(data), "type", event)
  })

  it("is understood by the official client, whose last response is the whole of it", async () => {
    const response = await openai(stream).responses.stream({ model: "m", input: "Hi" }).finalResponse()
    assert.deepStrictEqual(
      response.output.map((item) => (item.type === "function_call" ? [item.name, item.arguments] : item.type)),
      ["reasoning", "message", ["look", INPUT_A], ["find", INPUT_B]],
    )
    assert.strictEqual(response.output_text, "Let me look.")
    assert.deepInclude(response, { status: "completed", id: "resp_req_1" })
    assert.strictEqual(response.usage?.input_tokens, 12)
  })

  it("repeats what the request asked for", () => {
    const request = Frames.request({
      tools: [{ kind: "function", name: "f", parameters: { type: "object" } }],
      toolChoice: { type: "tool", kind: "function", name: "f" },
      sampling: { temperature: 0.5 },
      maxTokens: 10,
      metadata: { a: "b" },
      parallelTools: false,
    })
    const stream = Frames.stream(responses, { ...Frames.options, request }, told)
    const [created] = Frames.json(stream)
    assert.deepNestedInclude(created, {
      "response.status": "in_progress",
      "response.usage": null,
      "response.temperature": 0.5,
      "response.top_p": 1,
      "response.max_output_tokens": 10,
      "response.metadata": { a: "b" },
      "response.parallel_tool_calls": false,
      "response.tool_choice": { type: "function", name: "f" },
      "response.tools": [
        { type: "function", name: "f", description: null, parameters: { type: "object" }, strict: false },
      ],
      "response.text": { format: { type: "text" } },
    })
  })

  it("says why an answer is not complete", () => {
    for (const [finish, reason] of [
      ["length", "max_output_tokens"],
      ["contextLength", "max_output_tokens"],
      ["contentFilter", "content_filter"],
    ] as const) {
      const stream = Frames.stream(responses, Frames.options, [
        { type: "textDelta", text: "a" },
        { type: "finished", finish },
      ])
      const last = Frames.json(stream).at(-1)
      assert.deepNestedInclude(last, {
        type: "response.incomplete",
        "response.status": "incomplete",
        "response.incomplete_details": { reason },
      })
    }
  })
})

describe("every stream", () => {
  it("fits the schemas of its events", () => {
    const schemas = {
      "chat/completions": ChatCompletion.ChatCompletionChunk,
      responses: ResponseAnswer.ResponseEvent,
      messages: Message.MessageEvent,
    }
    const refused: ReadonlyArray<AnswerEvent> = [
      { type: "refusalDelta", text: "No." },
      { type: "reasoningSigned", signature: "s", redacted: true },
      { type: "toolCallStarted", call: 0, kind: "custom", id: "c", name: "patch" },
      { type: "toolCallDelta", call: 0, arguments: "x" },
      { type: "finished", finish: "length" },
    ]
    for (const dialect of all) {
      const isEvent = Schema.is(schemas[dialect.name])
      for (const events of [told, refused]) {
        for (const json of Frames.json(Frames.stream(dialect, Frames.options, events))) {
          assert.isTrue(isEvent(json), JSON.stringify(json))
        }
      }
    }
    assert.isFalse(Schema.is(schemas.responses)({ type: "response.output_text.delta", delta: 1 }))
    assert.isFalse(Schema.is(schemas.messages)({ type: "message_start" }))
  })

  it("has nothing after its end, nor after an error", () => {
    for (const dialect of all) {
      const writer = dialect.makeEventWriter(Frames.options)
      writer.write({ type: "textDelta", text: "a" })
      const failed = writer.fail("provider_closed_early", { message: "Cut off." })
      assert.lengthOf(Frames.split(failed), 1)
      assert.include(failed, "Cut off.")
      assert.notInclude(failed, "[DONE]")
      assert.strictEqual(writer.write({ type: "textDelta", text: "b" }), "")
      const other = dialect.makeEventWriter(Frames.options)
      other.write({ type: "finished", finish: "stop" })
      assert.strictEqual(other.write({ type: "textDelta", text: "late" }), "")
      assert.strictEqual(other.write({ type: "finished", finish: "length" }), "")
      assert.notInclude(other.end(), "late")
    }
  })

  it("tells of an error in a way that the official clients throw", async () => {
    const cut = (dialect: (typeof all)[number]) => {
      const writer = dialect.makeEventWriter(Frames.options)
      return writer.write({ type: "textDelta", text: "a" }) + writer.fail("provider_stalled")
    }
    const failure = async (run: Promise<unknown>): Promise<unknown> =>
      run.then(
        () => undefined,
        (error: unknown) => error,
      )
    const fromChat = await failure(openai(cut(chat)).chat.completions.stream(ask).finalChatCompletion())
    assert.instanceOf(fromChat, OpenAI.APIError)
    assert.strictEqual(fromChat.code, "provider_stalled")
    const stream = openai(cut(responses)).responses.stream({ model: "m", input: "Hi" })
    const fromResponses = await failure(stream.finalResponse())
    assert.instanceOf(fromResponses, OpenAI.APIError)
    assert.strictEqual(fromResponses.code, "provider_stalled")
    const fromMessages = await failure(
      anthropic(cut(messages))
        .messages.stream({ ...ask, max_tokens: 9 })
        .finalMessage(),
    )
    assert.instanceOf(fromMessages, Anthropic.APIError)
    assert.strictEqual(fromMessages.type, "timeout_error")
  })
})

describe("OpenRouter's client, which checks every member", () => {
  const answer = Frames.collect(told)

  it("reads Chat", async () => {
    const chunks = await openrouter(Frames.stream(chat, Frames.options, told)).chat.send({
      chatRequest: { ...ask, stream: true },
    })
    let said = ""
    let thought = ""
    assert(Symbol.asyncIterator in chunks)
    for await (const { choices } of chunks) {
      said += choices[0]?.delta.content ?? ""
      thought += choices[0]?.delta.reasoning ?? ""
    }
    assert.deepStrictEqual([said, thought], ["Let me look.", "Hm."])
    const client = openrouter(chat.writeAnswer(answer, Frames.options), "application/json")
    const read = await client.chat.send({ chatRequest: { ...ask, stream: false } })
    assert("choices" in read)
    assert.strictEqual(read.choices[0]?.message.reasoning, "Hm.")
  })

  it("reads Responses", async () => {
    const events = await openrouter(Frames.stream(responses, Frames.options, told)).beta.responses.send({
      responsesRequest: { model: "m", input: "Hi", stream: true },
    })
    let last: string | undefined
    assert(Symbol.asyncIterator in events)
    for await (const event of events) last = event.type
    assert.strictEqual(last, "response.completed")
    const client = openrouter(responses.writeAnswer(answer, Frames.options), "application/json")
    const read = await client.beta.responses.send({
      responsesRequest: { model: "m", input: "Hi", stream: false },
    })
    assert("output" in read)
    assert.lengthOf(read.output, 4)
  })
})

describe("a whole answer", () => {
  const answer = Frames.collect(told)

  it("is understood by the official clients", async () => {
    const completion = await openai(
      chat.writeAnswer(answer, Frames.options),
      "application/json",
    ).chat.completions.create(ask)
    assert.deepInclude(completion.choices[0]?.message, { content: "Let me look.", refusal: null })
    const response = await openai(responses.writeAnswer(answer, Frames.options), "application/json").responses.create({
      model: "m",
      input: "Hi",
    })
    assert.strictEqual(response.output_text, "Let me look.")
    const written = messages.writeAnswer(answer, Frames.options, { usage: { cost: 1 }, members: { guildhall: {} } })
    assert.include(written, `"input":${INPUT_B}`)
    const message = await anthropic(written, "application/json").messages.create({ ...ask, max_tokens: 9 })
    assert.strictEqual(message.stop_reason, "tool_use")
    assert.propertyVal(message.usage, "cost", 1)
    assert.property(message, "guildhall")
  })

  it("fits the schemas", () => {
    const isChat = Schema.is(ChatCompletion.ChatCompletion)
    const isMessage = Schema.is(Message.Message)
    const isResponse = Schema.is(ResponseAnswer.Response)
    assert.isTrue(isChat(JSON.parse(chat.writeAnswer(answer, Frames.options))))
    assert.isTrue(isMessage(JSON.parse(messages.writeAnswer(answer, Frames.options))))
    assert.isTrue(isResponse(JSON.parse(responses.writeAnswer(answer, Frames.options))))
  })
})
