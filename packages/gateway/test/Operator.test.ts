/**
 * What operators do, and what members see of their own.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Reason } from "@guildhall/core"
import { Account, Hold, PaymentRail } from "@guildhall/ledger"
import { type MovementState, RailError } from "@guildhall/ledger/Movement"
import * as TestControl from "./TestControl.ts"

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

const asOperator = (method: string, path: string, body?: unknown) => market.call(method, path, { as: "operator", body })

describe("members and keys", () => {
  it("a member is created once, and its key is shown once", async () => {
    const made = await asOperator("POST", "/v1/operator/members", { id: "mem_new", name: "New" })
    assert.strictEqual(made.status, 201)
    assert.strictEqual(made.json.name, "New")
    assert.strictEqual(
      (await asOperator("POST", "/v1/operator/members", { id: "mem_new", name: "x" })).json.name,
      "New",
    )
    const issued = await asOperator("POST", "/v1/operator/keys", { member: "mem_new", name: "first", role: "buyer" })
    assert.strictEqual(issued.status, 201)
    assert.match(issued.json.secret, /^sk-[A-Za-z0-9_-]{43}$/)
    assert.strictEqual(issued.json.dataCollection, "deny")
    const listed = await asOperator("GET", "/v1/operator/keys?member=mem_new")
    assert.deepStrictEqual(
      listed.json.data.map((key: { id: string }) => key.id),
      [issued.json.id],
    )
    assert.notInclude(listed.text, issued.json.secret)
    const balance = await market.call("GET", "/v1/balance", { as: issued.json.secret })
    assert.deepStrictEqual(
      balance.json.accounts.map((one: { source: string; available: object }) => [one.source, one.available]),
      ["development", "card"].map((source) => [source, balance.json.funds.available]),
    )
    assert.strictEqual(balance.json.funds.available.amount, "0")
  })

  it("refuses a key for nobody, with no role, or one that is not there", async () => {
    isProblem(
      await asOperator("POST", "/v1/operator/keys", { member: "mem_nobody", name: "x", role: "buyer" }),
      "not_found",
    )
    isProblem(
      await asOperator("POST", "/v1/operator/keys", { member: "mem_buyer", name: "x", role: "king" }),
      "invalid_request",
    )
    isProblem(
      await asOperator("POST", "/v1/operator/keys", { member: "mem_buyer", name: "", role: "buyer" }),
      "invalid_request",
    )
    isProblem(await asOperator("DELETE", "/v1/operator/keys/key_unknown"), "not_found")
    isProblem(await asOperator("GET", "/v1/operator/keys"), "invalid_request")
  })

  it("notes what was changed in the journal", async () => {
    const acts: Array<string> = []
    const noting = await TestControl.start()
    const issued = await noting.call("POST", "/v1/operator/keys", {
      as: "operator",
      body: { member: "mem_buyer", name: "noted", role: "buyer" },
    })
    await noting.call("DELETE", `/v1/operator/keys/${issued.json.id}`, { as: "operator" })
    await noting.call("POST", "/v1/operator/top-ups", {
      as: "operator",
      body: { member: "mem_buyer", amount: "1", idempotencyKey: "n" },
    })
    const attached = await noting.run(noting.ledger.attachments(0n, 10))
    for (const { attachment } of attached) acts.push(attachment.kind)
    assert.deepStrictEqual(acts, ["operator.acted"])
    assert.deepInclude(attached[0]?.attachment.body, { subject: "mem_buyer by 1 USD through Development" })
    await noting.close()
  })
})

describe("top-ups", () => {
  const topUp = (body: object) => asOperator("POST", "/v1/operator/top-ups", { member: "mem_buyer", ...body })

  it("adds exactly the amount, once for each key", async () => {
    const first = await topUp({ amount: "12.50", idempotencyKey: "a" })
    assert.strictEqual(first.status, 200, first.text)
    assert.deepStrictEqual(first.json.added, { asset: "USD", amount: "12500000000000", formatted: "12.5" })
    assert.strictEqual(first.json.replayed, false)
    const again = await topUp({ amount: "12.50", idempotencyKey: "a" })
    assert.strictEqual(again.json.replayed, true)
    assert.strictEqual(again.json.account.balance.formatted, "12.5")
    isProblem(await topUp({ amount: "13", idempotencyKey: "a" }), "idempotency_conflict")
    const { json } = await market.call("GET", "/v1/balance", { as: "buyer" })
    assert.deepStrictEqual(json.funds.available, first.json.added)
    assert.deepStrictEqual(
      json.accounts.map((one: { balance: object }) => one.balance),
      [first.json.added],
    )
  })

  it("refuses amounts that are none", async () => {
    for (const amount of ["0", "-1", "1e3", "", "1,5", "0.0000000000001", 5, null, "NaN"]) {
      isProblem(await topUp({ amount, idempotencyKey: `b-${amount}` }), "invalid_request")
    }
  })

  it("refuses a missing key, an unknown member and an unknown rail", async () => {
    isProblem(await topUp({ amount: "1" }), "invalid_request")
    isProblem(await topUp({ amount: "1", idempotencyKey: "" }), "invalid_request")
    isProblem(await topUp({ amount: "1", idempotencyKey: "c", member: "mem_nobody" }), "not_found")
    isProblem(await topUp({ amount: "1", idempotencyKey: "c", rail: "Gold" }), "not_found")
  })

  it("posts nothing that the rail has not moved", async () => {
    const states: ReadonlyArray<readonly [MovementState, Reason.ReasonCode]> = [
      [{ _tag: "Failed", detail: "declined" }, "invalid_request"],
      [{ _tag: "Pending", next: null }, "service_unavailable"],
      [{ _tag: "Unknown", detail: "?" }, "service_unavailable"],
    ]
    const rails = states.map(([state], at) =>
      PaymentRail.makeMemory({ name: `R${at}`, fundingSource: "card", decide: () => state }),
    )
    const down: PaymentRail.PaymentRail = {
      ...PaymentRail.makeMemory({ name: "Down", fundingSource: "card", decide: () => ({ _tag: "Succeeded" }) }),
      start: () => Effect.fail(new RailError({ reason: "Unavailable", detail: "It is down." })),
    }
    const picky = await TestControl.start({ rails: [...rails, down] })
    const ask = (rail: string) =>
      picky.call("POST", "/v1/operator/top-ups", {
        as: "operator",
        body: { member: "mem_buyer", amount: "1", idempotencyKey: "k", rail },
      })
    for (const [at, [, code]] of states.entries()) isProblem(await ask(`R${at}`), code)
    isProblem(await ask("Down"), "service_unavailable")
    assert.deepStrictEqual(await picky.run(picky.ledger.attachments(0n, 10)), [])
    await picky.close()
  })
})

describe("funds", () => {
  it("are one account for each source, in the definition's order, and their sum", async () => {
    const source = (fundingSource: string) =>
      PaymentRail.makeMemory({ name: fundingSource, fundingSource, decide: () => ({ _tag: "Succeeded" }) })
    const rich = await TestControl.start({ rails: [source("card"), source("development")] })
    for (const [at, rail] of ["card", "development", "card"].entries()) {
      const { status } = await rich.call("POST", "/v1/operator/top-ups", {
        as: "operator",
        body: { member: "mem_buyer", amount: `${at + 1}`, idempotencyKey: `k${at}`, rail },
      })
      assert.strictEqual(status, 200)
    }
    const [first, second] = ["development", "card"].map((name) => Account.ids.funds(name, TestControl.members.buyer))
    await rich.run(
      rich.ledger.hold({
        id: Hold.HoldId.make("req_both"),
        account: first ?? assert.fail(),
        further: [second ?? assert.fail()],
        amount: 3n * 10n ** 12n,
        owner: "test",
        lifeMs: 60_000,
        definitionDigest: "",
        context: null,
      }),
    )
    const { json } = await rich.call("GET", "/v1/balance", { as: "buyer" })
    const shown = (of: Record<"balance" | "held" | "available", { formatted: string }>) =>
      [of.balance, of.held, of.available].map(({ formatted }) => formatted)
    assert.deepStrictEqual(shown(json.funds), ["6", "3", "3"])
    assert.deepStrictEqual(json.accounts.map(shown), [
      ["2", "2", "0"],
      ["4", "1", "3"],
    ])
    assert.deepStrictEqual(
      json.accounts.map((one: { source: string }) => one.source),
      ["development", "card"],
    )
    const frozen = { floor: 0n, ceiling: null, state: "frozen" } as const
    await rich.run(rich.ledger.setTerms({ idempotencyKey: "f", account: first ?? assert.fail(), terms: frozen }))
    const after = await rich.call("GET", "/v1/balance", { as: "buyer" })
    assert.deepStrictEqual(shown(after.json.funds), ["6", "3", "0"])
    await rich.close()
  })

  it("come by rails only whose source is spent", async () => {
    const rails = [
      PaymentRail.makeMemory({ name: "Gold", fundingSource: "gold", decide: () => ({ _tag: "Succeeded" }) }),
    ]
    const error = await TestControl.start({ rails }).then(
      () => "it started",
      (cause: unknown) => String(cause),
    )
    assert.include(error, 'The rail Gold brings in money of the source "gold", which nobody could spend')
  })
})

describe("accounts", () => {
  it("are listed by id, page by page", async () => {
    const all = await asOperator("GET", "/v1/operator/accounts")
    const ids = all.json.data.map((account: { id: string }) => account.id)
    assert.includeMembers(ids, ["buyer:development:mem_buyer", "external:development"])
    const paged: Array<string> = []
    for (let after = ""; ;) {
      const page = await asOperator("GET", `/v1/operator/accounts?limit=1${after === "" ? "" : `&after=${after}`}`)
      paged.push(...page.json.data.map((account: { id: string }) => account.id))
      after = page.json.nextAfter ?? ""
      if (after === "") break
    }
    assert.deepStrictEqual(paged, ids)
    isProblem(await asOperator("GET", "/v1/operator/accounts?limit=0"), "invalid_request")
    isProblem(await asOperator("GET", "/v1/operator/accounts?limit=many"), "invalid_request")
  })

  it("are a member's own: what it spends, and what it earned", async () => {
    const asset = TestControl.usd
    const earned = Account.ids.accrual("card", TestControl.members.provider)
    await market.run(
      Effect.gen(function* () {
        yield* market.ledger.open({ id: earned, kind: "accrual", asset, floor: 0n })
        yield* market.ledger.post({
          idempotencyKey: "earned",
          kind: "grant",
          legs: [
            { account: Account.ids.external("development"), amount: -5n },
            { account: earned, amount: 5n },
          ],
          attachments: [],
        })
      }),
    )
    const provider = await market.call("GET", "/v1/balance", { as: "provider" })
    assert.deepStrictEqual(
      provider.json.accounts.map((one: { id: string; balance: { amount: string } }) => [one.id, one.balance.amount]),
      [[earned, "5"]],
    )
    assert.notInclude((await market.call("GET", "/v1/balance", { as: "buyer" })).text, "accrual")
  })
})
