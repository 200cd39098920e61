/**
 * The official client `@anthropic-ai/sdk` on a running market, with providers that speak its dialect and providers that do
 * not.
 */
import Anthropic from "@anthropic-ai/sdk"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type * as Asked from "./Asked.ts"
import * as DialectProvider from "./DialectProvider.ts"
import { failure } from "./Errors.ts"
import * as Example from "./Example.ts"
import * as Matrix from "./Matrix.ts"
import * as Prompts from "./Prompts.ts"
import * as SdkMarket from "./SdkMarket.ts"
import * as Speaker from "./Speaker.ts"

let market: SdkMarket.SdkMarket
const matrix = Matrix.of("@anthropic-ai/sdk")

beforeAll(async () => {
  market = await SdkMarket.start()
}, 90_000)
afterAll(() => market?.close())

const connect = (options: { readonly key?: string; readonly maxRetries?: number } = {}) => {
  const wire = market.wire()
  const client = new Anthropic({
    apiKey: options.key ?? market.key,
    baseURL: market.url,
    maxRetries: options.maxRetries ?? 0,
    fetch: wire.fetch,
  })
  return { client, wire }
}

const ask = (dialect: Asked.Dialect, content: Anthropic.MessageParam["content"]) => ({
  model: market.model(dialect),
  messages: [{ role: "user" as const, content }],
  max_tokens: 500,
})

const told = (usage: Anthropic.Usage): SdkMarket.Told => {
  const cached = usage.cache_read_input_tokens ?? 0
  return { prompt: usage.input_tokens + cached, cached, output: usage.output_tokens }
}

const WORDS = DialectProvider.words(3).join("")
const COUNTED: SdkMarket.Told = { prompt: Speaker.PROMPT, cached: Speaker.CACHED, output: 3 }

const TOOL: Anthropic.Tool = { name: "weather", description: "Tells it", input_schema: Prompts.PARAMETERS }

const textOf = (message: Anthropic.Message): string =>
  message.content.map((block) => (block.type === "text" ? block.text : "")).join("")

describe("messages", () => {
  matrix.each("messages", "messages", async (dialect) => {
    const { client, wire } = connect()
    const answer = await client.messages.create(ask(dialect, "tokens=3"))
    assert.strictEqual(textOf(answer), WORDS)
    assert.strictEqual(answer.stop_reason, "end_turn")
    assert.strictEqual(answer.model, market.model(dialect))
    assert.deepStrictEqual(told(answer.usage), COUNTED)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("messages, streamed", "messages", async (dialect) => {
    const { client, wire } = connect()
    const stream = client.messages.stream(ask(dialect, "tokens=3"))
    const deltas: Array<string> = []
    stream.on("text", (delta) => deltas.push(delta))
    const answer = await stream.finalMessage()
    assert.deepStrictEqual(deltas, [...DialectProvider.words(3)])
    assert.strictEqual(answer.stop_reason, "end_turn")
    assert.deepStrictEqual(told(answer.usage), COUNTED)
    await market.settled(wire.id(), told(answer.usage))
  })

  for (const streamed of [false, true]) {
    matrix.each(`tools, there and back${streamed ? ", streamed" : ""}`, "messages", async (dialect) => {
      const { client, wire } = connect()
      const send = (body: Anthropic.MessageCreateParamsNonStreaming) =>
        streamed ? client.messages.stream(body).finalMessage() : client.messages.create(body)
      const question = { ...ask(dialect, "How is it in Rome?"), tools: [TOOL] }
      const first = await send(question)
      assert.strictEqual(first.stop_reason, "tool_use")
      const call = first.content.find((block) => block.type === "tool_use")
      assert(call !== undefined)
      assert.deepInclude(call, { name: "weather", input: { city: "Rome" } })
      await market.settled(wire.id(), told(first.usage))
      const result = { type: "tool_result" as const, tool_use_id: call.id, content: "sunny" }
      const turns: Array<Anthropic.MessageParam> = [
        ...question.messages,
        { role: "assistant", content: first.content },
        { role: "user", content: [result] },
      ]
      const second = await send({ ...question, messages: turns })
      assert.strictEqual(textOf(second), "It is sunny.")
      const asked = market.providers[dialect].asked()
      assert.deepStrictEqual(asked.calls, [{ id: call.id, name: "weather", arguments: DialectProvider.ARGUMENTS }])
      assert.deepStrictEqual(asked.results, ["sunny"])
      await market.settled(wire.id(), told(second.usage))
    })
  }

  matrix.each("structured output", "messages", async (dialect) => {
    const { client, wire } = connect()
    const answer = await client.messages.parse({
      ...ask(dialect, "How is it in Rome?"),
      output_config: { format: { type: "json_schema", schema: Prompts.SCHEMA } },
    })
    assert.isTrue(market.providers[dialect].asked().wantsJson)
    assert.deepStrictEqual(JSON.parse(textOf(answer)), DialectProvider.DATA)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("an image", "messages", async (dialect) => {
    const { client, wire } = connect()
    const data = Prompts.IMAGE.slice(Prompts.IMAGE.indexOf(",") + 1)
    const answer = await client.messages.create(
      ask(dialect, [
        { type: "text", text: "What is it?" },
        { type: "image", source: { type: "base64", media_type: "image/png", data } },
      ]),
    )
    assert.strictEqual(textOf(answer), `I see ${Prompts.IMAGE} `)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("abort in mid-stream", "messages", async (dialect) => {
    const { client, wire } = connect({ maxRetries: 2 })
    const stream = client.messages.stream(ask(dialect, "tokens=200 gap=10"))
    let words = 0
    stream.on("text", () => {
      words += 1
      if (words === 5) stream.abort()
    })
    await failure(stream.finalMessage(), Anthropic.APIUserAbortError)
    await Prompts.aborted(market, dialect, wire, words)
  })

  matrix.each("the provider breaks off", "messages", async (dialect) => {
    const { client, wire } = connect({ maxRetries: 2 })
    const stream = client.messages.stream(ask(dialect, "tokens=20 gap=30 cut"))
    let words = 0
    stream.on("text", () => void (words += 1))
    const error = await failure(stream.finalMessage(), Anthropic.APIError)
    assert.include(JSON.stringify(error.error), "provider_closed_early")
    assert.strictEqual(error.type, "api_error")
    await Prompts.truncated(market, wire, words)
  })
})

describe("errors", () => {
  const say = (client: Anthropic, content = "tokens=3") => client.messages.create(ask("messages", content))
  const codeOf = (error: InstanceType<typeof Anthropic.APIError>): string =>
    /"code":"(\w+)"/.exec(JSON.stringify(error.error))?.[1] ?? ""

  matrix.once("models", async () => {
    const { client } = connect()
    const found: Array<string> = []
    for await (const { id } of client.models.list()) found.push(id)
    assert.includeMembers(found, ["sdk/chat", "sdk/messages", "sdk/responses"])
    assert.strictEqual((await client.models.retrieve("sdk/messages")).id, "sdk/messages")
  })

  matrix.once("a key as `apiKey` and as `authToken`", async () => {
    const client = new Anthropic({ apiKey: null, authToken: market.key, baseURL: market.url, maxRetries: 0 })
    assert.strictEqual(textOf(await say(client)), WORDS)
  })

  matrix.once("errors of its own classes", async () => {
    const { client, wire } = connect({ maxRetries: 2 })
    const wrongKey = await failure(say(connect({ key: "sk-wrong" }).client), Anthropic.AuthenticationError)
    assert.deepStrictEqual([wrongKey.type, codeOf(wrongKey)], ["authentication_error", "invalid_api_key"])
    const unknown = client.messages.create({ ...ask("messages", "Hello"), model: "nobody/serves-this" })
    assert.strictEqual(codeOf(await failure(unknown, Anthropic.NotFoundError)), "model_not_found")
    const bad = client.messages.create({ ...ask("messages", "Hello"), max_tokens: -1 })
    const flaw = await failure(bad, Anthropic.BadRequestError)
    assert.strictEqual(flaw.type, "invalid_request_error")
    assert.match(flaw.requestID ?? "", /^req_/)
    const failed = await failure(say(client, "fail"), Anthropic.InternalServerError)
    assert.deepStrictEqual([failed.type, codeOf(failed)], ["api_error", "provider_error"])
    assert.deepStrictEqual(
      wire.answers.map(({ status }) => status),
      [404, 400, 502, 502, 502],
    )
  })

  matrix.once("a refusal of what needs counts, files or jobs", async () => {
    const { client } = connect()
    await failure(client.messages.countTokens(ask("messages", "Hello")), Anthropic.NotFoundError)
    await failure(client.messages.batches.list(), Anthropic.NotFoundError)
  })

  matrix.once("no funds: not asked again", async () => {
    const { key } = await market.buyer("poor", { amount: "0" })
    const { client, wire } = connect({ key, maxRetries: 2 })
    const error = await failure(say(client), Anthropic.APIError)
    assert.deepStrictEqual([error.status, error.type, codeOf(error)], [402, "billing_error", "insufficient_funds"])
    assert.lengthOf(wire.answers, 1)
  })

  matrix.once("a limit: asked again when it may be", async () => {
    const { key } = await market.buyer("busy", { terms: { limits: { concurrentRequests: 1 } } })
    await Prompts.whileBusy(market, key, async (free) => {
      const { client } = connect({ key })
      assert.strictEqual(codeOf(await failure(say(client), Anthropic.RateLimitError)), "too_many_concurrent")
      const { client: patient, wire } = connect({ key, maxRetries: 2 })
      const answer = say(patient)
      await Promise.all([answer.then(textOf), Prompts.refusedOnce(wire).then(free)])
      assert.deepStrictEqual(
        wire.answers.map(({ status }) => status),
        [429, 200],
      )
    })
  })

  matrix.once("`provider`, cost, explanation", async () => {
    const { client, wire } = connect()
    const own = { provider: { only: ["nobody"] } }
    const refused = client.messages.create({ ...ask("messages", "tokens=3"), ...own })
    assert.strictEqual(codeOf(await failure(refused, Anthropic.NotFoundError)), "not_in_only")
    const wishes = { usage: { include: true } }
    const answer = await client.messages.create(
      { ...ask("messages", "tokens=3"), ...wishes },
      { headers: { "X-Guildhall-Explain": "1" } },
    )
    const { charge } = await market.receipt(wire.id())
    const cost = Number(wire.answers.at(-1)?.headers.get("x-guildhall-cost"))
    assert.strictEqual(BigInt(Math.round(cost * 1e12)), BigInt(charge))
    assert.nestedPropertyVal(answer, "usage.cost", cost)
    assert.property(answer, "guildhall")
  })
})

describe("the page about clients", () => {
  it("has an example that runs", async () => {
    assert.strictEqual(await Example.run("@anthropic-ai/sdk", market), WORDS)
  })
  matrix.compare()
})

it("leaves books that balance", () => market.balances(), 30_000)
