/**
 * What a member sees of its requests, their receipts, and why they went where they went.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { Reason, type Request } from "@guildhall/core"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as ReceiptSeal from "@guildhall/journal/ReceiptSeal"
import * as ReceiptVerify from "@guildhall/journal/ReceiptVerify"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import { KeyRing } from "@guildhall/core/KeyRing"
import { Account, Hold } from "@guildhall/ledger"
import * as RoutingExport from "@guildhall/routing/RoutingExport"
import * as TestControl from "./TestControl.ts"
import { members } from "./TestControl.ts"
import { instance } from "./TestLane.ts"

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start()
})
afterAll(() => market.close())

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode) =>
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    { status: Reason.describe(code).status, code },
    reply.text,
  )

type Ended = ReturnType<typeof SampleEntry.ended>

const ended = async (values: Parameters<typeof SampleEntry.ended>[0] = {}): Promise<Ended> => {
  const entry = SampleEntry.ended({ buyer: members.buyer, provider: members.provider, ...values })
  await market.run(market.journal.append([entry]))
  return entry
}

const seal = () =>
  market.run(
    Effect.gen(function* () {
      const waiting = yield* market.journal.receipts.unsealed(100)
      const options = { market: "local", batchId: SampleEntry.text(), nowMs: Date.now() }
      const sealed = yield* ReceiptSeal.seal(waiting, options).pipe(Effect.provideService(KeyRing, market.ring))
      yield* market.journal.receipts.seal(sealed.batch, sealed.receipts)
    }),
  )

const unknown = `req_${"f".repeat(32)}`

describe("receipts", () => {
  it("are given to buyer and provider with the salts, to operators without, to nobody else", async () => {
    const { receipt, salts } = await ended()
    await seal()
    const path = `/v1/receipts/${receipt.id}`
    for (const as of ["buyer", "provider"]) {
      const reply = await market.call("GET", path, { as })
      assert.strictEqual(reply.status, 200, reply.text)
      assert.deepStrictEqual(reply.json.salts, salts)
    }
    const operator = await market.call("GET", path, { as: "operator" })
    assert.strictEqual(operator.json.receipt.charge, "20000000")
    assert.notInclude(operator.text, salts.request)
    assert.notInclude(operator.text, salts.response)
    isProblem(await market.call("GET", path, { as: "other" }), "not_found")
    isProblem(await market.call("GET", path), "missing_api_key")
  })

  it("verify offline, exactly as they were downloaded, with the published keys", async () => {
    const salt = "ab".repeat(16)
    const request = new TextEncoder().encode('{"a":1}')
    const requestCommitment = createHash("sha256").update(Buffer.from(salt, "hex")).update(request).digest("hex")
    const entry = SampleEntry.ended({ buyer: members.buyer, requestCommitment })
    await market.run(market.journal.append([{ ...entry, salts: { request: salt, response: salt } }]))
    await seal()
    const { text } = await market.call("GET", `/v1/receipts/${entry.receipt.id}`, { as: "buyer" })
    const published = ReceiptVerify.readKeys((await market.call("GET", "/.well-known/guildhall-keys.json")).text)
    assert.strictEqual(published._tag, "Success")
    const keys = published._tag === "Success" ? published.success : []
    const verdict = await market.run(
      ReceiptVerify.verify({ text, keys, request }).pipe(Effect.provide(NodeCrypto.layer)),
    )
    assert.deepStrictEqual(
      verdict.checks.filter(({ holds }) => !holds),
      [],
    )
    assert.include(
      verdict.checks.map(({ name }) => name),
      "request",
    )
  })

  it("are waited for, and come as soon as their batch is signed", async () => {
    const { receipt } = await ended()
    const reply = market.call("GET", `/v1/receipts/${receipt.id}`, { as: "buyer" })
    await market.run(Effect.sleep(200))
    await seal()
    assert.strictEqual((await reply).status, 200)
  })

  it("are pending after two seconds, also while the request has not ended, and say when to ask again", async () => {
    const waiting = await ended()
    const id = SampleEntry.requestIds(1)[0] as Request.RequestId
    const account = Account.ids.buyer(members.buyer)
    await market.run(
      Effect.gen(function* () {
        yield* market.ledger.open({ id: account, kind: "buyer", asset: TestControl.usd, floor: 0n })
        yield* market.ledger.hold({
          id: Hold.HoldId.make(id),
          account,
          amount: 0n,
          owner: "test",
          lifeMs: 60_000,
          definitionDigest: "d",
          context: {},
        })
      }),
    )
    const startedMs = performance.now()
    const replies = await Promise.all(
      [waiting.receipt.id, id].map((one) => market.call("GET", `/v1/receipts/${one}`, { as: "buyer" })),
    )
    assert.isAtLeast(performance.now() - startedMs, 1_900)
    for (const reply of replies) {
      isProblem(reply, "receipt_pending")
      assert.strictEqual(reply.headers.get("retry-after"), "1")
    }
    isProblem(await market.call("GET", `/v1/receipts/${id}`, { as: "other" }), "not_found")
  })

  it("are not there for what is unknown or was refused, without waiting", async () => {
    const requestId = SampleEntry.requestIds(1)[0] as Request.RequestId
    await market.run(market.journal.append([SampleEntry.refused({ requestId, buyer: members.buyer })]))
    const startedMs = performance.now()
    for (const id of [unknown, requestId, "nonsense"]) {
      isProblem(await market.call("GET", `/v1/receipts/${id}`, { as: "buyer" }), "not_found")
    }
    assert.isBelow(performance.now() - startedMs, 1_000)
  })
})

describe("requests", () => {
  it("are listed newest first, page by page, the caller's own only", async () => {
    const reader = await TestControl.start()
    const ids = SampleEntry.requestIds(5)
    for (const id of ids.slice(0, 4)) {
      await reader.run(reader.journal.append([SampleEntry.ended({ id, buyer: members.buyer })]))
    }
    const refusedId = ids[4] as Request.RequestId
    await reader.run(
      reader.journal.append([
        SampleEntry.refused({ requestId: refusedId, buyer: members.buyer }),
        SampleEntry.ended({ buyer: members.other }),
      ]),
    )
    const first = await reader.call("GET", "/v1/requests?limit=2", { as: "buyer" })
    assert.strictEqual(first.status, 200, first.text)
    const [refused, last] = first.json.data
    assert.deepStrictEqual([refused.id, refused.outcome, refused.reason], [refusedId, "refused", "insufficient_funds"])
    assert.strictEqual(last.id, ids[3])
    assert.deepStrictEqual(last.charge, { asset: "USD", amount: "20000000", formatted: "0.00002" })
    const seen = [refused.id, last.id]
    for (let before = first.json.nextBefore; before !== null;) {
      const page = await reader.call("GET", `/v1/requests?limit=2&before=${before}`, { as: "buyer" })
      seen.push(...page.json.data.map((one: { id: string }) => one.id))
      before = page.json.nextBefore
    }
    assert.deepStrictEqual(seen, ids.toReversed())
    const all = await reader.call("GET", "/v1/operator/requests", { as: "operator" })
    assert.strictEqual(all.json.data.length, 6)
    const others = await reader.call("GET", "/v1/operator/requests?member=mem_other", { as: "operator" })
    assert.strictEqual(others.json.data.length, 1)
    isProblem(await reader.call("GET", "/v1/requests?limit=101", { as: "buyer" }), "invalid_request")
    isProblem(await reader.call("GET", "/v1/requests?before=x", { as: "buyer" }), "invalid_request")
    await reader.close()
  })

  it("are shown to those they concern", async () => {
    const { receipt } = await ended()
    for (const as of ["buyer", "provider", "operator"]) {
      const reply = await market.call("GET", `/v1/requests/${receipt.id}`, { as })
      assert.strictEqual(reply.json.instance, "ins_1", reply.text)
    }
    isProblem(await market.call("GET", `/v1/requests/${receipt.id}`, { as: "other" }), "not_found")
    isProblem(await market.call("GET", `/v1/requests/${receipt.id}/explain`, { as: "other" }), "not_found")
    isProblem(await market.call("GET", `/v1/requests/${unknown}`, { as: "operator" }), "not_found")
  })
})

describe("explain", () => {
  it("shows every candidate: the ones ranked, and why the others were left out", async () => {
    const busy = instance("busy", "http://127.0.0.1:1", { concurrency: 1 })
    const free = instance("free", "http://127.0.0.1:2")
    const gone = instance("gone", "http://127.0.0.1:3", { state: "offline" })
    for (const one of [busy, free, gone]) market.router.apply({ _tag: "InstanceListed", instance: one })
    market.router.apply({ _tag: "DispatchStarted", instanceId: busy.id })
    const request = { model: free.model, contextTokens: 10, tried: [] }
    const choice = market.router.choose(request, 7)
    const entry = await ended()
    const decision = {
      replica: market.router.replica,
      version: choice.version,
      policy: market.router.policy,
      seed: 7,
      model: free.model,
      contextTokens: 10,
      preferences: { sort: "price" as const },
      features: { affinity: "one" },
      attempts: [{ instance: free.id, version: choice.version, model: free.model }],
    }
    const id = RoutingExport.firstId(Date.now() - 1_000)
    await market.run(market.journal.append([{ ...entry, id, receipt: { ...entry.receipt, id }, decision }]))
    const { json, text } = await market.call("GET", `/v1/requests/${id}/explain`, { as: "buyer" })
    assert.strictEqual(json?.policy, "LeastLoaded@2", text)
    const [attempt] = json.attempts
    assert.strictEqual(attempt.chosen, free.id)
    assert.deepStrictEqual(
      attempt.ranked.map((one: { instance: string }) => one.instance),
      [free.id],
    )
    const excluded = Object.fromEntries(
      attempt.excluded.map((one: { instance: string; code: string }) => [one.instance, one.code]),
    )
    assert.deepStrictEqual(excluded, { [busy.id]: "concurrency_full", [gone.id]: "offline" })
    assert.isString(attempt.excluded[0].because)
    assert.match(attempt.ranked[0].because, /^price [\d.]+, 0 of \d+ in use, /)
    assert.strictEqual(attempt.model, free.model)
    assert.deepStrictEqual(
      [json.endpoint, json.preferences, json.features],
      [null, { sort: "price" }, { affinity: "one" }],
    )
    const { json: asProvider } = await market.call("GET", `/v1/requests/${id}/explain`, { as: "provider" })
    assert.deepStrictEqual([asProvider?.preferences, asProvider?.features], [null, null])
    assert.deepStrictEqual(asProvider?.attempts, json.attempts)
  })

  it("answers a provider why it was not routed to, and nothing of others'", async () => {
    const [first] = market.router.instances().filter(({ id }) => id.startsWith("ins_gone"))
    if (first === undefined) return assert.fail("the test before lists it")
    const path = `/v1/providers/why?instance=${first.id}`
    const { json, text } = await market.call("GET", path, { as: "provider" })
    assert.deepInclude(json, { served: 0, outranked: 0, absent: 0, isSample: false }, text)
    assert.deepStrictEqual(json?.reasons, [
      { code: "offline", count: 1, because: "The instance missed a heartbeat or failed a health check." },
    ])
    assert.strictEqual(json?.changes.length, 11)
    // What is not there, and what is another member's, are told alike.
    const [theirs] = market.router.instances().filter(({ memberId }) => memberId !== first.memberId)
    for (const other of [
      `${path}&device=dev_${"f".repeat(32)}`,
      "/v1/providers/why?instance=ins_nobody",
      ...(theirs === undefined ? [] : [`/v1/providers/why?instance=${theirs.id}`]),
    ]) {
      isProblem(await market.call("GET", other, { as: "provider" }), "not_found")
    }
    isProblem(await market.call("GET", path, { as: "buyer" }), "insufficient_role")
    isProblem(await market.call("GET", "/v1/providers/why?instance=nonsense", { as: "provider" }), "invalid_request")
  })

  it("refuses a period that is empty, and takes one that reaches beyond now for one until now", async () => {
    const ask = (query: string) => market.call("GET", `/v1/providers/why?${query}`, { as: "provider" })
    for (const query of ["from=2000&to=1000", "from=1000&to=1000", `from=${Number.MAX_SAFE_INTEGER}`, "to=0"]) {
      const answer = await ask(query)
      isProblem(answer, "invalid_request")
      assert.include(answer.text, "The period is empty", query)
    }
    for (const query of [
      "from=-1",
      "from=1.5",
      "from=1e99",
      "from=yesterday",
      "from=",
      "from=1e3",
      "from=0x10",
      "to=NaN",
    ]) {
      isProblem(await ask(query), "invalid_request")
    }
    const ever = await ask(`from=0&to=${Number.MAX_SAFE_INTEGER}`)
    assert.strictEqual(ever.status, 200, ever.text)
    assert.isBelow(ever.json?.toMs, Number.MAX_SAFE_INTEGER)
    assert.strictEqual(ever.json?.fromMs, 0)
  })

  it("answers each member in its turn, one question at a time, while another one asks in a loop", async () => {
    const member = await market.call("POST", "/v1/operator/members", { as: "operator", body: { name: "modest" } })
    const issued = await market.call("POST", "/v1/operator/keys", {
      as: "operator",
      body: { member: member.json?.id, name: "modest", role: "provider", dataCollection: "deny" },
    })
    const headers = { authorization: `Bearer ${issued.json?.secret}` }
    const ask = (more: { as: string } | { headers: typeof headers }) => market.call("GET", "/v1/providers/why", more)
    let isOver = false
    const statuses = new Set<number>()
    const loops = [1, 2, 3, 4].map(async () => {
      while (!isOver) statuses.add((await ask({ as: "provider" })).status)
    })
    for (let at = 0; at < 12; at++) assert.strictEqual((await ask({ headers })).status, 200)
    isOver = true
    await Promise.all(loops)
    assert.sameMembers([...statuses], [200, 429])
  })

  it("says so where the log does not reach, or nothing was chosen", async () => {
    const { receipt } = await ended()
    isProblem(await market.call("GET", `/v1/requests/${receipt.id}/explain`, { as: "buyer" }), "not_found")
    const requestId = SampleEntry.requestIds(1)[0] as Request.RequestId
    await market.run(market.journal.append([SampleEntry.refused({ requestId, buyer: members.buyer })]))
    isProblem(await market.call("GET", `/v1/requests/${requestId}/explain`, { as: "buyer" }), "not_found")
  })
})
