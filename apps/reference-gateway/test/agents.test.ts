/**
 * Two agents, one model: the market goes on when one of them dies.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describe("two agents", () => {
  it("serve on when one is killed mid-request: its buyer gets an in-band error and pays for what came, the next is served by the other", async () => {
    const home = RunningMarket.makeHome()
    const market = await RunningMarket.start({
      home,
      environment: { GUILDHALL_MARKET: RunningMarket.writeDefinition(home), GUILDHALL_AGENT: "off" },
    })
    cleanups.push(market.close)
    const agents: Array<{
      agent: Awaited<ReturnType<typeof RunningMarket.startAgent>>
      engine: ScriptedEngine.ScriptedEngine
    }> = []
    for (const name of ["one", "two"]) {
      const engine = await ScriptedEngine.start(MODEL)
      cleanups.push(engine.close)
      const provider = await RunningMarket.issueKey(market, { name, role: "provider" })
      const agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
      cleanups.push(() => agent.kill("SIGKILL"))
      agents.push({ agent, engine })
    }
    await RunningMarket.listed(market, MODEL, 2)

    const ask = (script: string) =>
      market
        .client()
        .chat.completions.create({
          model: MODEL,
          messages: [{ role: "user", content: script }],
          stream: true,
          max_tokens: 500,
        })
        .withResponse()

    const { data: stream, response } = await ask("tokens=200 gap=20")
    let chunks = 0
    let error: unknown
    try {
      for await (const _ of stream) {
        if (++chunks === 5) {
          const serving = agents.find(({ engine }) => engine.counts.active > 0)
          assert.isDefined(serving)
          await serving?.agent.kill("SIGKILL")
        }
      }
    } catch (caught) {
      error = caught
    }
    assert.instanceOf(error, OpenAI.APIError)
    assert.strictEqual((error as InstanceType<typeof OpenAI.APIError>).code, "provider_closed_early")

    const id = response.headers.get("x-request-id") ?? ""
    const receipt = await RunningMarket.until("the receipt", () => RunningMarket.receipt(market, id, market.buyerKey))
    assert.strictEqual(receipt.outcome, "truncated")
    assert.isAtLeast(Number(receipt.usage.outputToken), 3)
    assert.isBelow(Number(receipt.usage.outputToken), 200)

    // The dead one is still listed for a moment: a request that meets it fails over before the first byte.
    for (let count = 0; count < 6; count++) {
      const next = await ask("tokens=3")
      let text = ""
      for await (const chunk of next.data) text += chunk.choices[0]?.delta.content ?? ""
      assert.strictEqual(text, "word0 word1 word2 ")
    }
    await RunningMarket.until("the dead instance to be offline", async () => {
      const states = await RunningMarket.instanceStates(market)
      return states.filter((state) => state === "online").length === 1 && states.includes("offline") ? true : undefined
    })
    await market.kill("SIGINT")
    const { code, output } = await RunningMarket.guildhall(home, ["ledger", "verify"])
    assert.strictEqual(code, 0, output)
  }, 90_000)
})
