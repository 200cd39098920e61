import { afterEach, assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { JournalEntry } from "@guildhall/journal"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const MODEL = TestLane.MODEL

/** The same question in each dialect. */
const questions: Readonly<Record<"chat/completions" | "responses" | "messages", object>> = {
  "chat/completions": { model: MODEL, messages: [{ role: "user", content: "hi" }], max_tokens: 50 },
  responses: { model: MODEL, input: "hi", max_output_tokens: 50 },
  messages: { model: MODEL, messages: [{ role: "user", content: "hi" }], max_tokens: 50 },
}

const sse = (events: ReadonlyArray<object>): string =>
  events.map((event) => `event: ${String(Reflect.get(event, "type"))}\ndata: ${JSON.stringify(event)}\n\n`).join("")

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "m",
  content: [{ type: "text", text: "good day" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 5, output_tokens: 2 },
}
const response = {
  id: "resp_1",
  object: "response",
  created_at: 1,
  model: "m",
  status: "completed",
  error: null,
  incomplete_details: null,
  output: [
    {
      type: "message",
      id: "msg_1",
      role: "assistant",
      status: "completed",
      content: [{ type: "output_text", text: "good day", annotations: [] }],
    },
  ],
  usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
}

/** The same answer in each dialect, whole and as a stream. */
const whole: Readonly<Record<keyof typeof questions, object>> = {
  "chat/completions": JSON.parse(Upstream.wholeBody("good day", { prompt: 5, completion: 2 })),
  responses: response,
  messages: message,
}
const streamed: Readonly<Record<keyof typeof questions, string>> = {
  "chat/completions": [
    Upstream.role,
    Upstream.delta("good "),
    Upstream.delta("day"),
    Upstream.finish,
    Upstream.usageEvent(5, 2),
    Upstream.done,
  ].join(""),
  responses: sse([
    { type: "response.created", sequence_number: 0, response: { ...response, status: "in_progress", output: [] } },
    {
      type: "response.output_item.added",
      sequence_number: 1,
      output_index: 0,
      item: { type: "message", id: "msg_1", role: "assistant", status: "in_progress", content: [] },
    },
    {
      type: "response.content_part.added",
      sequence_number: 2,
      output_index: 0,
      content_index: 0,
      item_id: "msg_1",
      part: { type: "output_text", text: "", annotations: [] },
    },
    {
      type: "response.output_text.delta",
      sequence_number: 3,
      output_index: 0,
      content_index: 0,
      item_id: "msg_1",
      delta: "good ",
    },
    {
      type: "response.output_text.delta",
      sequence_number: 4,
      output_index: 0,
      content_index: 0,
      item_id: "msg_1",
      delta: "day",
    },
    { type: "response.completed", sequence_number: 5, response },
  ]),
  messages: sse([
    {
      type: "message_start",
      message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 5, output_tokens: 1 } },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "ping" },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "good " } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "day" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 2 } },
    { type: "message_stop" },
  ]),
}

const names = ["chat/completions", "responses", "messages"] as const
const pairs = names.flatMap((buyer) => names.map((provider) => [buyer, provider] as const))

const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce(
    (inner: unknown, key) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  )

/** Where an answer, or an event of one, has its text. */
const places: Readonly<Record<keyof typeof questions, ReadonlyArray<string | number>>> = {
  "chat/completions": ["choices", 0, "message", "content"],
  responses: ["output", 0, "content", 0, "text"],
  messages: ["content", 0, "text"],
}
const pieces: Readonly<Record<keyof typeof questions, ReadonlyArray<string | number>>> = {
  "chat/completions": ["choices", 0, "delta", "content"],
  responses: ["delta"],
  messages: ["delta", "text"],
}

const deltas = (dialect: keyof typeof questions, text: string): string =>
  text
    .split("\n")
    .flatMap((line) => (line.startsWith("data: {") ? [at(JSON.parse(line.slice(6)), ...pieces[dialect])] : []))
    .filter((piece) => typeof piece === "string")
    .join("")

const ends: Readonly<Record<keyof typeof questions, string>> = {
  "chat/completions": "data: [DONE]\n\n",
  responses: '"type":"response.completed"',
  messages: '"type":"message_stop"',
}

const lane = async (provider: keyof typeof questions) => {
  const script: Upstream.Script = (response, seen) => {
    if (JSON.parse(seen.body).stream === true) {
      Upstream.streamHead(response)
      response.end(streamed[provider])
    } else {
      response.writeHead(200, { "content-type": "application/json" })
      response.end(JSON.stringify(whole[provider]))
    }
  }
  const started = await TestLane.withUpstream(script)
  started.lane.list(TestLane.instance("i0", started.upstream.url, { endpoints: [provider] }))
  return started
}

describe("a request that one dialect has no word for", () => {
  const asked = { ...questions["chat/completions"], logprobs: true }

  it("is served by the instance that speaks its own, and explained so", async () => {
    const { lane: gateway, upstream } = await lane("chat/completions")
    const other = await TestLane.upstream(Upstream.status(500, "must not be asked"))
    gateway.list(TestLane.instance("i1", other.url, { endpoints: ["messages"] }))
    for (let time = 0; time < 10; time++) {
      const answer = await gateway.chat(asked)
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.headers["x-guildhall-instance"], "ins_i0")
    }
    assert.lengthOf(upstream.seen, 10)
    assert.lengthOf(other.seen, 0)
    const entries = (await gateway.entries()).map(({ body }) =>
      Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(body),
    )
    for (const entry of entries) {
      if (entry._tag !== "RequestEnded") continue
      const tried = (entry.decision?.attempts ?? []).map(({ instance, reason }) => `${instance} ${reason ?? "served"}`)
      assert.strictEqual(tried.at(-1), "ins_i0 served")
      if (tried.length === 2) assert.strictEqual(tried[0], "ins_i1 unsupported_parameter")
    }
  })

  it("is refused with the member's name where nobody speaks it, free of charge", async () => {
    const { lane: gateway } = await lane("messages")
    const answer = await gateway.chat(asked)
    assert.strictEqual(answer.status, 400)
    const { code, param } = JSON.parse(answer.text).error
    assert.deepStrictEqual([code, param], ["unsupported_parameter", "logprobs"])
    assert.strictEqual((await gateway.books()).spent, 0n)
  })
})

describe("a buyer of one dialect and a provider of another", () => {
  it.each(pairs)("%s from %s: a whole answer", async (buyer, provider) => {
    const { lane: gateway, upstream } = await lane(provider)
    const answer = await gateway.send(JSON.stringify(questions[buyer]), {}, undefined, `/v1/${buyer}`)
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(at(JSON.parse(answer.text), ...places[buyer]), "good day")
    assert.strictEqual(upstream.seen[0]?.path, `/v1/${provider}`)
    if (buyer === provider) assert.strictEqual(answer.text, JSON.stringify(whole[provider]))
    assert.strictEqual((await gateway.books()).spent, 5n * TestLane.INPUT_UNIT + 2n * TestLane.OUTPUT_UNIT)
  })

  it.each(pairs)("%s from %s: a stream", async (buyer, provider) => {
    const { lane: gateway } = await lane(provider)
    const body = JSON.stringify({ ...questions[buyer], stream: true })
    const answer = await gateway.send(body, {}, undefined, `/v1/${buyer}`)
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(deltas(buyer, answer.text), "good day")
    assert.include(answer.text.slice(-2_500), ends[buyer])
    if (buyer === provider && buyer !== "chat/completions") assert.strictEqual(answer.text, streamed[provider])
    assert.strictEqual((await gateway.books()).spent, 5n * TestLane.INPUT_UNIT + 2n * TestLane.OUTPUT_UNIT)
  })

  it.each(names)("%s is refused in its own words", async (buyer) => {
    const { lane: gateway } = await lane("chat/completions")
    const answer = await gateway.send(
      JSON.stringify({ ...questions[buyer], model: "no/such" }),
      {},
      undefined,
      `/v1/${buyer}`,
    )
    assert.strictEqual(answer.status, 404)
    const body: unknown = JSON.parse(answer.text)
    assert.isString(at(body, "error", "message"))
    if (buyer === "messages") assert.strictEqual(at(body, "type"), "error")
  })

  it.each(pairs)("%s from %s: a stream that is cut ends with an error of its own", async (buyer, provider) => {
    const { lane: gateway, upstream } = await lane(provider)
    const text = streamed[provider]
    const cut = text.indexOf("day")
    upstream.script = (response) => {
      Upstream.streamHead(response).write(text.slice(0, cut), () => response.destroy())
    }
    const body = JSON.stringify({ ...questions[buyer], stream: true })
    const answer = await gateway.send(body, {}, undefined, `/v1/${buyer}`)
    assert.strictEqual(deltas(buyer, answer.text), "good ")
    assert.notInclude(answer.text, ends[buyer])
    assert.include(answer.text, "provider_closed_early")
    assert.isTrue(answer.text.endsWith("\n\n"))
    await gateway.books()
  })
})
