import { assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AccountId } from "../src/Account.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Recompute from "../src/testing/internal/Recompute.ts"
import * as Trial from "../src/testing/internal/Trial.ts"

const RENEW_MS = 10_000
const Store = LedgerStoreSql.layer({ renewMs: RENEW_MS })
const Live = Store.pipe(Layer.provideMerge(TestDatabase.layer))

/** Takes a hold that nothing keeps alive. */
const overdue = Effect.fnUntraced(function* (account: AccountId, owner: string) {
  const sql = yield* SqlClient.SqlClient
  const hold = Sample.holdRequest(account, 1n, { owner })
  yield* Trial.outcome({ _tag: "Hold", hold })
  yield* sql`UPDATE ledger_holds SET expires_at_ms = 1 WHERE id = ${hold.id}`
  return hold.id
})

const sweep = Effect.map(Trial.answer({ _tag: "Expire", limit: 100 }, "Expired"), ({ holds }) => holds)

/** Lets so much time pass for the book: everything that it remembers is that much longer ago. */
const silence = (ms: number) =>
  SqlClient.SqlClient.use(
    (sql) =>
      sql`UPDATE ledger_books SET token = token + 1, committed_at_ms = committed_at_ms - ${ms},
        resumed_at_ms = resumed_at_ms - ${ms}`,
  )

describe("LedgerStoreSql: after an outage", () => {
  it.effect("nothing expires until living owners had the time to renew", () =>
    Effect.gen(function* () {
      const { buyer } = yield* Trial.people(100n)
      const alive = yield* overdue(buyer, "alive")
      const dead = yield* overdue(buyer, "dead")
      yield* silence(RENEW_MS * 1.5 + 1)
      assert.deepStrictEqual(yield* sweep, [])
      yield* silence(RENEW_MS)
      assert.deepStrictEqual(yield* sweep, [])
      yield* Trial.outcome({ _tag: "Renew", owner: "alive", lifeMs: 60_000 })
      yield* silence(RENEW_MS / 2)
      assert.deepStrictEqual(yield* sweep, [dead])
      const [hold] = yield* LedgerStore.use((store) => store.holds({ ids: [alive] }))
      assert.strictEqual(hold?.state, "pending")
    }).pipe(Effect.provide(Live)),
  )

  it.effect("two outages with one sign of life in between are two", () =>
    Effect.gen(function* () {
      const { buyer } = yield* Trial.people(100n)
      const alive = yield* overdue(buyer, "alive")
      yield* silence(RENEW_MS * 5)
      yield* Trial.outcome({ _tag: "Renew", owner: "another", lifeMs: 60_000 })
      yield* silence(RENEW_MS * 2)
      assert.deepStrictEqual(yield* sweep, [])
      yield* silence(RENEW_MS * 1.5)
      assert.deepStrictEqual(yield* sweep, [alive])
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a pause between two commits that owners live through is none", () =>
    Effect.gen(function* () {
      const { buyer } = yield* Trial.people(100n)
      const dead = yield* overdue(buyer, "dead")
      yield* silence(RENEW_MS * 1.4)
      assert.deepStrictEqual(yield* sweep, [dead])
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a sweep that is the only sign of life still comes to its end", () =>
    Effect.gen(function* () {
      const { buyer } = yield* Trial.people(100n)
      const dead = yield* overdue(buyer, "dead")
      yield* silence(RENEW_MS * 6)
      assert.deepStrictEqual(yield* sweep, [])
      yield* silence(RENEW_MS * 6)
      assert.deepStrictEqual(yield* sweep, [dead])
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a clock that was set back puts expiry off by one grace, not by as long", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { buyer } = yield* Trial.people(100n)
      const hold = Sample.holdRequest(buyer, 1n)
      yield* Trial.outcome({ _tag: "Hold", hold })
      yield* sql`UPDATE ledger_holds SET expires_at_ms = 1`
      yield* sql`UPDATE ledger_books SET committed_at_ms = committed_at_ms + 3600000, resumed_at_ms = committed_at_ms + 3600000`
      assert.deepStrictEqual(yield* sweep, [])
      yield* sql`UPDATE ledger_books SET resumed_at_ms = resumed_at_ms - ${RENEW_MS * 1.5}::int`
      assert.deepStrictEqual(yield* sweep, [hold.id])
    }).pipe(Effect.provide(Live)),
  )

  it.effect(
    "what is committed is as old as what was committed before it, or younger, when the clock was set back",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { outside, buyer } = yield* Trial.people(100n)
        const before = yield* Trial.posted(Sample.post(outside, buyer, 1n))
        yield* sql`UPDATE ledger_books SET token = token + 1, committed_at_ms = committed_at_ms + 3600000`
        const after = yield* Trial.posted(Sample.post(outside, buyer, 1n))
        assert.strictEqual(after.postedAtMs, before.postedAtMs + 3_600_000)
        const again = yield* Trial.posted(Sample.post(outside, buyer, 1n, { effectiveAtMs: after.postedAtMs - 1 }))
        assert.strictEqual(again.postedAtMs, after.postedAtMs)
        const held = yield* Trial.answer(Sample.hold(buyer, 1n, { lifeMs: 10 }), "Held")
        assert.strictEqual(held.hold.expiresAtMs, after.postedAtMs + 10)
      }).pipe(Effect.provide(Live)),
  )
})

describe("LedgerStoreSql", () => {
  it.effect("the history cannot be changed or deleted, by SQL either", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* Trial.people(100n)
      yield* Trial.outcome(Sample.post(outside, buyer, 1n, { attachments: [{ kind: "note", body: 1 }] }))
      const payable = Sample.accountId("payable")
      yield* Trial.outcome(Sample.open(payable, { kind: "payable" }))
      yield* Trial.outcome(Sample.post(buyer, payable, 10n))
      const begin = { _tag: "BeginPayout", account: payable, rail: "card", unit: 1n, minimum: 1n } as const
      const { payout } = yield* Trial.answer(begin, "PayoutBegun")
      const refuses = Effect.fnUntraced(function* (statement: string) {
        const error = yield* Effect.flip(sql.unsafe(statement))
        assert.include(String(error.reason.cause), "append-only", statement)
      })
      for (const name of ["entries", "moves", "attachments", "batches", "nodes"]) {
        const table = `ledger_${name}`
        const [column] = yield* sql<{ name: string }>`
          SELECT column_name AS name FROM information_schema.columns WHERE table_name = ${table} LIMIT 1`
        yield* refuses(`UPDATE ${table} SET ${column?.name} = ${column?.name}`)
        yield* refuses(`UPDATE ${table} SET ${column?.name} = NULL WHERE false`)
        yield* refuses(`DELETE FROM ${table}`)
        yield* refuses(`DELETE FROM ${table} WHERE false`)
        yield* refuses(`TRUNCATE ${table} CASCADE`)
        yield* refuses(`MERGE INTO ${table} t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE`)
      }
      yield* refuses("DELETE FROM ledger_payouts")
      yield* refuses("TRUNCATE ledger_payouts")
      for (const change of ["amount = 1", "from_sequence = 1", "to_sequence = 99", "carried_in = 1"]) {
        yield* refuses(`UPDATE ledger_payouts SET ${change}`)
      }
      if (payout === null) return assert.fail("there is nothing to pay")
      yield* Trial.outcome({ _tag: "Void", hold: payout.hold, attachments: [] })
      yield* refuses("UPDATE ledger_payouts SET state = 'pending'")
      yield* refuses("UPDATE ledger_payouts SET carried_out = 0")
      yield* Recompute.chain
    }).pipe(Effect.provide(Live)),
  )

  it.effect("balances beyond their limits, half a payout and a second entry under a key are no rows", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { buyer } = yield* Trial.people(100n)
      yield* Trial.outcome(Sample.setTerms(buyer, { ceiling: 100n }))
      const range = "1, 'payable:x', 'card', 0, 9, NULL, 0, 5, 0, 'h1', 'pending'"
      yield* sql.unsafe(`INSERT INTO ledger_payouts VALUES (${range})`)
      for (const statement of [
        `UPDATE ledger_accounts SET balance = 101 WHERE id = '${buyer}'`,
        `UPDATE ledger_accounts SET held = 101 WHERE id = '${buyer}'`,
        `UPDATE ledger_accounts SET held = -1 WHERE id = '${buyer}'`,
        `UPDATE ledger_accounts SET state = 'closed' WHERE id = '${buyer}'`,
        `UPDATE ledger_accounts SET state = 'sold' WHERE id = '${buyer}'`,
        // A range that begins nowhere, one that begins within another, one that begins where another did.
        "INSERT INTO ledger_payouts VALUES (1, 'payable:x', 'card', 8, 12, 8, 0, 5, 0, 'h2', 'pending')",
        "INSERT INTO ledger_payouts VALUES (1, 'payable:x', 'card', 9, 12, NULL, 0, 5, 0, 'h2', 'pending')",
        "INSERT INTO ledger_payouts VALUES (1, 'payable:x', 'card', 0, 12, NULL, 0, 5, 0, 'h2', 'pending')",
        "INSERT INTO ledger_payouts VALUES (1, 'payable:y', 'card', 9, 12, 9, 0, 5, 0, 'h2', 'pending')",
        "INSERT INTO ledger_payouts VALUES (1, 'payable:y', 'card', 0, 0, NULL, 0, 5, 0, 'h2', 'pending')",
        `INSERT INTO ledger_entries SELECT book, sequence + 1000, key, fingerprint, kind, hold, detail, posted_at_ms,
          effective_at_ms, accounts, amounts, balances FROM ledger_entries`,
        "INSERT INTO ledger_entries VALUES (1, 999, 'k', 'f', 'charge', NULL, NULL, 5, 6, '{}', '{}', '{}')",
        "INSERT INTO ledger_entries VALUES (1, 999, 'k', 'f', 'charge', NULL, NULL, 5, 5, '{1}', '{0}', '{0}')",
        "INSERT INTO ledger_entries VALUES (1, 999, 'k', 'f', 'charge', NULL, NULL, 5, 5, '{1,2}', '{1}', '{1}')",
      ]) {
        const error = yield* Conformance.refused(sql.unsafe(statement), statement)
        assert.match(String(error.reason.cause), /constraint/, statement)
      }
    }).pipe(Effect.provide(Live)),
  )

  it.effect("keeps any JSON under any name, and refuses alone what it cannot keep", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const { outside, buyer, provider } = yield* Trial.people(100n)
      const odd = `"{},\\'$1 é😀\n`
      const context = { zero: "a\u0000b", half: "\ud800", odd, nested: [[{ "\u0000": ["\udfff"] }]] }
      const hold = Sample.holdRequest(buyer, 1n, { owner: odd, context, definitionDigest: odd })
      const attachments = [{ kind: odd, body: context }]
      const links = { request: odd, case: "null" }
      const post: Command = Sample.post(outside, buyer, 1n, { idempotencyKey: odd, attachments, links })
      const rate = {
        from: Sample.USD.code,
        to: Sample.USD.code,
        numerator: 1n,
        denominator: 1n,
        source: "a",
        asOfMs: 1,
      }
      const unkeepable: ReadonlyArray<Command> = [
        Sample.post(outside, buyer, 1n, { idempotencyKey: "a\u0000b" }),
        Sample.post(outside, buyer, 1n, { idempotencyKey: "\ud800" }),
        Sample.post(outside, buyer, 1n, { idempotencyKey: "k".repeat(201) }),
        Sample.post(outside, buyer, 1n, { attachments: [{ kind: "\u0000", body: null }] }),
        Sample.post(outside, buyer, 1n, { links: { request: "\u0000" } }),
        Sample.post(outside, buyer, 1n, { links: { request: "r".repeat(101) } }),
        Sample.post(outside, buyer, 1n, { links: { request: "a", payout: "b", case: "c", booking: "d", epoch: "e" } }),
        Sample.post(outside, buyer, 1n, { rate: { ...rate, source: "\ud800" } }),
        Sample.post(outside, buyer, 1n, { rate: { ...rate, numerator: 10n ** 78n } }),
        Sample.post(outside, buyer, 1n, { effectiveAtMs: 2 ** 60 }),
        Sample.post(outside, buyer, 10n ** 78n),
        Sample.post(outside, buyer, 10n ** 78n - 1n),
        { _tag: "Hold", hold: { ...hold, owner: "\u0000" } },
        { _tag: "Hold", hold: { ...hold, lifeMs: 2 ** 31 } },
        { _tag: "Hold", hold: { ...hold, lifeMs: 0.5 } },
        { _tag: "Hold", hold: { ...hold, context: "c".repeat(9_000) } },
        { _tag: "Hold", hold: { ...hold, further: [buyer] } },
        { _tag: "Grow", hold: hold.id, amount: 10n ** 78n },
        { _tag: "Renew", owner: "\udc00", lifeMs: 1 },
        { _tag: "Expire", limit: 10 ** 12 },
        { _tag: "Reverse", sequence: 2n ** 63n, attachments: [] },
        { _tag: "BeginPayout", account: buyer, rail: "\u0000", unit: 1n, minimum: 1n },
        { _tag: "ClosePeriod", endMs: 2 ** 60 },
        { _tag: "Link", commands: [Sample.post(outside, buyer, 1n, { idempotencyKey: "\u0000" })] },
        { _tag: "Preview", command: Sample.post(outside, buyer, 1n, { idempotencyKey: "\u0000" }) },
        Sample.setTerms(buyer, {}, "\u0000"),
        Sample.setTerms(buyer, { floor: 10n ** 78n }),
        Sample.open(Sample.accountId(), { floor: 1n }),
        Sample.open(Sample.accountId(), { ceiling: -1n }),
        Sample.open(Sample.accountId(), { asset: { code: Sample.USD.code, scale: 2 } }),
      ]
      const answers = yield* store.commit([post, ...unkeepable, { _tag: "Hold", hold }])
      assert.deepStrictEqual(answers.map(Trial.reasonOf), ["Posted", ...unkeepable.map(() => "InvalidCommand"), "Held"])
      const [kept] = yield* store.holds({ ids: [hold.id] })
      assert.deepInclude(kept, { owner: odd, definitionDigest: odd, context })
      const several = { ...hold, id: Sample.holdId(), amount: 101n, further: [outside] }
      yield* Trial.outcome({ _tag: "Hold", hold: several })
      assert.deepInclude(yield* Trial.hold(several.id), { owner: odd, definitionDigest: odd, context })
      yield* Trial.outcome({ _tag: "Grow", hold: several.id, amount: 102n, sources: [outside] })
      assert.deepInclude(yield* Trial.hold(several.id), { owner: odd, definitionDigest: odd, context, asked: 101n })
      yield* Trial.outcome({ _tag: "Void", hold: several.id, attachments: [] })
      const [entry] = yield* store.history("entries", { after: 0n, limit: 1, keys: [odd] })
      assert.deepInclude(entry?._tag === "Posted" ? entry.posting : {}, { idempotencyKey: odd, links })
      assert.deepStrictEqual(
        (yield* store.history("attachments", { after: 0n, limit: 1 }))[0]?.attachment,
        attachments[0],
      )
      assert.deepInclude(yield* Trial.outcome(post), { replayed: true })
      // As much as an account can have, to the last unit.
      const most = 10n ** 78n - 1n
      const rich = Sample.accountId("escrow")
      const source = Sample.accountId("external")
      yield* Trial.outcome(Sample.open(rich, { kind: "escrow", ceiling: most }))
      yield* Trial.outcome(Sample.open(source, { kind: "external", floor: -most }))
      yield* Trial.outcome(Sample.post(source, rich, most))
      yield* Trial.outcome(Sample.hold(rich, most))
      yield* Trial.refuses(Sample.post(source, rich, 1n), "InvalidCommand")
      yield* Trial.stands(rich, most, most)
      yield* Trial.stands(provider, 0n, 0n)
      yield* Recompute.chain
      yield* Recompute.balances
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a name of any length does not take a batch down", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const { outside, buyer } = yield* Trial.people(100n)
      const part = () => Array.from({ length: 80 }, () => Sample.text()[0]).join("")
      const long = AccountId.make(`payable:${part()}:${part()}:${part()}`)
      yield* Trial.outcome(Sample.open(long, { kind: "payable" }))
      yield* Trial.outcome(Sample.post(outside, long, 100n))
      yield* Trial.answer({ _tag: "BeginPayout", account: long, rail: "card", unit: 1n, minimum: 1n }, "PayoutBegun")
      const word = randomBytes(8_000)
        .toString("base64")
        .replace(/[^a-z]/g, "")
      const answers = yield* store.commit([
        // A test's own id, which no schema would let through.
        Sample.open(`${word}:x` as AccountId, { kind: "payable" }),
        Sample.post(outside, buyer, 1n),
      ])
      assert.deepStrictEqual(answers.map(Trial.reasonOf), ["InvalidCommand", "Posted"])
    }).pipe(Effect.provide(Live)),
  )

  it.effect("forgets owners that are long gone and hold nothing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { buyer } = yield* Trial.people(100n)
      yield* Trial.outcome({ _tag: "Hold", hold: Sample.holdRequest(buyer, 1n, { owner: "holds" }) })
      for (const owner of ["gone", "holds", "lives"]) yield* Trial.outcome({ _tag: "Renew", owner, lifeMs: 60_000 })
      yield* sql`UPDATE ledger_owners SET until_ms = until_ms - 86460001 WHERE owner <> 'lives'`
      yield* sweep
      const owners = yield* sql`SELECT owner FROM ledger_owners ORDER BY owner`
      assert.deepStrictEqual(
        owners.map(({ owner }) => owner),
        ["holds", "lives"],
      )
    }).pipe(Effect.provide(Live)),
  )
})
