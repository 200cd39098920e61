/**
 * What operators and buyers do on the control lane of a running market, and what tells how it is.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { statSync, writeFileSync } from "node:fs"
import path from "node:path"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"

let market: RunningMarket.RunningMarket
const cleanups: Array<() => Promise<unknown>> = []

beforeAll(async () => {
  const home = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
    GUILDHALL_AGENT: "off",
  }
  market = await RunningMarket.start({ home, environment })
  const engine = await ScriptedEngine.start(MODEL)
  cleanups.push(engine.close)
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  const agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
  cleanups.push(() => agent.kill("SIGKILL"))
  await RunningMarket.listed(market, MODEL, 1)
}, 90_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await market?.close()
})

const ask = async (key: string, model = MODEL): Promise<{ readonly status: number; readonly id: string }> => {
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "tokens=3" }], max_tokens: 50 }),
  })
  await response.arrayBuffer()
  return { status: response.status, id: response.headers.get("x-request-id") ?? "" }
}

interface KeyShown {
  readonly id: string
  readonly role: string
  readonly revokedAtMs: number | null
}

interface Page {
  readonly data: ReadonlyArray<{ readonly id: string; readonly outcome: string; readonly reason: string | null }>
  readonly nextBefore: string | null
}

const newBuyer = async (name: string, amount: string) => {
  const buyer = await RunningMarket.issueKey(market, { name, role: "buyer" })
  const { member } = buyer
  await market.call("/v1/operator/top-ups", { body: { member, amount, idempotencyKey: `${name}-first` } })
  return buyer
}

describe("an operator", () => {
  it("creates a member and keys, lists them without their secrets, and revokes one", async () => {
    const made = await market.call("/v1/operator/members", { body: { name: "Ada" } })
    assert.strictEqual(made.status, 201)
    const { id: member, name } = made.body as { id: string; name: string }
    assert.strictEqual(name, "Ada")
    const secrets: Array<string> = []
    for (const role of ["buyer", "provider"]) {
      const issued = await market.call("/v1/operator/keys", { body: { member, name: role, role } })
      assert.strictEqual(issued.status, 201)
      const { secret, dataCollection } = issued.body as { secret: string; dataCollection: string }
      assert.match(secret, /^sk-/)
      assert.strictEqual(dataCollection, "deny")
      secrets.push(secret)
    }
    const listed = await market.call(`/v1/operator/keys?member=${member}`)
    assert.strictEqual(listed.status, 200)
    const { data } = listed.body as { data: ReadonlyArray<KeyShown> }
    assert.deepStrictEqual(data.map(({ role }) => role).sort(), ["buyer", "provider"])
    for (const secret of secrets) assert.notInclude(JSON.stringify(listed.body), secret)

    const id = data.find(({ role }) => role === "buyer")?.id ?? ""
    const revoked = await market.call(`/v1/operator/keys/${id}`, { method: "DELETE" })
    assert.strictEqual(revoked.status, 200)
    assert.isNumber((revoked.body as KeyShown).revokedAtMs)
    assert.strictEqual((await market.call("/v1/balance", { key: secrets[0] ?? "" })).status, 401)
    assert.strictEqual((await market.call("/v1/balance", { key: secrets[1] ?? "" })).status, 200)
    const nothing = await market.call("/v1/operator/keys/key_nothing", { method: "DELETE" })
    assert.strictEqual(nothing.status, 404)
    assert.strictEqual((nothing.body as { code: string }).code, "not_found")
  })

  it("lists everyone's requests page by page, without a gap or a repetition", async () => {
    const buyer = await newBuyer("pager", "1")
    const ids: Array<string> = []
    for (let count = 0; count < 5; count++) {
      const asked = await ask(buyer.secret, count === 2 ? "nobody/serves-this" : MODEL)
      ids.push(asked.id)
    }
    const list = async (path: string, key: string): Promise<Page> => {
      const { status, body } = await market.call(path, { key })
      assert.strictEqual(status, 200, JSON.stringify(body))
      return body as Page
    }
    const paged = async (base: string, key: string): Promise<ReadonlyArray<string>> => {
      const seen: Array<string> = []
      let before: string | null = null
      do {
        const page: Page = await list(`${base}limit=2${before === null ? "" : `&before=${before}`}`, key)
        assert.isAtMost(page.data.length, 2)
        seen.push(...page.data.map(({ id }) => id))
        before = page.nextBefore
      } while (before !== null)
      return seen
    }
    await RunningMarket.until("all five to be listed", async () => {
      const { data } = await list("/v1/requests?limit=100", buyer.secret)
      return data.length === 5 ? true : undefined
    })
    const newestFirst = ids.toReversed()
    assert.deepStrictEqual(await paged("/v1/requests?", buyer.secret), newestFirst)
    assert.deepStrictEqual(
      await paged(`/v1/operator/requests?member=${buyer.member}&`, market.operatorKey),
      newestFirst,
    )
    const everyones = await paged("/v1/operator/requests?", market.operatorKey)
    assert.includeMembers([...everyones], ids)
    assert.strictEqual(new Set(everyones).size, everyones.length)
    const { data } = await list("/v1/requests?limit=100", buyer.secret)
    const refused = data.find(({ id }) => id === ids[2])
    assert.strictEqual(refused?.outcome, "refused")
    assert.strictEqual(refused?.reason, "model_not_found")

    for (const limit of ["0", "101", "x", "1.5"]) {
      assert.strictEqual((await market.call(`/v1/operator/requests?limit=${limit}`)).status, 400)
    }
    assert.strictEqual((await market.call("/v1/operator/requests", { key: buyer.secret })).status, 403)
  })

  it("sees what a buyer has, what was charged for, and what a provider earned", async () => {
    const buyer = await newBuyer("spender", "0.25")
    const before = await RunningMarket.accounts(market)
    const { id } = await ask(buyer.secret)
    const receipt = await RunningMarket.until("the receipt", () => RunningMarket.receipt(market, id, buyer.secret))
    const charge = BigInt(receipt.charge)
    assert.isTrue(charge > 0n)
    assert.strictEqual(await RunningMarket.balance(market, buyer.secret), 250_000_000_000n - charge)
    assert.strictEqual(await RunningMarket.held(market, buyer.secret), 0n)
    const after = await RunningMarket.accounts(market)
    const moved = [...after]
      .map(([account, balance]) => [account, balance - (before.get(account) ?? 0n)] as const)
      .filter(([, amount]) => amount !== 0n)
    assert.strictEqual(
      moved.reduce((sum, [, amount]) => sum + amount, 0n),
      0n,
    )
    assert.include(
      moved.map(([account]) => account),
      `buyer:development:${buyer.member}`,
    )
    assert.isTrue(moved.some(([account, amount]) => account.startsWith("accrual:") && amount > 0n))
  })
})

/** The database's process; none while it is being started again. */
const livePid = (): number | undefined => {
  try {
    const pid = RunningMarket.databasePid(market)
    process.kill(pid, 0)
    return pid
  } catch {
    return undefined
  }
}

describe("a market tells", () => {
  it("its metrics to Prometheus, with an operator's key", async () => {
    assert.strictEqual((await ask(market.buyerKey)).status, 200)
    assert.strictEqual((await market.call("/metrics", { key: "" })).status, 401)
    assert.strictEqual((await market.call("/metrics", { key: market.buyerKey })).status, 403)
    const metrics = await RunningMarket.until("the request in the metrics", async () => {
      const { body } = await market.call("/metrics")
      return String(body).includes(MODEL) ? String(body) : undefined
    })
    for (const name of [
      "gen_ai_server_request_duration",
      "gen_ai_server_time_to_first_token",
      "guildhall_inference_requests",
      "guildhall_inference_tokens",
      "guildhall_inference_in_flight",
    ]) {
      assert.include(metrics, name)
    }
    assert.match(metrics, /guildhall_inference_requests\w*\{[^}]*outcome="completed"/)
  })

  it("its API as OpenAPI, and as a page", async () => {
    const { status, body } = await market.call("/openapi.json", { key: "" })
    assert.strictEqual(status, 200)
    const { paths } = body as { paths: Record<string, Record<string, unknown>> }
    for (const path of [
      "/v1/operator/keys",
      "/v1/operator/members",
      "/v1/operator/top-ups",
      "/v1/operator/requests",
      "/v1/balance",
      "/v1/requests",
      "/v1/market",
      "/v1/providers/register",
      "/v1/providers/heartbeat",
      "/healthz",
      "/readyz",
    ]) {
      assert.property(paths, path)
    }
    assert.containsAllKeys(paths["/v1/operator/keys"] ?? {}, ["get", "post"])
    const page = await market.call("/docs", { key: "" })
    assert.strictEqual(page.status, 200)
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
    assert.match(String(page.body), /<html/i)
  })

  it("that it is alive and ready; not ready while its database is away, and ready again by itself", async () => {
    const look = async (path: string): Promise<number> => (await market.call(path, { key: "" })).status
    assert.strictEqual(await look("/healthz"), 200)
    assert.strictEqual(await look("/readyz"), 200)
    const killed = new Set<number>()
    // It is back within a moment: it is killed again until somebody has seen that it was away.
    await RunningMarket.until("the market not to be ready", async () => {
      const pid = livePid()
      if (pid !== undefined && !killed.has(pid)) {
        killed.add(pid)
        process.kill(pid, "SIGKILL")
      }
      const seen = await Promise.all([look("/readyz"), look("/readyz"), look("/readyz")])
      assert.strictEqual(await look("/healthz"), 200)
      return seen.includes(503) ? true : undefined
    })
    await RunningMarket.until(
      "the market to be ready again",
      async () => ((await look("/readyz")) === 200 ? true : undefined),
      30_000,
    )
    await RunningMarket.until("a request to be served", async () =>
      (await ask(market.buyerKey)).status === 200 ? true : undefined,
    )
  }, 60_000)

  it("that there is nothing under an address that it does not have, to people and to every client", async () => {
    for (const [method, path] of [
      ["GET", "/v1/nothing-here"],
      ["POST", "/v1/embedding"],
      ["GET", "/"],
    ] as const) {
      const { status, body, headers } = await market.call(path, { method })
      assert.strictEqual(status, 404)
      assert.match(headers.get("content-type") ?? "", /^application\/problem\+json/)
      const { code, detail, error } = body as { code: string; detail: string; error: { code: string; message: string } }
      assert.strictEqual(code, "not_found")
      assert.include(detail, path)
      assert.deepStrictEqual([error.code, error.message], [code, detail])
    }
    const other = await market.call("/v1/operator/keys", { method: "PATCH" })
    assert.strictEqual(other.status, 405)
    assert.sameMembers((other.headers.get("allow") ?? "").split(", "), ["GET", "POST"])
    assert.include(JSON.stringify(other.body), '"method_not_allowed"')
  })
})

describe("the books of a running market", () => {
  it("are verified, and a charge is proved to somebody who has a file and the market's keys only", async () => {
    const buyer = await newBuyer("auditor", "1")
    const { id } = await ask(buyer.secret)
    await RunningMarket.until("the receipt", () => RunningMarket.receipt(market, id, buyer.secret))
    const [checkpoint, proof] = [path.join(market.home, "checkpoint.json"), path.join(market.home, "proof.json")]
    const told = async (...args: ReadonlyArray<string>) => {
      const { code, output } = await RunningMarket.guildhall(market.home, ["ledger", ...args])
      assert.strictEqual(code, 0, output)
      return output
    }
    await told("checkpoint", "--out", checkpoint)
    assert.include(await told("prove", `request:${id}`, "--out", proof), `Written to ${proof}`)
    assert.include(await told("verify", "--checkpoint", checkpoint), "every balance agrees with its history")
    assert.include(await told("balances"), `buyer:development:${buyer.member}`)

    const keys = path.join(market.home, "published.json")
    writeFileSync(keys, await (await fetch(`${market.url}/.well-known/guildhall-keys.json`)).text())
    const elsewhere = RunningMarket.makeHome()
    const { code, output } = await RunningMarket.guildhall(elsewhere, ["ledger", "check", proof, "--keys", keys])
    assert.strictEqual(code, 0, output)
    assert.match(output, new RegExp(`^entry \\d+ of book 1: charge request:${id}\n`))
    assert.include(output, `buyer:development:${buyer.member}`)
    assert.isBelow(statSync(proof).size, 2_000)
  }, 60_000)
})
