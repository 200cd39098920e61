/**
 * `kill -9` in the middle of traffic: whatever dies, no buyer pays for what a crash took away, every served provider is paid,
 * and the books recompute.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import path from "node:path"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A market with an agent of a test's own in front of a scripted engine. */
const marketWithEngine = async () => {
  const engine = await ScriptedEngine.start(MODEL)
  cleanups.push(engine.close)
  const home = RunningMarket.makeHome()
  const environment = { GUILDHALL_MARKET: RunningMarket.writeDefinition(home), GUILDHALL_AGENT: "off" }
  const market = await RunningMarket.start({ home, environment })
  cleanups.push(market.close)
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  const agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
  cleanups.push(() => agent.kill("SIGKILL"))
  await RunningMarket.listed(market, MODEL, 1)
  return { engine, market, environment, agent, provider }
}

const ask = (market: RunningMarket.RunningMarket, script: string) =>
  market
    .client()
    .chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: script }],
      stream: true,
      max_tokens: 500,
    })
    .withResponse()

/** Reads a stream until `count` chunks of content have come. */
const take = async (
  stream: AsyncIterable<{ choices: ReadonlyArray<{ delta: { content?: string | null } }> }>,
  count: number,
) => {
  let seen = 0
  for await (const chunk of stream) if ((chunk.choices[0]?.delta.content ?? "") !== "" && ++seen === count) return
}

const verified = async (home: string) => {
  const { code, output } = await RunningMarket.guildhall(home, ["ledger", "verify"])
  assert.strictEqual(code, 0, output)
}

describe("after kill -9", () => {
  it("of the gateway during a stream, the buyer's hold is released, the provider's claim is paid, and the receipt says recovered", async () => {
    const { market, environment, agent, provider, engine } = await marketWithEngine()
    const before = await RunningMarket.balance(market, market.buyerKey)
    const { data: stream, response } = await ask(market, "tokens=40 gap=50")
    await take(stream, 3)
    await market.kill("SIGKILL")
    const id = response.headers.get("x-request-id") ?? ""

    const port = Number(new URL(market.url).port)
    const again = await RunningMarket.start({ home: market.home, environment, port })
    cleanups.push(again.close)
    assert.strictEqual(again.buyerKey, market.buyerKey)

    const receipt = await RunningMarket.until("the receipt of the claim", async () => {
      const found = await RunningMarket.receipt(again, id, again.operatorKey)
      return found !== undefined && found.paidFromLoss !== "0" ? found : undefined
    })
    assert.strictEqual(receipt.outcome, "recovered")
    assert.strictEqual(receipt.charge, "0")
    assert.strictEqual(await RunningMarket.balance(again, again.buyerKey), before)
    const accounts = await RunningMarket.accounts(again)
    assert.strictEqual(accounts.get("platform:loss"), -BigInt(receipt.paidFromLoss))
    assert.strictEqual(accounts.get(`accrual:platform:${provider.member}`), BigInt(receipt.paidFromLoss))
    assert.isAbove(engine.counts.seen, 0)
    await agent.kill("SIGTERM")
    await again.kill("SIGINT")
    await verified(again.home)
  }, 90_000)

  it("of the database during traffic, it comes back by itself, acknowledged charges are there, and the books recompute", async () => {
    const { market } = await marketWithEngine()
    const finished: Array<string> = []
    let stop = false
    const buyer = async (): Promise<void> => {
      while (!stop) {
        try {
          const { data: stream, response } = await ask(market, "tokens=5 gap=2")
          await take(stream, 1_000)
          finished.push(response.headers.get("x-request-id") ?? "")
        } catch {
          // Refused while the database is away: the buyer asks again.
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
    }
    const buyers = [buyer(), buyer(), buyer(), buyer()]
    await RunningMarket.until("some traffic", () => (finished.length > 20 ? true : undefined))
    const before = finished.length
    process.kill(RunningMarket.databasePid(market), "SIGKILL")
    await RunningMarket.until(
      "traffic after the crash",
      () => (finished.length > before + 20 ? true : undefined),
      30_000,
    )
    stop = true
    await Promise.all(buyers)
    for (const id of finished) {
      const receipt = await RunningMarket.until(`the receipt of ${id}`, () =>
        RunningMarket.receipt(market, id, market.operatorKey),
      )
      assert.include(["completed", "recovered"], receipt.outcome)
    }
    await RunningMarket.until("no hold left", async () => {
      const account = await RunningMarket.held(market, market.buyerKey)
      return account === 0n ? true : undefined
    })
    await market.kill("SIGINT")
    await verified(market.home)
  }, 120_000)

  it("of everything, the next start goes on with the same data", async () => {
    const { market, environment } = await marketWithEngine()
    const { data: stream } = await ask(market, "tokens=5")
    await take(stream, 1_000)
    const facts = readFileSync(path.join(market.home, "dev.json"), "utf8")
    const database = RunningMarket.databasePid(market)
    process.kill(database, "SIGKILL")
    await market.kill("SIGKILL")
    const again = await RunningMarket.start({ home: market.home, environment })
    cleanups.push(again.close)
    assert.strictEqual(again.buyerKey, (JSON.parse(facts) as { buyerKey: string }).buyerKey)
    await again.kill("SIGINT")
    await verified(again.home)
  }, 90_000)

  it("of everything, a market that says it is ready serves at once", async () => {
    const home = RunningMarket.makeHome()
    const environment = { GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm) }
    let market = await RunningMarket.start({ home, environment })
    cleanups.push(() => market.close())
    for (let round = 0; round < 3; round++) {
      process.kill(RunningMarket.databasePid(market), "SIGKILL")
      await market.kill("SIGKILL")
      market = await RunningMarket.start({ home, environment })
      // The registry still lists the provider of the killed market: being listed is not being there.
      const answer = await market.client().chat.completions.create({
        model: "guildhall/demo-bigram",
        max_tokens: 5,
        messages: [{ role: "user", content: "Hello" }],
      })
      assert.strictEqual(answer.choices.length, 1)
    }
  }, 90_000)
})
