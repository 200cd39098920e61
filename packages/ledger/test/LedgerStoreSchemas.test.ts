import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Cause, Context, Effect, Exit, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import type { AccountId } from "../src/Account.ts"
import { type Command, type History, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as All from "../src/testing/internal/History.ts"
import * as Recompute from "../src/testing/internal/Recompute.ts"
import * as Trial from "../src/testing/internal/Trial.ts"

const make = (options: Partial<LedgerStoreSql.Options> = {}) => LedgerStoreSql.make({ renewMs: 10_000, ...options })
type Store = LedgerStore["Service"]
const on = (store: Store) => Effect.provideService(LedgerStore, store)

/** The letter that a store's making ends with. */
const letterOf = Effect.fnUntraced(function* (options: Partial<LedgerStoreSql.Options>) {
  const exit = yield* Effect.exit(make(options))
  return Exit.isFailure(exit) ? Cause.pretty(exit.cause) : assert.fail("the store was made")
})

const kinds: ReadonlyArray<keyof History> = ["entries", "attachments", "batches", "nodes", "payouts"]

/** Everything that a store shows. */
const everything = Effect.fnUntraced(function* (store: Store) {
  const shown: Array<unknown> = [yield* store.accounts(), yield* store.holds({ pending: true })]
  for (const kind of kinds) shown.push(yield* All.all<keyof History>(store, kind, 50))
  shown.push([...(yield* store.balances({ sequence: 1_000n }))], [...(yield* store.balances({ beforeMs: 2 ** 50 }))])
  return shown
})

/** The same life in every book that it is led in: accounts, keys, holds and payouts of the same names. */
const life = Effect.fnUntraced(function* (store: Store, names: Names, amount: bigint) {
  const { buyer, key, outside, payable } = names
  const held = {
    ...Sample.hold(buyer, amount),
    hold: { ...Sample.holdRequest(buyer, amount), id: names.hold, owner: "o" },
  }
  const asset = { ...Sample.USD, scale: Number(amount) }
  const answers = yield* store.commit([
    Sample.open(outside, { kind: "external", floor: null, asset }),
    Sample.open(buyer, { asset }),
    Sample.open(payable, { kind: "payable", asset }),
    Sample.post(outside, buyer, 10n * amount, { idempotencyKey: key }),
    held,
    Sample.post(buyer, payable, amount, { attachments: [{ kind: "note", body: Number(amount) }] }),
    { _tag: "BeginPayout", account: payable, rail: "card", unit: 1n, minimum: 1n },
    { _tag: "Renew", owner: "o", lifeMs: 1_000 * Number(amount) },
  ])
  for (const answer of answers) assert.isTrue(Result.isSuccess(answer), Trial.reasonOf(answer))
})

interface Names {
  readonly outside: AccountId
  readonly buyer: AccountId
  readonly payable: AccountId
  readonly hold: ReturnType<typeof Sample.holdId>
  readonly key: string
}

const names = (): Names => ({
  outside: Sample.accountId("external"),
  buyer: Sample.accountId(),
  payable: Sample.accountId("payable"),
  hold: Sample.holdId(),
  key: Sample.text(),
})

/** Two stores that know nothing of each other, although they use the same names. */
const apart = Effect.fnUntraced(function* (one: Store, other: Store) {
  const empty = yield* everything(other)
  const same = names()
  yield* life(one, same, 3n)
  assert.deepStrictEqual(yield* everything(other), empty)
  const first = yield* everything(one)
  yield* life(other, same, 5n)
  assert.deepStrictEqual(yield* everything(one), first)
  yield* Trial.stands(same.buyer, 27n, 3n).pipe(on(one))
  yield* Trial.stands(same.buyer, 45n, 5n).pipe(on(other))
  const ended: Command = { _tag: "Void", hold: same.hold, attachments: [] }
  const before = yield* everything(one)
  yield* Trial.outcome(ended).pipe(on(other))
  yield* Trial.outcome({ _tag: "ClosePeriod", endMs: 1 }).pipe(on(other))
  yield* Trial.outcome(Sample.setTerms(same.buyer, { state: "frozen" })).pipe(on(other))
  yield* Trial.outcome({ _tag: "Expire", limit: 100 }).pipe(on(other))
  assert.deepStrictEqual(yield* everything(one), before)
  for (const store of [one, other]) {
    yield* Recompute.balances.pipe(on(store))
    yield* Recompute.chain.pipe(on(store))
  }
})

describe("LedgerStoreSql: several in one database", () => {
  it.effect("two books of one schema do not see each other", () =>
    Effect.gen(function* () {
      yield* apart(yield* make({ book: 1 }), yield* make({ book: 2 }))
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("two schemas do not see each other, and each has tables of its own", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* apart(yield* make(), yield* make({ schema: "money" }))
      const tables = yield* sql<{ name: string }>`SELECT schemaname AS name FROM pg_tables
        WHERE tablename LIKE '%ledger%' AND schemaname IN ('public', 'money') ORDER BY 1`
      const [ours, theirs] = ["money", "public"].map((schema) => tables.filter(({ name }) => name === schema).length)
      assert.strictEqual(ours, theirs)
      assert.strictEqual(ours, 12)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("books are written at once, each as if it were alone", () =>
    Effect.gen(function* () {
      const stores = yield* Effect.all([make({ book: 1 }), make({ book: 2 }), make({ book: 1, schema: "money" })])
      yield* Effect.forEach(
        stores,
        (store) =>
          Effect.gen(function* () {
            const { outside, buyer } = yield* Trial.people(10n)
            yield* Effect.forEach(Array.from({ length: 30 }), () => Trial.outcome(Sample.post(outside, buyer, 1n)), {
              concurrency: 3,
            })
            assert.lengthOf(yield* Recompute.balances, 34)
            yield* Recompute.chain
          }).pipe(on(store)),
        { concurrency: "unbounded" },
      )
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("a book that is there already is taken up where it was left, and its tables are made once", () =>
    Effect.gen(function* () {
      const first = yield* make({ schema: "money" })
      yield* life(first, names(), 12n)
      const second = yield* make({ schema: "money" })
      assert.deepStrictEqual(yield* everything(second), yield* everything(first))
      const { outside, buyer } = yield* Trial.people(10n).pipe(on(second))
      yield* Trial.outcome(Sample.post(outside, buyer, 1n)).pipe(on(first))
      yield* Recompute.chain.pipe(on(second))
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})

describe("LedgerStoreSql: where its tables are", () => {
  it.effect("a schema is a plain name, and a book a number", () =>
    Effect.gen(function* () {
      for (const schema of ["", "Money", "a b", 'a"b', "a;b", "1a", "a".repeat(64)]) {
        assert.include(yield* letterOf({ schema }), "is no plain name of a schema")
      }
      for (const book of [0, -1, 1.5, 1_000_001]) {
        assert.include(yield* letterOf({ book }), "is no book's number")
      }
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("the layout of before is refused with a letter, in the schema that has it only", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE ledger_book (id int)`
      const letter = yield* letterOf({})
      assert.include(letter, "The schema public has the tables of a ledger from before version 0.1.")
      assert.include(letter, "Start with an empty database")
      assert.lengthOf(yield* sql`SELECT FROM pg_tables WHERE tablename = 'ledger_books'`, 0)
      yield* life(yield* make({ schema: "money" }), names(), 3n)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("another's tables beside it are left alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE accounts (id int)`
      yield* sql`CREATE TABLE effect_sql_migrations (migration_id int, name text, created_at timestamptz)`
      yield* sql`INSERT INTO effect_sql_migrations VALUES (7, 'theirs', now())`
      yield* life(yield* make(), names(), 3n)
      assert.lengthOf(yield* sql`SELECT FROM effect_sql_migrations`, 1)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})

/** A role that owns nothing, and a client that acts as it. */
const asRole = Effect.gen(function* () {
  const role = `ledger_${Sample.text()}`
  const base = yield* TestDatabase.make
  const admin = Context.get(yield* Layer.build(TestDatabase.at(base)), SqlClient.SqlClient)
  yield* Effect.acquireRelease(admin.unsafe(`CREATE ROLE ${role}`), () =>
    Effect.orDie(Effect.andThen(admin.unsafe(`DROP OWNED BY ${role} CASCADE`), admin.unsafe(`DROP ROLE ${role}`))),
  )
  const url = new URL(base)
  url.searchParams.set("options", `-c role=${role}`)
  const client = Context.get(yield* Layer.build(TestDatabase.at(url.toString())), SqlClient.SqlClient)
  return { admin, role, as: Effect.provideService(SqlClient.SqlClient, client) }
})

describe("LedgerStoreSql: as a role", () => {
  it.effect("that may not create schemas, it is not available, and takes the one that was made for it", () =>
    Effect.gen(function* () {
      const { admin, as, role } = yield* asRole
      const error = yield* Effect.flip(make({ schema: "money" }).pipe(as))
      assert.strictEqual(error.reason._tag, "Unavailable")
      yield* admin.unsafe("CREATE SCHEMA money")
      assert.strictEqual((yield* Effect.flip(make({ schema: "money" }).pipe(as))).reason._tag, "Unavailable")
      yield* admin.unsafe(`GRANT CREATE, USAGE ON SCHEMA money TO ${role}`)
      const store = yield* make({ schema: "money" }).pipe(as)
      yield* life(store, names(), 3n).pipe(as)
      // The role owns its tables, and cannot change their history either.
      const sql = yield* as(SqlClient.SqlClient)
      const refused = yield* Effect.flip(sql.unsafe("DELETE FROM money.ledger_entries"))
      assert.include(String(refused.reason.cause), "append-only")
    }).pipe(Effect.scoped),
  )

  it.effect("that may read and write, and create nothing, it works on tables that another one made", () =>
    Effect.gen(function* () {
      const { admin, as, role } = yield* asRole
      yield* make({ schema: "money" }).pipe(Effect.provideService(SqlClient.SqlClient, admin))
      for (const right of [
        "USAGE ON SCHEMA money",
        "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA money",
        "EXECUTE ON ALL FUNCTIONS IN SCHEMA money",
      ]) {
        yield* admin.unsafe(`GRANT ${right} TO ${role}`)
      }
      yield* life(yield* make({ schema: "money" }).pipe(as), names(), 3n).pipe(as)
    }).pipe(Effect.scoped),
  )
})
