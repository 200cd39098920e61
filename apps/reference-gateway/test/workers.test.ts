/**
 * Several processes on one port: the same limits and the same books, one that dies is replaced, and Ctrl-C ends them all.
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { request } from "node:http"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"
import * as WorkerProcesses from "./WorkerProcesses.ts"

const MODEL = "scripted/engine"

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

// Which worker gets a connection is the kernel's choice, so each request has a connection of its own.
const ask = (
  market: RunningMarket.RunningMarket,
  key: string,
): Promise<{ readonly status: number; readonly id: string }> =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "tokens=3" }], max_tokens: 5 })
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" }
    const asked = request(`${market.url}/v1/chat/completions`, { method: "POST", headers, agent: false }, (answer) => {
      answer.resume()
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, id: String(answer.headers["x-request-id"]) }))
    })
    asked.on("error", reject)
    asked.end(body)
  })

/** One after the other on two connections: the instance has only so many places. */
const askAll = async (market: RunningMarket.RunningMarket, key: string, count: number) => {
  const answers: Array<Awaited<ReturnType<typeof ask>>> = []
  while (answers.length < count) answers.push(...(await Promise.all([ask(market, key), ask(market, key)])))
  return answers
}

WorkerProcesses.describeThem("guildhall start --workers 2", () => {
  let engine: ScriptedEngine.ScriptedEngine
  let market: RunningMarket.RunningMarket
  let agent: Awaited<ReturnType<typeof RunningMarket.startAgent>>

  beforeAll(async () => {
    engine = await ScriptedEngine.start(MODEL)
    const home = RunningMarket.makeHome()
    const environment = {
      GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
      GUILDHALL_AGENT: "off",
    }
    market = await RunningMarket.start({ home, environment, args: ["--workers", "2"] })
    const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
    agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
    await RunningMarket.listed(market, MODEL, 1)
  }, 90_000)

  afterAll(async () => {
    await agent?.kill("SIGKILL")
    await market?.close()
    await engine?.close()
  })

  it("serves one port with two processes, and both charge the same books", { timeout: 30_000 }, async () => {
    assert.lengthOf(WorkerProcesses.of(market.pid), 2)
    const before = (await market.call("/v1/balance", { key: market.buyerKey })).body
    const answers = await RunningMarket.until("both workers know the instance", async () => {
      const tried = await askAll(market, market.buyerKey, 24)
      return tried.every(({ status }) => status === 200) ? tried : undefined
    })
    assert.lengthOf(new Set(answers.map(({ id }) => id)), 24)
    const after = await RunningMarket.until("the charges are posted", async () => {
      const { body } = await market.call("/v1/balance", { key: market.buyerKey })
      return JSON.stringify(body) === JSON.stringify(before) ? undefined : body
    })
    assert.notDeepEqual(after, before)
  })

  it("keeps a key to its requests a minute over both", { timeout: 30_000 }, async () => {
    const issued = await market.call("/v1/operator/keys", {
      body: {
        member: "mem_buyer",
        name: "limited",
        role: "buyer",
        dataCollection: "deny",
        terms: { limits: { requestsPerMinute: 20 } },
      },
    })
    assert.strictEqual(issued.status, 201, JSON.stringify(issued.body))
    const { secret } = issued.body as { readonly secret: string }
    const statuses = (await askAll(market, secret, 60)).map(({ status }) => status)
    assert.lengthOf(
      statuses.filter((status) => status === 200),
      20,
    )
    assert.lengthOf(
      statuses.filter((status) => status === 429),
      40,
    )
  })

  it("replaces one that dies, and goes on meanwhile", { timeout: 60_000 }, async () => {
    for (const victim of WorkerProcesses.of(market.pid)) {
      process.kill(victim, "SIGKILL")
      await RunningMarket.until("another one took its place", () => {
        const now = WorkerProcesses.of(market.pid)
        return now.length === 2 && !now.includes(victim) ? true : undefined
      })
      await RunningMarket.until(
        "every connection is served again",
        async () => {
          const tried = await askAll(market, market.buyerKey, 12).catch(() => undefined)
          return tried?.every(({ status }) => status === 200) === true ? true : undefined
        },
        40_000,
      )
    }
  })

  it("ends with all of them on Ctrl-C, and seals what they charged", { timeout: 60_000 }, async () => {
    const last = await askAll(market, market.buyerKey, 16)
    const workers = WorkerProcesses.of(market.pid)
    assert.strictEqual(await market.kill("SIGINT"), 0)
    assert.deepStrictEqual(workers.filter(isAlive), [])
    const again = await RunningMarket.start({
      home: market.home,
      environment: { GUILDHALL_MARKET: `${market.home}/market.json`, GUILDHALL_AGENT: "off" },
    })
    try {
      for (const { id } of last) {
        const receipt = await again.call(`/v1/receipts/${id}`, { key: market.buyerKey })
        assert.strictEqual(receipt.status, 200, JSON.stringify(receipt.body))
      }
    } finally {
      await again.kill("SIGINT")
    }
  })
})
