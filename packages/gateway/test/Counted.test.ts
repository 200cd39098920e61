import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Endpoint } from "@guildhall/core/Endpoint"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"

/** What is reported where the provider lies: as much as the request allows. */
const LIE = 960
/** Tokens that leave no bytes, for each choice and for each call. */
const SILENT_TOKENS = 8
const TOOL_TOKENS = 32

let lane: FaultLane.FaultLane
beforeAll(async () => {
  lane = await FaultLane.start()
})
afterAll(async () => {
  await lane.books()
  await lane.close()
})

interface Asked {
  readonly buyer?: Speech.Dialect
  readonly more?: object
}

/** What a buyer gets and is billed, where a provider of that dialect answers so. */
const billed = async (
  provider: Speech.Dialect,
  given: string | object,
  { buyer = provider, more = {} }: Asked = {},
) => {
  const stream = typeof given === "string"
  const plan = stream ? Plan.stream(given) : Plan.whole(200, JSON.stringify(given))
  const { model } = await lane.provide({ always: plan }, { dialect: provider })
  const limit = buyer === "responses" ? "max_output_tokens" : "max_tokens"
  const body = { ...Speech.request(buyer, { model, stream }), [limit]: 2_000, ...more }
  const { status, text } = await FaultLane.visit(lane.port, buyer, body).answer
  await lane.idle()
  const ended = (await lane.ended()).find(({ receipt }) => receipt.model === model)
  return { status, text, tokens: ended?.receipt.usage.outputToken, source: ended?.receipt.usageSource }
}

const data = (json: unknown) => `data: ${JSON.stringify(json)}\n\n`
const sse = (events: ReadonlyArray<object>) =>
  events.map((event) => `event: ${String(Reflect.get(event, "type"))}\n${data(event)}`).join("")

const chatUsage = (tokens: number) => ({ prompt_tokens: 5, completion_tokens: tokens, total_tokens: 5 + tokens })
const typedUsage = (tokens: number) => ({ input_tokens: 5, output_tokens: tokens, total_tokens: 5 + tokens })

/** Events of Chat, each a list of choices, and the end of them. */
const chatStream = (events: ReadonlyArray<ReadonlyArray<object>>, tokens: number, finish = "stop") =>
  [...events, [{ index: 0, delta: {}, finish_reason: finish }]]
    .map((choices) => data({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices }))
    .concat(
      data({ id: "c", object: "chat.completion.chunk", choices: [], usage: chatUsage(tokens) }),
      "data: [DONE]\n\n",
    )
    .join("")
const chatDelta = (delta: object, index = 0) => [{ index, delta, finish_reason: null }]
const chatWhole = (messages: ReadonlyArray<object>, tokens: number) => ({
  id: "c",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: messages.map((message, index) => ({
    index,
    message: { role: "assistant", content: null, ...message },
    finish_reason: "stop",
  })),
  usage: chatUsage(tokens),
})

const message = { id: "msg_1", type: "message", role: "assistant", model: "m" }
const messagesWhole = (content: ReadonlyArray<object>, tokens: number) => ({
  ...message,
  content,
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: typedUsage(tokens),
})
const messagesStream = (events: ReadonlyArray<object>, tokens: number) =>
  sse([
    { type: "message_start", message: { ...message, content: [], usage: typedUsage(1) } },
    ...events,
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: tokens } },
    { type: "message_stop" },
  ])
const block = (index: number, content_block: object) => ({ type: "content_block_start", index, content_block })
const blockDelta = (index: number, delta: object) => ({ type: "content_block_delta", index, delta })

const response = (output: ReadonlyArray<object>, tokens: number) => ({
  id: "resp_1",
  object: "response",
  created_at: 1,
  model: "m",
  status: "completed",
  error: null,
  output,
  usage: typedUsage(tokens),
})
const responsesStream = (events: ReadonlyArray<object>, tokens: number) =>
  sse([
    { type: "response.created", response: { ...response([], 0), status: "in_progress", usage: null } },
    ...events,
    { type: "response.completed", response: response([], tokens) },
  ])
const piece = (name: string, delta: string) => ({ type: `response.${name}.delta`, output_index: 0, delta })

const PAD = "x".repeat(400)
const ARGUMENTS = '{"city":"Copenhagen","days":12}'

describe("a tool call", () => {
  const empty = Array.from({ length: 30 }, () => ({}))
  const nameless = Array.from({ length: 10 }, (_, index) => index)

  it.each([
    ["chat/completions", chatStream([chatDelta({ content: "hi" }), chatDelta({ tool_calls: empty })], LIE)],
    ["chat/completions", chatWhole([{ content: "hi", tool_calls: empty }], LIE)],
    [
      "messages",
      messagesStream(
        [
          block(0, { type: "text", text: "hi" }),
          ...nameless.map((index) => block(index + 1, { type: "tool_use", id: `t${index}`, input: {} })),
        ],
        LIE,
      ),
    ],
    ["messages", messagesWhole([{ type: "text", text: "hi" }, ...nameless.map(() => ({ type: "tool_use" }))], LIE)],
    [
      "responses",
      responsesStream(
        [
          piece("output_text", "hi"),
          ...nameless.map((index) => ({
            type: "response.output_item.added",
            output_index: index + 1,
            item: { type: "function_call" },
          })),
        ],
        LIE,
      ),
    ],
    [
      "responses",
      response(
        [
          { type: "message", content: [{ type: "output_text", text: "hi" }] },
          ...nameless.map(() => ({ type: "function_call", name: "" })),
        ],
        LIE,
      ),
    ],
  ] as const)("without a name costs nothing, %s", async (dialect, answer) => {
    const { source, tokens } = await billed(dialect, answer)
    assert.deepStrictEqual({ source, tokens }, { source: "bounded", tokens: 2 + SILENT_TOKENS })
  })

  /** Two calls, a character at a time, in turns. */
  const pieces = [...ARGUMENTS].flatMap((character) =>
    [0, 1].map((index) => chatDelta({ tool_calls: [{ index, function: { arguments: character } }] })),
  )
  const begins = [0, 1].map((index) =>
    chatDelta({
      tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name: "weather", arguments: "" } }],
    }),
  )
  const bytes = 2 * ("weather".length + ARGUMENTS.length)

  it.each(["chat/completions", "messages", "responses"] as const)(
    "counts once, in however many pieces it comes, to %s",
    async (buyer) => {
      const honest = await billed("chat/completions", chatStream([...begins, ...pieces], 90, "tool_calls"), { buyer })
      assert.deepInclude(honest, { status: 200, source: "reported", tokens: 90 })
      const lied = await billed("chat/completions", chatStream([...begins, ...pieces], LIE, "tool_calls"), { buyer })
      assert.deepInclude(lied, { source: "bounded", tokens: bytes + SILENT_TOKENS + 2 * TOOL_TOKENS })
    },
  )

  it("counts where all of them have one place and ids of their own, and not where its name is repeated", async () => {
    const call = (id: string) =>
      chatDelta({ tool_calls: [{ index: 0, id, type: "function", function: { name: "now", arguments: "{}" } }] })
    const { tokens } = await billed("chat/completions", chatStream([call("a"), call("b"), call("b"), call("b")], LIE))
    assert.strictEqual(tokens, 4 * "now{}".length + SILENT_TOKENS + 2 * TOOL_TOKENS)
  })

  it("is one of 128 at most that are more than their bytes", async () => {
    const tool_calls = Array.from({ length: 200 }, (_, index) => ({ index, function: { name: "f" } }))
    const { tokens } = await billed("chat/completions", chatWhole([{ tool_calls }], 9_000), {
      more: { max_tokens: 10_000 },
    })
    assert.strictEqual(tokens, 200 + SILENT_TOKENS + 128 * TOOL_TOKENS)
  })
})

describe("what the buyer is not shown costs nothing", () => {
  const hi = 2 + SILENT_TOKENS
  const second = { index: 1, delta: { content: PAD }, finish_reason: null }
  const twice = [...chatDelta({ content: "hi" }), ...chatDelta({ content: PAD })]
  const text = { type: "text", text: "" }
  const said = blockDelta(0, { type: "text_delta", text: "hi" })

  it.each([
    [
      "a choice that was not asked for, to Messages",
      chatStream([chatDelta({ content: "hi" }), [second]], LIE),
      "messages",
    ],
    ["a choice that was not asked for", chatStream([chatDelta({ content: "hi" }), [second]], LIE), undefined],
    ["the same choice twice in an event", chatStream([twice], LIE), undefined],
    ["the same choice twice in an event, to Responses", chatStream([twice], LIE), "responses"],
    [
      "twenty choices for one",
      chatWhole(
        ["hi", ...Array(19).fill(PAD)].map((content) => ({ content })),
        LIE,
      ),
      undefined,
    ],
    ["two choices, to Messages", chatWhole([{ content: "hi" }, { content: PAD }], LIE), "messages"],
    ["a thought under two names", chatWhole([{ reasoning: "hi", reasoning_content: "hi" }], LIE), undefined],
  ] as const)("Chat: %s", async (_name, answer, buyer) => {
    const { source, status, tokens } = await billed("chat/completions", answer, buyer === undefined ? {} : { buyer })
    assert.deepStrictEqual({ source, status, tokens }, { source: "bounded", status: 200, tokens: hi })
  })

  it.each(["responses", "chat/completions"] as const)("Responses: a piece of another name, to %s", async (buyer) => {
    const answer = responsesStream([piece("output_text", "hi"), piece("padding", PAD)], LIE)
    const { source, text, tokens } = await billed("responses", answer, { buyer })
    assert.deepStrictEqual({ source, tokens }, { source: "bounded", tokens: hi })
    // What is not counted goes on all the same, where the bytes do.
    if (buyer === "responses") assert.strictEqual(text, answer)
  })

  it.each(["messages", "chat/completions"] as const)(
    "Messages: pieces of other names or blocks, to %s",
    async (buyer) => {
      const answer = messagesStream(
        [
          block(0, text),
          said,
          blockDelta(0, { type: "pad_delta", text: PAD }),
          blockDelta(0, { text: PAD }),
          block(1, { type: "padding", text: PAD }),
          blockDelta(5, { type: "input_json_delta", partial_json: PAD }),
          { type: "content_block_stop", index: 0 },
        ],
        LIE,
      )
      const { source, text: shown, tokens } = await billed("messages", answer, { buyer })
      assert.deepStrictEqual({ source, tokens }, { source: "bounded", tokens: hi })
      if (buyer === "messages") assert.strictEqual(shown, answer)
    },
  )

  it("Messages: text of a block that never began", async () => {
    const answer = messagesStream([block(0, text), said, blockDelta(7, { type: "text_delta", text: PAD })], LIE)
    assert.strictEqual((await billed("messages", answer)).tokens, hi)
  })
})

describe("an honest answer is billed as it is reported", () => {
  const speech = (bytes: number) => Buffer.alloc(bytes, 1).toString("base64")
  const three = ["one", "two", "three"]
  const thought = { type: "reasoning", summary: [{ type: "summary_text", text: "hm" }] }
  const picture = { type: "image_generation_call", status: "completed", result: PAD }

  it.each<readonly [string, Speech.Dialect, string | object, number, object]>([
    [
      "three choices",
      "chat/completions",
      chatWhole(
        three.map((content) => ({ content })),
        9,
      ),
      9,
      { n: 3 },
    ],
    [
      "three choices in turns",
      "chat/completions",
      chatStream(
        three.flatMap((content, index) => [chatDelta({ content }, index), chatDelta({ content }, index)]),
        22,
      ),
      22,
      { n: 3 },
    ],
    [
      "three choices in each event",
      "chat/completions",
      chatStream([three.flatMap((content, index) => chatDelta({ content }, index))], 11),
      11,
      { n: 3 },
    ],
    ["choices that are not numbered", "chat/completions", chatStream([[{ delta: { content: PAD } }]], 400), 400, {}],
    ["a thought", "chat/completions", chatWhole([{ reasoning_content: PAD, content: "so" }], 402), 402, {}],
    ["a thought by its other name", "chat/completions", chatStream([chatDelta({ reasoning: PAD })], 400), 400, {}],
    ["a refusal", "chat/completions", chatWhole([{ refusal: PAD }], 400), 400, {}],
    [
      "sound",
      "chat/completions",
      chatWhole([{ audio: { id: "a", data: speech(15_000), transcript: "hello there" } }], 400),
      400,
      {},
    ],
    [
      "sound in pieces",
      "responses",
      responsesStream(
        [piece("audio", speech(15_000)), piece("audio.transcript", "hello "), piece("audio.transcript", "there")],
        400,
      ),
      400,
      {},
    ],
    ["a picture among its items", "responses", response([picture], 8), 8, {}],
    [
      "a thought and a call",
      "responses",
      response([thought, { type: "function_call", name: "now", arguments: ARGUMENTS }], 2 + 3 + 31 + 40),
      76,
      {},
    ],
    [
      "thoughts and a refusal in pieces",
      "responses",
      responsesStream([piece("reasoning_summary_text", PAD), piece("refusal", PAD)], 800),
      800,
      {},
    ],
    [
      "everything in the last event",
      "responses",
      sse([
        {
          type: "response.completed",
          response: response([{ type: "message", content: [{ type: "output_text", text: PAD }] }], 400),
        },
      ]),
      400,
      {},
    ],
    ["nothing to say", "responses", response([], 1), 1, {}],
    ["nothing to say", "messages", messagesWhole([], 1), 1, {}],
    [
      "a thought, a call in pieces and a text",
      "messages",
      messagesStream(
        [
          block(0, { type: "thinking", thinking: "" }),
          blockDelta(0, { type: "thinking_delta", thinking: PAD }),
          { type: "content_block_stop", index: 0 },
          block(1, { type: "tool_use", id: "t", name: "now", input: {} }),
          ...[...ARGUMENTS].map((partial_json) => blockDelta(1, { type: "input_json_delta", partial_json })),
          { type: "content_block_stop", index: 1 },
          block(2, { type: "text", text: "" }),
          blockDelta(2, { type: "text_delta", text: PAD }),
        ],
        2 * 400 + 3 + 31 + 40,
      ),
      874,
      {},
    ],
  ])("%s, %s", async (_name, dialect, answer, tokens, more) => {
    const got = await billed(dialect, answer, { more })
    assert.deepStrictEqual(
      { status: got.status, source: got.source, tokens: got.tokens },
      { status: 200, source: "reported", tokens },
    )
  })
})

describe("a prompt", () => {
  /** What is billed for a prompt of 85 bytes of which a provider says that it has so many tokens. */
  const asks = async () => {
    const { model, upstream } = await lane.provide({ always: Plan.whole(200, "") })
    return async (tokens: number) => {
      const usage = { prompt_tokens: tokens, completion_tokens: 2, total_tokens: tokens + 2 }
      upstream.use({ always: Plan.whole(200, JSON.stringify({ ...chatWhole([{ content: "hi" }], 2), usage })) })
      const body = { model, messages: [{ role: "user", content: "Hello" }], max_tokens: 50 }
      const { headers, status } = await FaultLane.visit(lane.port, "chat/completions", body).answer
      assert.strictEqual(status, 200)
      return Number(headers["x-guildhall-cost"]) * 1e6 - 2 * 2
    }
  }

  it("is billed as what is usual for its model and size, once that is known", async () => {
    const unknown = await asks()
    assert.approximately(await unknown(560), 560, 0.1)
    assert.approximately(await unknown(5_000), 512 + 32 + 85, 60)
    const ask = await asks()
    for (let seen = 0; seen < 80; seen++) assert.approximately(await ask(13), 13, 0.1)
    assert.isBelow(await ask(560), 140)
    assert.approximately(await ask(30), 30, 0.1)
    await lane.idle()
    const sources = (await lane.ended()).slice(-2).map(({ receipt }) => receipt.usageSource)
    assert.deepStrictEqual(sources, ["bounded", "reported"])
  })
})

describe("an answer that is none", () => {
  const usage = { prompt_tokens: 500, total_tokens: 500 }
  const asked: ReadonlyArray<readonly [Endpoint, object, ReadonlyArray<object>, object]> = [
    [
      "embeddings",
      { input: ["hi", "ho"] },
      [
        { data: [], usage },
        { data: [1], usage },
        { data: [{ embedding: [1] }], usage },
        { data: [{ embedding: [1] }, {}], usage },
        { data: [{ embedding: [1] }, { embedding: [] }], usage },
        { data: [{ embedding: [1] }, { embedding: {} }], usage },
        { data: [{ embedding: [1] }, { embedding: [1] }], error: { message: "oom" }, usage },
      ],
      { object: "list", data: [0, 1].map((index) => ({ object: "embedding", index, embedding: [0.5] })), usage },
    ],
    [
      "rerank",
      { query: "hi", documents: ["a"] },
      [
        { results: [], usage },
        { results: [null], usage },
        { results: [{}], usage },
        { results: [{ index: 0 }], usage },
        { results: [{ index: 1, relevance_score: 0.5 }], usage },
        { results: [{ index: 0, relevance_score: 0.5 }], error: "oom", usage },
      ],
      { results: [{ index: 0, relevance_score: 0.5 }], usage },
    ],
    [
      "images/generations",
      { prompt: "hi" },
      [{ data: [] }, { data: [{}] }, { data: [{ url: "" }] }, { data: [{ url: "x" }], error: { message: "oom" } }],
      { created: 1, data: [{ b64_json: "aGk=" }] },
    ],
    [
      "completions",
      { prompt: "hi" },
      [
        { choices: [], usage },
        { choices: [{}], usage },
        { choices: [], error: { message: "oom" }, usage },
      ],
      { object: "text_completion", choices: [{ index: 0, text: "ho", finish_reason: "stop" }], usage },
    ],
  ]
  it.each(asked)("of %s is asked for elsewhere, and not billed", async (endpoint, request, bad, good) => {
    for (const one of bad) {
      const inTurn = [one, good].map((answer) => Plan.whole(200, JSON.stringify(answer)))
      const { model } = await lane.provide({ inTurn }, { instances: 2, instance: { endpoints: [endpoint] } })
      const { headers, status, text } = await FaultLane.visit(lane.port, endpoint, { model, ...request }).answer
      assert.strictEqual(status, 200, text)
      assert.strictEqual(headers["x-guildhall-attempts"], "2", JSON.stringify(one))
      assert.strictEqual(text, JSON.stringify(good))
    }
    const { model } = await lane.provide(
      { always: Plan.whole(200, JSON.stringify(bad[0])) },
      { instance: { endpoints: [endpoint] } },
    )
    const { status } = await FaultLane.visit(lane.port, endpoint, { model, ...request }).answer
    assert.strictEqual(status, 502)
    await lane.idle()
    const ended = (await lane.ended()).filter(({ receipt }) => receipt.model === model)
    assert.isTrue(ended.every(({ receipt }) => receipt.charge === 0n))
  })

  it("of Chat is not billed, whatever it reports", async () => {
    for (const choices of [[], [1], [{ index: 0 }], [null, { index: 1, message: { content: "x" } }]]) {
      const { source, status, tokens } = await billed("chat/completions", { choices, usage: chatUsage(8) })
      assert.strictEqual(status, 502)
      assert.notOk(tokens)
      assert.notStrictEqual(source, "reported")
    }
  })

  it("of Responses may say so in its last event", async () => {
    const answer = sse([
      {
        type: "response.completed",
        response: { ...response([], LIE), error: { code: "server_error", message: "oom" } },
      },
    ])
    const { status, text } = await billed("responses", answer)
    assert.strictEqual(status, 502)
    assert.strictEqual(FaultLane.codeOf(text), "provider_error")
  })
})
