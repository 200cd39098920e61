import { assert, describe, it } from "@effect/vitest"
import * as DurablePostgres from "@guildhall/tools/DurablePostgres"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Context, Effect, Fiber, Layer, Result, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { randomBytes } from "node:crypto"
import { inspect } from "node:util"
import type { AccountId } from "../src/Account.ts"
import { keyOf } from "../src/Entry.ts"
import { type HoldId, partsOf, spread } from "../src/Hold.ts"
import * as Ledger from "../src/Ledger.ts"
import type { LedgerError } from "../src/LedgerError.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import type { Posting } from "../src/Posting.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Verify from "../src/Verify.ts"
import * as Invariants from "./model/Invariants.ts"

/** How often the server is killed: a few times every day, `KILLS=20` in the soak. */
const kills = Number(process.env["KILLS"] ?? 3)
const CALLERS = 24

type Shape = Ledger.Ledger["Service"]

/** What callers were told. */
interface Told {
  /** The sequence that each key was answered with, the first time. */
  readonly posted: Map<string, bigint>
  readonly ended: Map<HoldId, "posted" | "voided">
  charged: bigint
  answers: number
  unknown: number
}

/** As a caller does: what is not known is asked for again, with the same key, until it is. */
const untilKnown = <A>(told: Told, effect: Effect.Effect<A, LedgerError>): Effect.Effect<A, LedgerError> =>
  effect.pipe(
    Effect.tapError(({ isRetryable }) => Effect.sync(() => void (told.unknown += isRetryable ? 1 : 0))),
    Effect.retry({ while: ({ isRetryable }) => isRetryable, schedule: Schedule.spaced("40 millis") }),
    Effect.tap(() => Effect.sync(() => void (told.answers += 1))),
  )

/** Asks; a fifth of all requests come twice, at once or later. Every answer to a key is the first one. */
const posts = Effect.fnUntraced(function* (
  told: Told,
  posting: Posting,
  ask: (posting: Posting) => ReturnType<Shape["post"]>,
  isTwice: boolean,
) {
  const { idempotencyKey: key } = posting
  const once = Effect.map(
    untilKnown(
      told,
      Effect.suspend(() => ask(posting)),
    ),
    ({ sequence }) => {
      const known = told.posted.get(key)
      if (known === undefined) told.charged += posting.legs.at(-1)?.amount ?? 0n
      told.posted.set(key, known ?? sequence)
      assert.strictEqual(sequence, known ?? sequence, `${key} has another answer now`)
    },
  )
  const later = Effect.delay(once, `${(told.answers % 3) * 15} millis`)
  yield* isTwice ? Effect.all([once, later], { concurrency: "unbounded" }) : once
})

/** One caller, until it is stopped: charges, and holds of two accounts that grow, are posted in one step or two, or voided. */
const caller = Effect.fnUntraced(function* (
  ledger: Shape,
  told: Told,
  [pocket, buyer]: readonly [AccountId, AccountId],
  earner: AccountId,
  isOver: () => boolean,
) {
  const charge = (amount: bigint) => Sample.posting(buyer, earner, amount)
  /** A charge by what the hold keeps of each account, as it stands. */
  const chargeOf = Effect.fnUntraced(function* (id: HoldId, amount: bigint) {
    const hold = (yield* untilKnown(told, ledger.findHold(id))) ?? assert.fail(`there is no ${id}`)
    const taken = spread(partsOf(hold), amount)
    return Sample.postingOf([...taken.map((each) => [each.account, -each.amount] as const), [earner, amount]])
  })
  for (let at = 0; !isOver(); at++) {
    const isTwice = at % 5 === 0
    if (at % 3 === 0) {
      yield* posts(told, charge(2n), ledger.post, isTwice)
      continue
    }
    const hold = Sample.holdRequest(pocket, 9n, { further: [buyer] })
    yield* untilKnown(told, ledger.hold(hold))
    if (isTwice) yield* untilKnown(told, ledger.hold(hold))
    if (at % 4 === 1) {
      const grow = ledger.grow(hold.id, { amount: 12n, sources: [pocket, buyer] })
      const asked = isTwice ? Effect.all([grow, grow], { concurrency: "unbounded" }) : Effect.map(grow, (one) => [one])
      for (const { amount } of yield* untilKnown(told, asked)) assert.strictEqual(amount, 12n)
    }
    if (at % 3 === 1) {
      if (at % 2 === 0) {
        yield* posts(told, yield* chargeOf(hold.id, 3n), (posting) => ledger.draw(hold.id, posting), isTwice)
      }
      yield* posts(told, yield* chargeOf(hold.id, 5n), (posting) => ledger.settle(hold.id, posting), isTwice)
      told.ended.set(hold.id, "posted")
    } else {
      yield* untilKnown(told, ledger.void(hold.id, []))
      if (isTwice) yield* untilKnown(told, ledger.void(hold.id, []))
      told.ended.set(hold.id, "voided")
    }
  }
})

/** All that callers were told is in the books, as they were told, and nothing else is. */
const compare = Effect.fnUntraced(function* (store: LedgerStore["Service"], told: Told, earner: AccountId) {
  const { entries, pending } = yield* Invariants.check(store)
  const posted = new Map(entries.flatMap((entry) => (entry._tag === "Posted" ? [[keyOf(entry), entry.sequence]] : [])))
  for (const [key, sequence] of told.posted) assert.strictEqual(posted.get(key), sequence, `${key} was acknowledged`)
  // Two more: the top-ups.
  assert.strictEqual(posted.size, told.posted.size + 2)
  assert.strictEqual((yield* store.accounts([earner]))[0]?.balance, told.charged)
  assert.strictEqual(pending, 0)
  const ids = [...told.ended.keys()]
  for (const { id, state } of yield* store.holds({ ids })) assert.strictEqual(state, told.ended.get(id))
  yield* Effect.provideService(Verify.verify(), LedgerStore, store)
})

describe("PostgreSQL", () => {
  it.effect(
    `killed ${kills} times under load loses nothing that was acknowledged, and posts nothing twice`,
    () =>
      Effect.gen(function* () {
        const { crash, url } = yield* DurablePostgres.make
        const context = yield* Layer.build(
          LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(TestDatabase.at(url))),
        )
        yield* Effect.gen(function* () {
          const store = yield* LedgerStore
          const ledger = yield* Ledger.make
          const [outside, buyer, pocket, earner] = [
            Sample.accountId("external"),
            Sample.accountId(),
            Sample.accountId(),
            Sample.accountId("accrual"),
          ]
          yield* ledger.open(Sample.open(pocket))
          yield* ledger.open(Sample.open(outside, { kind: "external", floor: null }))
          yield* ledger.open(Sample.open(buyer))
          yield* ledger.open(Sample.open(earner, { kind: "accrual" }))
          yield* ledger.post(Sample.posting(outside, buyer, 1_000_000_000n, { kind: "topUp" }))
          yield* ledger.post(Sample.posting(outside, pocket, 1_500n, { kind: "topUp" }))
          const told: Told = { posted: new Map(), ended: new Map(), charged: 0n, answers: 0, unknown: 0 }
          let isOver = false
          const callers = yield* Effect.forkChild(
            Effect.all(
              Array.from({ length: CALLERS }, () => caller(ledger, told, [pocket, buyer], earner, () => isOver)),
              { concurrency: "unbounded" },
            ),
          )
          for (let round = 0; round < kills; round++) {
            yield* Effect.sleep(150 + ((round * 97) % 200))
            yield* crash
          }
          yield* Effect.sleep(200)
          isOver = true
          yield* Fiber.join(callers)
          yield* compare(store, told, earner)
          assert.isAtLeast(told.unknown, kills, "callers were cut off")
          const figures = `figures: ${told.answers} answers, ${told.unknown} unknown at first, ${told.posted.size} postings`
          if (process.env["KILLS"] !== undefined) yield* Effect.sync(() => process.stdout.write(`\n${figures}\n`))
        }).pipe(Effect.provide(context))
      }).pipe(Effect.scoped, TestClock.withLive),
    30_000 + kills * 10_000,
  )

  it.effect(
    "with a full disk takes nothing, says that it is not known, and goes on when there is room again",
    (test) =>
      Effect.gen(function* () {
        const { limitFiles, url } = yield* DurablePostgres.make
        if (!(yield* limitFiles(undefined))) return test.skip("prlimit is not here, so no disk can be filled")
        const store = Context.get(
          yield* Layer.build(LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(TestDatabase.at(url)))),
          LedgerStore,
        )
        const [outside, buyer] = [Sample.accountId("external"), Sample.accountId()]
        yield* store.commit([Sample.open(outside, { kind: "external", floor: null }), Sample.open(buyer)])
        // Longer than a part of the journal, which the server makes whole, and shorter than what comes.
        assert.isTrue(yield* limitFiles(17_000_000))
        const batch = () =>
          Array.from({ length: 50 }, () => {
            const attachments = [{ kind: "large", body: randomBytes(11_000).toString("base64") }]
            return Sample.post(outside, buyer, 1n, { kind: "topUp", attachments })
          })
        let [before, refused] = [0, batch()]
        for (let made = 0; ; made++) {
          const answer = yield* Effect.result(store.commit(refused))
          if (Result.isFailure(answer)) {
            assert.strictEqual(answer.failure.reason._tag, "Unavailable")
            assert.include(String(inspect(answer.failure, { depth: 9 })), "File too large")
            break
          }
          assert.isBelow(made, 60, "the disk does not get full")
          before += refused.length
          refused = batch()
        }
        assert.strictEqual((yield* Effect.flip(store.commit(refused))).reason._tag, "Unavailable")
        assert.strictEqual((yield* Invariants.check(store)).postings, before)
        assert.isTrue(yield* limitFiles(undefined))
        const answers = yield* Effect.retry(store.commit(refused), { times: 3 })
        for (const answer of answers) assert.deepInclude(Result.getOrThrow(answer), { replayed: false })
        assert.strictEqual((yield* Invariants.check(store)).postings, before + refused.length)
        yield* Effect.provideService(Verify.verify(), LedgerStore, store)
      }).pipe(Effect.scoped, TestClock.withLive),
    60_000,
  )
})
