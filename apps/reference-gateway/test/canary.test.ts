/**
 * Bodies leave no trace. A canary is sung in prompts and in answers, by a key that allows no collection of data; then it is
 * looked for in everything that a market writes: output, metrics, exports, every table, every file.
 */
import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import path from "node:path"
import * as OtlpCollector from "./OtlpCollector.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"
import { filesUnder, filesWith, isIn, tablesWith } from "./Traces.ts"

const MODEL = "scripted/engine"
const CANARY = `canary${randomBytes(12).toString("hex")}`

let market: RunningMarket.RunningMarket
let engine: ScriptedEngine.ScriptedEngine
let collector: OtlpCollector.OtlpCollector
let agent: Awaited<ReturnType<typeof RunningMarket.startAgent>>
let agentHome: string
let key: string
/** A key whose data may be kept. */
let openKey: string
const cleanups: Array<() => Promise<unknown>> = []

/** The ids of the requests below; what is stored of them proves that the searches find what is there. */
const ids = new Map<string, string>()

const chat = (script: string, more: object = {}): string =>
  JSON.stringify({
    model: MODEL,
    messages: [
      { role: "system", content: `You are ${CANARY}.` },
      { role: "user", content: script },
    ],
    max_tokens: 100,
    user: CANARY,
    metadata: { note: CANARY },
    [CANARY]: CANARY,
    ...more,
  })

const ask = async (name: string, body: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body,
  })
  ids.set(name, response.headers.get("x-request-id") ?? "")
  const isReplayed = response.headers.get("idempotent-replayed") === "true"
  return { status: response.status, text: await response.text(), isReplayed }
}

const id = (name: string): string => {
  const found = ids.get(name)
  if (found === undefined) throw new Error(`There is no request ${name}.`)
  return found
}

beforeAll(async () => {
  collector = await OtlpCollector.start()
  cleanups.push(collector.close)
  engine = await ScriptedEngine.start(MODEL)
  cleanups.push(engine.close)
  const home = RunningMarket.makeHome()
  agentHome = path.join(home, "agent")
  market = await RunningMarket.start({
    home,
    environment: {
      GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
      GUILDHALL_AGENT: "off",
      GUILDHALL_LOG_LEVEL: "Trace",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_METRIC_EXPORT_INTERVAL: "500",
      OTEL_BSP_SCHEDULE_DELAY: "200",
      OTEL_BLRP_SCHEDULE_DELAY: "200",
    },
  })
  cleanups.push(market.close)
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url, home: agentHome })
  cleanups.push(() => agent.kill("SIGKILL"))
  const buyer = await RunningMarket.issueKey(market, { name: "buyer", role: "buyer", dataCollection: "deny" })
  key = buyer.secret
  await market.call("/v1/operator/top-ups", { body: { member: buyer.member, amount: "5", idempotencyKey: "first" } })
  const open = await RunningMarket.issueKey(market, { name: "open", role: "buyer", dataCollection: "allow" })
  openKey = open.secret
  await market.call("/v1/operator/top-ups", { body: { member: open.member, amount: "5", idempotencyKey: "second" } })
  await RunningMarket.listed(market, MODEL, 1)
}, 90_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const databaseFacts = (): { readonly url: string; readonly data: string } =>
  JSON.parse(readFileSync(path.join(market.home, "postgres.json"), "utf8"))

describe("a canary", () => {
  it("is sung in every way that a body can take", async () => {
    const streamed = await ask("streamed", chat(`tokens=5 echo=${CANARY}`, { stream: true }))
    assert.strictEqual(streamed.status, 200, streamed.text)
    assert.include(streamed.text, CANARY)
    const whole = await ask("whole", chat(`tokens=5 echo=${CANARY}`))
    assert.strictEqual(whole.status, 200, whole.text)
    assert.include(whole.text, CANARY)
    assert.isTrue(engine.bodies.every((body) => body.includes(CANARY)))
    // Refusals and failures are where bodies like to slip into messages.
    assert.strictEqual((await ask("unknown model", chat("tokens=1", { model: "nobody/serves-this" }))).status, 404)
    assert.strictEqual((await ask("no JSON", `{"model": "${CANARY}", ${CANARY}`)).status, 400)
    assert.strictEqual((await ask("wrong shape", chat("tokens=1", { messages: CANARY }))).status, 400)
    assert.strictEqual((await ask("wrong member", chat("tokens=1", { max_tokens: CANARY }))).status, 400)
    const refused = await ask("provider refused", chat(`refuse ${CANARY}`))
    assert.strictEqual(refused.status, 400)
    assert.include(refused.text, CANARY)
    assert.strictEqual((await ask("provider failed", chat(`fail ${CANARY}`))).status, 502)
    const cut = await ask("cut", chat(`tokens=20 gap=10 cut echo=${CANARY}`, { stream: true }))
    assert.include(cut.text, "provider_closed_early")
    const garbage = await ask("garbage", chat(`tokens=20 gap=10 garbage echo=${CANARY}`, { stream: true }))
    assert.include(garbage.text, "provider_invalid_response")

    for (const name of ["streamed", "whole", "provider refused", "provider failed", "cut"]) {
      await RunningMarket.until(`the receipt of ${name}`, () => RunningMarket.receipt(market, id(name), key))
    }
    await RunningMarket.until("the refusals in the journal", async () => {
      const found = await market.call(`/v1/requests/${id("unknown model")}`, { key })
      return found.status === 200 ? true : undefined
    })
  }, 30_000)

  it("is kept only sealed, where an answer is kept for an idempotency key", async () => {
    const headers = { authorization: `Bearer ${openKey}`, "idempotency-key": `key-${CANARY}` }
    const body = chat(`tokens=5 echo=${CANARY}`, { stream: true })
    const first = await ask("kept", body, headers)
    assert.deepStrictEqual([first.status, first.isReplayed], [200, false])
    const again = await RunningMarket.until("the replay", async () => {
      const answer = await ask("kept", body, headers)
      return answer.isReplayed ? answer : undefined
    })
    assert.strictEqual(again.text, first.text)
    assert.include(again.text, CANARY)
    assert.strictEqual((await ask("conflict", `${body} `, headers)).status, 422)
    const denied = { "idempotency-key": `key-${CANARY}` }
    assert.strictEqual((await ask("denied", body, denied)).status, 200)
    // Until the first is settled, a twin shares its answer.
    const later = await RunningMarket.until("the end of the first", async () => {
      const answer = await ask("denied again", body, denied)
      return answer.isReplayed ? undefined : answer
    })
    assert.strictEqual(later.status, 409)
    assert.include(later.text, "answer_not_kept")
  }, 30_000)

  it("is in no metric", async () => {
    const { body } = await market.call("/metrics")
    assert.include(String(body), MODEL)
    assert.isFalse(isIn(String(body), CANARY))
  })

  it("is in no export of spans, metrics and logs, where all eight steps are", async () => {
    const steps = ["admit", "price", "hold", "route", "relay", "meter", "settle", "receipt"]
    await RunningMarket.until("spans of all steps", () => {
      const names = collector.names("traces")
      return steps.every((step) => names.has(step)) ? true : undefined
    })
    await RunningMarket.until("the lane's metrics", () =>
      collector.names("metrics").has("gen_ai.server.request.duration") ? true : undefined,
    )
    await RunningMarket.until("the span of a request", () =>
      collector.bodies.get("traces")?.some((body) => isIn(body, id("whole"))) === true ? true : undefined,
    )
    for (const [signal, bodies] of collector.bodies) {
      assert.isFalse(
        bodies.some((body) => isIn(body, CANARY)),
        signal,
      )
      // A key in an export would be as bad.
      assert.isFalse(
        bodies.some((body) => isIn(body, key)),
        signal,
      )
    }
  }, 30_000)

  it("is in no table", async () => {
    const { tables, found } = await Effect.runPromise(
      tablesWith([CANARY, key, id("streamed"), id("unknown model"), id("kept")]).pipe(
        Effect.provide(PgClient.layer({ url: Redacted.make(databaseFacts().url), maxConnections: 1 })),
      ),
    )
    assert.isAbove(tables.length, 8)
    assert.isNotEmpty(found.get(id("streamed")))
    assert.isNotEmpty(found.get(id("unknown model")))
    assert.include(found.get(id("kept")) ?? [], "gateway_answers")
    assert.deepStrictEqual(found.get(CANARY), [])
    assert.deepStrictEqual(found.get(key), [])
  })

  it("is in no file of the market, its database and its agent, and in nothing that they printed", async () => {
    await agent.kill("SIGTERM")
    await market.kill("SIGINT")
    const files = [...filesUnder(market.home), ...filesUnder(databaseFacts().data)]
    assert.isAbove(files.length, 500)
    assert.isTrue(files.some((file) => file.startsWith(agentHome)))
    assert.isNotEmpty(filesWith(files, id("whole")))
    assert.deepStrictEqual(filesWith(files, CANARY), [])
    assert.match(market.output(), /guildhall ready/)
    assert.isAbove(agent.output().length, 0)
    assert.isFalse(isIn(market.output(), CANARY), market.output())
    assert.isFalse(isIn(agent.output(), CANARY), agent.output())
    for (const bodies of collector.bodies.values()) assert.isFalse(bodies.some((body) => isIn(body, CANARY)))
  }, 30_000)
})
