/**
 * What a market knows of the health of its instances, over gateways that are killed and over several at a time, as real
 * processes on a real database.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cpSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import * as MarketDatabase from "./MarketDatabase.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"
const DAY_MS = 86_400_000

let database: MarketDatabase.MarketDatabase
let home: string
let environment: Readonly<Record<string, string>>
let market: RunningMarket.RunningMarket
let good: ScriptedEngine.ScriptedEngine
let bad: ScriptedEngine.ScriptedEngine
let badInstance: string
const cleanups: Array<() => unknown> = []

const start = (at: string) =>
  RunningMarket.start({ home: at, environment: { ...environment, GUILDHALL_HOME: at, GUILDHALL_PORT: "0" } })

/** Only how requests end and a rare check count, so that a few requests tell the two apart. */
beforeAll(async () => {
  const definition = {
    ...RunningMarket.calm,
    routing: { use: "Healthiest" },
    health: { window: { days: 14, sampleMs: DAY_MS } },
  }
  database = await MarketDatabase.make({ renewMs: definition.hold.renewMs })
  home = RunningMarket.makeHome()
  const file = RunningMarket.writeDefinition(home, definition)
  environment = { GUILDHALL_MARKET: file, GUILDHALL_AGENT: "off", DATABASE_URL: database.url }
  market = await start(home)
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  const serve = async (always: string) => {
    const engine = await ScriptedEngine.start(MODEL, always)
    cleanups.push(engine.close)
    const agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
    cleanups.push(() => agent.kill("SIGKILL"))
    return engine
  }
  bad = await serve("fail")
  await RunningMarket.listed(market, MODEL, 1)
  const { body } = await market.call("/v1/operator/instances")
  badInstance = (body as { data: ReadonlyArray<{ instance: { id: string } }> }).data[0]?.instance.id ?? ""
  good = await serve("")
  await RunningMarket.listed(market, MODEL, 2)
}, 90_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await market?.close()
  await database?.close()
})

const ask = async (where: RunningMarket.RunningMarket): Promise<number> => {
  const response = await fetch(`${where.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${where.buyerKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "tokens=2" }], max_tokens: 5 }),
  })
  await response.arrayBuffer()
  return response.status
}

/** Asks so many times one after the other, and answers how many requests each engine saw. */
const shares = async (where: RunningMarket.RunningMarket, times: number) => {
  const before = { good: good.counts.seen, bad: bad.counts.seen }
  for (let at = 0; at < times; at++) await ask(where)
  return { good: good.counts.seen - before.good, bad: bad.counts.seen - before.bad }
}

const failures = async (): Promise<number> => {
  const [row] = await database.query<{ readonly failed: number }>(
    `SELECT coalesce(sum(failed), 0)::int AS failed FROM registry_health WHERE instance_id = '${badInstance}'`,
  )
  return row?.failed ?? 0
}

describe("the health of instances", () => {
  it("is known to a gateway that starts after one was killed", { timeout: 60_000 }, async () => {
    await RunningMarket.until("the failing instance was tried", async () => {
      await shares(market, 4)
      return bad.counts.seen > 0 ? true : undefined
    })
    const kept = await RunningMarket.until("its failure is kept", async () =>
      (await failures()) > 0 ? failures() : undefined,
    )
    await market.kill("SIGKILL")
    const port = new URL(market.url).port
    market = await RunningMarket.start({ home, environment, port: Number(port) })
    await RunningMarket.listed(market, MODEL, 2)
    assert.deepStrictEqual(await shares(market, 20), { good: 20, bad: 0 })
    assert.isAtLeast(await failures(), kept)
  })

  it("is known to another gateway of the market within seconds", { timeout: 60_000 }, async () => {
    await market.kill("SIGKILL")
    await database.query("TRUNCATE registry_health")
    const replicas = await database.query<{ readonly replica: string }>(
      "SELECT DISTINCT replica FROM journal_directory",
    )
    const former = replicas.map(({ replica }) => replica)
    market = await RunningMarket.start({ home, environment, port: Number(new URL(market.url).port) })
    const otherHome = RunningMarket.makeHome()
    cleanups.push(() => rmSync(otherHome, { recursive: true, force: true }))
    cpSync(path.join(home, "keys"), path.join(otherHome, "keys"), { recursive: true })
    const other = await start(otherHome)
    try {
      await Promise.all([market, other].map((one) => RunningMarket.listed(one, MODEL, 2)))
      await RunningMarket.until("the failing instance was tried by the first one", async () => {
        const { bad } = await shares(market, 1)
        return bad > 0 ? true : undefined
      })
      await RunningMarket.until("its failure is kept", async () => ((await failures()) > 0 ? true : undefined))
      await RunningMarket.until("both gateways say so in their logs", async () => {
        const rows = await database.query(
          `SELECT DISTINCT replica FROM journal_directory WHERE replica NOT IN ('${former.join("','")}')
           AND body ~ '"healthBps":[1-9]?[0-9]{1,3}[,}]'`,
        )
        return rows.length === 2 ? true : undefined
      })
      assert.deepStrictEqual(await shares(other, 20), { good: 20, bad: 0 })
    } finally {
      await other.kill("SIGINT")
    }
  })

  it("stands in the log, so that an audit makes every decision again", { timeout: 60_000 }, async () => {
    await market.kill("SIGINT")
    const file = path.join(home, "log.jsonl")
    const command = (...args: ReadonlyArray<string>) =>
      RunningMarket.guildhall(home, ["routing", ...args], { DATABASE_URL: database.url })
    const exported = await command("export", "--out", file)
    assert.strictEqual(exported.code, 0, exported.output)
    assert.include(readFileSync(file, "utf8"), "healthBps")
    const audited = await command("audit", file, "--json")
    const report = JSON.parse(audited.output.split("\n").find((line) => line.startsWith("{")) ?? "{}")
    assert.strictEqual(audited.code, 0, audited.output)
    assert.strictEqual(report.counts.differing, 0)
    assert.isAbove(report.counts.decisions, 40)
  })
})
