import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Verify from "../src/Verify.ts"

const Live = LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provideMerge(TestDatabase.layer))

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

/** Takes the lock on the book as a process that hangs would; answers how to let it go. */
const hang = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [locked, released] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const fiber = yield* sql`SELECT 1 FROM ledger_book FOR UPDATE`.pipe(
    Effect.andThen(Deferred.succeed(locked, undefined)),
    Effect.andThen(Deferred.await(released)),
    sql.withTransaction,
    Effect.forkChild,
  )
  yield* Deferred.await(locked)
  return Effect.andThen(Deferred.succeed(released, undefined), Fiber.join(fiber))
})

/** Waits until a statement waits for the lock on the book; answers its process. */
const waiting = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (;;) {
    const [row] = yield* sql<{ pid: number }>`
      SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    if (row !== undefined) return row.pid
  }
})

describe("LedgerStoreSql: when the database", () => {
  it.effect("hangs, a batch is given up after a while and the next one goes through", () =>
    Effect.gen(function* () {
      const { outside, buyer } = yield* buyerWith(100n)
      const release = yield* hang
      const command = Sample.post(outside, buyer, 1n)
      const stuck = yield* Effect.forkChild(Effect.flip(ask(command)))
      yield* waiting
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* Fiber.join(stuck)).reason._tag, "Unavailable")
      yield* release
      assert.deepInclude(yield* ask(command), { replayed: false })
      assert.strictEqual((yield* Verify.verify()).postings, 2)
    }).pipe(Effect.provide(Live)),
  )

  it.effect("loses the connection, the batch is unavailable and leaves nothing behind", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* buyerWith(100n)
      const release = yield* hang
      const command = Sample.post(outside, buyer, 1n)
      const cut = yield* Effect.forkChild(Effect.flip(ask(command)))
      yield* sql`SELECT pg_terminate_backend(${yield* waiting}::int)`
      assert.strictEqual((yield* Fiber.join(cut)).reason._tag, "Unavailable")
      yield* release
      assert.deepInclude(yield* ask(command), { replayed: false })
      assert.strictEqual((yield* Verify.verify()).postings, 2)
    }).pipe(Effect.provide(Live), TestClock.withLive),
  )

  it.effect("undoes a batch because of another, it is made again; for ever is too often", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* buyerWith(100n)
      // A sequence counts also what is rolled back.
      yield* sql`CREATE SEQUENCE tries`
      yield* sql.unsafe(`CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'undone' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$`)
      yield* sql`CREATE TRIGGER undo BEFORE INSERT ON ledger_postings FOR EACH ROW EXECUTE FUNCTION undo()`
      assert.deepInclude(yield* ask(Sample.post(outside, buyer, 1n)), { replayed: false })
      yield* sql`ALTER SEQUENCE tries MINVALUE -1000 START -1000 RESTART`
      const error = yield* Effect.flip(ask(Sample.post(outside, buyer, 1n)))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.strictEqual((yield* Verify.verify()).postings, 2)
    }).pipe(Effect.provide(Live), TestClock.withLive),
  )
})
