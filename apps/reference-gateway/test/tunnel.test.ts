/**
 * An agent that nobody can call: it opens a tunnel, serves through it, and survives what happens to its network.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import * as RunningMarket from "./RunningMarket.ts"
import * as UncalledAgent from "./UncalledAgent.ts"
import { read, words } from "./UncalledAgent.ts"

const MODEL = "scripted/tunnelled"

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const setUp = (args: ReadonlyArray<string> = []) =>
  UncalledAgent.setUp(cleanups, { model: MODEL, flags: ["--tunnel", "yes"], args })
const ask = UncalledAgent.asking(MODEL)

/** It is listed before its tunnel is open: the first request may come between the two. */
const serving = (market: RunningMarket.RunningMarket) =>
  RunningMarket.until("the agent to serve", async () => {
    await RunningMarket.listed(market, MODEL, 1)
    const stream = await ask(market, "tokens=1").catch(() => undefined)
    return stream === undefined ? undefined : read(stream)
  })

describe("an agent behind a tunnel", () => {
  it("serves streams side by side, hears of buyers who leave, and finishes what is under way when it is stopped", async () => {
    const { engine, market, network, startAgent } = await setUp()
    const agent = await startAgent()
    await serving(market)
    const instances = await market.call("/v1/operator/instances")
    assert.include(JSON.stringify(instances.body), '"reach":{"_tag":"Tunnel"}')
    assert.strictEqual(await read(await ask(market, "tokens=3")), words(3))

    const slow = ask(market, "tokens=60 gap=20").then((stream) => read(stream))
    const quick = await Promise.all([1, 2, 3].map(async (count) => read(await ask(market, `tokens=${count}`))))
    assert.deepStrictEqual(quick, [words(1), words(2), words(3)])
    assert.strictEqual(await slow, words(60))
    // Register, beats and the tunnel: the requests themselves needed no connection to the agent.
    assert.isAtMost(network.made(), 6)

    const buyer = new AbortController()
    const left = await ask(market, "tokens=400 gap=20", buyer.signal)
    await read(left, 3, () => buyer.abort()).catch(() => undefined)
    await RunningMarket.until("the engine to hear of it", () => (engine.counts.aborted === 1 ? true : undefined))

    const last = await ask(market, "tokens=40 gap=20")
    assert.strictEqual(await read(last, 3, () => void agent.kill("SIGINT")), words(40))
    assert.strictEqual(await agent.kill("SIGINT"), 0)
  }, 90_000)

  it("goes on where it was after its connection broke, or hung half open, in the middle of a stream", async () => {
    const { engine, market, network, startAgent } = await setUp()
    await startAgent()
    await serving(market)
    const broken = await read(await ask(market, "tokens=80 gap=20"), 10, network.drop)
    assert.strictEqual(broken, words(80))
    const hung = await read(await ask(market, "tokens=80 gap=20"), 10, network.hang)
    assert.strictEqual(hung, words(80))
    // An answer that was finished while the connection was gone is not lost either.
    // The engine may have closed the connection that nobody used while the other hung: that fails as it does for any agent.
    const stream = await RunningMarket.until("the engine to answer", () =>
      ask(market, "tokens=30 gap=5").catch(() => undefined),
    )
    const finished = await read(stream, 10, async () => {
      network.open(false)
      network.drop()
      await RunningMarket.until("the engine to finish", () => (engine.counts.active === 0 ? true : undefined))
      network.open(true)
    })
    assert.strictEqual(finished, words(30))
    assert.strictEqual(engine.counts.aborted, 0)
  }, 90_000)

  it("is given up after some seconds when it is killed, and serves again under the same name", async () => {
    const { market, startAgent } = await setUp()
    const agent = await startAgent()
    await serving(market)
    const startedAt = performance.now()
    let error: unknown
    await read(await ask(market, "tokens=400 gap=20"), 5, () => agent.kill("SIGKILL")).catch(
      (caught: unknown) => (error = caught),
    )
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual((error as InstanceType<typeof OpenAI.APIError>).code, "provider_closed_early")
    assert.isBelow(performance.now() - startedAt, 10_000)
    await startAgent({ home: agent.home })
    const text = await RunningMarket.until("the next agent to serve", () =>
      ask(market, "tokens=3")
        .then((stream) => read(stream))
        .catch(() => undefined),
    )
    assert.strictEqual(text, words(3))
  }, 90_000)

  it("dials again after the gateway was killed and started anew", async () => {
    const { environment, home, market, startAgent } = await setUp()
    await startAgent()
    await serving(market)
    const stream = await ask(market, "tokens=400 gap=20")
    await read(stream, 5, () => market.kill("SIGKILL")).catch(() => undefined)
    const again = await RunningMarket.start({ home, environment, port: Number(new URL(market.url).port) })
    cleanups.push(again.close)
    const text = await RunningMarket.until(
      "the agent to serve",
      () =>
        ask(again, "tokens=3")
          .then((stream) => read(stream))
          .catch(() => undefined),
      30_000,
    )
    assert.strictEqual(text, words(3))
  }, 120_000)

  it("is asked by every process on the port, wherever its tunnel ends", async () => {
    const { market, startAgent } = await setUp(["--workers", "2"])
    await startAgent()
    await serving(market)
    const once = async (): Promise<string> => {
      // A connection of its own, so that the kernel may hand it to either process.
      const response = await fetch(`${market.url}/v1/chat/completions`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${market.buyerKey}`,
          "content-type": "application/json",
          connection: "close",
        },
        body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "tokens=2" }] }),
      })
      return `${response.status} ${await response.text()}`
    }
    await RunningMarket.until("the first answer", async () => ((await once()).startsWith("200") ? true : undefined))
    // Both processes know of the other's tunnels half a second after they begin.
    await RunningMarket.until("both to answer, ten times in a row", async () => {
      for (let at = 0; at < 10; at += 1) if (!(await once()).startsWith("200")) return undefined
      return true
    })
  }, 90_000)
})
