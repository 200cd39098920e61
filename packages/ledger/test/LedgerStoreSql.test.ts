import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import type { AccountId } from "../src/Account.ts"
import type { HoldId } from "../src/Hold.ts"
import * as Ledger from "../src/Ledger.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Statements from "../src/internal/LedgerStatements.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Verify from "../src/Verify.ts"

const RENEW_MS = 10_000
const Store = LedgerStoreSql.layer({ renewMs: RENEW_MS })
const Live = Store.pipe(Layer.provideMerge(TestDatabase.layer))

/** Commits one command and answers its outcome. */
const ask = Effect.fnUntraced(function* (command: Command) {
  const [answer] = yield* LedgerStore.use((store) => store.commit([command]))
  return yield* Effect.fromResult(answer ?? assert.fail("no answer"))
})

const buyerWith = Effect.fnUntraced(function* (funds: bigint) {
  const [outside, buyer, provider] = [Sample.accountId("external"), Sample.accountId(), Sample.accountId("accrual")]
  yield* ask(Sample.open(outside, { kind: "external", floor: null }))
  yield* ask(Sample.open(buyer))
  yield* ask(Sample.open(provider, { kind: "accrual" }))
  yield* ask(Sample.post(outside, buyer, funds, { kind: "topUp" }))
  return { outside, buyer, provider }
})

/** Takes a hold that nothing keeps alive. */
const overdue = Effect.fnUntraced(function* (account: AccountId, owner: string) {
  const sql = yield* SqlClient.SqlClient
  const hold = Sample.holdRequest(account, 1n, { owner })
  yield* ask({ _tag: "Hold", hold })
  yield* sql`UPDATE ledger_holds SET expires_at_ms = 1 WHERE id = ${hold.id}`
  return hold.id
})

const sweep = Effect.map(ask({ _tag: "Expire", limit: 100 }), (outcome): ReadonlyArray<HoldId> =>
  outcome._tag === "Expired" ? outcome.holds : assert.fail(outcome._tag),
)

/** Lets so much time pass for the book: everything that it remembers is that much longer ago. */
const silence = (ms: number) =>
  SqlClient.SqlClient.use(
    (sql) =>
      sql`UPDATE ledger_book SET committed_at_ms = committed_at_ms - ${ms}, resumed_at_ms = resumed_at_ms - ${ms}`,
  )

describe("LedgerStoreSql: after an outage", () => {
  it.effect("nothing expires until living owners had the time to renew", () =>
    Effect.gen(function* () {
      const { buyer } = yield* buyerWith(100n)
      const alive = yield* overdue(buyer, "alive")
      const dead = yield* overdue(buyer, "dead")
      yield* silence(RENEW_MS * 1.5 + 1)
      assert.deepStrictEqual(yield* sweep, [])
      yield* silence(RENEW_MS)
      assert.deepStrictEqual(yield* sweep, [])
      yield* ask({ _tag: "Renew", owner: "alive", lifeMs: 60_000 })
      yield* silence(RENEW_MS / 2)
      assert.deepStrictEqual(yield* sweep, [dead])
      const [hold] = yield* LedgerStore.use((store) => store.holds({ ids: [alive] }))
      assert.strictEqual(hold?.state, "pending")
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a pause between two commits that owners live through is none", () =>
    Effect.gen(function* () {
      const { buyer } = yield* buyerWith(100n)
      const dead = yield* overdue(buyer, "dead")
      yield* silence(RENEW_MS * 1.4)
      assert.deepStrictEqual(yield* sweep, [dead])
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a sweep that is the only sign of life still comes to its end", () =>
    Effect.gen(function* () {
      const { buyer } = yield* buyerWith(100n)
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
      const { buyer } = yield* buyerWith(100n)
      const hold = Sample.holdRequest(buyer, 1n)
      yield* ask({ _tag: "Hold", hold })
      yield* sql`UPDATE ledger_holds SET expires_at_ms = 1`
      yield* sql`UPDATE ledger_book SET committed_at_ms = committed_at_ms + 3600000, resumed_at_ms = committed_at_ms + 3600000`
      assert.deepStrictEqual(yield* sweep, [])
      yield* sql`UPDATE ledger_book SET resumed_at_ms = resumed_at_ms - ${RENEW_MS * 1.5}::int`
      assert.deepStrictEqual(yield* sweep, [hold.id])
    }).pipe(Effect.provide(Live)),
  )
})

describe("LedgerStoreSql", () => {
  it.effect("the history cannot be changed or deleted, by SQL either", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* buyerWith(100n)
      yield* ask(Sample.post(outside, buyer, 1n, { attachments: [{ kind: "note", body: 1 }] }))
      for (const statement of [
        "UPDATE ledger_postings SET kind = 'grant'",
        "DELETE FROM ledger_postings",
        "TRUNCATE ledger_postings",
        "UPDATE ledger_legs SET amount = 2",
        "DELETE FROM ledger_legs WHERE false",
        "TRUNCATE ledger_legs",
        "UPDATE ledger_attachments SET body = '2'",
        "DELETE FROM ledger_attachments",
        "TRUNCATE ledger_attachments",
      ]) {
        const error = yield* Effect.flip(sql.unsafe(statement))
        assert.include(String(error.reason.cause), "append-only", statement)
      }
    }).pipe(Effect.provide(Live)),
  )

  it.effect("keeps any JSON under any name, and refuses alone what it cannot keep", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const { outside, buyer } = yield* buyerWith(100n)
      const odd = `"{},\\'$1 é😀\n`
      const context = { zero: "a\u0000b", half: "\ud800", odd, nested: [[{ "\u0000": ["\udfff"] }]] }
      const hold = Sample.holdRequest(buyer, 1n, { owner: odd, context })
      const attachments = [{ kind: odd, body: context }]
      const post: Command = Sample.post(outside, buyer, 1n, { idempotencyKey: odd, attachments })
      const unkeepable: ReadonlyArray<Command> = [
        Sample.post(outside, buyer, 1n, { idempotencyKey: "a\u0000b" }),
        Sample.post(outside, buyer, 1n, { idempotencyKey: "\ud800" }),
        Sample.post(outside, buyer, 1n, { attachments: [{ kind: "\u0000", body: null }] }),
        Sample.post(outside, buyer, 10n ** 78n),
        Sample.post(outside, buyer, 10n ** 78n - 1n),
        { _tag: "Hold", hold: { ...hold, owner: "\u0000" } },
        { _tag: "Hold", hold: { ...hold, lifeMs: 2 ** 31 } },
        { _tag: "Hold", hold: { ...hold, lifeMs: 0.5 } },
        { _tag: "Renew", owner: "\udc00", lifeMs: 1 },
        { _tag: "Expire", limit: 10 ** 12 },
        Sample.open(Sample.accountId(), { floor: 1n }),
      ]
      const answers = yield* store.commit([post, ...unkeepable, { _tag: "Hold", hold }])
      assert.deepStrictEqual(
        answers.map((answer) => (Result.isFailure(answer) ? answer.failure.reason._tag : answer.success._tag)),
        ["Posted", ...unkeepable.map(() => "InvalidCommand"), "Held"],
      )
      const [kept] = yield* store.holds({ ids: [hold.id] })
      assert.deepInclude(kept, { owner: odd, context })
      assert.strictEqual((yield* store.postings(1n, 1))[0]?.posting.idempotencyKey, odd)
      assert.deepStrictEqual((yield* store.attachments(0n, 1))[0]?.attachment, attachments[0])
      assert.deepInclude(yield* ask(post), { replayed: true })
    }).pipe(Effect.provide(Live)),
  )

  it.effect("finds what a batch names by its key, whatever the planner knows of the tables", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const names = Statements.namesOf([
        { _tag: "Hold", hold: Sample.holdRequest(Sample.accountId(), 1n) },
        { _tag: "Settle", hold: Sample.holdId(), posting: Sample.posting(Sample.accountId(), Sample.accountId(), 1n) },
        { _tag: "Expire", limit: 100 },
        { _tag: "Renew", owner: "a", lifeMs: 1 },
      ])
      const nothing: Statements.Dirty = {
        newAccounts: new Map(),
        accounts: new Map(),
        newHolds: new Map(),
        holds: new Map(),
        leases: new Map(),
        postings: [],
        attachments: [],
      }
      const book = { sequence: 0n, attachment: 0n, nowMs: 1, resumedAtMs: 1 }
      const plans = yield* sql.withTransaction(
        Effect.andThen(
          Statements.lock(sql),
          Effect.forEach([Statements.read(sql, names, 1), Statements.write(sql, nothing, book)], (statement) => {
            const [text, parameters] = statement.compile()
            return sql.unsafe(`EXPLAIN ${text}`, parameters).values
          }),
        ),
      )
      const lines = plans.flat(2).map(String)
      const keyed = lines.filter((line) => /Index Scan (using|on) ledger_(holds|accounts)_pkey/.test(line))
      assert.lengthOf(keyed, 4)
      for (const line of keyed) assert.include(lines[lines.indexOf(line) + 1], "Index Cond")
      assert.deepStrictEqual(
        lines.filter((line) => /Seq Scan|Hash Join|Merge Join/.test(line)),
        [],
      )
    }).pipe(Effect.provide(Live)),
  )

  it.effect("forgets owners that are long gone and hold nothing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { buyer } = yield* buyerWith(100n)
      yield* ask({ _tag: "Hold", hold: Sample.holdRequest(buyer, 1n, { owner: "holds" }) })
      for (const owner of ["gone", "holds", "lives"]) yield* ask({ _tag: "Renew", owner, lifeMs: 60_000 })
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

describe("LedgerStoreSql: with several processes on one database", () => {
  it.effect("all create the tables at once, each request is charged once although all try, and the books agree", () =>
    Effect.gen(function* () {
      const process = Layer.fresh(Ledger.layer.pipe(Layer.provideMerge(Store)))
      const [one, two, three] = yield* Effect.all([Layer.build(process), Layer.build(process), Layer.build(process)], {
        concurrency: "unbounded",
      })
      const { buyer, provider } = yield* Effect.provide(buyerWith(1_000_000n), one)
      const requests = Array.from({ length: 60 }, () => {
        const hold = Sample.holdRequest(buyer, 20n)
        const attachments = [{ kind: "receipt", body: hold.id }]
        return { hold, posting: Sample.posting(buyer, provider, 7n, { attachments }) }
      })
      const charges = requests.flatMap(({ hold, posting }) =>
        [one, two, three].map((context) =>
          Ledger.Ledger.use((ledger) => Effect.andThen(ledger.hold(hold), ledger.settle(hold.id, posting))).pipe(
            Effect.provide(context),
          ),
        ),
      )
      const settled = yield* Effect.all(charges, { concurrency: 64 })
      const first = settled.filter(({ replayed }) => !replayed)
      assert.lengthOf(first, 60)
      assert.strictEqual(new Set(settled.map(({ sequence }) => sequence)).size, 60)
      assert.deepInclude(yield* Effect.provide(Verify.verify(), one), { postings: 61, pendingHolds: 0 })
      const store = yield* Effect.provide(LedgerStore, two)
      assert.deepInclude((yield* store.accounts([buyer]))[0], { balance: 1_000_000n - 420n, held: 0n })
      assert.deepStrictEqual(
        (yield* store.attachments(0n, 1_000)).map(({ attachment }) => String(attachment.body)).sort(),
        requests.map(({ hold }) => String(hold.id)).sort(),
      )
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
