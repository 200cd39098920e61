/**
 * Accounts in a cloud on the control lane: adding, another token, taking away, and everything that a member, a stranger or a
 * service can get wrong.
 */
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { Logger } from "effect"
import { Reason } from "@guildhall/core"
import * as CloudService from "../src/testing/CloudService.ts"
import * as TestControl from "./TestControl.ts"

const PATH = "/v1/providers/cloud"
const TOKEN = "sk-canary-0123456789abcdef-end"

let market: TestControl.TestControl
let service: CloudService.CloudService
const logged: Array<string> = []
const logger = Logger.make((options) => void logged.push(Logger.formatJson.log(options)))

beforeAll(async () => {
  market = await TestControl.start({ loggers: [logger] })
})
beforeEach(async () => {
  service?.close()
  service = await CloudService.start()
  service.tokens.add(TOKEN)
})
afterAll(async () => {
  service.close()
  await market.close()
})

const model = {
  model: "acme/large",
  service_model: "large-2026",
  input_price_per_million: 100,
  output_price_per_million: 200,
  context_length_offered: 8192,
  concurrency: 4,
}
let number = 0
const body = (change: object = {}) => ({
  name: `account ${++number}`,
  base_url: service.url,
  token: TOKEN,
  models: [model],
  ...change,
})

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode) => {
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    { status: Reason.describe(code).status, code },
    reply.text,
  )
  assert.notInclude(reply.text, TOKEN)
}
const add = (change: object = {}, as = "provider") => market.call("POST", PATH, { as, body: body(change) })
const list = async (as = "provider") => (await market.call("GET", PATH, { as })).json.data
const listed = async (id: string) =>
  (await market.call("GET", "/v1/operator/instances", { as: "operator" })).json.data
    .map((one: { instance: unknown }) => one.instance)
    .filter((one: { reach: { account?: string } }) => one.reach.account === id)

describe("adding", () => {
  it("T12 · lists a keyless instance for each model, and tells of the token its end and the key that seals it", async () => {
    const small = { ...model, model: "acme/small", service_model: "small-2026", region: "eu-west" }
    const reply = await add({ name: "work", provider: "acme", models: [model, small] })
    assert.strictEqual(reply.status, 201, reply.text)
    const { id, models } = reply.json
    assert.match(id, /^cld_[0-9a-f]{24}$/)
    assert.deepStrictEqual(reply.json.token, { ends_with: "-end", sealed_with: "test" })
    assert.strictEqual(reply.json.parked, null)
    assert.deepStrictEqual(
      models.map(({ model, service_model, state }: Record<string, string>) => [model, service_model, state]),
      [
        ["acme/large", "large-2026", "online"],
        ["acme/small", "small-2026", "online"],
      ],
    )
    assert.strictEqual(models[0].device_id, models[1].device_id)
    const [first, second] = await listed(id)
    assert.deepInclude(first, { memberId: "mem_provider", provider: "acme", reach: { _tag: "Cloud", account: id } })
    assert.notProperty(first, "devicePublicKey")
    assert.deepInclude(second, { region: "eu-west", model: "acme/small" })
    assert.deepStrictEqual(
      (await list()).find((one: { id: string }) => one.id === id),
      reply.json,
    )
  })

  it("needs the key of a provider, and shows an account to its member only", async () => {
    isProblem(await market.call("POST", PATH, { body: body() }), "missing_api_key")
    isProblem(await add({}, "buyer"), "insufficient_role")
    isProblem(await market.call("GET", PATH, { as: "operator" }), "insufficient_role")
  })

  it("asks the service for its models with the token and without it, and for a token where that proves nothing", async () => {
    await add()
    const asked = () => service.asked.map(({ headers, method, path }) => [method, path, headers.authorization])
    const bearer = `Bearer ${TOKEN}`
    assert.deepStrictEqual(asked(), [
      ["GET", "/openai/v1/models", bearer],
      ["GET", "/openai/v1/models", undefined],
    ])
    service.asked.length = 0
    service.hasPublicList = true
    await add()
    assert.deepStrictEqual(asked().at(-1), ["POST", "/openai/v1/chat/completions", bearer])
    const { max_tokens, model: name } = JSON.parse(service.asked.at(-1)?.body ?? "{}")
    assert.deepStrictEqual([name, max_tokens], ["large-2026", 1])
    service.asked.length = 0
    service.models = undefined
    assert.strictEqual((await add()).status, 201)
    assert.lengthOf(service.asked, 2)
    service.models = ["large-2026"]
    const unlisted = await add({ models: [{ ...model, service_model: "unlisted-1" }] })
    assert.strictEqual(unlisted.status, 201, unlisted.text)
  })

  it("refuses a token that the service does not take, and what else the service refuses, and keeps nothing", async () => {
    const before = (await list()).length
    service.tokens.clear()
    isProblem(await add(), "cloud_token_refused")
    service.hasPublicList = true
    isProblem(await add(), "cloud_token_refused")
    service.tokens.add(TOKEN)
    isProblem(await add({ models: [{ ...model, service_model: "none" }] }), "cloud_service_unfit")
    const answers = [
      [402, "cloud_payment_due"],
      [403, "cloud_token_refused"],
      [429, "cloud_rate_limited"],
      [500, "cloud_service_unfit"],
      [307, "cloud_service_unfit"],
    ] as const
    for (const [status, code] of answers) {
      service.answer = ({ headers }, response) =>
        CloudService.json(response, status, { error: { message: `no: ${headers.authorization}` } }, { location: "/x" })
      isProblem(await add(), code)
    }
    service.answer = (_, response) => response.destroy()
    isProblem(await add(), "cloud_service_unfit")
    isProblem(await add({ base_url: "http://127.0.0.1:1" }), "cloud_service_unfit")
    assert.lengthOf(await list(), before)
  })

  it("refuses what is no account before anybody is asked, and never repeats the token", async () => {
    const cases: ReadonlyArray<readonly [Reason.ReasonCode, object]> = [
      ["invalid_request", { name: "" }],
      ["invalid_request", { models: [] }],
      ["invalid_request", { models: [model, model] }],
      ["invalid_request", { models: [{ ...model, context_length_offered: 0 }] }],
      ["invalid_request", { token: [TOKEN] }],
      ["invalid_request", { token: { value: TOKEN } }],
      ["invalid_request", { token: `${TOKEN}\r\nx: y` }],
      ["invalid_request", { token: `${TOKEN} ${TOKEN}` }],
      ["invalid_request", { token: TOKEN.repeat(200) }],
      ["invalid_request", { [TOKEN]: 1, name: 5 }],
      ["invalid_price", { models: [{ ...model, input_price_per_million: 100_001 }] }],
      ["invalid_request", { models: [{ ...model, rails: ["Bitcoin"] }] }],
      ["invalid_endpoint", { base_url: "ftp://example.com" }],
      ["invalid_endpoint", { base_url: `https://me:${TOKEN.slice(0, 5)}@example.com` }],
    ]
    for (const [code, change] of cases) isProblem(await add(change), code)
    assert.lengthOf(service.asked, 0)
  })

  it("asks for one account of a member at a time, so that a slow service is no one else's trouble", async () => {
    const held: Array<() => void> = []
    service.answer = (_, response) => void held.push(() => response.destroy())
    const first = add()
    while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    isProblem(await add(), "service_unavailable")
    for (const end of held) end()
    isProblem(await first, "cloud_service_unfit")
    service.answer = undefined
    assert.strictEqual((await add()).status, 201)
  })

  it("a name is one account's, and the market's bounds hold as for devices", async () => {
    assert.strictEqual((await add({ name: "twice" })).status, 201)
    isProblem(await add({ name: "twice" }), "invalid_request")
  })

  it("takes everything back where one of its models cannot be listed", async () => {
    const before = (await list()).length
    const other = { ...model, model: "acme/small", service_model: "small-2026" }
    const taken = await add({ provider: "acme2" })
    assert.strictEqual(taken.status, 201)
    const names = Array.from({ length: 17 }, (_, at) => `acme-${at}`)
    let failed: TestControl.Reply | undefined
    for (const provider of names) {
      const reply = await add({ name: `p ${provider}`, provider, models: [model, other] })
      if (reply.status !== 201) failed ??= reply
    }
    assert.strictEqual(failed?.status, 400, "a member has at most 16 names")
    const all = await list()
    assert.isBelow(all.length - before, 18)
    for (const { id, models } of all) assert.lengthOf(await listed(id), models.length)
  })

  it("says so where the market has nothing to seal tokens with, and asks nobody", async () => {
    const bare = await TestControl.start({ sealKeys: null })
    const reply = await bare.call("POST", PATH, { as: "provider", body: body() })
    isProblem(reply, "service_unavailable")
    assert.include(reply.json.detail, "GUILDHALL_SEAL_KEYS")
    assert.lengthOf(service.asked, 0)
    await bare.close()
  })

  it("calls no private address where the market allows none, whatever it is written as", async () => {
    const strict = await TestControl.start({ definition: { endpoints: { allowPrivate: false } } })
    const port = new URL(service.url).port
    const urls = ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254"]
    for (const host of urls) {
      for (const scheme of ["http", "https"]) {
        const base_url = `${scheme}://${host}:${port}/v1`
        const reply = await strict.call("POST", PATH, { as: "provider", body: body({ base_url }) })
        isProblem(reply, "invalid_endpoint")
      }
    }
    const plain = await strict.call("POST", PATH, { as: "provider", body: body({ base_url: "http://example.com/v1" }) })
    isProblem(plain, "invalid_endpoint")
    assert.lengthOf(service.asked, 0)
    await strict.close()
  })
})

describe("changing and removing", () => {
  const another = "sk-another-0123456789abcdef-new"

  it("takes another token once the service takes it, and is parked no more", async () => {
    const { id } = (await add()).json
    await market.run(
      market.accounts.park(id, { code: "cloud_payment_due", sinceMs: Date.now(), untilMs: Date.now() + 60_000 }),
    )
    const parked = (await list()).find((one: { id: string }) => one.id === id).parked
    assert.strictEqual(parked.code, "cloud_payment_due")
    assert.strictEqual(parked.because, Reason.describe("cloud_payment_due").sentence)
    const change = (token: unknown, as = "provider") => market.call("PATCH", `${PATH}/${id}`, { as, body: { token } })
    isProblem(await change(another), "cloud_token_refused")
    isProblem(await change(`${another}\n`), "invalid_request")
    isProblem(await change(another, "buyer"), "insufficient_role")
    service.tokens.add(another)
    const changed = await change(another)
    assert.strictEqual(changed.status, 200, changed.text)
    assert.deepStrictEqual(changed.json.token, { ends_with: "-new", sealed_with: "test" })
    assert.strictEqual(changed.json.parked, null)
    isProblem(await market.call("PATCH", `${PATH}/cld_none`, { as: "provider", body: { token: another } }), "not_found")
  })

  it("leaves the market and is forgotten; what it served keeps its ids when it comes back by its name", async () => {
    const first = (await add({ name: "comes back" })).json
    const remove = (id: string, as = "provider") => market.call("DELETE", `${PATH}/${id}`, { as })
    isProblem(await remove(first.id, "buyer"), "insufficient_role")
    assert.strictEqual((await remove(first.id)).status, 204)
    assert.lengthOf(await listed(first.id), 0)
    isProblem(await remove(first.id), "not_found")
    const again = (await add({ name: "comes back" })).json
    assert.notStrictEqual(again.id, first.id)
    assert.strictEqual(again.models[0].instance_id, first.models[0].instance_id)
    const { json } = await market.call("GET", "/v1/operator/events?limit=100", { as: "operator" })
    if (json?.data !== undefined) assert.notInclude(JSON.stringify(json), TOKEN)
  })
})

it("no token was logged", () => {
  assert.isAbove(logged.length, 0, "nothing was logged at all")
  assert.notInclude(logged.join("\n"), "sk-canary")
  assert.notInclude(logged.join("\n"), "sk-another")
})
