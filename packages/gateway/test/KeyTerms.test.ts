/**
 * What a key's terms do at both doors.
 */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { IpRange, type KeyTerms, Model, Reason } from "@guildhall/core"
import * as ClientAddress from "../src/ClientAddress.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestControl from "./TestControl.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const good = Upstream.whole("x", { prompt: 5, completion: 2 })
const codeOf = (answer: TestLane.Answer): string => JSON.parse(answer.text).error.code

describe("the lane", () => {
  const send = async (terms: KeyTerms.KeyTerms, body: object = {}) => {
    const { lane, upstream } = await TestLane.withUpstream(good, { terms })
    return { answer: await lane.chat(body), lane, upstream }
  }

  it("refuses a key that has expired, before anything is read", async () => {
    const { answer, upstream } = await send({ expiresAtMs: 1_000 })
    assert.strictEqual(answer.status, 401)
    assert.strictEqual(codeOf(answer), "key_expired")
    assert.strictEqual(upstream.seen.length, 0)
    assert.strictEqual((await send({ expiresAtMs: 8e15 })).answer.status, 200)
  })

  it("refuses other addresses than the key's", async () => {
    const { answer } = await send({ allowedIps: ["192.0.2.0/24", "2001:db8::/32"] })
    assert.strictEqual(answer.status, 403)
    assert.strictEqual(codeOf(answer), "ip_not_allowed")
    assert.include(answer.text, "127.0.0.1")
    assert.strictEqual((await send({ allowedIps: ["127.0.0.0/8"] })).answer.status, 200)
  })

  it("refuses other models than the key's, whatever alias they are asked for by", async () => {
    const { answer, upstream } = await send({ allowedModels: [Model.ModelId.make("other/model")] }, { model: "small" })
    assert.strictEqual(answer.status, 403)
    assert.strictEqual(codeOf(answer), "model_not_allowed")
    assert.strictEqual(upstream.seen.length, 0)
    assert.strictEqual((await send({ allowedModels: [TestLane.MODEL] }, { model: "small" })).answer.status, 200)
  })

  it("has the key's own limits in place of the market's for a key", async () => {
    const { answer, lane } = await send({ limits: { requestsPerMinute: 1, tokensPerMinute: 100_000 } })
    assert.strictEqual(answer.status, 200)
    assert.deepInclude(answer.headers, { "x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0" })
    assert.strictEqual(answer.headers["x-ratelimit-limit-tokens"], "100000")
    const second = await lane.chat({})
    assert.strictEqual(second.status, 429)
    assert.strictEqual(codeOf(second), "rate_limited")
    assert.strictEqual(second.headers["x-guildhall-limit"], "scope=key, name=requestsPerMinute, limit=1")
    assert.isAtLeast(Number(second.headers["retry-after"]), 59)
    assert.strictEqual(second.headers["x-should-retry"], "true")
  })

  it("counts tokens, and the money that they cost", async () => {
    // 5 tokens of prompt at a ten-thousandth of a cent, and 2 of answer at two: 0.0009 cents.
    const { lane } = await TestLane.withUpstream(good, {
      terms: { limits: { tokensPerMinute: 2_000, centsPerDay: 1 } },
    })
    const first = await lane.chat({ max_tokens: 16 })
    assert.strictEqual(first.status, 200)
    await lane.idle()
    const usage = await lane.run(
      lane.limits.usage({ ...TestLane.holder, terms: { limits: { tokensPerMinute: 2_000, centsPerDay: 1 } } }),
    )
    assert.deepInclude(
      usage.find(({ name, scope }) => scope === "key" && name === "tokensPerMinute"),
      {
        used: 7,
        underWay: 0,
      },
    )
    assert.closeTo(usage.find(({ name }) => name === "centsPerDay")?.used ?? 0, 0.0009, 1e-9)
    const dear = await lane.chat({ max_tokens: 1_000_000, n: 8 })
    assert.strictEqual(dear.status, 429)
    assert.strictEqual(codeOf(dear), "token_rate_limited")
    assert.strictEqual(dear.headers["x-should-retry"], "false")
  })

  it("counts a request as under way until its answer is there, however long it takes to write it down", async () => {
    const { lane } = await TestLane.withUpstream(good, {
      terms: { limits: { concurrentRequests: 1 } },
      wrapLedger: (ledger) => ({ ...ledger, settle: (id, posting) => Effect.delay(ledger.settle(id, posting), 100) }),
    })
    for (let at = 0; at < 5; at++) {
      const answer = await lane.chat({})
      assert.strictEqual(answer.status, 200, answer.text)
    }
    await lane.books()
  })

  it("refuses what would go over the budget with 402 and the time when there is a new one", async () => {
    const { lane, upstream } = await TestLane.withUpstream(good, {
      terms: { limits: { centsPerDay: 1, centsPerMonth: 1 } },
    })
    // 1,000 tokens of answer are a fifth of a cent; what the prompt may be comes on top.
    const most = await Promise.all(Array.from({ length: 20 }, () => lane.chat({ max_tokens: 1_000 })))
    const refused = most.filter(({ status }) => status === 402)
    assert.isAbove(refused.length, 0)
    for (const answer of refused) {
      assert.strictEqual(codeOf(answer), "budget_exceeded")
      // What requests under way leave may do.
      assert.strictEqual(answer.headers["x-should-retry"], "true")
      assert.strictEqual(answer.headers["retry-after"], "1")
    }
    assert.strictEqual(upstream.seen.length, 20 - refused.length)
    await lane.books()
  })
})

describe("the control lane", () => {
  let market: TestControl.TestControl
  beforeAll(async () => {
    market = await TestControl.start()
  })
  afterAll(() => market.close())

  const issue = async (terms: object) =>
    market.call("POST", "/v1/operator/keys", {
      as: "operator",
      body: { member: "mem_other", name: "x", role: "buyer", terms },
    })
  const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode) =>
    assert.deepStrictEqual([reply.status, reply.json?.code], [Reason.describe(code).status, code], reply.text)

  it("issues a key on terms, shows them, and gives it others", async () => {
    const terms = { allowedModels: ["test/model"], limits: { requestsPerMinute: 5, centsPerMonth: 100 } }
    const issued = await issue(terms)
    assert.strictEqual(issued.status, 201)
    assert.deepStrictEqual(issued.json.terms, terms)
    const shown = await market.call("GET", "/v1/limits", { as: issued.json.secret })
    assert.strictEqual(shown.status, 200, shown.text)
    assert.deepInclude(shown.json, { key: issued.json.id, member: "mem_other", terms })
    assert.deepStrictEqual(
      shown.json.limits.map((one: { scope: string; name: string; limit: number }) => [one.scope, one.name, one.limit]),
      [
        ["key", "requestsPerMinute", 5],
        ["key", "concurrentRequests", 1_000],
        ["key", "centsPerMonth", 100],
      ],
    )
    const path = `/v1/operator/keys/${issued.json.id}/terms`
    const changed = await market.call("PUT", path, { as: "operator", body: { keepAlive: false } })
    assert.deepStrictEqual(changed.json.terms, { keepAlive: false })
    const again = await market.call("GET", "/v1/limits", { as: issued.json.secret })
    assert.deepStrictEqual(again.json.terms, { keepAlive: false })
    isProblem(await market.call("PUT", path, { as: "buyer", body: {} }), "insufficient_role")
    isProblem(await market.call("PUT", "/v1/operator/keys/key_none/terms", { as: "operator", body: {} }), "not_found")
  })

  it("refuses terms that mean nothing, or something else than they seem to", async () => {
    for (const terms of [
      { allowedModel: ["test/model"] },
      { limits: { requestPerMinute: 5 } },
      { limits: { requestsPerMinute: 0 } },
      { limits: { centsPerDay: 1.5 } },
      { allowedIps: ["192.0.2.0/33"] },
      { allowedIps: ["example.com"] },
      { allowedIps: [] },
      { allowedModels: Array.from({ length: 101 }, () => "test/model") },
      { expiresAtMs: -1 },
    ]) {
      isProblem(await issue(terms), "invalid_request")
    }
  })

  it("is closed to a key that has expired, or comes from elsewhere", async () => {
    const expired = await issue({ expiresAtMs: 1_000 })
    isProblem(await market.call("GET", "/v1/limits", { as: expired.json.secret }), "key_expired")
    const elsewhere = await issue({ allowedIps: ["192.0.2.1"] })
    isProblem(await market.call("GET", "/v1/balance", { as: elsewhere.json.secret }), "ip_not_allowed")
  })
})

describe("ranges of addresses", () => {
  it.each([
    ["10.0.0.0/8", "10.255.0.1", "11.0.0.1"],
    ["192.0.2.7", "192.0.2.7", "192.0.2.8"],
    ["0.0.0.0/0", "203.0.113.9", "2001:db8::1"],
    ["2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"],
    ["::1", "0:0:0:0:0:0:0:1", "127.0.0.1"],
  ])("%s has %s and not %s", (range, inside, outside) => {
    assert.isDefined(IpRange.parse(range))
    assert.isTrue(ClientAddress.within([range])(inside))
    assert.isFalse(ClientAddress.within([range])(outside))
  })

  it.each([
    "",
    "10.0.0",
    "10.0.0.256",
    "01.2.3.4",
    "10.0.0.0/",
    "10.0.0.0/x",
    "::/129",
    "1::2::3",
    "[::1]",
    "fe80::1%eth0",
    "a.b",
  ])("%s is none", (text) => assert.isUndefined(IpRange.parse(text)))

  it("believes only trusted proxies, from the last to the first", () => {
    const of = ClientAddress.make(["10.0.0.0/8"])
    assert.strictEqual(of("::ffff:198.51.100.1", "192.0.2.1"), "198.51.100.1")
    assert.strictEqual(of("10.0.0.1", "192.0.2.66, 192.0.2.1, 10.0.0.2"), "192.0.2.1")
    assert.strictEqual(of("10.0.0.1", "10.0.0.3"), "10.0.0.3")
    assert.strictEqual(of("10.0.0.1", "nonsense, 10.0.0.3"), "nonsense")
    assert.strictEqual(of("10.0.0.1", undefined), "10.0.0.1")
    assert.strictEqual(of(undefined, "192.0.2.1"), "")
    assert.strictEqual(ClientAddress.make([])("127.0.0.1", "192.0.2.1"), "127.0.0.1")
  })
})
