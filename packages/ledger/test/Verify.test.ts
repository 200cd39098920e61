import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Account } from "../src/Account.ts"
import { type Command, LedgerStore, type Posted, type View } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Verify from "../src/Verify.ts"

const Sql = LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provideMerge(TestDatabase.layer))

const outside = Sample.accountId("external")
const buyer = Sample.accountId("buyer")
const provider = Sample.accountId("accrual")

/** Some history: a top-up, charges with and without a hold, and two holds that are still pending. */
const trade = Effect.gen(function* () {
  const store = yield* LedgerStore
  const hold = Sample.holdRequest(buyer, 30n)
  const commands: ReadonlyArray<Command> = [
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(provider, { kind: "accrual" }),
    Sample.post(outside, buyer, 1_000n, { kind: "topUp" }),
    { _tag: "Hold", hold },
    { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, provider, 20n) },
    Sample.post(buyer, provider, 5n),
    { _tag: "Hold", hold: Sample.holdRequest(buyer, 7n) },
    { _tag: "Hold", hold: Sample.holdRequest(buyer, 8n) },
  ]
  for (const command of commands) yield* store.commit([command])
  return store
})

const differs = (store: LedgerStore["Service"]) =>
  Effect.map(Effect.flip(Effect.provideService(Verify.verify(), LedgerStore, store)), (error) => {
    if (error._tag !== "Disagreement") return assert.fail(error.message)
    const { figure, sequence, account, expected, found } = error
    return { figure, sequence, account, expected, found }
  })

const shows = (change: (view: View) => Partial<View>) =>
  Effect.gen(function* () {
    const store = yield* trade
    const snapshot: typeof store.snapshot = (read) => store.snapshot((view) => read({ ...view, ...change(view) }))
    return yield* differs({ ...store, snapshot })
  }).pipe(Effect.provide(LedgerStoreMemory.layer))

const posting = (sequence: bigint, change: (posted: Posted) => Partial<Posted>) =>
  shows((view) => ({
    postings: (after, limit) =>
      Effect.map(view.postings(after, limit), (page) =>
        page.map((posted) => (posted.sequence === sequence ? { ...posted, ...change(posted) } : posted)),
      ),
  }))

const account = (change: Partial<Account>) =>
  shows((view) => ({
    accounts: () =>
      Effect.map(view.accounts(), (accounts) =>
        accounts.map((account) => (account.id === buyer ? { ...account, ...change } : account)),
      ),
  }))

describe("Verify", () => {
  for (const [name, store] of [
    ["memory", LedgerStoreMemory.layer],
    ["SQL", Sql],
  ] as const) {
    it.effect(`agrees with books that were only written by the ledger: ${name}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* Verify.verify(), { postings: 0, accounts: 0, pendingHolds: 0 })
        yield* trade
        const told: Array<number> = []
        const verified = yield* Verify.verify((postings) => Effect.sync(() => void told.push(postings)))
        assert.deepStrictEqual(verified, { postings: 3, accounts: 3, pendingHolds: 2 })
        assert.deepStrictEqual(told, [3])
      }).pipe(Effect.provide(store)),
    )
  }

  it.effect("names the first figure that differs, what it should be and what it is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* posting(2n, () => ({ sequence: 3n })), {
        figure: "sequence",
        sequence: null,
        account: null,
        expected: "2",
        found: "3",
      })
      assert.deepStrictEqual(yield* posting(3n, () => ({ balances: [976n, 25n] })), {
        figure: "running balance",
        sequence: 3n,
        account: buyer,
        expected: "975",
        found: "976",
      })
      const legs = [
        { account: buyer, amount: -20n },
        { account: provider, amount: 21n },
      ]
      const unbalanced = (posted: Posted) => ({ posting: { ...posted.posting, legs }, balances: [980n, 21n] })
      assert.deepStrictEqual(yield* posting(2n, unbalanced), {
        figure: "sum",
        sequence: 2n,
        account: null,
        expected: "0 USD",
        found: "1 USD",
      })
      const where = { sequence: null, account: buyer }
      assert.deepStrictEqual(yield* account({ balance: 974n }), {
        figure: "balance",
        ...where,
        expected: "975",
        found: "974",
      })
      assert.deepStrictEqual(yield* account({ held: 14n }), { figure: "held", ...where, expected: "15", found: "14" })
      assert.deepStrictEqual(yield* account({ floor: 961n }), {
        figure: "available",
        ...where,
        expected: "961 or more",
        found: "960",
      })
      const forgotten = yield* shows((view) => ({
        accounts: () => Effect.map(view.accounts(), (all) => all.filter(({ id }) => id !== provider)),
      }))
      assert.deepStrictEqual(forgotten, {
        figure: "account",
        sequence: 2n,
        account: provider,
        expected: "known",
        found: "missing",
      })
    }),
  )

  it.effect("finds what was changed in the database behind the ledger's back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* trade
      yield* sql`UPDATE ledger_accounts SET balance = balance + 1 WHERE id = ${buyer}`
      assert.include(yield* differs(store), { figure: "balance", account: buyer, expected: "975", found: "976" })
      yield* sql`UPDATE ledger_accounts SET balance = balance - 1, held = held + 1 WHERE id = ${buyer}`
      assert.include(yield* differs(store), { figure: "held", account: buyer, expected: "15", found: "16" })
      yield* sql`UPDATE ledger_accounts SET held = held - 1 WHERE id = ${buyer}`
      assert.deepInclude(yield* Verify.verify(), { postings: 3 })

      yield* sql`ALTER TABLE ledger_legs DISABLE TRIGGER append_only`
      yield* sql`DELETE FROM ledger_legs WHERE sequence = 3 AND number = 1`
      assert.include(yield* differs(store), { figure: "sum", sequence: 3n })
      yield* sql`DELETE FROM ledger_legs WHERE sequence = 3`
      assert.include(yield* differs(store), { figure: "balance", expected: "20", found: "25" })
    }).pipe(Effect.provide(Sql)),
  )

  it.effect("verifies one moment of books that are being written", () =>
    Effect.gen(function* () {
      const store = yield* trade
      const spend = Effect.gen(function* () {
        const hold = Sample.holdRequest(buyer, 3n)
        yield* store.commit([{ _tag: "Hold", hold }])
        yield* store.commit([{ _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, provider, 1n) }])
      })
      const traffic = yield* Effect.forkChild(Effect.forever(spend))
      let most = 0
      for (let round = 0; round < 20 || most < 40; round++) {
        const { postings } = yield* Verify.verify()
        assert.isAtLeast(postings, most)
        most = postings
      }
      yield* Fiber.interrupt(traffic)
    }).pipe(Effect.provide(Sql)),
  )
})
