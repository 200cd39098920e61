/**
 * The client `ai` with `@ai-sdk/openai-compatible` on a running market, with providers that speak its dialect and providers
 * that do not.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import {
  APICallError,
  embedMany,
  generateText,
  jsonSchema,
  type LanguageModelUsage,
  Output,
  RetryError,
  isStepCount,
  streamText,
  tool,
} from "ai"
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
const matrix = Matrix.of("ai")

beforeAll(async () => {
  market = await SdkMarket.start()
}, 90_000)
afterAll(() => market?.close())

const connect = (options: { readonly key?: string } = {}) => {
  const wire = market.wire()
  const guildhall = createOpenAICompatible({
    name: "guildhall",
    baseURL: `${market.url}/v1`,
    apiKey: options.key ?? market.key,
    includeUsage: true,
    supportsStructuredOutputs: true,
    fetch: wire.fetch,
  })
  return { guildhall, wire }
}

const told = (usage: LanguageModelUsage): SdkMarket.Told => ({
  prompt: usage.inputTokens ?? 0,
  cached: usage.inputTokenDetails.cacheReadTokens ?? 0,
  output: usage.outputTokens ?? 0,
})

const WORDS = DialectProvider.words(3).join("")
const COUNTED: SdkMarket.Told = { prompt: Speaker.PROMPT, cached: Speaker.CACHED, output: 3 }

const ask = (dialect: Asked.Dialect, prompt: string, options: { readonly key?: string } = {}) => {
  const { guildhall, wire } = connect(options)
  return { wire, question: { model: guildhall(market.model(dialect)), prompt, maxOutputTokens: 500, maxRetries: 2 } }
}

describe("conversations", () => {
  matrix.each("generateText", "chat/completions", async (dialect) => {
    const { question, wire } = ask(dialect, "tokens=3")
    const { finishReason, text, usage } = await generateText(question)
    assert.strictEqual(text, WORDS)
    assert.strictEqual(finishReason, "stop")
    assert.deepStrictEqual(told(usage), COUNTED)
    await market.settled(wire.id(), told(usage))
  })

  matrix.each("streamText", "chat/completions", async (dialect) => {
    const { question, wire } = ask(dialect, "tokens=3")
    const result = streamText(question)
    const deltas: Array<string> = []
    for await (const delta of result.textStream) deltas.push(delta)
    assert.deepStrictEqual(deltas, [...DialectProvider.words(3)])
    const usage = await result.usage
    assert.deepStrictEqual(told(usage), COUNTED)
    await market.settled(wire.id(), told(usage))
  })

  const tools = (asked: Array<unknown>) => ({
    weather: tool({
      description: "Tells it",
      inputSchema: jsonSchema<{ city: string }>(Prompts.PARAMETERS),
      execute: async (input) => {
        asked.push(input)
        return "sunny"
      },
    }),
  })

  for (const streamed of [false, true]) {
    matrix.each(`tools, there and back${streamed ? ", streamed" : ""}`, "chat/completions", async (dialect) => {
      const { question, wire } = ask(dialect, "How is it in Rome?")
      const asked: Array<unknown> = []
      const both = { ...question, tools: tools(asked), stopWhen: isStepCount(2) }
      const result = streamed ? streamText(both) : await generateText(both)
      assert.strictEqual(await result.text, "It is sunny.")
      assert.deepStrictEqual(asked, [{ city: "Rome" }])
      const seen = market.providers[dialect].asked()
      assert.deepStrictEqual(seen.calls, [
        { id: Speaker.CALL_ID, name: "weather", arguments: DialectProvider.ARGUMENTS },
      ])
      assert.deepStrictEqual(seen.results, ["sunny"])
      const steps = await result.steps
      for (const [at, step] of steps.entries()) {
        const id = wire.answers[at]?.headers.get("x-request-id") ?? ""
        await market.settled(id, told(step.usage))
      }
      assert.lengthOf(wire.answers, 2)
    })
  }

  matrix.each("structured output", "chat/completions", async (dialect) => {
    const { question, wire } = ask(dialect, "How is it in Rome?")
    const schema = jsonSchema<typeof DialectProvider.DATA>(Prompts.SCHEMA)
    const { output, usage } = await generateText({ ...question, output: Output.object({ schema }) })
    assert.isTrue(market.providers[dialect].asked().wantsJson)
    assert.deepStrictEqual(output, DialectProvider.DATA)
    await market.settled(wire.id(), told(usage))
  })

  matrix.each("an image", "chat/completions", async (dialect) => {
    const { guildhall, wire } = connect()
    const { text, usage } = await generateText({
      model: guildhall(market.model(dialect)),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is it?" },
            { type: "file", data: Prompts.IMAGE.slice(Prompts.IMAGE.indexOf(",") + 1), mediaType: "image/png" },
          ],
        },
      ],
    })
    assert.strictEqual(text, `I see ${Prompts.IMAGE} `)
    await market.settled(wire.id(), told(usage))
  })

  matrix.each("abort in mid-stream", "chat/completions", async (dialect) => {
    const { question, wire } = ask(dialect, "tokens=200 gap=10")
    const controller = new AbortController()
    const result = streamText({ ...question, abortSignal: controller.signal, onError: () => {} })
    let words = 0
    let isAborted = false
    for await (const part of result.fullStream) {
      if (part.type === "text-delta" && part.text.startsWith("word")) words += 1
      if (words === 5) controller.abort()
      if (part.type === "abort") isAborted = true
    }
    assert.isTrue(isAborted)
    await Prompts.aborted(market, dialect, wire, 5)
  })

  matrix.each("the provider breaks off", "chat/completions", async (dialect) => {
    const { question, wire } = ask(dialect, "tokens=20 gap=30 cut")
    const result = streamText({ ...question, onError: () => {} })
    let words = 0
    const errors: Array<unknown> = []
    for await (const part of result.fullStream) {
      if (part.type === "text-delta" && part.text.startsWith("word")) words += 1
      if (part.type === "error") errors.push(part.error)
    }
    assert.lengthOf(errors, 1)
    assert.strictEqual(await result.finishReason.then((reason) => reason), "error")
    await Prompts.truncated(market, wire, words)
  })
})

describe("errors", () => {
  const say = (prompt = "tokens=3", options: { readonly key?: string; readonly model?: string } = {}) => {
    const { guildhall, wire } = connect(options)
    return { wire, run: () => generateText({ model: guildhall(options.model ?? "sdk/chat"), prompt, maxRetries: 2 }) }
  }
  const codeOf = (error: APICallError): string => /"code":"(\w+)"/.exec(error.responseBody ?? "")?.[1] ?? ""

  matrix.once("`embedMany`", async () => {
    const { guildhall, wire } = connect()
    const { embeddings, usage } = await embedMany({
      model: guildhall.embeddingModel("sdk/extras"),
      values: ["one", "two"],
    })
    assert.deepStrictEqual(embeddings, [Extras.VECTOR, Extras.VECTOR])
    await market.settled(wire.id(), { prompt: usage.tokens, output: 0 })
  })

  matrix.once("errors of its own classes", async () => {
    const wrongKey = await failure(say("tokens=3", { key: "sk-wrong" }).run(), APICallError)
    assert.deepStrictEqual([wrongKey.statusCode, codeOf(wrongKey)], [401, "invalid_api_key"])
    const unknown = await failure(say("tokens=3", { model: "nobody/serves-this" }).run(), APICallError)
    assert.deepStrictEqual([unknown.statusCode, codeOf(unknown)], [404, "model_not_found"])
    const { guildhall } = connect()
    const flawed = generateText({ model: guildhall("sdk/chat"), prompt: "Hello", maxOutputTokens: 1e15 })
    const flaw = await failure(flawed, APICallError)
    assert.deepStrictEqual([flaw.statusCode, codeOf(flaw)], [400, "invalid_request"])
  })

  matrix.once("no funds: not asked again", async () => {
    const { key } = await market.buyer("poor", { amount: "0" })
    const { run, wire } = say("tokens=3", { key })
    const error = await failure(run(), APICallError)
    assert.deepStrictEqual([error.statusCode, codeOf(error)], [402, "insufficient_funds"])
    assert.isFalse(error.isRetryable)
    assert.lengthOf(wire.answers, 1)
  })

  matrix.once("a limit: asked again when it may be", async () => {
    const { key } = await market.buyer("busy", { terms: { limits: { concurrentRequests: 1 } } })
    await Prompts.whileBusy(market, key, async (free) => {
      const { run, wire } = say("tokens=3", { key })
      const [{ text }] = await Promise.all([run(), Prompts.refusedOnce(wire).then(free)])
      assert.strictEqual(text, WORDS)
      assert.deepStrictEqual(
        wire.answers.map(({ status }) => status),
        [429, 200],
      )
    })
  })

  it("asks again whatever x-should-retry says, for it does not know it; each attempt is its own request", async () => {
    const { guildhall, wire } = connect()
    const attempt = generateText({ model: guildhall("sdk/chat"), prompt: "fail", maxRetries: 1 })
    const error = await failure(attempt, RetryError)
    assert.isTrue(APICallError.isInstance(error.lastError))
    assert.lengthOf(wire.answers, 2)
    for (const { headers, status } of wire.answers) {
      assert.deepStrictEqual([status, headers.get("x-should-retry")], [502, "true"])
      assert.strictEqual((await market.receipt(headers.get("x-request-id") ?? "")).charge, "0")
    }
  })

  matrix.once("`provider` in `providerOptions`, cost, explanation", async () => {
    const { question, wire } = ask("chat/completions", "tokens=3")
    const refused = generateText({ ...question, providerOptions: { guildhall: { provider: { only: ["nobody"] } } } })
    assert.strictEqual(codeOf(await failure(refused, APICallError)), "not_in_only")
    const { response } = await generateText({
      ...question,
      include: { responseBody: true },
      providerOptions: { guildhall: { usage: { include: true } } },
      headers: { "X-Guildhall-Explain": "1" },
    })
    const { charge } = await market.receipt(wire.id())
    const cost = Number(response.headers?.["x-guildhall-cost"])
    assert.strictEqual(BigInt(Math.round(cost * 1e12)), BigInt(charge))
    assert.nestedPropertyVal(response.body, "usage.cost", cost)
    assert.property(response.body, "guildhall")
  })
})

describe("the page about clients", () => {
  it("has an example that runs", async () => {
    assert.strictEqual(await Example.run("ai", market), WORDS)
  })
  matrix.compare()
})

it("leaves books that balance", () => market.balances(), 30_000)
