/**
 * Keys with terms of their own on a running market, through a crash of the gateway.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as MarketDatabase from "./MarketDatabase.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"

let market: RunningMarket.RunningMarket
let database: MarketDatabase.MarketDatabase
let engine: ScriptedEngine.ScriptedEngine
const home = RunningMarket.makeHome()
const cleanups: Array<() => Promise<unknown>> = []

const start = async () => {
  market = await RunningMarket.start({
    home,
    environment: {
      GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
      GUILDHALL_AGENT: "off",
      DATABASE_URL: database.url,
    },
  })
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  engine = await ScriptedEngine.start(MODEL)
  cleanups.push(engine.close)
  const agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
  cleanups.push(() => agent.kill("SIGKILL"))
  // That of a start before may still be listed, and is dead.
  await RunningMarket.until("the new provider's instance to be online", async () => {
    const { body } = await market.call("/v1/operator/instances")
    const { data } = body as { data: ReadonlyArray<{ instance: { memberId: string; state: string } }> }
    const isOurs = ({ instance }: (typeof data)[number]) => instance.memberId === provider.member
    return data.some((one) => isOurs(one) && one.instance.state === "online") ? true : undefined
  })
}

const stopProviders = async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

beforeAll(async () => {
  database = await MarketDatabase.make(RunningMarket.calm.hold)
  await start()
}, 90_000)
afterAll(async () => {
  await stopProviders()
  await market?.close()
  await database?.close()
})

let buyers = 0

/** Of a name that nobody had before, also where a test is tried again. */
const newBuyer = async (called: string, terms: object) => {
  buyers += 1
  const name = `${called} ${buyers}`
  const buyer = await RunningMarket.issueKey(market, { name, role: "buyer" })
  await market.call("/v1/operator/top-ups", { body: { member: buyer.member, amount: "5", idempotencyKey: name } })
  const changed = await market.call(`/v1/operator/keys/${buyer.id}/terms`, { method: "PUT", body: terms })
  assert.strictEqual(changed.status, 200, JSON.stringify(changed.body))
  return buyer
}

const ask = async (key: string, script = "tokens=3") => {
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: script }], max_tokens: 50 }),
  })
  const { error } = (await response.json()) as { error?: { code: string; message: string } }
  return { status: response.status, code: error?.code, headers: response.headers, message: error?.message }
}

interface Shown {
  readonly terms: unknown
  readonly limits: ReadonlyArray<{
    readonly scope: string
    readonly name: string
    readonly limit: number
    readonly used: number
    readonly underWay: number
  }>
}

const shown = async (key: string) => (await market.call("/v1/limits", { key })).body as Shown

const usedOf = async (key: string, name: string): Promise<number> => {
  const found = (await shown(key)).limits.find((limit) => limit.scope === "key" && limit.name === name)
  return found?.used ?? assert.fail(`there is no ${name}`)
}

/** What the key has spent in the day, in cents, as far as the process has told it to the others: they count in 10⁻⁹ USD. */
const toldOf = async (keyId: string): Promise<number> => {
  const counters = await database.query<{ readonly used: string }>(
    `SELECT state::json ->> 'used' AS used FROM gateway_limit_counters WHERE counter = 'key:${keyId}:centsPerDay'`,
  )
  return Number(counters[0]?.used ?? 0) / 1e7
}

/** What the key has been charged, in cents: one has ten thousand million of the ledger's units. */
const chargedCents = async (key: string, before: bigint): Promise<number> =>
  Number(before - (await RunningMarket.balance(market, key))) / 1e10

describe("a key with terms", () => {
  it("may do what they say, from the next request on", async () => {
    const { id, secret } = await newBuyer("ada", { limits: { requestsPerMinute: 2 } })
    const answers = [await ask(secret), await ask(secret), await ask(secret)]
    assert.deepStrictEqual(
      answers.map(({ status }) => status),
      [200, 200, 429],
    )
    assert.strictEqual(answers[1]?.headers.get("x-ratelimit-remaining-requests"), "0")
    const [, , refused] = answers
    assert.strictEqual(refused?.code, "rate_limited")
    assert.strictEqual(refused?.headers.get("x-guildhall-limit"), "scope=key, name=requestsPerMinute, limit=2")
    assert.isAtLeast(Number(refused?.headers.get("retry-after")), 50)
    assert.match(String(refused?.message), /^The key may start 2 requests in a minute, and has\. Try again in \d+ s\.$/)
    const under = async (terms: object) => {
      const changed = await market.call(`/v1/operator/keys/${id}/terms`, { method: "PUT", body: terms })
      assert.strictEqual(changed.status, 200, JSON.stringify(changed.body))
      return ask(secret)
    }
    assert.deepInclude(await under({ allowedModels: ["other/model"] }), { status: 403, code: "model_not_allowed" })
    assert.deepInclude(await under({ allowedIps: ["192.0.2.0/24"] }), { status: 403, code: "ip_not_allowed" })
    assert.deepInclude(await under({ allowedIps: ["2001:db8::/32"] }), { status: 403, code: "ip_not_allowed" })
    assert.deepInclude(await under({ expiresAtMs: 1 }), { status: 401, code: "key_expired" })
    assert.strictEqual((await under({})).status, 200)
    const terms = {
      allowedModels: [MODEL],
      allowedIps: ["127.0.0.0/8", "::1"],
      expiresAtMs: Date.now() + 3_600_000,
      keepAlive: false,
      limits: {
        requestsPerMinute: 50,
        tokensPerMinute: 90_000,
        concurrentRequests: 3,
        centsPerDay: 2,
        centsPerMonth: 9,
      },
    }
    assert.strictEqual((await under(terms)).status, 200)
    const { limits, terms: told } = await shown(secret)
    assert.deepStrictEqual(told, terms)
    for (const [name, limit] of Object.entries(terms.limits)) {
      assert.isTrue(
        limits.some((one) => one.scope === "key" && one.name === name && one.limit === limit),
        name,
      )
    }
    for (const wrong of [
      { allowedIps: ["127.0.0.1/33"] },
      { limits: { centsPerDay: 0 } },
      { limits: { requestsPerMinute: -1 } },
      { limits: { requestsPerMinute: 1e12 } },
      { limits: { requestsPerMinute: Number.NaN } },
    ]) {
      const { status } = await market.call(`/v1/operator/keys/${id}/terms`, { method: "PUT", body: wrong })
      assert.strictEqual(status, 400, JSON.stringify(wrong))
    }
    assert.deepStrictEqual((await shown(secret)).terms, terms)
  })

  it("never spends more than its budget, though the gateway is killed", async () => {
    const { id, secret } = await newBuyer("grace", { limits: { centsPerDay: 1 } })
    const before = await RunningMarket.balance(market, secret)
    const many = (script?: string) => Promise.all(Array.from({ length: 40 }, () => ask(secret, script)))
    // Another buyer's, until one is served: a provider that was missed by one check is no matter of budgets.
    const other = await newBuyer("hopper", {})
    await RunningMarket.until("the provider to serve", async () =>
      (await ask(other.secret)).status === 200 ? true : undefined,
    )
    // Each takes a while, so that all are under way at once, however slowly they are asked: what is held counts as well.
    const first = await many("tokens=3 gap=300")
    const answers = first.map(({ code, status }) => `${status} ${code}`).join(", ")
    const refused = first.filter(({ status }) => status === 402)
    assert.isAbove(refused.length, 0, answers)
    for (const { code, headers, message } of refused) {
      assert.strictEqual(code, "budget_exceeded")
      assert.strictEqual(headers.get("x-guildhall-limit"), "scope=key, name=centsPerDay, limit=1")
      assert.isAtLeast(Number(headers.get("retry-after")), 1)
      assert.include(String(message), "The key may spend 1 cent in a day of UTC")
    }
    // What fits into the budget may still find the provider full.
    assert.isAbove(first.filter(({ status }) => status === 200).length, 0, answers)
    const used = await RunningMarket.until("all is told", async () => {
      const told = await toldOf(id)
      return Math.abs(told - (await chargedCents(secret, before))) < 1e-6 ? told : undefined
    })
    assert.closeTo(await usedOf(secret, "centsPerDay"), used, 1e-6)
    // In the midst of a crowd.
    const seen = engine.counts.seen
    const crowd = many().catch(() => [])
    await RunningMarket.until("some of the crowd to be served", () => (engine.counts.seen > seen ? true : undefined))
    await market.kill("SIGKILL")
    await stopProviders()
    await crowd
    await start()
    assert.isAtLeast(await usedOf(secret, "centsPerDay"), used)
    // What the killed process had leased is free again ten seconds after its last word. Until then the answer says so.
    await RunningMarket.until(
      "the budget to be free again",
      async () => {
        const after = await ask(secret)
        if (after.status === 200) return true
        // Until a health check has reached the provider's new address, there is nobody to serve what the budget allows.
        assert.include(["budget_exceeded", "no_capacity", "service_unavailable"], after.code)
        assert.isTrue(after.headers.has("retry-after"), after.message)
        return undefined
      },
      20_000,
    )
    for (let round = 0; round < 3; round++) await many()
    // What the killed process had under way is forgotten with its leases.
    await RunningMarket.until("nothing is under way", async () =>
      (await shown(secret)).limits.every(({ underWay }) => underWay === 0) ? true : undefined,
    )
    assert.isAtMost(await chargedCents(secret, before), 1)
  }, 120_000)
})
