import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Context, Deferred, Effect, Fiber, Layer, Result, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { keyOf } from "../src/Entry.ts"
import * as Ledger from "../src/Ledger.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Recompute from "../src/testing/internal/Recompute.ts"
import * as Trial from "../src/testing/internal/Trial.ts"

const store = LedgerStoreSql.make({ renewMs: 10_000 })
const ledger = Effect.flatMap(store, (made) => Effect.provideService(Ledger.make, LedgerStore, made))
/** The database's clock cannot be set: short pauses in real time. */
const pause = (durationMs: number) => TestClock.withLive(Effect.sleep(durationMs))

/** A store with a buyer that has `funds`. */
const funded = Effect.fnUntraced(function* (funds: bigint) {
  const made = yield* store
  const [outside, buyer, provider] = [
    Sample.accountId("external"),
    Sample.accountId("buyer"),
    Sample.accountId("accrual"),
  ]
  yield* made.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(provider, { kind: "accrual" }),
    Sample.post(outside, buyer, funds, { kind: "topUp" }),
  ])
  return { store: made, outside, buyer, provider }
})

describe("LedgerStoreSql, when several write", () => {
  it.effect("of 200 holds at once, through two ledgers on one database, as many succeed as there are funds for", () =>
    Effect.gen(function* () {
      const { store, buyer } = yield* funded(77n)
      const ledgers = [yield* ledger, yield* ledger]
      const answers = yield* Effect.all(
        Array.from({ length: 200 }, (_, at) => {
          const one = ledgers[at % 2]
          return one === undefined ? Effect.die("no ledger") : Effect.result(one.hold(Sample.holdRequest(buyer, 2n)))
        }),
        { concurrency: "unbounded" },
      )
      const refusals = answers.flatMap((answer) => (Result.isFailure(answer) ? [answer.failure.reason._tag] : []))
      assert.lengthOf(refusals, 200 - 38)
      assert.deepStrictEqual([...new Set(refusals)], ["InsufficientFunds"])
      const [account] = yield* store.accounts([buyer])
      assert.strictEqual(account?.held, 76n)
      assert.lengthOf(yield* store.holds({ pending: true }), 38)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("one hold that two processes settle, void and expire at once ends in one way", () =>
    Effect.gen(function* () {
      const { store, buyer, provider } = yield* funded(1_000n)
      const other = yield* LedgerStoreSql.make({ renewMs: 0 })
      for (let round = 0; round < 10; round++) {
        const hold = Sample.holdRequest(buyer, 5n, { lifeMs: 1 })
        yield* store.commit([{ _tag: "Hold", hold }])
        yield* pause(3)
        const ends: ReadonlyArray<Command> = [
          { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, provider, 5n) },
          { _tag: "Void", hold: hold.id, attachments: [] },
          { _tag: "Expire", limit: 10 },
          { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, provider, 4n) },
        ]
        const answers = yield* Effect.all(
          ends.map((command, at) => (at % 2 === 0 ? other : store).commit([command])),
          { concurrency: "unbounded" },
        )
        const ended = answers.flat().flatMap((answer): ReadonlyArray<string> => {
          if (Result.isFailure(answer)) return []
          return answer.success._tag === "Expired" ? answer.success.holds : [answer.success._tag]
        })
        assert.lengthOf(ended, 1)
        const [account] = yield* store.accounts([buyer])
        assert.strictEqual(account?.held, 0n)
      }
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("what one process committed is read by another, and by the same one after a restart", () =>
    Effect.gen(function* () {
      const { store: first, buyer } = yield* funded(10n)
      const hold = Sample.holdRequest(buyer, 4n)
      yield* first.commit([{ _tag: "Hold", hold }])
      const second = yield* store
      assert.deepStrictEqual(yield* second.accounts(), yield* first.accounts())
      assert.deepStrictEqual(yield* second.holds({ pending: true }), yield* first.holds({ pending: true }))
      assert.deepStrictEqual(
        yield* second.history("entries", { after: 0n, limit: 10 }),
        yield* first.history("entries", { after: 0n, limit: 10 }),
      )
      const [again] = yield* second.commit([{ _tag: "Hold", hold }])
      assert.isTrue(again !== undefined && Result.isSuccess(again) && again.success._tag === "Held")
      assert.strictEqual((yield* second.accounts([buyer]))[0]?.held, 4n)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("a batch that the database refuses leaves nothing behind, and can be sent again", () =>
    Effect.gen(function* () {
      const { store, buyer, provider } = yield* funded(10n)
      const sql = yield* SqlClient.SqlClient
      const batch = [
        Sample.post(buyer, provider, 1n, { attachments: [{ kind: "sample", body: 1 }] }),
        Sample.post(buyer, provider, 2n),
      ]
      yield* sql`ALTER TABLE ledger_books ADD CONSTRAINT never CHECK (last_attachment < 1)`
      const error = yield* Effect.flip(store.commit(batch))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.isTrue(error.isRetryable)
      assert.lengthOf(yield* store.history("entries", { after: 0n, limit: 10 }), 4)
      assert.lengthOf(yield* store.history("attachments", { after: 0n, limit: 10 }), 0)
      yield* sql`ALTER TABLE ledger_books DROP CONSTRAINT never`
      const answers = yield* store.commit(batch)
      assert.isTrue(answers.every((answer) => Result.isSuccess(answer)))
      assert.strictEqual((yield* store.accounts([provider]))[0]?.balance, 3n)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})

/** The statements that a program sends. */
const statementsOf = Effect.fnUntraced(function* <A, E, R>(program: Effect.Effect<A, E, R>) {
  const texts: Array<string> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const attribute = span.attribute.bind(span)
      span.attribute = (key, value) => {
        if (key === "db.query.text") texts.push(String(value))
        attribute(key, value)
      }
      return span
    },
  })
  const answer = yield* Effect.withTracer(program, tracer)
  return { answer, locks: texts.filter((text) => text.includes("FOR UPDATE")).length, count: texts.length }
})

describe("LedgerStoreSql, when its book changes under it", () => {
  it.effect(
    "a batch that was decided too early is made again under the lock, and so are the next ones, for a while",
    () =>
      Effect.gen(function* () {
        const { store, outside, buyer, provider } = yield* funded(10n)
        const sql = yield* SqlClient.SqlClient
        const post = (amount: bigint) => store.commit([Sample.post(buyer, provider, amount)])
        const alone = yield* statementsOf(post(1n))
        assert.deepInclude(alone, { locks: 0, count: 3 })

        // Another process takes what this one has decided to spend.
        const [locked, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const other = yield* sql
          .withTransaction(
            Effect.gen(function* () {
              yield* sql`SELECT FROM ledger_books FOR UPDATE`
              yield* Deferred.succeed(locked, undefined)
              yield* Deferred.await(go)
              yield* sql`UPDATE ledger_books SET token = token + 1`
              yield* sql`UPDATE ledger_accounts SET floor = 9 WHERE id = ${buyer}`
            }),
          )
          .pipe(Effect.forkChild)
        yield* Deferred.await(locked)
        const early = yield* Effect.forkChild(statementsOf(post(9n)))
        for (;;) {
          const rows = yield* sql`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
          AND datname = current_database()`
          if (rows.length > 0) break
        }
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(other)
        const { answer, locks } = yield* Fiber.join(early)
        assert.strictEqual(locks, 1)
        assert.strictEqual(Trial.reasonOf(answer[0]), "InsufficientFunds")

        for (let batch = 0; batch < 64; batch++) {
          const { locks } = yield* statementsOf(store.commit([Sample.post(outside, buyer, 1n)]))
          assert.strictEqual(locks, 1, `batch ${batch}`)
        }
        assert.deepInclude(yield* statementsOf(store.commit([Sample.post(outside, buyer, 1n)])), { locks: 0, count: 3 })
        yield* Recompute.chain.pipe(Effect.provideService(LedgerStore, store))
        yield* Recompute.balances.pipe(Effect.provideService(LedgerStore, store))
      }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("batches that were decided on one that was never written are made again", () =>
    Effect.gen(function* () {
      const { store, outside, buyer, provider } = yield* funded(10n)
      const sql = yield* SqlClient.SqlClient
      // Each stands on the one before, which is on its way while it is decided.
      const chainOfBatches = (from: bigint) =>
        Effect.all(
          Array.from({ length: 6 }, (_, at) => store.commit([Sample.post(outside, buyer, from + BigInt(at))])),
          { concurrency: "unbounded" },
        )
      const writer = Effect.repeat(sql`UPDATE ledger_books SET token = token + 1`, { times: 30 })
      const [answers] = yield* Effect.all([Effect.forEach([1n, 7n, 13n, 19n], chainOfBatches), writer], {
        concurrency: "unbounded",
      })
      assert.isTrue(answers.flat(2).every((answer) => Trial.reasonOf(answer) === "Posted"))
      assert.strictEqual((yield* store.accounts([buyer]))[0]?.balance, 10n + (24n * 25n) / 2n)
      assert.strictEqual((yield* store.accounts([provider]))[0]?.balance, 0n)
      yield* Recompute.chain.pipe(Effect.provideService(LedgerStore, store))
      yield* Recompute.balances.pipe(Effect.provideService(LedgerStore, store))
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("three processes that open, hold, grow, draw, settle, link, expire and pay at once lose nothing", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const process = Layer.fresh(LedgerStoreSql.layer({ renewMs: 100 }).pipe(Layer.provideMerge(TestDatabase.at(url))))
      const contexts = yield* Effect.all(
        [1, 2, 3].map(() => Layer.build(process)),
        { concurrency: "unbounded" },
      )
      const stores = contexts.map((context) => Context.get(context, LedgerStore))
      const [first] = stores
      if (first === undefined) return assert.fail("no store")
      const { outside, buyer, provider } = yield* Trial.people(1_000n).pipe(Effect.provideService(LedgerStore, first))
      const payable = Sample.accountId("payable")
      yield* first.commit([Sample.open(payable, { kind: "payable" })])
      // Each has a pocket of its own that covers a part of it.
      const pockets = Array.from({ length: 40 }, () => Sample.accountId())
      for (const pocket of pockets) yield* first.commit([Sample.open(pocket), Sample.post(outside, pocket, 4n)])
      const requests = pockets.map((pocket, at) => ({
        pocket,
        hold: Sample.hold(pocket, 20n, { further: [buyer], ...(at % 5 === 4 ? { lifeMs: 1 } : {}) }),
        draw: Sample.posting(buyer, provider, 3n),
        settle: Sample.posting(buyer, payable, 7n, { attachments: [{ kind: "receipt", body: at }] }),
        link: [Sample.post(outside, buyer, 10n), Sample.open(Sample.accountId())] as const,
      }))
      // Each request is sent by all of them, as after a crash: it is made once.
      yield* Effect.forEach(
        stores,
        (store) =>
          Effect.forEach(
            requests,
            ({ draw, hold, link, pocket, settle }, at) =>
              Effect.gen(function* () {
                yield* store.commit([hold, { _tag: "Link", commands: link }])
                const grow = { _tag: "Grow", hold: hold.hold.id, amount: 25n, sources: [pocket, buyer] } as const
                yield* store.commit([
                  ...(at % 3 === 0 ? [grow] : []),
                  { _tag: "Draw", hold: hold.hold.id, posting: draw },
                  { _tag: "Renew", owner: "o", lifeMs: 1_000 },
                ])
                if (at % 5 !== 4) yield* store.commit([{ _tag: "Settle", hold: hold.hold.id, posting: settle }])
                if (at % 8 === 0) yield* store.commit([{ _tag: "Expire", limit: 10 }])
                if (at % 10 === 0) {
                  yield* store.commit([{ _tag: "BeginPayout", account: payable, rail: "card", unit: 1n, minimum: 50n }])
                }
              }),
            { concurrency: 8 },
          ),
        { concurrency: "unbounded" },
      )
      for (const store of stores) {
        yield* Recompute.chain.pipe(Effect.provideService(LedgerStore, store))
        yield* Recompute.balances.pipe(Effect.provideService(LedgerStore, store))
      }
      const receipts = yield* first.history("attachments", { after: 0n, limit: 1_000 })
      assert.deepStrictEqual(
        receipts.flatMap(({ attachment }) => (attachment.kind === "receipt" ? [Number(attachment.body)] : [])).sort(),
        requests.flatMap((_, at) => (at % 5 === 4 ? [] : [at])).sort(),
      )
      const entries = yield* first.history("entries", { after: 0n, limit: 1_000 })
      const kept = (key: string) => entries.filter((entry) => keyOf(entry) === key).length
      for (const { link, settle } of requests.filter((_, at) => at % 5 !== 4)) {
        assert.deepStrictEqual([kept(link[0].posting.idempotencyKey), kept(settle.idempotencyKey)], [1, 1])
      }
      assert.lengthOf(yield* first.history("payouts", { after: 0n, limit: 10 }), 1)
      assert.strictEqual((yield* first.accounts([outside]))[0]?.balance, -1_000n - 400n - 160n)
    }).pipe(Effect.scoped),
  )
})
