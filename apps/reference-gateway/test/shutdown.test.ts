/**
 * Ctrl-C while streams run: short ones end by themselves, long ones end in-band, everything delivered is billed, and nothing
 * is left behind.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import OpenAI from "openai"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"

let engine: ScriptedEngine.ScriptedEngine
let market: RunningMarket.RunningMarket
let environment: Record<string, string>
let agent: Awaited<ReturnType<typeof RunningMarket.startAgent>>

beforeAll(async () => {
  engine = await ScriptedEngine.start(MODEL)
  const home = RunningMarket.makeHome()
  environment = { GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm), GUILDHALL_AGENT: "off" }
  market = await RunningMarket.start({ home, environment })
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
  await RunningMarket.listed(market, MODEL, 1)
}, 90_000)

afterAll(async () => {
  await agent?.kill("SIGKILL")
  await market?.close()
  await engine?.close()
})

/** Asks for a stream and reads it to its end, good or bad. */
const listen = async (script: string) => {
  const { data: stream, response } = await market
    .client()
    .chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: script }],
      stream: true,
      max_tokens: 1000,
    })
    .withResponse()
  const id = response.headers.get("x-request-id") ?? ""
  const ended = (async () => {
    let chunks = 0
    try {
      for await (const chunk of stream) if ((chunk.choices[0]?.delta.content ?? "") !== "") chunks += 1
      return { id, chunks, error: undefined }
    } catch (error) {
      return { id, chunks, error }
    }
  })()
  return { id, ended }
}

describe("Ctrl-C while streams run", () => {
  it("lets a short one finish, ends a long one in-band within five seconds, and bills both for what was delivered", async () => {
    const short = await listen("tokens=20 gap=50")
    const long = await listen("tokens=400 gap=50")
    const began = performance.now()
    const stopped = market.kill("SIGINT")

    const [finished, cut] = await Promise.all([short.ended, long.ended])
    assert.isUndefined(finished.error)
    assert.strictEqual(finished.chunks, 20)
    if (!(cut.error instanceof OpenAI.APIError))
      return assert.fail(`Expected an error in the stream, got ${String(cut.error)}`)
    assert.strictEqual(cut.error.code, "shutting_down")
    assert.isAbove(cut.chunks, 20)
    assert.isBelow(cut.chunks, 400)

    assert.strictEqual(await stopped, 0)
    // A second of the five that are promised is npm's, which ends after the gateway.
    assert.isBelow(performance.now() - began, 4_200)
    // Neither the gateway nor the database is left; the agent here is the test's own.
    const left = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.includes(market.home) && !line.includes(TestProgram.of(TestProgram.agent)))
    assert.deepStrictEqual(left, [])

    const again = await RunningMarket.start({ home: market.home, environment, port: Number(new URL(market.url).port) })
    market = again
    const whole = await RunningMarket.until("the receipt of the short one", () =>
      RunningMarket.receipt(again, short.id, again.buyerKey),
    )
    assert.strictEqual(whole.outcome, "completed")
    assert.strictEqual(whole.usage["outputToken"], 20)
    const part = await RunningMarket.until("the receipt of the long one", () =>
      RunningMarket.receipt(again, long.id, again.buyerKey),
    )
    assert.strictEqual(part.outcome, "truncated")
    assert.isAtLeast(Number(part.usage["outputToken"]), 1)
    assert.isAbove(Number(part.charge), 0)
    assert.strictEqual(await RunningMarket.held(again, again.buyerKey), 0n)
  }, 60_000)
})
