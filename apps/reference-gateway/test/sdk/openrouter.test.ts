/**
 * The official client `@openrouter/sdk` on a running market, with providers that speak its dialects and providers that do
 * not. It checks every answer by schemas of its own.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { HTTPClient, OpenRouter } from "@openrouter/sdk"
import type { ChatRequest, ChatResult, ChatStreamChunk, OpenResponsesResult } from "@openrouter/sdk/models"
import { OpenRouterError } from "@openrouter/sdk/models/errors"
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
const matrix = Matrix.of("@openrouter/sdk")

beforeAll(async () => {
  market = await SdkMarket.start()
}, 90_000)
afterAll(() => market?.close())

const connect = (options: { readonly key?: string } = {}) => {
  const wire = market.wire()
  const client = new OpenRouter({
    apiKey: options.key ?? market.key,
    serverURL: `${market.url}/v1`,
    httpClient: new HTTPClient({ fetcher: (input, init) => wire.fetch(input, init) }),
    // It would ask again for an hour, whatever `x-should-retry` says.
    retryConfig: { strategy: "none" },
  })
  return { client, wire }
}

type Question = Omit<ChatRequest, "stream">

const ask = (dialect: Asked.Dialect, content: string): Question => ({
  model: market.model(dialect),
  messages: [{ role: "user", content }],
  maxTokens: 500,
})

const whole = async (client: OpenRouter, chatRequest: Question): Promise<ChatResult> => {
  const answer = await client.chat.send({ chatRequest: { ...chatRequest, stream: false } })
  if (!("choices" in answer)) throw new Error("Not a whole answer.")
  return answer
}

const streamed = async (client: OpenRouter, chatRequest: Question): Promise<AsyncIterable<ChatStreamChunk>> => {
  const answer = await client.chat.send({ chatRequest: { ...chatRequest, stream: true } })
  if ("choices" in answer) throw new Error("Not a stream.")
  return answer
}

const told = (usage: ChatResult["usage"]): SdkMarket.Told => ({
  prompt: usage?.promptTokens ?? 0,
  cached: usage?.promptTokensDetails?.cachedTokens ?? 0,
  output: usage?.completionTokens ?? 0,
})

const WORDS = DialectProvider.words(3).join("")
const COUNTED: SdkMarket.Told = { prompt: Speaker.PROMPT, cached: Speaker.CACHED, output: 3 }

const TOOL = {
  type: "function" as const,
  function: { name: "weather", description: "Tells it", parameters: Prompts.PARAMETERS },
}

describe("chat completions", () => {
  matrix.each("chat", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const answer = await whole(client, ask(dialect, "tokens=3"))
    assert.strictEqual(answer.choices[0]?.message.content, WORDS)
    assert.strictEqual(answer.choices[0]?.finishReason, "stop")
    assert.deepStrictEqual(told(answer.usage), COUNTED)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("chat, streamed", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const question = { ...ask(dialect, "tokens=3"), streamOptions: { includeUsage: true } }
    const deltas: Array<string> = []
    let usage: ChatStreamChunk["usage"]
    for await (const chunk of await streamed(client, question)) {
      const text = chunk.choices[0]?.delta.content ?? ""
      if (text !== "") deltas.push(text)
      usage = chunk.usage ?? usage
    }
    assert.deepStrictEqual(deltas, [...DialectProvider.words(3)])
    assert.deepStrictEqual(told(usage), COUNTED)
    const { charge } = await market.settled(wire.id(), told(usage))
    assert.strictEqual(BigInt(Math.round((usage?.cost ?? 0) * 1e12)), BigInt(charge))
  })

  matrix.each("tools, there and back", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const question = { ...ask(dialect, "How is it in Rome?"), tools: [TOOL] }
    const first = await whole(client, question)
    const [choice] = first.choices
    assert(choice !== undefined)
    assert.strictEqual(choice.finishReason, "tool_calls")
    const call = choice.message.toolCalls?.[0]
    assert(call !== undefined)
    assert.deepStrictEqual(call.function, { name: "weather", arguments: DialectProvider.ARGUMENTS })
    await market.settled(wire.id(), told(first.usage))
    const second = await whole(client, {
      ...question,
      messages: [...question.messages, choice.message, { role: "tool", toolCallId: call.id, content: "sunny" }],
    })
    assert.strictEqual(second.choices[0]?.message.content, "It is sunny.")
    const asked = market.providers[dialect].asked()
    assert.deepStrictEqual(asked.calls, [{ id: call.id, name: "weather", arguments: DialectProvider.ARGUMENTS }])
    assert.deepStrictEqual(asked.results, ["sunny"])
    await market.settled(wire.id(), told(second.usage))
  })

  matrix.each("tools, there and back, streamed", "chat/completions", async (dialect) => {
    const { client } = connect()
    const question = { ...ask(dialect, "How is it in Rome?"), tools: [TOOL] }
    const call = { id: "", name: "", arguments: "" }
    for await (const chunk of await streamed(client, question)) {
      for (const delta of chunk.choices[0]?.delta.toolCalls ?? []) {
        call.id ||= delta.id ?? ""
        call.name += delta.function?.name ?? ""
        call.arguments += delta.function?.arguments ?? ""
      }
    }
    assert.deepStrictEqual(call, { id: call.id, name: "weather", arguments: DialectProvider.ARGUMENTS })
    const { id, ...named } = call
    let text = ""
    const next: Question = {
      ...question,
      messages: [
        ...question.messages,
        { role: "assistant", toolCalls: [{ id, type: "function", function: named }] },
        { role: "tool", toolCallId: id, content: "sunny" },
      ],
    }
    for await (const chunk of await streamed(client, next)) text += chunk.choices[0]?.delta.content ?? ""
    assert.strictEqual(text, "It is sunny.")
  })

  matrix.each("structured output", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const answer = await whole(client, {
      ...ask(dialect, "How is it in Rome?"),
      responseFormat: { type: "json_schema", jsonSchema: { name: "weather", strict: true, schema: Prompts.SCHEMA } },
    })
    assert.isTrue(market.providers[dialect].asked().wantsJson)
    assert.deepStrictEqual(JSON.parse(String(answer.choices[0]?.message.content)), DialectProvider.DATA)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("an image", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const answer = await whole(client, {
      ...ask(dialect, ""),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is it?" },
            { type: "image_url", imageUrl: { url: Prompts.IMAGE } },
          ],
        },
      ],
    })
    assert.strictEqual(answer.choices[0]?.message.content, `I see ${Prompts.IMAGE} `)
    await market.settled(wire.id(), told(answer.usage))
  })

  matrix.each("abort in mid-stream", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    await Prompts.hear(await streamed(client, ask(dialect, "tokens=200 gap=10")), { words: 0 }, 5)
    await Prompts.aborted(market, dialect, wire, 5)
  })

  matrix.each("the provider breaks off", "chat/completions", async (dialect) => {
    const { client, wire } = connect()
    const stream = await streamed(client, ask(dialect, "tokens=20 gap=30 cut"))
    const heard = { words: 0 }
    // An error of its own wants a number for a code; so it says that it cannot read the event, which is an error too.
    await failure(Prompts.hear(stream, heard), Error)
    await Prompts.truncated(market, wire, heard.words)
  })
})

describe("responses", () => {
  matrix.each("responses", "responses", async (dialect) => {
    const { client, wire } = connect()
    const responsesRequest = { model: market.model(dialect), input: "tokens=3", maxOutputTokens: 500, stream: false }
    const answer = (await client.responses.send({ responsesRequest })) as OpenResponsesResult
    const [item] = answer.output
    const [part] = item?.type === "message" && Array.isArray(item.content) ? item.content : []
    assert.strictEqual(part?.type === "output_text" ? part.text : undefined, WORDS)
    assert.strictEqual(answer.usage?.outputTokens, 3)
    await market.settled(wire.id(), COUNTED)
  })

  matrix.each("responses, streamed", "responses", async (dialect) => {
    const { client, wire } = connect()
    const responsesRequest = { model: market.model(dialect), input: "tokens=3", maxOutputTokens: 500 }
    const stream = await client.responses.send({ responsesRequest: { ...responsesRequest, stream: true } })
    if ("output" in stream) throw new Error("Not a stream.")
    const deltas: Array<string> = []
    for await (const event of stream) if (event.type === "response.output_text.delta") deltas.push(event.delta)
    assert.deepStrictEqual(deltas, [...DialectProvider.words(3)])
    await market.settled(wire.id(), COUNTED)
  })
})

describe("errors", () => {
  const say = (client: OpenRouter, content = "tokens=3", model = "sdk/chat") =>
    whole(client, { ...ask("chat/completions", content), model })
  const codeOf = (error: OpenRouterError) => [error.statusCode, /"code":"(\w+)"/.exec(error.body)?.[1]]

  matrix.once("embeddings", async () => {
    const { client, wire } = connect()
    const answer = await client.embeddings.generate({ requestBody: { model: "sdk/extras", input: ["one", "two"] } })
    if (typeof answer === "string") throw new Error(answer)
    assert.deepStrictEqual(
      answer.data.map(({ embedding }) => embedding),
      [Extras.VECTOR, Extras.VECTOR],
    )
    await market.settled(wire.id(), { prompt: answer.usage?.promptTokens ?? 0, output: 0 })
  })

  matrix.once("errors with the market's status and code", async () => {
    const { client } = connect()
    const wrongKey = await failure(say(connect({ key: "sk-wrong" }).client), OpenRouterError)
    assert.deepStrictEqual(codeOf(wrongKey), [401, "invalid_api_key"])
    const unknown = await failure(say(client, "tokens=3", "nobody/serves-this"), OpenRouterError)
    assert.deepStrictEqual(codeOf(unknown), [404, "model_not_found"])
    const bad = whole(client, { ...ask("chat/completions", "Hello"), maxTokens: -1 })
    assert.deepStrictEqual(codeOf(await failure(bad, OpenRouterError)), [400, "invalid_request"])
    const failed = await failure(say(client, "fail"), OpenRouterError)
    assert.deepStrictEqual(codeOf(failed), [502, "provider_error"])
  })

  it("cannot read the list of models, which has not all that its schema wants", async () => {
    const error = await failure(connect().client.models.list(), OpenRouterError)
    assert.strictEqual(error.name, "ResponseValidationError")
    assert.include(error.body, '"sdk/chat"')
  })

  it("has classes for its errors that want a number for a code, which OpenAI's clients do not", async () => {
    const error = await failure(say(connect({ key: "sk-wrong" }).client), OpenRouterError)
    assert.strictEqual(error.name, "ResponseValidationError")
  })

  matrix.once("no funds: not asked again", async () => {
    const { key } = await market.buyer("poor", { amount: "0" })
    const { client, wire } = connect({ key })
    assert.deepStrictEqual(codeOf(await failure(say(client), OpenRouterError)), [402, "insufficient_funds"])
    assert.lengthOf(wire.answers, 1)
  })

  matrix.once("a limit", async () => {
    const { key } = await market.buyer("busy", { terms: { limits: { concurrentRequests: 1 } } })
    await Prompts.whileBusy(market, key, async () => {
      const { client } = connect({ key })
      const error = await failure(say(client), OpenRouterError)
      assert.deepStrictEqual(codeOf(error), [429, "too_many_concurrent"])
      assert.strictEqual(error.headers.get("retry-after"), "1")
    })
  })

  matrix.once("`provider`, `models`, `usage.cost`", async () => {
    const { client, wire } = connect()
    const question = { ...ask("chat/completions", "tokens=3"), model: "nobody/serves-this", models: ["sdk/chat"] }
    const refused = whole(client, { ...ask("messages", "tokens=3"), provider: { only: ["nobody"] } })
    assert.deepStrictEqual(codeOf(await failure(refused, OpenRouterError)), [404, "not_in_only"])
    const answer = await whole(client, { ...question, provider: { maxPrice: { prompt: "2" }, sort: "price" } })
    assert.strictEqual(answer.choices[0]?.message.content, WORDS)
    assert.strictEqual((await market.receipt(wire.id())).outcome, "completed")
  })
})

describe("the page about clients", () => {
  it("has an example that runs", async () => {
    assert.strictEqual(await Example.run("@openrouter/sdk", market), WORDS)
  })
  matrix.compare()
})

it("leaves books that balance", () => market.balances(), 30_000)
