import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AccountId } from "../src/Account.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Trial from "../src/testing/internal/Trial.ts"
import * as Verify from "../src/Verify.ts"

const Sql = LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provideMerge(TestDatabase.layer))

const outside = AccountId.make("external:card")
const buyer = AccountId.make("buyer:ann")
const payable = AccountId.make("payable:card:eve")

/** 600 entries and more, in 14 batches, with three nodes and a payout that is begun. */
const trade = Effect.gen(function* () {
  yield* Trial.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(payable, { kind: "payable" }),
    Sample.post(outside, buyer, 10_000n, { kind: "topUp" }),
  ])
  for (let batch = 0; batch < 12; batch++) {
    yield* Trial.commit(
      Array.from({ length: 50 }, () => Sample.post(buyer, payable, 1n, { links: { request: Sample.text() } })),
    )
  }
  yield* Trial.commit([{ _tag: "BeginPayout", account: payable, rail: "card", unit: 1n, minimum: 1n }])
})

/** What is changed, and the figure that does not agree then. */
const changes: ReadonlyArray<readonly [what: string, change: string, figure: Verify.Figure]> = [
  ["a node's hash", "UPDATE ledger_nodes SET hash = sha256(hash) WHERE number = 2", "node"],
  ["a node's place", "UPDATE ledger_nodes SET index = 5 WHERE number = 3", "node"],
  ["a node's level", "UPDATE ledger_nodes SET level = 10 WHERE number = 1", "node"],
  ["a node that is gone", "DELETE FROM ledger_nodes WHERE number = 3", "node"],
  ["a batch's root", "UPDATE ledger_batches SET root = sha256(root) WHERE number = 9", "root"],
  ["a batch's chain", "UPDATE ledger_batches SET chain = sha256(chain) WHERE number = 9", "chain"],
  ["a batch's time", "UPDATE ledger_batches SET committed_at_ms = committed_at_ms + 1 WHERE number = 9", "time"],
  ["the last batch gone", "DELETE FROM ledger_batches WHERE number = 14", "batch"],
  ["an entry's key", "UPDATE ledger_entries SET key = 'another' WHERE sequence = 300", "root"],
  [
    "an entry's links",
    "UPDATE ledger_entries SET detail = replace(detail, 'request', 'booking') WHERE sequence = 300",
    "root",
  ],
  ["an entry's hold", "UPDATE ledger_entries SET hold = 'req_other' WHERE sequence = 300", "root"],
  ["an entry's kind", "UPDATE ledger_entries SET kind = 'refund' WHERE sequence = 300", "root"],
  [
    "an entry's effective time",
    "UPDATE ledger_entries SET effective_at_ms = effective_at_ms - 1 WHERE sequence = 300",
    "root",
  ],
  ["an entry's amounts", "UPDATE ledger_entries SET amounts = '{-2,2}' WHERE sequence = 300", "running balance"],
  [
    "an entry's accounts",
    "UPDATE ledger_entries SET accounts = accounts[2:2] || accounts[1:1] WHERE sequence = 300",
    "running balance",
  ],
  ["an entry gone", "DELETE FROM ledger_entries WHERE sequence = 300", "sequence"],
  ["an account's floor", "UPDATE ledger_accounts SET floor = 5 WHERE id = 'buyer:ann'", "terms"],
  ["a payout's amount", "UPDATE ledger_payouts SET amount = amount - 1, carried_out = carried_out + 1", "payout"],
  ["a payout gone", "DELETE FROM ledger_payouts", "payout"],
]

describe("Verify: in PostgreSQL, by whoever owns the database", () => {
  it.effect("names what was changed, for each thing that can be", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* trade
      const { entries } = yield* Verify.verify()
      assert.strictEqual(entries, 605)
      const [count] = yield* sql<{ readonly nodes: bigint }>`SELECT count(*) AS nodes FROM ledger_nodes`
      assert.strictEqual(Number(count?.nodes), 3)
      for (const table of ["entries", "batches", "nodes", "moves", "accounts", "payouts"]) {
        yield* sql.unsafe(`ALTER TABLE ledger_${table} DISABLE TRIGGER USER`)
      }
      for (const [what, change, figure] of changes) {
        const error = yield* Effect.flip(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql.unsafe(change)
              return yield* Verify.verify()
            }),
          ),
        )
        assert.strictEqual(error._tag === "Disagreement" ? error.figure : error.message, figure, what)
        yield* Verify.verify()
      }
    }).pipe(Effect.provide(Sql)),
  )
})
