/** Workers of AI Horde on a whole market: they join by its URL and an API key, serve buyers of OpenAI's API, and are paid. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { RunningMarket as Market } from "./RunningMarket.ts"
import * as HordeWorker from "./HordeWorker.ts"
import * as RunningMarket from "./RunningMarket.ts"

const PNG = Buffer.concat([Buffer.from("\u0089PNG\r\n\u001a\n", "latin1"), Buffer.alloc(2_000, 7)])

let market: Market
let key: string
const cleanups: Array<() => Promise<unknown>> = []
beforeAll(async () => {
  const home = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
    GUILDHALL_AGENT: "off",
  }
  market = await RunningMarket.start({ home, environment })
  cleanups.push(market.close)
  key = (await RunningMarket.issueKey(market, { name: "horde", role: "provider" })).secret
}, 60_000)
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const textWorker = async (name: string, model: string, script: HordeWorker.TextScript, count = 1) => {
  const worker = await HordeWorker.text({ url: market.url, apikey: key, name, model }, script)
  cleanups.push(worker.stop)
  await RunningMarket.listed(market, model, count)
  return worker
}

const chat = (model: string, content: string, more: object = {}) =>
  market.client().chat.completions.create({ model, messages: [{ role: "user", content }], ...more })

describe("G2 · workers of AI Horde", () => {
  it("serve chat, whole and streamed, and are paid for what the market counted", async () => {
    const jobs: Array<HordeWorker.TextJob> = []
    const worker = await textWorker("scribe one", "koboldcpp/tiny", async (job) => {
      jobs.push(job)
      return " Hello there.\n### Instruction:\nand more"
    })
    assert.match(worker.username, /^mem_.*#\d+$/)

    const { data: whole, response } = await chat("koboldcpp/tiny", "Hi", {
      max_tokens: 500,
      temperature: 0.5,
      stop: ["END"],
    }).withResponse()
    const id = response.headers.get("x-request-id") ?? ""
    const receipt = await RunningMarket.until("the receipt", () => RunningMarket.receipt(market, id, market.buyerKey))
    const { inputToken = 0, outputToken = 0 } = receipt.usage
    assert.isAbove(outputToken, 0)
    // 100 and 200 cents for a million tokens, in units of 10⁻¹² USD.
    assert.strictEqual(BigInt(receipt.charge), BigInt(inputToken) * 1_000_000n + BigInt(outputToken) * 2_000_000n)
    assert.isTrue(receipt.unattested)
    assert.strictEqual(whole.choices[0]?.message.content, "Hello there.")
    assert.strictEqual(whole.choices[0]?.finish_reason, "stop")
    const [first] = jobs
    assert.strictEqual(first?.payload.prompt, "\n### Instruction:\nHi\n### Response:\n")
    // No more than the worker makes, and what the buyer asked.
    assert.strictEqual(first?.payload.max_length, 80)
    assert.strictEqual(first?.payload.temperature, 0.5)
    assert.deepStrictEqual(first?.payload.stop_sequence, ["END", "### Instruction:", "### Response:"])

    let text = ""
    const stream = await market.client().chat.completions.create({
      model: "koboldcpp/tiny",
      messages: [{ role: "user", content: "Hi" }],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 60,
    })
    let tokens = 0
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ""
      tokens = chunk.usage?.completion_tokens ?? tokens
    }
    assert.strictEqual(text, "Hello there.")
    assert.isAbove(tokens, 0)
    await RunningMarket.until("both rewards", () => (worker.rewards.length === 2 ? true : undefined))
    assert.isAbove(worker.rewards[0] ?? 0, 0)

    const instances = await market.call("/v1/operator/instances")
    assert.include(JSON.stringify(instances.body), '"reach":{"_tag":"Pull"}')
    assert.notInclude(JSON.stringify(instances.body), "devicePublicKey")
  }, 60_000)

  it("answer n choices with a generation each", async () => {
    let count = 0
    await textWorker("scribe many", "koboldcpp/many", async () => `answer ${(count += 1)}`)
    const { choices } = await chat("koboldcpp/many", "Hi", { n: 3, max_tokens: 60 })
    assert.deepStrictEqual(
      choices.map(({ message }) => message.content),
      ["answer 1", "answer 2", "answer 3"],
    )
  }, 60_000)

  it("lose what they fault to another, and hear the real words for what is not theirs, is done, or is over", async () => {
    const model = "koboldcpp/shared"
    let faults = 0
    await textWorker("scribe bad", model, async () => {
      faults += 1
      return "faulted"
    })
    const good = await textWorker("scribe good", model, async () => "fine", 2)
    // Who is asked first is drawn, so it may take some requests until the bad one was.
    let served = 0
    while (faults === 0 || served < 4) {
      const { choices } = await chat(model, "Hi", { max_tokens: 60 })
      assert.strictEqual(choices[0]?.message.content, "fine")
      served += 1
      assert.isBelow(served, 60)
    }
    await RunningMarket.until("all rewards", () => (good.rewards.length === served ? true : undefined))

    const submit = (apikey: string, id: string, more: object = {}) =>
      HordeWorker.post(market.url, "/api/v2/generate/text/submit", apikey, { id, generation: "x", seed: 0, ...more })
    const unknown = await submit(key, "00000000-0000-4000-a000-000000000000")
    assert.deepStrictEqual([unknown.status, unknown.body.rc], [404, "InvalidJobID"])
    const stranger = await submit("0000000000", "00000000-0000-4000-a000-000000000000")
    assert.deepStrictEqual([stranger.status, stranger.body.rc], [401, "InvalidAPIKey"])
  }, 60_000)

  it("submit once: a second time is DuplicateGen, another member's is WrongCredentials, after the buyer left AbortedGen", async () => {
    const model = "koboldcpp/hand"
    const pop = (apikey = key) =>
      HordeWorker.post(market.url, "/api/v2/generate/text/pop", apikey, HordeWorker.textPop("by hand", model))
    const empty = await pop()
    assert.deepStrictEqual([empty.status, empty.body.id], [200, null])
    await RunningMarket.listed(market, model, 1)
    const submit = (id: unknown, apikey = key) =>
      HordeWorker.post(market.url, "/api/v2/generate/text/submit", apikey, { id, generation: "by hand", state: "ok" })

    const asked = chat(model, "Hi", { max_tokens: 60 })
    const { body } = await pop()
    const other = await RunningMarket.issueKey(market, { name: "other", role: "provider" })
    const stolen = await submit(body.id, other.secret)
    assert.deepStrictEqual([stolen.status, stolen.body.rc], [403, "WrongCredentials"])
    assert.strictEqual((await submit(body.id)).status, 200)
    assert.strictEqual((await asked).choices[0]?.message.content, "by hand")
    const again = await submit(body.id)
    assert.deepStrictEqual([again.status, again.body.rc], [400, "DuplicateGen"])

    const buyer = new AbortController()
    const left = market
      .client()
      .chat.completions.create(
        { model, messages: [{ role: "user", content: "Hi" }], max_tokens: 60 },
        { signal: buyer.signal },
      )
      .catch(() => undefined)
    const taken = await pop()
    assert.isString(taken.body.id)
    buyer.abort()
    await left
    const late = await RunningMarket.until("the market to hear of it", async () => {
      const reply = await submit(taken.body.id)
      return reply.status === 400 ? reply : undefined
    })
    assert.include(["AbortedGen", "DuplicateGen"], late.body.rc)
  }, 60_000)

  it("make images, uploaded to the gateway or inline, each address for one picture", async () => {
    const model = "stable_diffusion"
    const jobs: Array<HordeWorker.ImageJob> = []
    const worker = await HordeWorker.images({ url: market.url, apikey: key, name: "dreamer", model }, (job) => {
      jobs.push(job)
      return { bytes: PNG, inline: jobs.length % 2 === 0 }
    })
    cleanups.push(worker.stop)
    await RunningMarket.listed(market, model, 1)
    const { data: made, response } = await market
      .client()
      .images.generate({ model, prompt: "a hall", n: 2, size: "512x512" })
      .withResponse()
    const { data } = made
    const id = response.headers.get("x-request-id") ?? ""
    const receipt = await RunningMarket.until("the receipt", () => RunningMarket.receipt(market, id, market.buyerKey))
    assert.strictEqual(receipt.usage.image, 2)
    assert.strictEqual(receipt.charge, "40000000000")
    assert.deepStrictEqual(
      data?.map(({ b64_json }) => b64_json),
      [PNG.toString("base64"), PNG.toString("base64")],
    )
    const [first, second] = jobs
    assert.strictEqual(first?.payload.width, 512)
    assert.strictEqual(Number(second?.payload.seed), Number(first?.payload.seed) + 1)
    assert.deepStrictEqual(
      worker.replies.map(({ status }) => status),
      [200, 200],
    )
    assert.isAbove(worker.rewards[0] ?? 0, 0)
    const reused = await fetch(first?.r2_upload ?? "", { method: "PUT", body: Uint8Array.from(PNG) })
    assert.include([403, 404], reused.status)
    const tooLarge = await market
      .client()
      .images.generate({ model, prompt: "a hall", size: "2048x2048" as "1024x1024" })
      .catch((error: unknown) => error)
    assert.include(String(tooLarge), "pixels")
  }, 60_000)
})
