/**
 * An agent that asks for requests when it has room: it serves, survives a network that breaks, and loses what it has when it is
 * killed.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"
import * as UncalledAgent from "./UncalledAgent.ts"
import { read, words } from "./UncalledAgent.ts"

const MODEL = "scripted/pulled"

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const setUp = async () => {
  const { startAgent, ...running } = await UncalledAgent.setUp(cleanups, { model: MODEL, flags: ["--pull"] })
  return {
    ...running,
    startAgent: async (of: Parameters<typeof startAgent>[0] = {}) => {
      const agent = await startAgent(of)
      // It is listed a moment before it asks for the first time.
      await RunningMarket.until("it to ask", () => (agent.output().includes("Serving") ? true : undefined))
      await RunningMarket.listed(running.market, MODEL, 1)
      return agent
    },
  }
}
const ask = UncalledAgent.asking(MODEL)

describe("G2 · an agent that pulls", () => {
  it("serves streams side by side, token by token, hears of buyers who leave, and finishes what it has when it is stopped", async () => {
    const { engine, market, startAgent } = await setUp()
    const agent = await startAgent()
    const instances = await market.call("/v1/operator/instances")
    assert.include(JSON.stringify(instances.body), '"reach":{"_tag":"Pull"}')
    assert.strictEqual(await read(await ask(market, "tokens=3")), words(3))

    // The buyer has seen some of the answer while the rest is still being made.
    let active = 0
    const slow = ask(market, "tokens=60 gap=20").then((stream) =>
      read(stream, 5, () => (active = engine.counts.active)),
    )
    const quick = await Promise.all([1, 2, 3].map(async (count) => read(await ask(market, `tokens=${count}`))))
    assert.deepStrictEqual(quick, [words(1), words(2), words(3)])
    assert.strictEqual(await slow, words(60))
    assert.isAtLeast(active, 1)

    const buyer = new AbortController()
    const left = await ask(market, "tokens=400 gap=20", buyer.signal)
    await read(left, 3, () => buyer.abort()).catch(() => undefined)
    await RunningMarket.until("the engine to hear of it", () => (engine.counts.aborted === 1 ? true : undefined))

    const last = await ask(market, "tokens=40 gap=20")
    assert.strictEqual(await read(last, 3, () => void agent.kill("SIGINT")), words(40))
    assert.strictEqual(await agent.kill("SIGINT"), 0)
  }, 90_000)

  it("goes on with an answer where it was after its connections broke", async () => {
    const { engine, market, network, startAgent } = await setUp()
    await startAgent()
    const broken = await read(await ask(market, "tokens=80 gap=20"), 10, network.drop)
    assert.strictEqual(broken, words(80))
    // An answer that was finished while the connection was gone is not lost either.
    const finished = await read(await ask(market, "tokens=30 gap=5"), 10, async () => {
      network.open(false)
      network.drop()
      await RunningMarket.until("the engine to finish", () => (engine.counts.active === 0 ? true : undefined))
      network.open(true)
    })
    assert.strictEqual(finished, words(30))
    assert.strictEqual(engine.counts.aborted, 0)
  }, 90_000)

  it("loses its lease when it is killed: what had begun ends, what had not is served elsewhere", async () => {
    const { market, startAgent } = await setUp()
    const first = await startAgent()
    let error: unknown
    const begun = ask(market, "tokens=400 gap=20").then((stream) =>
      read(stream, 5, () => first.kill("SIGKILL")).catch((caught: unknown) => (error = caught)),
    )
    await begun
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual((error as InstanceType<typeof OpenAI.APIError>).code, "provider_closed_early")

    // The next one has taken a request and said nothing of it when it is killed.
    const silent = await ScriptedEngine.start(MODEL, "hang")
    cleanups.push(silent.close)
    const second = await startAgent({ backend: silent.url })
    const waiting = market.client().chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "tokens=4" }],
      max_tokens: 500,
    })
    await RunningMarket.until("the engine to be asked", () => (silent.counts.seen > 0 ? true : undefined), 30_000)
    const third = await startAgent()
    const killedAt = performance.now()
    await second.kill("SIGKILL")
    const { choices, usage } = await waiting
    assert.strictEqual(choices[0]?.message.content, words(4))
    assert.strictEqual(usage?.completion_tokens, 4)
    // Its lease ended before anybody else was asked.
    assert.isAtLeast(performance.now() - killedAt, 3_000)
    assert.strictEqual(await third.kill("SIGINT"), 0)
  }, 120_000)
})
