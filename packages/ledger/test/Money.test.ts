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
import * as SampleBooks from "./SampleBooks.ts"

const HOUR_MS = 3_600_000
const RENEW_MS = 10_000

const memory = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))
const sqlOf = (renewMs: number) =>
  Ledger.layer.pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs })), Layer.provideMerge(TestDatabase.layer))
const sql = sqlOf(0)

/** Lets time pass for the database, and for nobody else. */
const databaseSleeps = (ms: number) => SqlClient.SqlClient.use((db) => db`SELECT pg_sleep(${ms / 1_000})`)

const databaseNow = SqlClient.SqlClient.use(
  (db) => db<{ readonly now: bigint }>`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`,
).pipe(Effect.map(([row]) => Number(row?.now)))

/** Everything that the database remembers is so much longer ago. */
const databaseIsLater = (ms: number) =>
  SqlClient.SqlClient.use((db) =>
    Effect.all([
      db`UPDATE ledger_holds SET expires_at_ms = expires_at_ms - ${ms}::bigint`,
      db`UPDATE ledger_owners SET until_ms = until_ms - ${ms}::bigint`,
      db`UPDATE ledger_books SET token = token + 1, committed_at_ms = committed_at_ms - ${ms}::bigint,
        resumed_at_ms = resumed_at_ms - ${ms}::bigint`,
    ]),
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
      yield* Scene.refused(
        it.ledger.hold(Object.assign(Sample.holdRequest(it.payer, 1n), { amount: 1 })),
        "InvalidCommand",
      )
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
    const next = SampleBooks.numbers(3)
    const below = (limit: number) => Math.floor(next() * limit)
    for (let round = 0; round < 2_000; round++) {
      const cuts = [below(10_001), below(10_001), below(10_001)].sort((a, b) => a - b)
      const edges = [0, ...cuts, 10_000]
      const share = (party: Split.Party, at: number) => ({ party, bps: (edges[at + 1] ?? 0) - (edges[at] ?? 0) })
      const [first, ...others] = ["provider", "validators", "insurance", "platform"] as const
      const shares = [share(first, 0), ...others.map((party, at) => share(party, at + 1))] as const
      const remainderTo = shares[below(4)]?.party ?? first
      const amount = BigInt(below(2 ** 31)) * (below(2) === 0 ? 1n : 10n ** 50n + 7n)
      const floors = shares.map(({ bps }) => (amount * BigInt(bps)) / 10_000n)
      const odd = floors.reduce((left, part) => left - part, amount)
      const shared = Split.share(Split.Split.make({ shares, remainderTo }), amount)
      for (const [at, part] of shared.entries()) {
        assert.strictEqual(part.amount, (floors[at] ?? 0n) + (part.party === remainderTo ? odd : 0n))
      }
      assert.strictEqual(
        shared.reduce((sum, part) => sum + part.amount, 0n),
        amount,
      )
    }
    const halves = { shares: [{ party: "provider", bps: 9_999 }], remainderTo: "provider" } as const
    assert.throws(() => Split.Split.make(halves))
    assert.throws(() => Split.Split.make({ shares: [{ party: "provider", bps: 10_000 }], remainderTo: "platform" }))
    assert.throws(() => Split.Split.make({ ...halves, shares: [{ party: "provider", bps: 9_999.5 }] }))
  })

  it.effect(
    "is rounded once, downwards, when it leaves for a rail; what is below the rail's unit stays and is paid later",
    () =>
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

  it.effect("has a hold that is in the database, for everyone to see, by the time that its taker hears of it", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const ours = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 0 })))
      const another = yield* Layer.build(TestDatabase.at(url))
      yield* Effect.gen(function* () {
        for (let round = 0; round < 20; round++) {
          const it = yield* Scene.meet(100n)
          yield* Scene.hold(it, 60n)
          const seen = yield* SqlClient.SqlClient.use(
            (
              other,
            ) => other`SELECT h.state, a.held::text FROM ledger_holds h JOIN ledger_accounts a ON a.id = ${it.payer}
              WHERE h.id = ${it.id}`,
          ).pipe(Effect.provide(another))
          assert.deepStrictEqual(seen, [{ state: "pending", held: "60" }])
        }
      }).pipe(Effect.provide(ours.pipe(Layer.provide(TestDatabase.at(url)))))
    }).pipe(Effect.scoped),
  )
})

describe("a gateway that dies", () => {
  it.effect("loses no hold while it lives: each renewal puts its holds off, its own only", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(100n)
      const other = yield* Scene.meet(100n)
      yield* Scene.hold(it, 60n, { owner: "alive", lifeMs: 4 * RENEW_MS })
      yield* Scene.hold(other, 60n, { owner: "dead", lifeMs: 4 * RENEW_MS })
      for (let beat = 1; beat <= 20; beat++) {
        yield* TestClock.adjust(RENEW_MS)
        assert.strictEqual(yield* it.ledger.renew("alive", 4 * RENEW_MS), 1)
        assert.deepStrictEqual(yield* it.ledger.expire(10), beat === 4 ? [other.id] : [])
      }
      yield* TestClock.adjust(4 * RENEW_MS - 1)
      assert.deepStrictEqual(yield* it.ledger.expire(10), [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* it.ledger.expire(10), [it.id])
    }).pipe(Effect.provide(memory)),
  )

  it.effect("costs its buyers nothing: what was held for them is all theirs again", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(100n)
      yield* Scene.hold(it, 100n, { lifeMs: 20 })
      yield* Scene.refused(it.ledger.hold(Sample.holdRequest(it.payer, 1n)), "InsufficientFunds")
      yield* databaseSleeps(30)
      assert.deepStrictEqual(yield* it.ledger.expire(10), [it.id])
      assert.deepInclude(yield* it.ledger.account(it.payer), { balance: 100n, held: 0n })
      assert.deepStrictEqual(yield* postedFor(it), [])
      assert.strictEqual((yield* it.ledger.hold(Sample.holdRequest(it.payer, 100n))).available, 0n)
    }).pipe(Effect.provide(sql)),
  )

  it.effect("costs the platform: the provider's claim, up to what was held, comes out of its account for losses", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(100n)
      yield* Scene.hold(it, 60n, { lifeMs: 20 })
      yield* Scene.refused(it.ledger.claim(it.id, yield* Scene.claim(it, 60n)), "HoldNotAvailable")
      yield* databaseSleeps(30)
      yield* it.ledger.expire(10)
      yield* Scene.refused(it.ledger.claim(it.id, yield* Scene.claim(it, 61n)), "InvalidCommand")
      const byBuyer = Sample.posting(it.payer, it.accrual, 60n, { kind: "claim" })
      yield* it.ledger.open({ id: it.accrual, kind: "accrual", asset: USD, floor: 0n })
      yield* Scene.refused(it.ledger.claim(it.id, byBuyer), "InvalidCommand")
      yield* it.ledger.claim(it.id, yield* Scene.claim(it, 60n))
      assert.strictEqual(yield* Scene.balanceOf(ids.platformLoss), -60n)
      assert.strictEqual(yield* Scene.balanceOf(ids.accrual(Claim.FUNDING_SOURCE, it.provider)), 60n)
      assert.strictEqual(yield* Scene.balanceOf(it.payer), 100n)
      // The same claim again is the same answer, and another one is refused.
      assert.isTrue((yield* it.ledger.claim(it.id, yield* Scene.claim(it, 60n))).replayed)
      yield* Scene.refused(it.ledger.claim(it.id, yield* Scene.claim(it, 59n)), "Conflict")
      assert.strictEqual(yield* Scene.balanceOf(ids.platformLoss), -60n)
      yield* LedgerStore.use(Invariants.check)
    }).pipe(Effect.provide(sql)),
  )

  it.effect("and wakes up too late can charge nothing and bring nothing back; the claim is still paid", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(100n)
      yield* Scene.hold(it, 60n, { owner: "late", lifeMs: 20 })
      yield* databaseSleeps(30)
      yield* it.ledger.expire(10)
      assert.strictEqual(yield* it.ledger.renew("late", HOUR_MS), 0)
      const charge = yield* Scene.charge(it, 45n)
      for (const late of [it.ledger.settle(it.id, charge), it.ledger.draw(it.id, charge), it.ledger.void(it.id, [])]) {
        assert.deepInclude(yield* Scene.refused(late, "HoldNotAvailable"), { state: "expired" })
      }
      assert.strictEqual(yield* holdState(it), "expired")
      assert.deepInclude(yield* it.ledger.account(it.payer), { balance: 100n, held: 0n })
      yield* it.ledger.claim(it.id, yield* Scene.claim(it, 40n))
      assert.deepStrictEqual(
        (yield* postedFor(it)).map(({ posting }) => posting.kind),
        ["claim"],
      )
    }).pipe(Effect.provide(sql)),
  )

  for (const year of [1970, 2100]) {
    it.effect(`is judged by the database's clock: a process that takes the year for ${year} changes nothing`, () =>
      Effect.gen(function* () {
        const [living, dying] = [yield* Scene.meet(100n), yield* Scene.meet(100n)]
        const before = yield* databaseNow
        const { hold } = yield* Scene.hold(living, 60n, { lifeMs: HOUR_MS })
        const after = yield* databaseNow
        assert.isAtLeast(hold.expiresAtMs ?? 0, before + HOUR_MS)
        assert.isAtMost(hold.expiresAtMs ?? 0, after + HOUR_MS)
        yield* Scene.hold(dying, 60n, { lifeMs: 20 })
        yield* databaseSleeps(30)
        assert.deepStrictEqual(yield* living.ledger.expire(10), [dying.id])
        yield* TestClock.adjust(10 * HOUR_MS)
        assert.deepStrictEqual(yield* living.ledger.expire(10), [])
        yield* databaseIsLater(HOUR_MS)
        assert.deepStrictEqual(yield* living.ledger.expire(10), [living.id])
      }).pipe(
        Effect.provide(sql),
        // Before the pool of connections begins to look at it.
        (test) => Effect.andThen(TestClock.setTime(Date.UTC(year)), test),
      ),
    )
  }

  it.effect(
    "is not taken for dead because the database was away: a sweep waits for a renewal's pause, and more, first",
    () =>
      Effect.gen(function* () {
        const [living, dead] = [yield* Scene.meet(100n), yield* Scene.meet(100n)]
        yield* Scene.hold(living, 60n, { owner: "alive", lifeMs: 4 * RENEW_MS })
        yield* Scene.hold(dead, 60n, { owner: "dead", lifeMs: 4 * RENEW_MS })
        const sweep = living.ledger.expire(10)
        yield* databaseIsLater(HOUR_MS)
        assert.deepStrictEqual(yield* sweep, [])
        yield* databaseIsLater(RENEW_MS)
        assert.deepStrictEqual(yield* sweep, [])
        assert.strictEqual(yield* living.ledger.renew("alive", 4 * RENEW_MS), 1)
        yield* databaseIsLater(RENEW_MS)
        assert.deepStrictEqual(yield* sweep, [dead.id])
        assert.strictEqual(yield* holdState(living), "pending")
      }).pipe(Effect.provide(sqlOf(RENEW_MS))),
  )

  it.effect("is charged for or claimed for, never both: of a settlement and a claim that meet, one posts, once", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const process = Ledger.layer.pipe(
        Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 0 })),
        Layer.provideMerge(TestDatabase.at(url)),
      )
      const sweeper = yield* Layer.build(Layer.fresh(process))
      yield* Effect.gen(function* () {
        const won = { charge: 0, claim: 0 }
        for (let round = 0; round < 50; round++) {
          const it = yield* Scene.meet(100n)
          yield* Scene.hold(it, 60n, { lifeMs: HOUR_MS })
          const [charge, claim] = [yield* Scene.charge(it, 45n), yield* Scene.claim(it, 40n)]
          const expire = Ledger.Ledger.use((ledger) => ledger.expire(10))
          const paid = Ledger.Ledger.use((ledger) => ledger.claim(it.id, claim))
          // Of five rounds, one has a hold that is expired already, and one has a hold that is not due.
          if (round % 5 !== 0) yield* databaseIsLater(2 * HOUR_MS)
          if (round % 5 === 1) yield* expire
          const settled = databaseSleeps(round % 4).pipe(Effect.andThen(it.ledger.settle(it.id, charge)))
          const claimed = Effect.andThen(expire, paid).pipe(Effect.provide(sweeper))
          // Each side tries twice, as one does that heard no answer.
          const tries = [settled, claimed, settled, claimed].map(Effect.result)
          const answers = yield* Effect.all(tries, { concurrency: "unbounded" })
          const made = answers.filter((answer) => Result.isSuccess(answer) && !answer.success.replayed)
          assert.lengthOf(made, 1)
          const [entry, ...more] = yield* postedFor(it)
          assert.deepStrictEqual(more, [])
          const kind = entry?.posting.kind === "charge" ? "charge" : "claim"
          won[kind] += 1
          const isCharged = kind === "charge"
          assert.strictEqual(yield* Scene.balanceOf(it.payer), isCharged ? 55n : 100n)
          assert.strictEqual(yield* holdState(it), isCharged ? "posted" : "expired")
          const earned = yield* Scene.balanceOf(ids.accrual(Claim.FUNDING_SOURCE, it.provider))
          assert.strictEqual(earned, isCharged ? 0n : 40n)
          // Whoever comes later hears the first answer, or that there is none for it.
          const late = yield* Effect.all(
            [it.ledger.settle(it.id, charge), it.ledger.claim(it.id, claim)].map(Effect.result),
          )
          assert.deepStrictEqual(
            late.map((answer) => (Result.isSuccess(answer) ? answer.success.replayed : answer.failure.reason._tag)),
            isCharged ? [true, "Conflict"] : ["Conflict", true],
          )
        }
        assert.isAtLeast(won.charge, 10)
        assert.isAtLeast(won.claim, 10)
        yield* LedgerStore.use(Invariants.check)
      }).pipe(Effect.provide(process))
    }).pipe(Effect.scoped),
  )

  it.effect("has posted what can be lowered later, and never raised, nor lowered below nothing", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(100n)
      yield* Scene.hold(it, 60n)
      yield* it.ledger.settle(it.id, yield* Scene.charge(it, 45n))
      const { payer, provider, request } = it
      const charged = Scene.sharesOf(provider, 45n)
      const to = (amount: bigint) =>
        Adjustment.posting({ request, parts: [{ payer, charged, lowered: Scene.sharesOf(provider, amount) }] })
      for (const amount of [45n, 46n, 1_000n]) assert.isTrue(Result.isFailure(to(amount)))
      assert.isTrue(Result.isFailure(to(-1n)))
      yield* Scene.make(to(30n))
      assert.strictEqual(yield* Scene.balanceOf(payer), 70n)
      for (const { account, amount } of Scene.sharesOf(provider, 30n)) {
        assert.strictEqual(yield* Scene.balanceOf(account), amount)
      }
      // It is made once: neither raised again, nor lowered by as much twice.
      assert.isTrue((yield* Scene.make(to(30n))).replayed)
      yield* Scene.refused(Scene.make(to(40n)), "Conflict")
      assert.strictEqual(yield* Scene.balanceOf(payer), 70n)
    }).pipe(Effect.provide(memory)),
  )
})
