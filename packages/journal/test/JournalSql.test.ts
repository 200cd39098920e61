import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import * as JournalSql from "../src/JournalSql.ts"
import * as ReceiptSeal from "../src/ReceiptSeal.ts"
import * as SampleEntry from "../src/testing/SampleEntry.ts"

const batch = (batchId: string) => ({
  batchId,
  market: "local",
  root: "0".repeat(64),
  size: 1,
  signedAtMs: 1,
  keyId: "key",
  signature: "s",
})

describe("JournalSql", () => {
  it.effect("what one process appended is read by another, and by the same one after a restart", () =>
    Effect.gen(function* () {
      const one = yield* JournalSql.make
      const entry = SampleEntry.ended()
      yield* one.append([entry], 7n)
      const other = yield* JournalSql.make
      assert.deepStrictEqual(yield* other.requests({ id: entry.receipt.id }), [entry])
      assert.strictEqual(yield* other.position, 7n)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("entries and their position are written together or not at all", () =>
    Effect.gen(function* () {
      const journal = yield* JournalSql.make
      const sql = yield* SqlClient.SqlClient
      const entry = SampleEntry.ended()
      yield* sql`ALTER TABLE journal_position ADD CONSTRAINT never CHECK (position < 1)`
      const error = yield* Effect.flip(journal.append([entry], 5n))
      assert.strictEqual(error.reason, "Unavailable")
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(yield* journal.requests({ id: entry.receipt.id }), [])
      assert.deepStrictEqual(yield* journal.receipts.unsealed(10), [])
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("copiers that append the same entries at once append them once", () =>
    Effect.gen(function* () {
      const journal = yield* JournalSql.make
      const buyer = SampleEntry.member()
      const entries = SampleEntry.requestIds(40).map((id) => SampleEntry.ended({ id, buyer }))
      const append = Effect.retry(journal.append(entries, 40n), { times: 5, while: (error) => error.isRetryable })
      yield* Effect.all(
        Array.from({ length: 6 }, () => append),
        { concurrency: "unbounded" },
      )
      assert.lengthOf(yield* journal.requests({ member: buyer, limit: 100 }), 40)
      assert.lengthOf(yield* journal.receipts.unsealed(100), 40)
      assert.strictEqual(yield* journal.position, 40n)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("of two batches that seal a receipt at once, one holds", () =>
    Effect.gen(function* () {
      const journal = yield* JournalSql.make
      const entry = SampleEntry.ended()
      yield* journal.append([entry])
      const seal = (batchId: string) =>
        journal.receipts.seal(batch(batchId), [{ entryId: entry.id, leaf: ReceiptSeal.leafOf(entry.receipt) }])
      yield* Effect.all([seal("bat_1"), seal("bat_2")], { concurrency: "unbounded" })
      const signed = yield* journal.receipts.signed(entry.receipt.id)
      yield* seal("bat_3")
      assert.deepStrictEqual(yield* journal.receipts.signed(entry.receipt.id), signed)
      assert.include(["bat_1", "bat_2"], signed?.batch.batchId)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("an entry that cannot be read is `Corrupt`, and does not hide the others", () =>
    Effect.gen(function* () {
      const journal = yield* JournalSql.make
      const sql = yield* SqlClient.SqlClient
      const [bad, good] = [SampleEntry.ended(), SampleEntry.ended()]
      yield* journal.append([bad, good])
      yield* sql`UPDATE journal_entries SET body = '{}'::jsonb WHERE id = ${bad.id}`
      const exit = yield* Effect.exit(journal.requests({ id: bad.receipt.id }))
      assert.isTrue(Exit.isFailure(exit) && String(exit.cause).includes("cannot be read"))
      assert.deepStrictEqual(yield* journal.requests({ id: good.receipt.id }), [good])
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("a text that PostgreSQL cannot hold is kept as far as it can, and stops nothing", () =>
    Effect.gen(function* () {
      const journal = yield* JournalSql.make
      const [requestId = SampleEntry.receipt().id] = SampleEntry.requestIds(1)
      const model = String.raw`\u0000 is text, ` + "\u0000 and \ud800 are not, 😀 is"
      yield* journal.append([SampleEntry.refused({ requestId, buyer: null, model })])
      const [kept] = yield* journal.requests({ id: requestId })
      assert.strictEqual(
        kept?._tag === "RequestRefused" ? kept.model : undefined,
        String.raw`\u0000 is text, ` + "\ufffd and \ufffd are not, 😀 is",
      )
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
