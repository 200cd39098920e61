/**
 * The published `openai` client against a whole market: gateway, PostgreSQL, an agent, the demo model.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import * as RunningMarket from "./RunningMarket.ts"

const DEMO = "guildhall/demo-bigram"
const messages = [{ role: "user" as const, content: "Tell me of markets" }]

let market: RunningMarket.RunningMarket

beforeAll(async () => {
  const home = RunningMarket.makeHome()
  market = await RunningMarket.start({
    home,
    environment: { GUILDHALL_MARKET: RunningMarket.writeDefinition(home) },
  })
}, 90_000)

afterAll(() => market?.close())

const refusal = async (attempt: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
  const error: unknown = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof OpenAI.APIError)) throw new Error(`Expected an APIError, got ${String(error)}`)
  return error
}

describe("a market and the openai client", () => {
  it("lists the demo model, and says that it is one", async () => {
    const page = await market.client().models.list()
    const model = page.data.find((model) => model.id === DEMO)
    assert.isDefined(model)
    assert.strictEqual(model?.object, "model")
  })

  it("answers a completion with usage", async () => {
    const answer = await market.client().chat.completions.create({ model: DEMO, messages, max_tokens: 16 })
    assert.isString(answer.choices[0]?.message.content)
    assert.isAbove(answer.usage?.completion_tokens ?? 0, 0)
    assert.isAtMost(answer.usage?.completion_tokens ?? 17, 16)
  })

  it("streams, role first, one finish reason, no usage unless asked", async () => {
    const stream = await market
      .client()
      .chat.completions.create({ model: DEMO, messages, max_tokens: 16, stream: true })
    let text = ""
    let finishes = 0
    let first: string | undefined
    for await (const chunk of stream) {
      assert.isNotOk(chunk.usage)
      first ??= chunk.choices[0]?.delta.role
      text += chunk.choices[0]?.delta.content ?? ""
      if (chunk.choices[0]?.finish_reason != null) finishes += 1
    }
    assert.strictEqual(first, "assistant")
    assert.isAbove(text.length, 0)
    assert.strictEqual(finishes, 1)
  })

  it("adds usage to a stream that asks for it", async () => {
    const stream = await market.client().chat.completions.create({
      model: DEMO,
      messages,
      max_tokens: 16,
      stream: true,
      stream_options: { include_usage: true },
    })
    const usages: Array<number> = []
    for await (const chunk of stream) if (chunk.usage != null) usages.push(chunk.usage.completion_tokens)
    assert.strictEqual(usages.length, 1)
    assert.isAbove(usages[0] ?? 0, 0)
  })

  it("leaves a signed receipt that is charged as it is priced, and an explanation", async () => {
    const { response } = await market
      .client()
      .chat.completions.create({ model: DEMO, messages, max_tokens: 16 })
      .withResponse()
    const id = response.headers.get("x-request-id") ?? ""
    assert.match(id, /^req_[0-9a-f]{32}$/)
    const receipt = await RunningMarket.until("the receipt", async () => {
      const found = await market.call(`/v1/receipts/${id}`, { key: market.buyerKey })
      return found.status === 200 ? found.body : undefined
    })
    const { receipt: content } = receipt as {
      receipt: { outcome: string; charge: string; usage: Record<string, number> }
    }
    assert.strictEqual(content.outcome, "completed")
    // 100 and 200 cents for a million tokens are 1,000,000 and 2,000,000 units of 10⁻¹² USD a token.
    const { inputToken = 0, cachedInputToken = 0, outputToken = 0 } = content.usage
    assert.strictEqual(
      BigInt(content.charge),
      BigInt(inputToken + cachedInputToken) * 1_000_000n + BigInt(outputToken) * 2_000_000n,
    )
    const explained = await market.call(`/v1/requests/${id}/explain`, { key: market.buyerKey })
    assert.strictEqual(explained.status, 200)
    assert.include(JSON.stringify(explained.body), "LeastLoaded")
  })

  it("bills an aborted stream for what was delivered, and closes the upstream", async () => {
    const controller = new AbortController()
    const { data: stream, response } = await market
      .client()
      .chat.completions.create({ model: DEMO, messages, max_tokens: 2000, stream: true }, { signal: controller.signal })
      .withResponse()
    let chunks = 0
    try {
      for await (const _ of stream) if (++chunks === 3) controller.abort()
    } catch (error) {
      assert.instanceOf(error, OpenAI.APIUserAbortError)
    }
    const id = response.headers.get("x-request-id") ?? ""
    const receipt = await RunningMarket.until("the receipt", async () => {
      const found = await market.call(`/v1/receipts/${id}`, { key: market.buyerKey })
      return found.status === 200 ? found.body : undefined
    })
    const { receipt: content } = receipt as { receipt: { outcome: string; usage: { outputToken?: number } } }
    // The demo model is quick: the whole answer may have passed before the client's abort arrived.
    assert.include(["aborted", "completed"], content.outcome)
    assert.isAbove(content.usage.outputToken ?? 0, 0)
  })

  it("refuses a wrong key, an unknown model, bad JSON and an oversized body, each with its code", async () => {
    const wrongKey = await refusal(market.client("sk-wrong").chat.completions.create({ model: DEMO, messages }))
    assert.strictEqual(wrongKey.status, 401)
    assert.strictEqual(wrongKey.code, "invalid_api_key")

    const unknown = await refusal(market.client().chat.completions.create({ model: "nobody/serves-this", messages }))
    assert.strictEqual(unknown.status, 404)
    assert.strictEqual(unknown.code, "model_not_found")

    const bad = await fetch(`${market.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${market.buyerKey}`, "content-type": "application/json" },
      body: '{"model": "x", "messages": [',
    })
    assert.strictEqual(bad.status, 400)
    assert.strictEqual(((await bad.json()) as { error: { code: string } }).error.code, "invalid_json")

    const content = "a".repeat(11_000_000)
    const large = await refusal(
      market.client().chat.completions.create({ model: DEMO, messages: [{ role: "user", content }] }),
    )
    assert.strictEqual(large.status, 413)
    assert.strictEqual(large.code, "body_too_large")
  })
})
