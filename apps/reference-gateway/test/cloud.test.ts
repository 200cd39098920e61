/**
 * T12 from end to end: a member's account at a service, served to the `openai` client, paid, given another token, its tokens
 * sealed again under a new key, and taken away. A canary for a token is looked for in everything that the market writes.
 */
import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import OpenAI from "openai"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import * as CloudService from "@guildhall/gateway/testing/CloudService"
import * as OtlpCollector from "./OtlpCollector.ts"
import * as RunningMarket from "./RunningMarket.ts"
import { filesUnder, filesWith, isIn, tablesWith } from "./Traces.ts"

const MODEL = "acme/large"
const CANARY = `canary${randomBytes(16).toString("hex")}`
const NEXT = `later${randomBytes(16).toString("hex")}`
const OLD = `old:${randomBytes(32).toString("base64url")}`
const NEW = `new:${randomBytes(32).toString("base64url")}`
const messages = [{ role: "user" as const, content: "Say hello" }]

let market: RunningMarket.RunningMarket
let service: CloudService.CloudService
let collector: OtlpCollector.OtlpCollector
let provider: Awaited<ReturnType<typeof RunningMarket.issueKey>>
let buyer: Awaited<ReturnType<typeof RunningMarket.issueKey>>
let home: string
let account: string
const outputs: Array<string> = []

const start = (keys: string) =>
  RunningMarket.start({
    home,
    environment: {
      GUILDHALL_MARKET: path.join(home, "market.json"),
      GUILDHALL_AGENT: "off",
      GUILDHALL_LOG_LEVEL: "Trace",
      GUILDHALL_SEAL_KEYS: keys,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_METRIC_EXPORT_INTERVAL: "500",
      OTEL_BSP_SCHEDULE_DELAY: "200",
      OTEL_BLRP_SCHEDULE_DELAY: "200",
    },
  })

const stop = async () => {
  await market.kill("SIGINT")
  outputs.push(market.output())
}

const cloud = (method: string, under = "", body?: unknown) =>
  market.call(`/v1/providers/cloud${under}`, {
    key: provider.secret,
    method,
    ...(body === undefined ? {} : { body }),
  })

interface Account {
  readonly id: string
  readonly token: { readonly ends_with: string; readonly sealed_with: string }
  readonly parked: { readonly code: string } | null
  readonly models: ReadonlyArray<{ readonly instance_id: string | null; readonly state: string | null }>
}

const theAccount = async (): Promise<Account> => {
  const { body } = await cloud("GET")
  const [found] = (body as { data: ReadonlyArray<Account> }).data
  if (found === undefined) throw new Error(`There is no account: ${JSON.stringify(body)}`)
  return found
}

const sql = () => {
  const { url } = JSON.parse(readFileSync(path.join(home, "postgres.json"), "utf8")) as { url: string }
  return PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
}

const ask = async () => {
  const stream = await market.client(buyer.secret).chat.completions.create({
    model: MODEL,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  })
  let text = ""
  let tokens = 0
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ""
    tokens = chunk.usage?.completion_tokens ?? tokens
  }
  return { text, tokens }
}

const refusal = async (attempt: Promise<unknown>) => {
  const error: unknown = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof OpenAI.APIError)) throw new Error(`Expected an APIError, got ${String(error)}`)
  return error
}

beforeAll(async () => {
  collector = await OtlpCollector.start()
  service = await CloudService.start()
  service.tokens.add(CANARY)
  home = RunningMarket.makeHome()
  RunningMarket.writeDefinition(home, { heartbeat: { intervalMs: 500, missesMax: 2, checkMs: 500 } })
  market = await start(OLD)
  provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  buyer = await RunningMarket.issueKey(market, { name: "buyer", role: "buyer" })
  await market.call("/v1/operator/top-ups", { body: { member: buyer.member, amount: "5", idempotencyKey: "first" } })
}, 90_000)

afterAll(async () => {
  await market?.close()
  service?.close()
  await collector?.close()
})

describe("T12 · an account in a cloud", () => {
  it("is taken once its service takes the token, and serves a streaming buyer with it", async () => {
    const model = {
      model: MODEL,
      service_model: "large-2026",
      input_price_per_million: 100,
      output_price_per_million: 200,
      context_length_offered: 8192,
      concurrency: 4,
    }
    const wrong = await cloud("POST", "", { name: "work", base_url: service.url, token: `${NEXT}-no`, models: [model] })
    assert.strictEqual((wrong.body as { code: string }).code, "cloud_token_refused")
    const added = await cloud("POST", "", { name: "work", base_url: service.url, token: CANARY, models: [model] })
    assert.strictEqual(added.status, 201, JSON.stringify(added.body))
    account = (added.body as Account).id
    await RunningMarket.listed(market, MODEL, 1)
    service.asked.length = 0
    assert.deepStrictEqual(await ask(), { text: "Hello from the cloud.", tokens: 5 })
    const asked = service.asked.find(({ method }) => method === "POST")
    assert.strictEqual(asked?.headers.authorization, `Bearer ${CANARY}`)
    assert.strictEqual(JSON.parse(asked?.body ?? "{}").model, "large-2026")
    assert.isTrue(Object.keys(asked?.headers ?? {}).every((name) => !/guildhall|request-id|traceparent/.test(name)))
  }, 30_000)

  it("earns, and its receipts say that no device key stands behind it", async () => {
    const { response } = await market
      .client(buyer.secret)
      .chat.completions.create({ model: MODEL, messages })
      .withResponse()
    const headers = JSON.stringify([...response.headers])
    assert.notMatch(headers, /acme-secret|proj_acme|cookie|acme-17|12345/)
    const id = response.headers.get("x-request-id") ?? ""
    const receipt = await RunningMarket.until("the receipt", () => RunningMarket.receipt(market, id, buyer.secret))
    assert.strictEqual(receipt.outcome, "completed")
    assert.strictEqual(receipt.unattested, true)
    // 7 tokens in, 5 out, of which the provider has its share.
    assert.strictEqual(receipt.charge, String(7n * 1_000_000n + 5n * 2_000_000n))
    const earned = [...(await RunningMarket.accounts(market))].filter(([id]) => id.includes(provider.member))
    assert.isAbove(
      earned.reduce((sum, [, amount]) => sum + Number(amount), 0),
      0,
    )
    const explained = await market.call(`/v1/requests/${id}/explain`, { key: buyer.secret })
    const [attempt] = (explained.body as { attempts: ReadonlyArray<{ chosen: string; unattested: string[] }> }).attempts
    assert.deepStrictEqual(attempt?.unattested, [attempt?.chosen])
  }, 30_000)

  it("stays on the market without a beat, for as long as its checks succeed", async () => {
    await pause(2_500)
    assert.deepStrictEqual(await RunningMarket.instanceStates(market), ["online"])
    service.answer = (_, response) => void response.destroy()
    await RunningMarket.until("that it is offline", async () =>
      (await RunningMarket.instanceStates(market))[0] === "offline" ? true : undefined,
    )
    service.answer = undefined
    await RunningMarket.listed(market, MODEL, 1)
  }, 30_000)

  it("tells its member why the service refuses it, and buyers nothing of what the service says", async () => {
    service.answer = (asked, response) =>
      asked.method === "GET"
        ? CloudService.json(response, 200, { data: [] })
        : CloudService.json(response, 400, { error: { message: `Bad key ${asked.headers.authorization}`, type: "x" } })
    const echoed = await refusal(ask())
    assert.strictEqual(echoed.status, 400, JSON.stringify(echoed.error))
    assert.notInclude(JSON.stringify(echoed.error) + echoed.message, CANARY)
    service.answer = (asked, response) =>
      asked.method === "GET"
        ? CloudService.json(response, 200, { data: [] })
        : response
            .writeHead(200, { "content-type": "text/event-stream" })
            .end(`data: {"error":{"message":"the key ${CANARY} is over its limit"}}\n\n`)
    const inStream = await refusal(ask())
    assert.notInclude(JSON.stringify(inStream.error) + inStream.message, CANARY)
    service.answer = undefined
    service.tokens.clear()
    const refused = await refusal(ask())
    assert.isAtLeast(refused.status ?? 0, 500)
    const { parked } = await RunningMarket.until("that it is parked", async () => {
      const found = await theAccount()
      return found.parked === null ? undefined : found
    })
    assert.strictEqual(parked?.code, "cloud_token_refused")
    await RunningMarket.until("that it is offline", async () =>
      (await theAccount()).models[0]?.state === "offline" ? true : undefined,
    )
  }, 30_000)

  it("serves again with another token", async () => {
    service.tokens.add(NEXT)
    const changed = await cloud("PATCH", `/${account}`, { token: NEXT })
    assert.strictEqual(changed.status, 200, JSON.stringify(changed.body))
    assert.deepStrictEqual((changed.body as Account).token, { ends_with: NEXT.slice(-4), sealed_with: "old" })
    await RunningMarket.listed(market, MODEL, 1)
    assert.strictEqual((await ask()).text, "Hello from the cloud.")
    assert.strictEqual(service.asked.at(-1)?.headers.authorization, `Bearer ${NEXT}`)
  }, 30_000)

  it("leaves no trace of a token in output, metrics, exports, tables and files", async () => {
    const { body } = await market.call("/metrics")
    await RunningMarket.until("the span of the account", () =>
      collector.names("traces").has("CloudRoutes.change") ? true : undefined,
    )
    const { found } = await Effect.runPromise(tablesWith([CANARY, NEXT, account]).pipe(Effect.provide(sql())))
    assert.include(found.get(account) ?? [], "registry_cloud_accounts")
    outputs.push(market.output())
    for (const token of [CANARY, NEXT]) {
      assert.deepStrictEqual(found.get(token), [], "tables")
      assert.isFalse(isIn(String(body), token), "metrics")
      assert.isFalse(isIn(outputs.join("\n"), token), "output")
      for (const [signal, bodies] of collector.bodies)
        assert.isFalse(
          bodies.some((one) => isIn(one, token)),
          signal,
        )
      assert.deepStrictEqual(filesWith(filesUnder(home), token), [], "files")
    }
    const secrets = [OLD, NEW].map((key) => key.slice(4))
    for (const key of secrets) assert.isFalse(isIn(outputs.join("\n"), key))
  }, 60_000)

  it("does not start with a key that is missing or wrong, and says in a letter what to do", async () => {
    await stop()
    const cases = [
      [NEW, "missing"],
      [`old:${NEW.slice(4)}`, "another one than it was"],
    ] as const
    for (const [keys, words] of cases) {
      const error = await start(keys).then(
        () => "it started",
        (error: unknown) => String(error),
      )
      assert.include(error, words)
      assert.include(error, "GUILDHALL_SEAL_KEYS")
      assert.notInclude(error, NEW.slice(4))
      assert.notMatch(error, /at .*\.ts:\d+/)
    }
  }, 120_000)

  it("is sealed again under a new key by a command, and the old key may go", async () => {
    const without = await RunningMarket.guildhall(home, ["cloud", "rotate-key"], { GUILDHALL_SEAL_KEYS: NEW })
    assert.strictEqual(without.code, 1)
    assert.match(without.output, /A key to seal with is missing\. .*"old"/)
    assert.notMatch(without.output, /at .*\.ts:\d+/)
    const settings = { GUILDHALL_SEAL_KEYS: `${OLD},${NEW}`, GUILDHALL_MARKET: path.join(home, "market.json") }
    const rotate = () => RunningMarket.guildhall(home, ["cloud", "rotate-key"], settings)
    const done = await rotate()
    assert.strictEqual(done.code, 0, done.output)
    assert.include(done.output, 'resealed  1 tokens with the key "new"')
    assert.include((await rotate()).output, "resealed  0 tokens")
    market = await start(NEW)
    assert.strictEqual((await theAccount()).token.sealed_with, "new")
    await RunningMarket.listed(market, MODEL, 1)
    assert.strictEqual((await ask()).text, "Hello from the cloud.")
  }, 120_000)

  it("sends its token nowhere once its row was moved to another URL", async () => {
    const thief = await CloudService.start()
    thief.tokens.add(NEXT)
    const run = (statement: string, ...values: ReadonlyArray<string>) =>
      Effect.runPromise(
        Effect.flatMap(PgClient.PgClient, (client) => client.unsafe(statement, values)).pipe(Effect.provide(sql())),
      )
    await run("UPDATE registry_cloud_accounts SET base_url = $1 WHERE id = $2", thief.url, account)
    await pause(1_200)
    await refusal(ask())
    assert.lengthOf(thief.asked, 0)
    thief.close()
    await run("UPDATE registry_cloud_accounts SET base_url = $1 WHERE id = $2", service.url, account)
    await RunningMarket.listed(market, MODEL, 1)
  }, 60_000)

  it("is gone once its member removes it", async () => {
    const before = service.asked.length
    assert.strictEqual((await cloud("DELETE", `/${account}`)).status, 204)
    await RunningMarket.until("that nobody serves it", async () => {
      const error = await refusal(ask()).catch(() => undefined)
      return error?.status === 404 || error?.status === 503 ? true : undefined
    })
    assert.deepStrictEqual(await RunningMarket.instanceStates(market), [])
    const { found } = await Effect.runPromise(tablesWith([account]).pipe(Effect.provide(sql())))
    assert.notInclude(found.get(account) ?? [], "registry_cloud_accounts")
    assert.isAtMost(service.asked.length - before, 20)
    outputs.push(market.output())
    for (const token of [CANARY, NEXT]) assert.isFalse(isIn(outputs.join("\n"), token))
  }, 30_000)
})
