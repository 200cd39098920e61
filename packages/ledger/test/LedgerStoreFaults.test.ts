import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Deferred, Effect, Fiber, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import type { Command } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Recompute from "../src/testing/internal/Recompute.ts"
import * as Trial from "../src/testing/internal/Trial.ts"

const Live = LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provideMerge(TestDatabase.layer))

/** Commits one command and answers its outcome. */
const ask = (command: Command) => Effect.flatMap(Trial.attempt(command), Effect.fromResult)

/** How many postings there are; all figures are what they make them. */
const postings = Effect.gen(function* () {
  yield* Recompute.chain
  return (yield* Recompute.balances).filter(({ _tag }) => _tag === "Posted").length
})

/** Takes the lock on the book as a process that hangs would; answers how to let it go. */
const hang = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [locked, released] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const fiber = yield* sql`SELECT 1 FROM ledger_books FOR UPDATE`.pipe(
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
      const { outside, buyer } = yield* Trial.people(100n)
      const release = yield* hang
      const command = Sample.post(outside, buyer, 1n)
      const stuck = yield* Effect.forkChild(Effect.flip(ask(command)))
      yield* waiting
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* Fiber.join(stuck)).reason._tag, "Unavailable")
      yield* release
      assert.deepInclude(yield* ask(command), { replayed: false })
      assert.strictEqual(yield* postings, 2)
    }).pipe(Effect.provide(Live)),
  )

  it.effect("loses the connection, the batch is unavailable and leaves nothing behind", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* Trial.people(100n)
      const release = yield* hang
      const command = Sample.post(outside, buyer, 1n)
      const cut = yield* Effect.forkChild(Effect.flip(ask(command)))
      yield* sql`SELECT pg_terminate_backend(${yield* waiting}::int)`
      assert.strictEqual((yield* Fiber.join(cut)).reason._tag, "Unavailable")
      yield* release
      assert.deepInclude(yield* ask(command), { replayed: false })
      assert.strictEqual(yield* postings, 2)
    }).pipe(Effect.provide(Live), TestClock.withLive),
  )

  it.effect("undoes a batch because of another, it is made again; for ever is too often", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* Trial.people(100n)
      // A sequence counts also what is rolled back.
      yield* sql`CREATE SEQUENCE tries`
      yield* sql.unsafe(`CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'undone' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$`)
      yield* sql`CREATE TRIGGER undo BEFORE INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION undo()`
      assert.deepInclude(yield* ask(Sample.post(outside, buyer, 1n)), { replayed: false })
      yield* sql`ALTER SEQUENCE tries MINVALUE -1000 START -1000 RESTART`
      const error = yield* Effect.flip(ask(Sample.post(outside, buyer, 1n)))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.strictEqual(yield* postings, 2)
    }).pipe(Effect.provide(Live), TestClock.withLive),
  )

  it.effect("has no room on its disk, a batch is unavailable and leaves nothing behind", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* Trial.people(100n)
      const attachments = [{ kind: "note", body: 1 }]
      for (const table of ["entries", "moves", "batches", "attachments", "accounts", "books", "holds"]) {
        const name = `ledger_${table}`
        yield* sql.unsafe(`CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$`)
        yield* sql.unsafe(`CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON ${name}
          FOR EACH ROW EXECUTE FUNCTION full_disk()`)
        const batch = [Sample.post(outside, buyer, 1n, { attachments }), Sample.hold(buyer, 1n)]
        const error = yield* Effect.flip(Trial.commit(batch))
        assert.strictEqual(error.reason._tag, "Unavailable", table)
        yield* sql.unsafe(`DROP TRIGGER full_disk ON ${name}`)
        const before = yield* postings
        assert.deepStrictEqual((yield* Trial.commit(batch)).map(Trial.reasonOf), ["Posted", "Held"])
        assert.strictEqual(yield* postings, before + 1, `${table} kept something`)
      }
      yield* Trial.stands(buyer, 107n, 7n)
    }).pipe(Effect.provide(Live)),
  )

  it.effect("is away for good, every batch hears that it is, and the store answers again when it is back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { outside, buyer } = yield* Trial.people(100n)
      yield* sql`ALTER FUNCTION ledger_read RENAME TO gone`
      const command = Sample.post(outside, buyer, 1n)
      for (let round = 0; round < 3; round++) {
        assert.strictEqual((yield* Effect.flip(ask(command))).reason._tag, "Unavailable")
      }
      yield* sql`ALTER FUNCTION gone RENAME TO ledger_read`
      assert.deepInclude(yield* ask(command), { replayed: false })
      assert.strictEqual(yield* postings, 2)
    }).pipe(Effect.provide(Live)),
  )
})

describe("LedgerStoreSql: a batch that is interrupted", () => {
  /** Batches that go in after each other while the book is locked: one is written, one is decided, the rest wait. */
  const queue = (commands: ReadonlyArray<Command>) =>
    Effect.forEach(commands, (command) =>
      Effect.tap(Effect.forkChild(Effect.exit(ask(command)), { startImmediately: true }), () =>
        TestClock.withLive(Effect.sleep(10)),
      ),
    )

  for (const victims of [[0], [1], [2], [0, 1], [1, 2], [2, 1, 0], [0, 1, 2, 3]]) {
    it.effect(`does not stand in the way of others (of four, those at ${victims.join(", ")})`, () =>
      Effect.gen(function* () {
        const { outside, buyer } = yield* Trial.people(100n)
        const release = yield* hang
        const commands = Array.from({ length: 4 }, () => Sample.post(outside, buyer, 1n))
        const fibers = yield* queue(commands)
        yield* waiting
        const ends = yield* Effect.forEach(victims, (at) =>
          Effect.timeoutOption(Fiber.interrupt(fibers[at] ?? assert.fail("no fiber")), "2 seconds"),
        ).pipe(TestClock.withLive)
        yield* release
        for (const [at, fiber] of fibers.entries()) {
          if (victims.includes(at)) continue
          const answer = yield* Effect.flatten(Fiber.join(fiber))
          assert.strictEqual(answer._tag, "Posted", `the batch at ${at}`)
        }
        assert.isTrue(ends.every(Option.isSome), "one could not be interrupted while it waited")
        // Whether an interrupted one was made or not, sending it again makes it once.
        for (const command of commands) yield* ask(command)
        yield* Trial.stands(buyer, 104n, 0n)
        assert.strictEqual(yield* postings, 5)
      }).pipe(Effect.provide(Live)),
    )
  }

  it.effect("at any time leaves a book that goes on", () =>
    Effect.gen(function* () {
      const { outside, buyer } = yield* Trial.people(100n)
      const commands = Array.from({ length: 60 }, () => Sample.post(outside, buyer, 1n))
      yield* Effect.forEach(commands, (command, at) => Effect.timeoutOption(Effect.exit(ask(command)), at % 6), {
        concurrency: 4,
      }).pipe(TestClock.withLive)
      for (const command of commands) yield* ask(command)
      yield* Trial.stands(buyer, 160n, 0n)
      assert.strictEqual(yield* postings, 61)
    }).pipe(Effect.provide(Live)),
  )
})
