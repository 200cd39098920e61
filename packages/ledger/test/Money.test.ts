/**
 * What the market promises about money, promise by promise: the title of a test is the promise. Where time, a crash or
 * several processes matter the books are PostgreSQL's; elsewhere they are in memory, by the same rules.
 */
import { assert, describe, it } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import * as Money from "@guildhall/core/Money"
import * as Split from "@guildhall/core/rules/Split"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { ids } from "../src/Account.ts"
import type { Posted } from "../src/Entry.ts"
import * as Ledger from "../src/Ledger.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Adjustment from "../src/templates/Adjustment.ts"
import * as Claim from "../src/templates/Claim.ts"
import * as Payout from "../src/templates/Payout.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Invariants from "./model/Invariants.ts"
import * as Scene from "./MoneyScene.ts"
import { split } from "./templates/Sample.ts"

const HOUR_MS = 3_600_000
const RENEW_MS = 10_000

const memory = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))
const sqlOf = (renewMs: number) =>
  Ledger.layer.pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs })), Layer.provideMerge(TestDatabase.layer))
const sql = sqlOf(0)

/** Lets time pass for the database, and for nobody else. */
const databaseSleeps = (ms: number) => SqlClient.SqlClient.use((db) => db`SELECT pg_sleep(${ms / 1_000})`)

/** Everything that the database remembers is so much longer ago. */
const databaseIsLater = (ms: number) =>
  SqlClient.SqlClient.use((db) =>
    Effect.andThen(
      db`UPDATE ledger_holds SET expires_at_ms = expires_at_ms - ${ms}::bigint`,
      db`UPDATE ledger_books SET token = token + 1, committed_at_ms = committed_at_ms - ${ms}::bigint,
        resumed_at_ms = resumed_at_ms - ${ms}::bigint`,
    ),
  )

const holdState = ({ id, ledger }: Scene.Meeting) => Effect.map(ledger.findHold(id), (hold) => hold?.state)

/** The postings under a request's key: at most one, whoever made it. */
const postedFor = ({ request }: Scene.Meeting) =>
  LedgerStore.use((store) => store.history("entries", { after: 0n, limit: 10, keys: [`request:${request}`] })).pipe(
    Effect.map((entries) => entries.filter((entry): entry is Posted => entry._tag === "Posted")),
  )

describe("an amount", () => {
  it.effect("is a whole number of the smallest unit of a named asset, and a plain number is refused", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(100n)
      const { asset, balance, held } = yield* it.ledger.account(it.payer)
      assert.deepStrictEqual([asset.code, typeof balance, typeof held], ["USD", "bigint", "bigint"])
      const posting = Sample.posting(it.payer, ids.platformFees, 1n)
      const legs = posting.legs.map((leg) => ({ ...leg, amount: Number(leg.amount) }))
      // What a caller without types might send.
      const wrong = Object.assign({}, posting, { legs })
      yield* Scene.refused(it.ledger.post(wrong), "InvalidCommand")
      yield* Scene.refused(it.ledger.hold(Object.assign(Sample.holdRequest(it.payer, 1n), { amount: 1 })), "InvalidCommand")
      assert.strictEqual(yield* Scene.balanceOf(it.payer), 100n)
    }).pipe(Effect.provide(memory)),
  )

  it.effect("is an exact decimal without a fraction in every table that has one", () =>
    Effect.gen(function* () {
      const db = yield* SqlClient.SqlClient
      const rows = yield* db<{ readonly name: string; readonly type: string }>`
        SELECT c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relname LIKE 'ledger%' AND c.relkind = 'r' AND a.attnum > 0
          AND a.attname ~ '^(amounts?|balances?|held|drawn|floor|ceiling|carried_.*)$'`
      assert.isAbove(rows.length, 8)
      for (const { name, type } of rows) assert.include(["numeric(78,0)", "numeric(78,0)[]"], type, name)
      const fractions = yield* db<{ readonly name: string }>`
        SELECT c.relname || '.' || a.attname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relname LIKE 'ledger%' AND a.attnum > 0 AND format_type(a.atttypid, NULL) IN ('real', 'double precision', 'money')`
      assert.deepStrictEqual(fractions, [])
    }).pipe(Effect.provide(sql)),
  )

  it.effect("in dollars has twelve decimals, in all of the books", () =>
    Effect.gen(function* () {
      assert.strictEqual(USD.scale, 12)
      assert.strictEqual(Money.format(1n, USD), "0.000000000001")
      const it = yield* Scene.meet(1n)
      const cents = { id: Sample.accountId(), kind: "buyer", asset: { ...USD, scale: 2 }, floor: 0n } as const
      yield* Scene.refused(it.ledger.open(cents), "InvalidCommand")
    }).pipe(Effect.provide(memory)),
  )

  it("that is shared gives each the whole units of its part, the odd ones to who is named for them, and loses none", () => {
    const parts = fc.uniqueArray(fc.constantFrom("provider", "platform", "validators", "insurance"), { minLength: 1 })
    fc.assert(
      fc.property(parts, fc.array(fc.nat(10_000)), fc.nat(3), fc.bigInt(0n, 10n ** 60n), (parties, cuts, at, amount) => {
        const edges = [0, ...parties.slice(1).map((_, n) => cuts[n] ?? 0), 10_000].sort((a, b) => a - b)
        const [first = "provider", ...others] = parties.map((party, n) => ({
          party,
          bps: (edges[n + 1] ?? 0) - (edges[n] ?? 0),
        }))
        if (first === "provider") return
        const remainderTo = parties[at % parties.length] ?? first.party
        const shared = Split.share(Split.Split.make({ shares: [first, ...others], remainderTo }), amount)
        let odd = amount
        for (const { bps } of [first, ...others]) odd -= (amount * BigInt(bps)) / 10_000n
        for (const [n, { bps, party }] of [first, ...others].entries()) {
          const whole = (amount * BigInt(bps)) / 10_000n
          assert.strictEqual(shared[n]?.amount, party === remainderTo ? whole + odd : whole)
        }
        assert.strictEqual(
          shared.reduce((sum, part) => sum + part.amount, 0n),
          amount,
        )
      }),
      { seed: 3 },
    )
    const halves = { shares: [{ party: "provider", bps: 9_999 }], remainderTo: "provider" } as const
    assert.throws(() => Split.Split.make(halves))
    assert.throws(() => Split.Split.make({ shares: [{ party: "provider", bps: 10_000 }], remainderTo: "platform" }))
    assert.throws(() => Split.Split.make({ ...halves, shares: [{ party: "provider", bps: 9_999.5 }] }))
  })

  it.effect("is rounded once, downwards, when it leaves for a rail; what is below the rail's unit stays and is paid later", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(1_000n)
      const payable = ids.payable(Scene.BANK, it.provider)
      yield* it.ledger.open({ id: payable, kind: "payable", asset: USD, floor: 0n })
      const outside = ids.external(Scene.BANK)
      let paid = 0n
      for (const earned of [199n, 7n, 94n]) {
        yield* it.ledger.post(Sample.posting(it.payer, payable, earned, { kind: "maturity" }))
        const before = yield* Scene.balanceOf(payable)
        const range = yield* it.ledger.beginPayout({ account: payable, rail: Scene.BANK, unit: 100n, minimum: 1n })
        assert.strictEqual(range?.amount ?? 0n, before - (before % 100n))
        if (range === null) continue
        yield* it.ledger.settle(range.hold, yield* Scene.ready(Payout.posting(range)))
        paid += range.amount
        assert.strictEqual(yield* Scene.balanceOf(payable), before % 100n)
      }
      assert.strictEqual(paid, 300n)
      assert.strictEqual(yield* Scene.balanceOf(payable), 0n)
      assert.strictEqual(yield* Scene.balanceOf(outside), paid)
    }).pipe(Effect.provide(memory)),
  )
})

describe("a charge", () => {
  it.effect("is held first, and then ends once and for good: posted, given back, or expired", () =>
    Effect.gen(function* () {
      for (const end of ["posted", "voided", "expired"] as const) {
        const it = yield* Scene.meet(100n)
        yield* Scene.hold(it, 60n, { lifeMs: 1_000 })
        assert.strictEqual(yield* holdState(it), "pending")
        assert.deepInclude(yield* it.ledger.account(it.payer), { balance: 100n, held: 60n })
        if (end === "posted") yield* it.ledger.settle(it.id, yield* Scene.charge(it, 45n))
        if (end === "voided") yield* it.ledger.void(it.id, [])
        yield* TestClock.adjust(1_000)
        assert.deepStrictEqual(yield* it.ledger.expire(10), end === "expired" ? [it.id] : [])
        assert.strictEqual(yield* holdState(it), end)
        assert.deepInclude(yield* it.ledger.account(it.payer), { balance: end === "posted" ? 55n : 100n, held: 0n })
        // Another charge for the same hold is refused, and so is giving it back.
        const again = { ...(yield* Scene.charge(it, 45n)), idempotencyKey: Sample.text() }
        yield* Scene.refused(it.ledger.settle(it.id, again), "HoldNotAvailable")
        if (end !== "voided") yield* Scene.refused(it.ledger.void(it.id, []), "HoldNotAvailable")
        assert.deepStrictEqual(yield* it.ledger.expire(10), [])
        assert.strictEqual(yield* holdState(it), end)
      }
    }).pipe(Effect.provide(memory)),
  )

  it.effect("takes a balance down to its credit line and not one unit further, what is pending counted", () =>
    Effect.gen(function* () {
      for (const credit of [0n, 30n]) {
        const it = yield* Scene.meet(100n)
        const terms = { floor: -credit, ceiling: null, state: "open" } as const
        yield* it.ledger.setTerms({ idempotencyKey: Sample.text(), account: it.payer, terms })
        const { available } = yield* Scene.hold(it, 60n)
        assert.strictEqual(available, 40n + credit)
        const more = (amount: bigint) => Sample.holdRequest(it.payer, amount)
        yield* Scene.refused(it.ledger.hold(more(41n + credit)), "InsufficientFunds")
        const spend = Sample.posting(it.payer, ids.platformFees, 41n + credit)
        yield* it.ledger.open({ id: ids.platformFees, kind: "platform", asset: USD, floor: 0n })
        yield* Scene.refused(it.ledger.post(spend), "InsufficientFunds")
        assert.strictEqual((yield* it.ledger.hold(more(40n + credit))).available, 0n)
        yield* Scene.refused(it.ledger.hold(more(1n)), "InsufficientFunds")
        yield* it.ledger.settle(it.id, yield* Scene.charge(it, 60n))
        yield* Scene.refused(it.ledger.hold(more(1n)), "InsufficientFunds")
      }
    }).pipe(Effect.provide(memory)),
  )

  it.effect("has a hold that others read from the disk's database by the time that its taker hears of it", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const ours = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 0 })))
      const db = yield* Effect.map(Layer.build(TestDatabase.at(url)), (context) => context)
      yield* Effect.gen(function* () {
        for (let round = 0; round < 20; round++) {
          const it = yield* Scene.meet(100n)
          yield* Scene.hold(it, 60n)
          const seen = yield* SqlClient.SqlClient.use(
            (other) => other`SELECT h.state, a.held::text FROM ledger_holds h JOIN ledger_accounts a ON a.id = ${it.payer}
              WHERE h.id = ${it.id}`,
          ).pipe(Effect.provide(db))
          assert.deepStrictEqual(seen, [{ state: "pending", held: "60" }])
        }
      }).pipe(Effect.provide(ours.pipe(Layer.provide(TestDatabase.at(url)))))
    }).pipe(Effect.scoped),
  )
})
