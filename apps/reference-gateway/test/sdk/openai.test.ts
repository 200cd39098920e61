/**
 * The official client `openai` on a running market, with providers that speak its dialects and providers that do not.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import OpenAI, { toFile } from "openai"
import type * as Asked from "./Asked.ts"
import * as DialectProvider from "./DialectProvider.ts"
import { failure } from "./Errors.ts"
import * as Example from "./Example.ts"
import * as Extras from "./Extras.ts"
import * as Matrix from "./Matrix.ts"
import * as Prompts from "./Prompts.ts"
import * as SdkMarket from "./SdkMarket.ts"
import * as Speaker from "./Speaker.ts"

let market: SdkMarket.SdkMarket
const matrix = Matrix.of("openai")

beforeAll(async () => {
  market = await SdkMarket.start()
}, 90_000)
afterAll(() => market?.close())

const connect = (options: { readonly key?: string; readonly maxRetries?: number } = {}) => {
  const wire = market.wire()
  const client = new OpenAI({
    apiKey: options.key ?? market.key,
    baseURL: `${market.url}/v1`,
    maxRetries: options.maxRetries ?? 0,
    fetch: wire.fetch,
  })
  return { client, wire }
}

const chatOf = (dialect: Asked.Dialect, content: string) => ({
  model: market.model(dialect),
  messages: [{ role: "user" as const, content }],
  max_tokens: 500,
})

const told = ({ completion_tokens, prompt_tokens, prompt_tokens_details }: OpenAI.CompletionUsage): SdkMarket.Told => ({
  prompt: prompt_tokens,
  cached: prompt_tokens_details?.cached_tokens ?? 0,
  output: completion_tokens,
})

const toldOfResponse = (usage: OpenAI.Responses.ResponseUsage): SdkMarket.Told => ({
  prompt: usage.input_tokens,
  cached: usage.input_tokens_details.cached_tokens,
  output: usage.output_tokens,
})

const WORDS = DialectProvider.words(3).join("")

/** What the providers say that they counted. */
const counted = (output: number): SdkMarket.Told => ({ prompt: Speaker.PROMPT, cached: Speaker.CACHED, output })

const TOOL = {
  type: "function" as const,
  function: { name: "weather", description: "Tells it", parameters: Prompts.PARAMETERS },
}

describe("chat completions", () => {
  matrix.each("chat", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const answer = await client.chat.completions.create(chatOf(dialect, "tokens=3"))
    const [choice] = answer.choices
    assert.strictEqual(choice?.message.content, WORDS)
    assert.strictEqual(choice?.finish_reason, "stop")
    assert.strictEqual(answer.model, market.model(dialect))
    assert(answer.usage !== undefined)
    assert.deepStrictEqual(told(answer.usage), counted(3))
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("chat, streamed", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const stream = client.chat.completions.stream({
      ...chatOf(dialect, "tokens=3"),
      stream_options: { include_usage: true },
    })
    const deltas: Array<string> = []
    stream.on("content", (delta) => deltas.push(delta))
    const answer = await stream.finalChatCompletion()
    assert.deepStrictEqual(deltas, [...DialectProvider.words(3)])
    assert.strictEqual(answer.choices[0]?.finish_reason, "stop")
    assert(answer.usage !== undefined)
    assert.deepStrictEqual(told(answer.usage), counted(3))
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("tools, there and back", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const question = { ...chatOf(dialect, "How is it in Rome?"), tools: [TOOL] }
    const first = await client.chat.completions.create(question)
    const [choice] = first.choices
    assert(choice !== undefined)
    assert.strictEqual(choice.finish_reason, "tool_calls")
    const call = choice.message.tool_calls?.[0]
    assert(call?.type === "function" && first.usage !== undefined)
    assert.deepStrictEqual(call.function, { name: "weather", arguments: DialectProvider.ARGUMENTS })
    await market.settled(wire.id(), told(first.usage))
    const second = await client.chat.completions.create({
      ...question,
      messages: [...question.messages, choice.message, { role: "tool", tool_call_id: call.id, content: "sunny" }],
    })
    assert.strictEqual(second.choices[0]?.message.content, "It is sunny.")
    const asked = market.providers[dialect].asked()
    assert.deepStrictEqual(asked.calls, [{ id: call.id, name: "weather", arguments: DialectProvider.ARGUMENTS }])
    assert.deepStrictEqual(asked.results, ["sunny"])
    assert(second.usage !== undefined)
    await market.settled(wire.id(), told(second.usage))
  })

  matrix.each("tools, there and back, streamed", "chat/completions", async (dialect) => {
    const { client } = connect()
    const asked: Array<unknown> = []
    const runner = client.chat.completions.runTools({
      ...chatOf(dialect, "How is it in Rome?"),
      stream: true,
      tools: [
        {
          type: "function",
          function: {
            ...TOOL.function,
            parse: JSON.parse,
            function: (input: unknown) => {
              asked.push(input)
              return "sunny"
            },
          },
        },
      ],
    })
    assert.strictEqual(await runner.finalContent(), "It is sunny.")
    assert.deepStrictEqual(asked, [{ city: "Rome" }])
  })

  matrix.each("structured output", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const answer = await client.chat.completions.parse({
      ...chatOf(dialect, "How is it in Rome?"),
      response_format: { type: "json_schema", json_schema: { name: "weather", strict: true, schema: Prompts.SCHEMA } },
    })
    assert.isTrue(market.providers[dialect].asked().wantsJson)
    assert.deepStrictEqual(JSON.parse(answer.choices[0]?.message.content ?? ""), DialectProvider.DATA)
    assert(answer.usage !== undefined)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("an image", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const answer = await client.chat.completions.create({
      ...chatOf(dialect, ""),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is it?" },
            { type: "image_url", image_url: { url: Prompts.IMAGE } },
          ],
        },
      ],
    })
    assert.strictEqual(answer.choices[0]?.message.content, `I see ${Prompts.IMAGE} `)
    assert(answer.usage !== undefined)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("abort in mid-stream", "chat/completions", async (dialect) => {
    const { client, wire } = connect({ maxRetries: 2 })
    const stream = await client.chat.completions.create({ ...chatOf(dialect, "tokens=200 gap=10"), stream: true })
    const heard = { words: 0 }
    await Prompts.hear(stream, heard, 5)
    await Prompts.aborted(market, dialect, wire, heard.words)
  })

  matrix.each("the provider breaks off", "chat/completions", async (dialect) => {
    const { client, wire } = connect({ maxRetries: 2 })
    const stream = await client.chat.completions.create({ ...chatOf(dialect, "tokens=20 gap=30 cut"), stream: true })
    const heard = { words: 0 }
    const error = await failure(Prompts.hear(stream, heard), OpenAI.APIError)
    assert.strictEqual(error.code, "provider_closed_early")
    await Prompts.truncated(market, wire, heard.words)
  })
})

describe("responses", () => {
  const ask = (dialect: Asked.Dialect, input: OpenAI.Responses.ResponseInput | string) => ({
    model: market.model(dialect),
    input,
    max_output_tokens: 500,
    store: false,
  })
  const tool = {
    type: "function" as const,
    name: "weather",
    description: "Tells it",
    strict: true,
    parameters: Prompts.PARAMETERS,
  }

  matrix.each("responses", "responses", async (dialect) => {
    const { client, wire } = connect()
    const answer = await client.responses.create(ask(dialect, "tokens=3"))
    assert.strictEqual(answer.output_text, WORDS)
    assert.strictEqual(answer.status, "completed")
    assert(answer.usage !== undefined)
    assert.deepStrictEqual(toldOfResponse(answer.usage), counted(3))
    await market.settled(wire.id(), toldOfResponse(answer.usage))
  })

  matrix.each("responses, streamed", "responses", async (dialect) => {
    const { client, wire } = connect()
    const stream = client.responses.stream(ask(dialect, "tokens=3"))
    const deltas: Array<string> = []
    stream.on("response.output_text.delta", ({ delta }) => deltas.push(delta))
    const answer = await stream.finalResponse()
    assert.deepStrictEqual(deltas, [...DialectProvider.words(3)])
    assert.strictEqual(answer.output_text, WORDS)
    assert(answer.usage !== undefined && answer.usage !== null)
    assert.deepStrictEqual(toldOfResponse(answer.usage), counted(3))
    await market.settled(wire.id(), toldOfResponse(answer.usage))
  })

  matrix.each("responses: tools, there and back, streamed", "responses", async (dialect) => {
    const { client, wire } = connect()
    const input = [{ role: "user" as const, content: "How is it in Rome?" }]
    const first = await client.responses.stream({ ...ask(dialect, input), tools: [tool] }).finalResponse()
    const call = first.output.find((item) => item.type === "function_call")
    assert(call !== undefined && first.usage !== undefined && first.usage !== null)
    assert.deepInclude(call, { name: "weather", arguments: DialectProvider.ARGUMENTS })
    await market.settled(wire.id(), toldOfResponse(first.usage))
    const { arguments: args, call_id, name } = call
    const second = await client.responses.create({
      ...ask(dialect, [
        ...input,
        { type: "function_call", call_id, name, arguments: args },
        { type: "function_call_output", call_id, output: "sunny" },
      ]),
      tools: [tool],
    })
    assert.strictEqual(second.output_text, "It is sunny.")
  })

  matrix.each("responses: structured output", "responses", async (dialect) => {
    const { client } = connect()
    const answer = await client.responses.create({
      ...ask(dialect, "How is it in Rome?"),
      text: { format: { type: "json_schema", name: "weather", strict: true, schema: Prompts.SCHEMA } },
    })
    assert.isTrue(market.providers[dialect].asked().wantsJson)
    assert.deepStrictEqual(JSON.parse(answer.output_text), DialectProvider.DATA)
  })

  matrix.each("responses: an image", "responses", async (dialect) => {
    const { client } = connect()
    const image = { type: "input_image" as const, detail: "auto" as const, image_url: Prompts.IMAGE }
    const answer = await client.responses.create(ask(dialect, [{ role: "user", content: [image] }]))
    assert.strictEqual(answer.output_text, `I see ${Prompts.IMAGE} `)
  })

  matrix.each("responses: abort in mid-stream", "responses", async (dialect) => {
    const { client, wire } = connect({ maxRetries: 2 })
    const stream = await client.responses.create({ ...ask(dialect, "tokens=200 gap=10"), stream: true })
    let words = 0
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") words += 1
      if (words === 5) break
    }
    await Prompts.aborted(market, dialect, wire, words)
  })

  matrix.each("responses: the provider breaks off", "responses", async (dialect) => {
    const { client, wire } = connect({ maxRetries: 2 })
    const stream = await client.responses.create({ ...ask(dialect, "tokens=20 gap=30 cut"), stream: true })
    let words = 0
    const reading = (async () => {
      for await (const event of stream) if (event.type === "response.output_text.delta") words += 1
    })()
    const error = await failure(reading, OpenAI.APIError)
    assert.strictEqual(error.code, "provider_closed_early")
    await Prompts.truncated(market, wire, words)
  })
})

describe("what is no conversation", () => {
  const model = "sdk/extras"

  matrix.once("completions", async () => {
    const { client, wire } = connect()
    const answer = await client.completions.create({ model, prompt: "Once", max_tokens: 50 })
    assert.strictEqual(answer.choices[0]?.text, Extras.TEXT)
    assert(answer.usage !== undefined)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.once("completions, streamed", async () => {
    const { client, wire } = connect()
    const options = { stream_options: { include_usage: true } }
    const stream = await client.completions.create({ model, prompt: "Once", max_tokens: 50, stream: true, ...options })
    let text = ""
    let usage: OpenAI.CompletionUsage | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? ""
      usage ??= chunk.usage
    }
    assert.strictEqual(text, Extras.TEXT)
    assert(usage !== undefined)
    await market.settled(wire.id(), told(usage))
  })

  matrix.once("embeddings", async () => {
    const { client, wire } = connect()
    // The client asks for base64 and unpacks it by itself.
    const answer = await client.embeddings.create({ model, input: ["one", "two"] })
    assert.deepStrictEqual(
      answer.data.map(({ embedding }) => [...embedding]),
      [Extras.VECTOR, Extras.VECTOR],
    )
    const plain = await client.embeddings.create({ model, input: "one", encoding_format: "float" })
    assert.deepStrictEqual(plain.data[0]?.embedding, Extras.VECTOR)
    await market.settled(wire.id(), { prompt: plain.usage.prompt_tokens, output: 0 })
  })

  matrix.once("images", async () => {
    const { client, wire } = connect()
    const answer = await client.images.generate({ model, prompt: "A forum" })
    assert.strictEqual(answer.data?.[0]?.b64_json, Extras.PICTURE)
    const { charge, usage } = await market.receipt(wire.id())
    assert.deepStrictEqual([usage["image"], BigInt(charge)], [1, SdkMarket.IMAGE])
  })

  matrix.once("transcriptions", async () => {
    const { client, wire } = connect()
    const file = await toFile(Buffer.from("RIFF"), "speech.wav", { type: "audio/wav" })
    const answer = await client.audio.transcriptions.create({ model, file })
    assert.strictEqual(answer.text, Extras.TEXT)
    assert.strictEqual((await market.receipt(wire.id())).outcome, "completed")
  })

  matrix.once("models", async () => {
    const { client } = connect()
    const found: Array<string> = []
    for await (const { id } of client.models.list()) found.push(id)
    assert.includeMembers(found, ["sdk/chat", "sdk/messages", "sdk/responses", "sdk/extras"])
    assert.strictEqual((await client.models.retrieve("sdk/chat")).id, "sdk/chat")
  })
})

describe("errors", () => {
  const say = (client: OpenAI, content = "tokens=3") =>
    client.chat.completions.create({ model: "sdk/chat", messages: [{ role: "user", content }], max_tokens: 50 })

  matrix.once("errors of its own classes", async () => {
    const { client, wire } = connect({ maxRetries: 2 })
    const wrongKey = await failure(say(connect({ key: "sk-wrong" }).client), OpenAI.AuthenticationError)
    assert.strictEqual(wrongKey.code, "invalid_api_key")
    const unknown = client.chat.completions.create({ model: "nobody/serves-this", messages: Prompts.HELLO })
    assert.strictEqual((await failure(unknown, OpenAI.NotFoundError)).code, "model_not_found")
    const bad = client.chat.completions.create({ model: "sdk/chat", messages: Prompts.HELLO, max_tokens: -1 })
    const flaw = await failure(bad, OpenAI.BadRequestError)
    assert.strictEqual(flaw.param, "max_tokens")
    assert.match(flaw.requestID ?? "", /^req_/)
    const failed = await failure(say(client, "fail"), OpenAI.InternalServerError)
    assert.strictEqual(failed.code, "provider_error")
    // What may pass is asked again when the market says so, and nothing else.
    assert.deepStrictEqual(
      wire.answers.map(({ status }) => status),
      [404, 400, 502, 502, 502],
    )
  })

  matrix.once("a refusal of what needs stored answers, files or jobs", async () => {
    const { client } = connect()
    const stored = client.responses.create({ model: "sdk/responses", input: "And?", previous_response_id: "resp_1" })
    assert.strictEqual((await failure(stored, OpenAI.BadRequestError)).code, "unsupported_parameter")
    await failure(client.files.list(), OpenAI.NotFoundError)
    await failure(client.batches.list(), OpenAI.NotFoundError)
    await failure(client.moderations.create({ input: "Hm" }), OpenAI.NotFoundError)
  })

  matrix.once("no funds: not asked again", async () => {
    const { key } = await market.buyer("poor", { amount: "0" })
    const { client, wire } = connect({ key, maxRetries: 2 })
    const error = await failure(say(client), OpenAI.APIError)
    assert.strictEqual(error.status, 402)
    assert.strictEqual(error.code, "insufficient_funds")
    assert.lengthOf(wire.answers, 1)
  })

  matrix.once("a limit: asked again when it may be", async () => {
    const { key } = await market.buyer("busy", { terms: { limits: { concurrentRequests: 1 } } })
    await Prompts.whileBusy(market, key, async (free) => {
      const { client } = connect({ key })
      const error = await failure(say(client), OpenAI.RateLimitError)
      assert.strictEqual(error.code, "too_many_concurrent")
      const { client: patient, wire } = connect({ key, maxRetries: 2 })
      const answer = say(patient)
      await Prompts.refusedOnce(wire)
      await free()
      assert.strictEqual((await answer).choices[0]?.message.content, WORDS)
      assert.deepStrictEqual(
        wire.answers.map(({ status }) => status),
        [429, 200],
      )
    })
  })
})

describe("the market's own", () => {
  matrix.once("`provider`, `models`, cost, explanation", async () => {
    const { client, wire } = connect()
    const extra = {
      models: ["sdk/chat"],
      provider: { max_price: { prompt: 2 }, allow_fallbacks: true },
      usage: { include: true },
    }
    const answer = await client.chat.completions.create(
      { ...chatOf("chat/completions", "tokens=3"), model: "nobody/serves-this", ...extra },
      { headers: { "X-Guildhall-Explain": "1" } },
    )
    const { charge } = await market.receipt(wire.id())
    const cost = wire.answers[0]?.headers.get("x-guildhall-cost")
    assert.strictEqual(BigInt(Math.round(Number(cost) * 1e12)), BigInt(charge))
    assert.nestedPropertyVal(answer, "usage.cost", Number(cost))
    assert.property(answer, "guildhall")
    const [seen] = market.providers["chat/completions"].seen.slice(-1)
    assert.notMatch(seen?.body.toString() ?? "", /provider|max_price|"models"/)
  })

  matrix.once("one answer for an `Idempotency-Key`", async () => {
    const { key } = await market.buyer("twice", {})
    const { client, wire } = connect({ key })
    const { seen } = market.providers["chat/completions"]
    const before = seen.length
    // The client's own option `idempotencyKey` sends nothing unless a header is named for it.
    const options = { headers: { "Idempotency-Key": "order-1" } }
    const ask = () => client.chat.completions.create(chatOf("chat/completions", "tokens=3 gap=100"), options)
    const [one, two] = await Promise.all([ask(), ask()])
    assert.deepStrictEqual(one, two)
    assert.strictEqual(seen.length, before + 1)
    assert.lengthOf(wire.answers, 2)
  })
})

describe("the page about clients", () => {
  it("has an example that runs", async () => {
    const said = await Example.run("openai", market)
    assert.strictEqual(said, WORDS)
  })
  matrix.compare()
})

it("leaves books that balance", () => market.balances(), 30_000)
