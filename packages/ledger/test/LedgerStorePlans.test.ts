import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { AccountId } from "../src/Account.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Trial from "../src/testing/internal/Trial.ts"

/** One connection: what it planned once is what it does ever after. */
const OneConnection = Layer.unwrap(
  Effect.map(TestDatabase.make, (url) => Layer.orDie(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))),
)
const Live = LedgerStoreSql.layer({ renewMs: 3_600_000 }).pipe(Layer.provideMerge(OneConnection))

interface Reads {
  readonly relname: string
  readonly seq_scan: number
  readonly seq_tup_read: number
  readonly idx_tup_fetch: number
}

/** What a batch reads of each table. It is part of a transaction, which PostgreSQL counts for by itself. */
const readsOf = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
  const sql = yield* SqlClient.SqlClient
  const counts = sql<Reads>`SELECT relname, seq_scan::int, seq_tup_read::int,
    COALESCE(idx_tup_fetch, 0)::int AS idx_tup_fetch
    FROM pg_stat_xact_user_tables WHERE relname LIKE 'ledger%' ORDER BY relname`
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      const before = new Map((yield* counts).map((table) => [table.relname, table]))
      for (const answer of yield* Trial.commit(commands)) assert.strictEqual(answer._tag, "Success", String(answer))
      return (yield* counts).map((table) => ({
        table: table.relname,
        scans: table.seq_scan - (before.get(table.relname)?.seq_scan ?? 0),
        rows:
          table.seq_tup_read +
          table.idx_tup_fetch -
          (before.get(table.relname)?.seq_tup_read ?? 0) -
          (before.get(table.relname)?.idx_tup_fetch ?? 0),
      }))
    }),
  )
})

/** A batch of each kind of command. */
const everything = Effect.fnUntraced(function* (outside: AccountId, buyer: AccountId, payable: AccountId) {
  const [drawn, voided, spent] = [Sample.hold(buyer, 5n), Sample.hold(buyer, 5n), Sample.hold(buyer, 5n, { lifeMs: 1 })]
  yield* Trial.commit([drawn, voided, spent])
  const posted = yield* Trial.posted(Sample.post(outside, buyer, 1n))
  const commands: ReadonlyArray<Command> = [
    Sample.open(Sample.accountId()),
    Sample.setTerms(buyer, { ceiling: 10n ** 30n }),
    Sample.post(outside, buyer, 5n, { attachments: [{ kind: "note", body: 1 }] }),
    Sample.hold(buyer, 5n),
    { _tag: "Draw", hold: drawn.hold.id, posting: Sample.posting(buyer, outside, 1n) },
    { _tag: "Settle", hold: drawn.hold.id, posting: Sample.posting(buyer, outside, 1n) },
    { _tag: "Void", hold: voided.hold.id, attachments: [] },
    { _tag: "Reverse", sequence: posted.sequence, attachments: [] },
    { _tag: "Link", commands: [Sample.post(outside, buyer, 1n), Sample.post(buyer, outside, 1n)] },
    { _tag: "Preview", command: Sample.post(outside, buyer, 1n) },
    { _tag: "Renew", owner: drawn.hold.owner, lifeMs: 1_000 },
    { _tag: "BeginPayout", account: payable, rail: "card", unit: 1n, minimum: 1n },
  ]
  return commands
})

describe("LedgerStoreSql", () => {
  it.effect("finds what a batch names by its key, although it was planned while the tables were empty", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* Trial.people(10n ** 9n)
      const payable = Sample.accountId("payable")
      yield* Trial.outcome(Sample.open(payable, { kind: "payable" }))
      yield* Trial.outcome(Sample.post(outside, payable, 100n))
      const check = Effect.fnUntraced(function* (when: string) {
        const reads = yield* readsOf(yield* everything(outside, buyer, payable))
        for (const { rows, scans, table } of reads) {
          assert.strictEqual(scans, 0, `${when}, ${table} was read from its beginning`)
          assert.isAtMost(rows, 40, `${when}, too much of ${table} was read`)
        }
        assert.includeMembers(
          reads.filter(({ rows }) => rows > 0).map(({ table }) => table),
          ["ledger_accounts", "ledger_books", "ledger_entries", "ledger_holds"],
        )
      })
      yield* check("in an empty book")
      for (let round = 0; round < 10; round++) {
        const ids = Array.from({ length: 200 }, () => Sample.accountId())
        yield* store.commit(ids.map((id): Command => Sample.open(id)))
        yield* store.commit(
          ids.flatMap((id): ReadonlyArray<Command> => [Sample.post(outside, id, 9n), Sample.hold(id, 1n)]),
        )
      }
      yield* check("in a full book that nobody counted")
      yield* sql`ANALYZE`
      yield* check("in a full book")
      // A sweep looks through what is pending, and at nothing else.
      const sweep = yield* readsOf([{ _tag: "Expire", limit: 10 }])
      assert.deepStrictEqual(
        sweep.filter(({ rows, table }) => rows > 20 && table !== "ledger_holds" && table !== "ledger_owners"),
        [],
      )
      const [pending] = yield* sql<{ count: number }>`SELECT count(*)::int FROM ledger_holds WHERE state = 'pending'`
      const rows = sweep.find(({ table }) => table === "ledger_holds")?.rows ?? 0
      assert.isAtMost(rows, (pending?.count ?? 0) + 40)
    }).pipe(Effect.provide(Live)),
  )
})
