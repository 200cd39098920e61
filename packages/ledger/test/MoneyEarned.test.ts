/**
 * What the market promises about money that was earned: how it is paid out and taken back, what is written with it, and in
 * which order. The promises about charges come before, in `Money.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Context, Effect, Fiber, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { type AccountId, ids } from "../src/Account.ts"
import * as Books from "../src/Books.ts"
import * as Ledger from "../src/Ledger.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import { ATTACHMENT_BYTES_MAX } from "../src/Limits.ts"
import { attemptKey } from "../src/PayoutRange.ts"
import * as Maturity from "../src/templates/Maturity.ts"
import * as Payout from "../src/templates/Payout.ts"
import * as Refund from "../src/templates/Refund.ts"
import * as TopUp from "../src/templates/TopUp.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Scripted from "../src/testing/ScriptedPayoutRail.ts"
import * as Verify from "../src/Verify.ts"
import * as LedgerWorkers from "./LedgerWorkers.ts"
import * as Invariants from "./model/Invariants.ts"
import * as Scene from "./MoneyScene.ts"
import * as PayoutTrial from "./PayoutTrial.ts"

const DAY_MS = 86_400_000

const memory = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))
const sql = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 0 })))
const fresh = sql.pipe(Layer.provideMerge(TestDatabase.layer))

const rules: Maturity.Rules = {
  card: { _tag: "AfterDays", days: 14 },
  stablecoin: { _tag: "AtFinality" },
  grant: { _tag: "Never" },
}

/** What of a provider's earnings from a source may be paid out by now, brought to where it is. */
const mature = Effect.fnUntraced(function* (
  provider: MemberId,
  fundingSource: string,
  values: { readonly finalMs?: number; readonly owed?: bigint } = {},
) {
  const { finalMs = 0, owed = 0n } = values
  const ledger = yield* Ledger.Ledger
  const store = yield* LedgerStore
  const clock = yield* TestClock.testClockWith((clock) => Effect.succeed(clock))
  const nowMs = clock.currentTimeMillisUnsafe()
  const untilMs = Maturity.safeUntilMs(rules, fundingSource, { nowMs, finalMs })
  const account = yield* ledger.account(ids.accrual(fundingSource, provider))
  const entries = yield* store.history("entries", { after: 0n, limit: 1_000, account: account.id })
  const amount = untilMs === null ? 0n : Maturity.safe(account, entries, untilMs)
  if (amount === 0n) return 0n
  const epoch = String(nowMs)
  const rail = Scene.BANK
  yield* Scene.make(Maturity.posting({ provider, fundingSource, rail, epoch, amount, owed }))
  return amount
})

/** A provider with so much that may be paid out. */
const due = Effect.fnUntraced(function* (amount: bigint) {
  const it = yield* Scene.meet(10_000n)
  const payable = ids.payable(Scene.BANK, it.provider)
  yield* it.ledger.open({ id: payable, kind: "payable", asset: USD, floor: 0n })
  const earn = (more: bigint) => it.ledger.post(Sample.posting(it.payer, payable, more, { kind: "maturity" }))
  yield* earn(amount)
  const begin = it.ledger.beginPayout({ account: payable, rail: Scene.BANK, unit: 1n, minimum: 1n })
  return {
    ...it,
    payable,
    earn,
    begin: Effect.map(begin, (range) => range ?? assert.fail("nothing is to be paid out")),
  }
})

const countOf = (accounts: ReadonlyArray<AccountId>) => Effect.forEach(accounts, Scene.balanceOf)

describe("what a provider earns", () => {
  it.effect(
    "stands on an account for each source of the money, and is paid out when that source can no longer take it back",
    () =>
      Effect.gen(function* () {
        const it = yield* Scene.meet(100n)
        const { ledger, payer, provider } = it
        const sources = ["card", "stablecoin", "grant"] as const
        const accruals = sources.map((source) => ids.accrual(source, provider))
        const payable = ids.payable(Scene.BANK, provider)
        for (const [at, accrual] of accruals.entries()) {
          yield* ledger.open({ id: accrual, kind: "accrual", asset: USD, floor: 0n })
          yield* ledger.post(Sample.posting(payer, accrual, BigInt(at) + 10n))
        }
        assert.deepStrictEqual(yield* countOf(accruals), [10n, 11n, 12n])
        const earnedAtMs = 0
        yield* TestClock.setTime(14 * DAY_MS)
        assert.strictEqual(yield* mature(provider, "card"), 0n)
        assert.strictEqual(yield* mature(provider, "stablecoin", { finalMs: earnedAtMs }), 0n)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* mature(provider, "card"), 10n)
        assert.strictEqual(yield* mature(provider, "stablecoin", { finalMs: earnedAtMs + 1 }), 11n)
        yield* TestClock.adjust(1_000 * DAY_MS)
        assert.strictEqual(yield* mature(provider, "grant", { finalMs: 1_000 * DAY_MS }), 0n)
        assert.deepStrictEqual(yield* countOf([...accruals, payable]), [0n, 0n, 12n, 21n])
      }).pipe(Effect.provide(memory)),
  )

  it.effect("is paid out from what is payable and from nowhere else, range after range without gaps", () =>
    Effect.gen(function* () {
      const it = yield* due(100n)
      yield* it.ledger.open({ id: it.accrual, kind: "accrual", asset: USD, floor: 0n })
      yield* it.ledger.post(Sample.posting(it.payer, it.accrual, 50n))
      for (const account of [it.accrual, it.payer]) {
        const payout = { account, rail: Scene.BANK, unit: 1n, minimum: 1n }
        yield* Scene.refused(it.ledger.beginPayout(payout), "InvalidCommand")
      }
      let paid = 0n
      for (const end of ["posted", "voided", "posted"] as const) {
        const range = yield* it.begin
        // While it is open there is no other, and what is earned meanwhile is the next one's.
        yield* it.earn(7n)
        assert.deepStrictEqual(yield* it.begin, range)
        if (end === "voided") yield* it.ledger.void(range.hold, [])
        else yield* it.ledger.settle(range.hold, yield* Scene.ready(Payout.posting(range)))
        if (end === "posted") paid += range.amount
      }
      const ranges = yield* LedgerStore.use((store) =>
        store.history("payouts", { after: 0n, limit: 10, account: it.payable }),
      )
      assert.deepStrictEqual(
        ranges.map(({ amount, state }) => `${state} ${amount}`),
        ["posted 100", "voided 7", "posted 14"],
      )
      Invariants.checkPayouts(ranges, new Map(ranges.map(({ hold, state }) => [hold, state])))
      assert.strictEqual(yield* Scene.balanceOf(ids.external(Scene.BANK)), paid)
      assert.strictEqual(yield* Scene.balanceOf(it.payable), 7n)
    }).pipe(Effect.provide(fresh)),
  )

  it.effect(
    "is asked for at the rail under one key for each attempt, and the next attempt follows a proven failure only",
    () =>
      Effect.suspend(() => {
        const { arrives } = Scripted
        const failed = { ...arrives, end: { _tag: "Failed", detail: "The account is closed." } } as const
        const sent: Array<string> = []
        const scripted = Scripted.make({
          name: PayoutTrial.bank,
          scale: 2,
          deliver: ({ idempotencyKey }) => {
            sent.push(idempotencyKey)
            if (sent.length === 1) return { _tag: "Lost" }
            if (sent.length === 2) return { _tag: "Refused", detail: "Come back later." }
            return sent.length === 3 ? failed : arrives
          },
        })
        const member = PayoutTrial.newMember()
        return Effect.gen(function* () {
          yield* PayoutTrial.earn(member, 5n * PayoutTrial.cent)
          const range = yield* PayoutTrial.begun(member)
          assert.isTrue(yield* PayoutTrial.ends(range))
          const [first, second] = [attemptKey(range, 1), attemptKey(range, 2)]
          // Lost and refused prove nothing; only the third answer does.
          assert.deepStrictEqual(sent, [first, first, first, second])
          assert.strictEqual(yield* scripted.moved, 5n * PayoutTrial.cent)
          yield* PayoutTrial.agrees(member, 5n * PayoutTrial.cent, 5n * PayoutTrial.cent)
        }).pipe(
          Effect.provide(
            PayoutTrial.runs(scripted.rail, { attemptsMax: 3, firstWaitMs: 60_000, longestWaitMs: 60_000 }).pipe(
              Layer.provideMerge(memory),
            ),
          ),
        )
      }),
  )

  it.effect(
    "is taken back from what accrued, what is payable, what it will earn, in a case the insurance, and last the platform",
    () =>
      Effect.gen(function* () {
        const it = yield* Scene.meet(1_000n)
        const { ledger, payer, provider, request } = it
        const payable = ids.payable(Scene.BANK, provider)
        const receivable = ids.receivable(provider)
        const line = [it.accrual, payable, receivable, ids.insurance, ids.platformLoss]
        const stand = Effect.fnUntraced(function* (has: ReadonlyArray<bigint>) {
          for (const [at, id] of [it.accrual, payable, ids.insurance].entries()) {
            const kind = (["accrual", "payable", "insurance"] as const)[at] ?? "accrual"
            yield* ledger.open({ id, kind, asset: USD, floor: 0n })
            const more = (has[at] ?? 0n) - (yield* Scene.balanceOf(id))
            if (more > 0n) yield* ledger.post(Sample.posting(payer, id, more))
          }
        })
        const refund = (values: { readonly amount: bigint; readonly refunded: bigint; readonly case?: string }) =>
          Effect.gen(function* () {
            const shares = [{ account: it.accrual, amount: values.amount }]
            const room = { account: receivable, amount: 5n + (yield* Scene.balanceOf(receivable)) }
            const available = yield* Effect.forEach([it.accrual, payable, ids.insurance], (account) =>
              Effect.map(Scene.balanceOf(account), (amount) => ({ account, amount })),
            )
            const { amount, ...rest } = values
            const parts = [{ payer, fundingSource: Scene.CARD, amount, shares }]
            const given = { request, provider, rail: Scene.BANK, charged: 100n, parts }
            yield* Scene.make(Refund.posting({ ...given, ...rest, available: [...available, room] }))
          })
        yield* stand([5n, 5n, 5n])
        yield* refund({ amount: 4n, refunded: 0n })
        assert.deepStrictEqual(yield* countOf(line), [1n, 5n, 0n, 5n, 0n])
        yield* refund({ amount: 4n, refunded: 4n })
        assert.deepStrictEqual(yield* countOf(line), [0n, 2n, 0n, 5n, 0n])
        yield* refund({ amount: 4n, refunded: 8n })
        assert.deepStrictEqual(yield* countOf(line), [0n, 0n, -2n, 5n, 0n])
        // Not in a case, the insurance pays nothing.
        yield* refund({ amount: 4n, refunded: 12n })
        assert.deepStrictEqual(yield* countOf(line), [0n, 0n, -5n, 5n, -1n])
        yield* refund({ amount: 4n, refunded: 16n, case: "case_1" })
        assert.deepStrictEqual(yield* countOf(line), [0n, 0n, -5n, 1n, -1n])
        yield* refund({ amount: 4n, refunded: 20n, case: "case_1" })
        assert.deepStrictEqual(yield* countOf(line), [0n, 0n, -5n, 0n, -4n])
      }).pipe(Effect.provide(memory)),
  )

  it.effect("serves what it owes first: with its next charge, or at the latest when it becomes payable", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(1_000n)
      const receivable = ids.receivable(it.provider)
      yield* it.ledger.open({ id: receivable, kind: "receivable", asset: USD, floor: null, ceiling: 0n })
      yield* it.ledger.post(Sample.posting(receivable, it.payer, 50n, { kind: "refund" }))
      yield* Scene.hold(it, 100n)
      yield* it.ledger.settle(it.id, yield* Scene.charge(it, 40n, { owed: 50n }))
      // 34 of the 40 are the provider's: 85 %.
      yield* it.ledger.open({ id: it.accrual, kind: "accrual", asset: USD, floor: 0n })
      assert.deepStrictEqual(yield* countOf([receivable, it.accrual]), [-16n, 0n])
      yield* it.ledger.post(Sample.posting(it.payer, it.accrual, 20n))
      yield* TestClock.adjust(15 * DAY_MS)
      assert.strictEqual(yield* mature(it.provider, Scene.CARD, { owed: 16n }), 20n)
      const payable = ids.payable(Scene.BANK, it.provider)
      assert.deepStrictEqual(yield* countOf([receivable, it.accrual, payable]), [0n, 0n, 4n])
      // What is owed is never served twice: the account takes no more than that.
      yield* Scene.refused(it.ledger.post(Sample.posting(it.payer, receivable, 1n)), "CeilingExceeded")
    }).pipe(Effect.provide(memory)),
  )
})

/** What was attached, in the order in which it is read. */
const attachedIn = (store: LedgerStore["Service"]) =>
  Effect.map(store.history("attachments", { after: 0n, limit: 1_000 }), (all) =>
    all.map(({ attachment }) => attachment.body),
  )

describe("what comes from outside", () => {
  it.effect("is booked once for each rail and its id, however many processes hear of it, and however often", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const ledgers = yield* Effect.forEach([1, 2, 3], () =>
        Effect.map(Layer.build(Layer.fresh(sql.pipe(Layer.provideMerge(TestDatabase.at(url))))), (context) => ({
          context,
          ledger: Context.get(context, Ledger.Ledger),
        })),
      )
      const [first] = ledgers
      if (first === undefined) return assert.fail("there is no ledger")
      yield* Effect.gen(function* () {
        const to = Sample.accountId()
        const movement = { key: "evt_1", movement: "ch_1", fundingSource: Scene.CARD, to, amount: 7n }
        const posting = yield* Scene.ready(TopUp.posting({ ...movement, rail: "Stripe" }))
        const calls = ledgers.flatMap(({ ledger }) => Array.from({ length: 10 }, () => ledger.post(posting)))
        const made = yield* Effect.all(calls, { concurrency: "unbounded" })
        assert.lengthOf(
          made.filter(({ replayed }) => !replayed),
          1,
        )
        assert.lengthOf([...new Set(made.map(({ sequence }) => sequence))], 1)
        assert.strictEqual(yield* Scene.balanceOf(to), 7n)
        const more = Scene.make(TopUp.posting({ ...movement, rail: "Stripe", amount: 8n }))
        yield* Scene.refused(more, "Conflict")
        yield* Scene.make(TopUp.posting({ ...movement, rail: "Other" }))
        assert.strictEqual(yield* Scene.balanceOf(to), 14n)
      }).pipe(Effect.provide(first.context))
    }).pipe(Effect.scoped),
  )

  it.effect("is told of by what is attached: all of it, in order, up to 16 KB, with its posting or not at all", () =>
    Effect.gen(function* () {
      const { ledger, payer } = yield* Scene.meet(10n)
      const store = yield* LedgerStore
      const fees = ids.platformFees
      yield* ledger.open({ id: fees, kind: "platform", asset: USD, floor: 0n })
      const note = (...bodies: ReadonlyArray<string>) => bodies.map((body) => ({ kind: "note", body }))
      const post = (amount: bigint, ...bodies: ReadonlyArray<string>): Extract<Command, { _tag: "Post" }> =>
        Sample.post(payer, fees, amount, { attachments: note(...bodies) })
      // The kind counts, and so do the quotes around both.
      const room = ATTACHMENT_BYTES_MAX - 2 - '"note"'.length
      const big = "x".repeat(room)
      assert.strictEqual(ATTACHMENT_BYTES_MAX, 16 * 1_024)
      yield* Scene.refused(ledger.post(post(1n, `${big}x`).posting), "InvalidCommand")
      yield* Scene.refused(ledger.post(post(1n, big, "").posting), "InvalidCommand")
      // A letter of three bytes is three bytes.
      yield* Scene.refused(ledger.post(post(1n, "€".repeat(Math.ceil(room / 3) + 1)).posting), "InvalidCommand")
      yield* ledger.post(post(1n, big).posting)
      const twice = post(1n, "a", "b")
      const answers = yield* store.commit([
        twice,
        post(99n, "of one that is refused"),
        twice,
        { _tag: "Link", commands: [post(1n, "of linked ones"), post(99n, "of which one is refused")] },
        { _tag: "Link", commands: [post(1n, "c"), post(1n, "d")] },
        { _tag: "Preview", command: post(1n, "of one that is only asked about") },
        post(1n, "e"),
      ])
      assert.deepStrictEqual(answers.map(Result.isSuccess), [true, false, true, false, true, true, true])
      assert.deepStrictEqual(yield* attachedIn(store), [big, "a", "b", "c", "d", "e"])
      const all = yield* store.history("attachments", { after: 0n, limit: 1_000 })
      assert.isTrue(all.every(({ sequence }, at) => at === 0 || sequence > (all[at - 1]?.sequence ?? 0n)))
      assert.strictEqual(yield* Scene.balanceOf(fees), 5n)
    }).pipe(Effect.provide(fresh)),
  )
})

/** A book of its own in memory. */
const book = Effect.fnUntraced(function* (number: number) {
  const context = yield* Layer.build(Layer.fresh(memory))
  return { number, ledger: Context.get(context, Ledger.Ledger), store: Context.get(context, LedgerStore) }
})

describe("a book", () => {
  it.effect("puts in one order what three processes commit, none of which leads, and one of which is killed", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      yield* Effect.gen(function* () {
        const store = yield* LedgerStore
        const [outside, buyer, earner] = [Sample.accountId("external"), Sample.accountId(), Sample.accountId("accrual")]
        yield* store.commit([
          Sample.open(outside, { kind: "external", floor: null }),
          Sample.open(buyer),
          Sample.open(earner, { kind: "accrual" }),
          Sample.post(outside, buyer, 1_000n, { kind: "topUp" }),
        ])
        const workers = yield* Effect.forEach([1, 2, 3, 4], (at) =>
          LedgerWorkers.start("spend", {
            DATABASE_URL: url,
            BUYER: buyer,
            EARNER: earner,
            NAME: `process-${at}`,
            COUNT: "50",
          }),
        )
        for (const worker of workers) assert.strictEqual(yield* worker.hear, "ready")
        const [killed, ...living] = workers
        yield* killed?.tell ?? Effect.void
        yield* killed?.signal("SIGKILL") ?? Effect.void
        const told = yield* Effect.forEach(living, ({ hear, tell }) => Effect.andThen(tell, hear), {
          concurrency: "unbounded",
        })
        assert.deepStrictEqual(
          told.flat(),
          Array.from({ length: 150 }, () => "done"),
        )
        // The batches follow one another without a gap, each hashed onto the one before.
        const batches = yield* store.history("batches", { after: 0n, limit: 1_000 })
        let last = 0n
        for (const { firstSequence, lastSequence } of batches) {
          assert.strictEqual(firstSequence, last + 1n)
          last = lastSequence
        }
        assert.isAbove(batches.length, 3)
        assert.strictEqual((yield* Verify.verify()).batches, batches.length)
        // The one that was killed made all of its charges or fewer, and nobody else's.
        const earned = (yield* store.accounts([earner]))[0]?.balance ?? 0n
        assert.isTrue(earned >= 150n && earned <= 200n)
        yield* Invariants.check(store)
      }).pipe(Effect.provide(sql.pipe(Layer.provide(TestDatabase.at(url)))))
    }).pipe(Effect.scoped, TestClock.withLive),
  )

  it.effect("waits for the lock on its row: who holds that decides when the next batch is in order", () =>
    Effect.gen(function* () {
      const it = yield* Scene.meet(100n)
      const db = yield* SqlClient.SqlClient
      const posting = yield* Scene.charge(it, 10n)
      const waiting = yield* db.withTransaction(
        Effect.gen(function* () {
          yield* db`SELECT 1 FROM ledger_books WHERE book = 1 FOR UPDATE`
          const fiber = yield* Effect.forkDetach(it.ledger.post(posting))
          yield* db`SELECT pg_sleep(0.2)`
          assert.isUndefined(fiber.pollUnsafe())
          return fiber
        }),
      )
      assert.isFalse((yield* Fiber.join(waiting)).replayed)
      assert.strictEqual(yield* Scene.balanceOf(it.payer), 90n)
    }).pipe(Effect.provide(fresh)),
  )

  it.effect("is one of several that share the buyers by hash; what crosses over nets to nothing, once an epoch", () =>
    Effect.gen(function* () {
      const books = Books.make([yield* book(1), yield* book(2)])
      const members = Array.from({ length: 200 }, (_, at) => MemberId.make(`mem_${at}`))
      const ofFirst = members.filter((member) => books.of(member).number === 1)
      assert.isTrue(ofFirst.length > 60 && ofFirst.length < 140)
      const again = Books.make(books.all)
      assert.deepStrictEqual(
        members.filter((member) => again.of(member).number === 1),
        ofFirst,
      )
      // A provider's earnings in the second book, from buyers of both, come together in the first.
      const earned = ids.accrual(Scene.CARD, MemberId.make("mem_provider"))
      const [, second] = books.all
      if (second === undefined) return assert.fail("there is no second book")
      const outside = ids.external(Scene.CARD)
      yield* second.ledger.open({ id: outside, kind: "external", asset: USD, floor: null })
      yield* second.ledger.open({ id: earned, kind: "accrual", asset: USD, floor: 0n })
      const crossing = { account: earned, from: 2, to: 1 }
      for (const [epoch, charges] of [
        ["7", [3n, 4n, 5n]],
        ["8", [6n]],
      ] as const) {
        for (const amount of charges) yield* second.ledger.post(Sample.posting(outside, earned, amount))
        const net = charges.reduce((sum, amount) => sum + amount, 0n)
        assert.strictEqual(yield* books.cross(epoch, crossing), net)
        // The epoch is over: what is asked again, or earned later, is not its own any more.
        yield* second.ledger.post(Sample.posting(outside, earned, 1n))
        assert.strictEqual(yield* books.cross(epoch, crossing), net)
        yield* second.ledger.post(Sample.posting(earned, outside, 1n))
        assert.deepStrictEqual(yield* books.inTransit, [])
      }
      const [first] = books.all
      assert.strictEqual((yield* first.ledger.account(earned)).balance, 18n)
      assert.strictEqual((yield* first.ledger.account(ids.clearing(2, USD.code))).balance, -18n)
      assert.strictEqual((yield* second.ledger.account(ids.clearing(1, USD.code))).balance, 18n)
    }).pipe(Effect.scoped),
  )
})
