/**
 * What providers declare, on a whole market: buyers who insist on it are served by who declared it, others are told why
 * nobody serves them; and embeddings and rerank are charged as they are priced.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const CHAT = "org/chat"
const EMBED = "org/embedder"
const RERANK = "org/reranker"
const FLUX = "org/flux"
const WHISPER = "org/whisper"
const STRICT = {
  data_collection: "deny",
  quantizations: ["fp8", "bf16"],
  require_parameters: true,
} as const

let market: RunningMarket.RunningMarket
const cleanups: Array<() => Promise<unknown>> = []
let declaring: ScriptedEngine.ScriptedEngine
let listener: ScriptedEngine.ScriptedEngine
let silent: ScriptedEngine.ScriptedEngine

const join = async (name: string, engine: ScriptedEngine.ScriptedEngine, flags: ReadonlyArray<string>) => {
  cleanups.push(engine.close)
  const { secret } = await RunningMarket.issueKey(market, { name, role: "provider" })
  const agent = await RunningMarket.startAgent(market, { key: secret, backend: engine.url, flags })
  cleanups.push(() => agent.kill("SIGKILL"))
  return { agent, secret }
}

beforeAll(async () => {
  const home = RunningMarket.makeHome()
  market = await RunningMarket.start({
    home,
    environment: { GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm), GUILDHALL_AGENT: "off" },
  })
  cleanups.push(market.close)
  silent = await ScriptedEngine.start(CHAT, "echo=silent")
  await join("silent", silent, [])
  declaring = await ScriptedEngine.start(CHAT, "echo=declared")
  await join("declaring", declaring, [
    ...["--provider", "acme", "--quantization", "bf16", "--retains-data", "no"],
    ...["--parameters", "temperature,tools", "--context", "2048"],
  ])
  await RunningMarket.listed(market, CHAT, 2)
  const embedder = await ScriptedEngine.start(EMBED, "", {
    "/v1/embeddings": {
      object: "list",
      model: EMBED,
      data: [{ object: "embedding", index: 0, embedding: [0.25, -1] }],
      usage: { prompt_tokens: 6, total_tokens: 6 },
    },
  })
  await join("embedder", embedder, ["--model", EMBED, "--input-price", "50"])
  const reranker = await ScriptedEngine.start(RERANK, "", {
    "/v1/rerank": { results: [{ index: 1, relevance_score: 0.9 }], usage: { total_tokens: 9 } },
  })
  await join("reranker", reranker, ["--model", RERANK, "--input-price", "0", "--request-price", "200"])
  const painter = await ScriptedEngine.start(FLUX, "", {
    "/v1/images/generations": { created: 1, data: [{ url: "a" }] },
  })
  await join("painter", painter, ["--model", FLUX, "--input-price", "0", "--image-price", "4000"])
  listener = await ScriptedEngine.start(WHISPER, "", {
    "/v1/audio/transcriptions": { text: "Hello", usage: { type: "duration", seconds: 2.5 } },
  })
  await join("listener", listener, ["--model", WHISPER, "--audio-price", "100"])
  await RunningMarket.listed(market, FLUX, 1)
  await RunningMarket.listed(market, WHISPER, 1)
  await RunningMarket.listed(market, EMBED, 1)
  await RunningMarket.listed(market, RERANK, 1)
}, 120_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const ask = (provider: object, fields: object = {}) =>
  market.call("/v1/chat/completions", {
    key: market.buyerKey,
    body: { model: CHAT, messages: [{ role: "user", content: "tokens=2" }], max_tokens: 32, provider, ...fields },
  })

const codeOf = ({ body }: { readonly body: unknown }) => (body as { error: { code: string } }).error.code

describe("endpoints other than chat", () => {
  for (const [endpoint, model, body, charge] of [
    // 6 tokens at 50 cents a million, and one request at 200 cents a thousand, in USD of scale 12.
    ["embeddings", EMBED, { input: "six tokens" }, 6n * 500_000n],
    ["images/generations", FLUX, { prompt: "a", n: 1 }, 40_000_000_000n],
    ["rerank", RERANK, { query: "a", documents: ["b", "c"] }, 2_000_000_000n],
  ] as const) {
    it(`${endpoint} is served and charged in the ledger`, async () => {
      const before = await RunningMarket.balance(market, market.buyerKey)
      const answer = await market.call(`/v1/${endpoint}`, { key: market.buyerKey, body: { model, ...body } })
      assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
      const id = answer.headers.get("x-request-id") ?? ""
      const receipt = await RunningMarket.until("the receipt", () => RunningMarket.receipt(market, id, market.buyerKey))
      assert.strictEqual(BigInt(receipt.charge), charge)
      assert.strictEqual(receipt.outcome, "completed")
      await RunningMarket.until("the charge", async () =>
        before - (await RunningMarket.balance(market, market.buyerKey)) === charge ? true : undefined,
      )
    })
  }

  it("audio/transcriptions takes a form through gateway and agent, byte for byte but for the model", async () => {
    const before = await RunningMarket.balance(market, market.buyerKey)
    const form = new FormData()
    form.append("model", WHISPER)
    form.append("file", new Blob(["a recording ".repeat(300)], { type: "audio/wav" }), "a.wav")
    const response = await fetch(`${market.url}/v1/audio/transcriptions`, {
      method: "POST",
      headers: { authorization: `Bearer ${market.buyerKey}` },
      body: form,
    })
    assert.strictEqual(response.status, 200)
    assert.deepInclude(await response.json(), { text: "Hello" })
    assert.include(listener.bodies.at(-1), "a recording ".repeat(300))
    // Three seconds begun at 100 cents a thousand.
    await RunningMarket.until("the charge", async () =>
      before - (await RunningMarket.balance(market, market.buyerKey)) === 3_000_000_000n ? true : undefined,
    )
  })
})

describe("what a provider declares", () => {
  it("decides who serves a buyer that insists on it", async () => {
    const before = silent.counts.seen
    for (let count = 0; count < 4; count++) {
      const answer = await ask(STRICT, { temperature: 0.5 })
      assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
      const { choices } = answer.body as { choices: ReadonlyArray<{ message: { content: string } }> }
      assert.include(choices[0]?.message.content, "declared")
    }
    assert.strictEqual(silent.counts.seen, before)
    assert.strictEqual((await ask({ only: ["acme"] })).status, 200)
  })

  it("refuses by reason what nobody declared", async () => {
    const cases = [
      [{ ...STRICT, quantizations: ["fp4"] }, {}, "quantization_not_accepted"],
      [STRICT, { logit_bias: { "1": 1 } }, "parameter_not_supported"],
      [{ ...STRICT, only: ["other"] }, {}, "not_in_only"],
    ] as const
    for (const [provider, fields, code] of cases) {
      const refused = await ask(provider, fields)
      assert.isAtLeast(refused.status, 400)
      assert.strictEqual(codeOf(refused), code, JSON.stringify(refused.body))
    }
    const elsewhere = await market.call("/v1/embeddings", { key: market.buyerKey, body: { model: CHAT, input: "a" } })
    assert.strictEqual(codeOf(elsewhere), "endpoint_not_offered")
  })

  it("stands in the list of models", async () => {
    const { body } = await market.call(`/v1/models/${CHAT}`)
    assert.deepInclude(body, {
      endpoints: ["chat/completions"],
      quantizations: ["bf16"],
      supported_parameters: ["temperature", "tools"],
      context_length: 4096,
      pricing: { prompt: "0.000001", completion: "0.000002" },
      asset: "USD",
      providers: ["acme"],
      instances_online: 2,
      instances_without_retention: 1,
    })
    const other = await market.call(`/v1/models/${EMBED}`)
    assert.deepInclude(other.body, { endpoints: ["embeddings"], quantizations: [] })
    const priced = await market.call(`/v1/models/${encodeURIComponent(RERANK)}`)
    assert.deepInclude(priced.body, {
      endpoints: ["rerank"],
      pricing: { prompt: "0", completion: "0.000002", request: "0.002" },
    })
  })

  it("cannot take a name that is another member's", async () => {
    const engine = await ScriptedEngine.start("org/else")
    const { agent } = await join("rival", engine, ["--provider", "acme"])
    await RunningMarket.until("the rival's end", () => (/provider_name_taken/.test(agent.output()) ? true : undefined))
    assert.include(agent.output(), "--provider")
  })

  it("is replaced by the next registration", async () => {
    const engine = await ScriptedEngine.start("org/changing")
    cleanups.push(engine.close)
    const { secret } = await RunningMarket.issueKey(market, { name: "changing", role: "provider" })
    const home = RunningMarket.makeHome()
    const start = (flags: ReadonlyArray<string>) =>
      RunningMarket.startAgent(market, { key: secret, backend: engine.url, home, flags })
    const denying = () => ask({ data_collection: "deny" }, { model: "org/changing" })
    const first = await start([])
    cleanups.push(() => first.kill("SIGKILL"))
    await RunningMarket.listed(market, "org/changing", 1)
    assert.strictEqual(codeOf(await denying()), "data_retained")
    await first.kill("SIGTERM")
    const second = await start(["--retains-data", "no"])
    cleanups.push(() => second.kill("SIGKILL"))
    await RunningMarket.until("an answer", async () => ((await denying()).status === 200 ? true : undefined))
  })
})
