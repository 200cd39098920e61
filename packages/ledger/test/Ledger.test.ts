import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import { HoldId } from "../src/Hold.ts"
import * as Ledger from "../src/Ledger.ts"
import { LedgerError, Unavailable } from "../src/LedgerError.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

const outside = Sample.accountId("external")
const buyer = Sample.accountId("buyer")
const provider = Sample.accountId("accrual")
const unavailable = new LedgerError({ reason: new Unavailable({ cause: "away" }) })

type Commit = LedgerStore["Service"]["commit"]

/** A ledger over a store in memory whose `commit` is another one, with people who have 100. */
const desk = Effect.fnUntraced(function* (around: (commit: Commit) => Commit = (commit) => commit) {
  const store = yield* LedgerStoreMemory.make
  yield* store.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(provider, { kind: "accrual" }),
    Sample.post(outside, buyer, 100n, { kind: "topUp" }),
  ])
  const scope = yield* Scope.fork(yield* Effect.scope)
  const ledger = yield* Ledger.make.pipe(
    Effect.provideService(LedgerStore, { ...store, commit: around(store.commit) }),
    Scope.provide(scope),
  )
  return { store, ledger, close: Scope.close(scope, Exit.void) }
})

/** A commit that waits until it is let go, and the sizes of its batches. */
const gate = Effect.gen(function* () {
  const opened = yield* Deferred.make<void>()
  const sizes: Array<number> = []
  const around =
    (commit: Commit): Commit =>
    (commands) =>
      Effect.andThen(
        Effect.suspend(() => {
          sizes.push(commands.length)
          return Deferred.await(opened)
        }),
        commit(commands),
      )
  return { around, sizes, open: Deferred.succeed(opened, undefined) }
})

const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })
const spend = (ledger: Ledger.Ledger["Service"], amount: bigint) =>
  Effect.result(ledger.post(Sample.posting(buyer, provider, amount)))

describe("Ledger", () => {
  it.effect("gathers commands while a batch is on its way, and gives each caller its own answer", () =>
    Effect.gen(function* () {
      const { around, sizes, open } = yield* gate
      const { ledger } = yield* desk(around)
      const first = yield* fork(spend(ledger, 1n))
      yield* Effect.yieldNow
      const others = yield* Effect.forEach([20n, 200n, 30n, 60n], (amount) => fork(spend(ledger, amount)))
      yield* open
      const answers = yield* Effect.forEach([first, ...others], Fiber.join)
      assert.deepStrictEqual(sizes, [1, 4])
      assert.deepStrictEqual(
        answers.map((answer) => (Result.isSuccess(answer) ? answer.success.sequence : answer.failure.reason._tag)),
        [5n, 6n, "InsufficientFunds", 7n, "InsufficientFunds"],
      )
    }),
  )

  it.effect("has three batches on their way at once, and gathers what comes meanwhile", () =>
    Effect.gen(function* () {
      const { around, sizes, open } = yield* gate
      const { ledger } = yield* desk(around)
      const fibers = [yield* fork(spend(ledger, 1n))]
      yield* Effect.yieldNow
      for (let more = 0; more < 6; more++)
        fibers.push(yield* Effect.tap(fork(spend(ledger, 1n)), () => Effect.yieldNow))
      assert.deepStrictEqual(sizes, [1, 1, 1])
      yield* open
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.isTrue(answers.every((answer) => Result.isSuccess(answer)))
      assert.deepStrictEqual(sizes, [1, 1, 1, 4])
      assert.strictEqual((yield* ledger.account(buyer)).balance, 93n)
    }),
  )

  it.effect("takes at most 512 commands into one batch", () =>
    Effect.gen(function* () {
      const { around, sizes, open } = yield* gate
      const { ledger } = yield* desk(around)
      const first = yield* fork(ledger.renew("a", 1))
      yield* Effect.yieldNow
      const others = yield* Effect.forEach(Array.from({ length: 3_000 }), () => fork(ledger.renew("a", 1)))
      yield* open
      yield* Effect.forEach([first, ...others], Fiber.join)
      assert.strictEqual(Math.max(...sizes), 512)
      assert.strictEqual(
        sizes.reduce((sum, size) => sum + size, 0),
        3_001,
      )
    }),
  )

  it.effect("lets at most 20,000 commands wait, and says at once that it takes no more", () =>
    Effect.gen(function* () {
      const { around, sizes, open } = yield* gate
      const { ledger, store } = yield* desk(around)
      // Those that are on their way do not wait any more.
      const first = yield* fork(spend(ledger, 1n))
      yield* Effect.yieldNow
      const second = yield* fork(spend(ledger, 1n))
      yield* Effect.yieldNow
      const third = yield* fork(spend(ledger, 1n))
      yield* Effect.yieldNow
      const renew = Effect.result(ledger.renew("gateway", 1))
      const waiting = yield* Effect.forEach(Array.from({ length: 20_000 }), () => fork(renew))
      const refused = yield* spend(ledger, 1n)
      assert.strictEqual(Result.isFailure(refused) && refused.failure.reason._tag, "Unavailable")
      yield* open
      const answers = yield* Effect.forEach(
        [first, second, third, ...waiting],
        (fiber: Fiber.Fiber<Result.Result<unknown, LedgerError>>) => Fiber.join(fiber),
      )
      assert.isTrue(answers.every((answer) => Result.isSuccess(answer)))
      assert.strictEqual(
        sizes.reduce((sum, size) => sum + size, 0),
        20_003,
      )
      assert.isTrue(Result.isSuccess(yield* spend(ledger, 1n)))
      assert.lengthOf(yield* store.history("entries", { after: 4n, limit: 10 }), 4)
    }),
  )

  it.effect("leaves the command of a caller that is interrupted in its batch", () =>
    Effect.gen(function* () {
      const { around, open } = yield* gate
      const { ledger } = yield* desk(around)
      const stays = yield* fork(spend(ledger, 10n))
      yield* Effect.yieldNow
      const leaves = yield* fork(spend(ledger, 20n))
      const staysToo = yield* fork(spend(ledger, 30n))
      yield* Fiber.interrupt(leaves)
      yield* open
      assert.isTrue(Result.isSuccess(yield* Fiber.join(stays)))
      assert.isTrue(Result.isSuccess(yield* Fiber.join(staysToo)))
      assert.strictEqual((yield* ledger.account(buyer)).balance, 40n)
    }),
  )

  it.effect("is unavailable for one batch only, whether the store fails, dies, or answers too little", () =>
    Effect.gen(function* () {
      const failures: Array<Commit> = [
        () => Effect.fail(unavailable),
        () => Effect.die(new Error("a defect of the store")),
        () => {
          throw new Error("a throw of the store")
        },
        () => Effect.succeed([]),
      ]
      const { ledger } = yield* desk((commit) => (commands) => (failures.shift() ?? commit)(commands))
      for (let round = 0; round < 4; round++) {
        const answer = yield* spend(ledger, 10n)
        if (Result.isSuccess(answer)) return assert.fail(`round ${round} succeeded`)
        assert.strictEqual(answer.failure.reason._tag, "Unavailable")
        assert.isTrue(answer.failure.isRetryable)
      }
      assert.isTrue(Result.isSuccess(yield* spend(ledger, 10n)))
      assert.strictEqual((yield* ledger.account(buyer)).balance, 90n)
    }),
  )

  it.effect(
    "is stuck from a batch that is not kept until none failed for two seconds, and tells both in a line",
    () => {
      const lines: Array<string> = []
      const log = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
      return Effect.gen(function* () {
        let isFull = false
        const full = new LedgerError({
          reason: new Unavailable({ cause: { reason: { cause: new Error("No space left on device") } } }),
        })
        const { ledger } = yield* desk(
          (commit) => (commands) =>
            isFull && commands.some(({ _tag }) => _tag === "Post") ? Effect.fail(full) : commit(commands),
        )
        yield* spend(ledger, 1n)
        assert.isFalse(ledger.isStuck())
        isFull = true
        yield* spend(ledger, 1n)
        yield* spend(ledger, 1n)
        yield* ledger.renew("me", 1_000)
        assert.isTrue(ledger.isStuck())
        isFull = false
        yield* ledger.expire(1)
        assert.isTrue(ledger.isStuck())
        // A full disk has room for some batches.
        yield* spend(ledger, 1n)
        assert.isTrue(ledger.isStuck())
        yield* TestClock.adjust(2_000)
        yield* ledger.expire(1)
        assert.isTrue(ledger.isStuck())
        yield* spend(ledger, 1n)
        assert.isFalse(ledger.isStuck())
        assert.lengthOf(lines, 2)
        assert.match(lines[0] ?? "", /does not commit.*it said: No space left on device$/)
        assert.match(lines[1] ?? "", /commits again/)
      }).pipe(Effect.provide(Logger.layer([log])))
    },
  )

  it.effect("tells whoever still waits when it closes that the outcome is not known", () =>
    Effect.gen(function* () {
      const { ledger, close } = yield* desk(() => () => Effect.never)
      const fibers = yield* Effect.forEach([1n, 2n, 3n, 4n], (amount) =>
        Effect.tap(fork(spend(ledger, amount)), () => Effect.yieldNow),
      )
      yield* close
      for (const answer of [...(yield* Effect.forEach(fibers, Fiber.join)), yield* spend(ledger, 3n)]) {
        assert.strictEqual(Result.isFailure(answer) && answer.failure.reason._tag, "Unavailable")
      }
    }),
  )

  it.effect("knows what an account had left when it last took a hold, or was refused one", () =>
    Effect.gen(function* () {
      const { ledger } = yield* desk()
      assert.isUndefined(ledger.lastAvailable(buyer))
      yield* ledger.hold(Sample.holdRequest(buyer, 30n))
      assert.strictEqual(ledger.lastAvailable(buyer), 70n)
      yield* ledger.post(Sample.posting(buyer, provider, 50n))
      yield* Effect.flip(ledger.hold(Sample.holdRequest(buyer, 21n)))
      assert.strictEqual(ledger.lastAvailable(buyer), 20n)
    }),
  )

  it.effect("keeps the last balances of ten thousand accounts, and forgets those not seen for longest", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStoreMemory.make
      const ids = Array.from({ length: 10_001 }, () => Sample.accountId("buyer"))
      yield* store.commit(ids.map((id): Command => Sample.open(id, { floor: null })))
      const ledger = yield* Effect.provideService(Ledger.make, LedgerStore, store)
      for (const id of ids.slice(0, 10_000)) yield* ledger.hold(Sample.holdRequest(id, 1n))
      const [first, second, last] = [ids[0], ids[1], ids[10_000]]
      if (first === undefined || second === undefined || last === undefined) return assert.fail("no ids")
      yield* ledger.hold(Sample.holdRequest(first, 1n))
      yield* ledger.hold(Sample.holdRequest(last, 1n))
      assert.isDefined(ledger.lastAvailable(first))
      assert.isUndefined(ledger.lastAvailable(second))
      assert.isDefined(ledger.lastAvailable(last))
    }),
  )

  it.effect("passes every command through, and every answer back", () =>
    Effect.gen(function* () {
      const { ledger } = yield* desk()
      const opened = yield* ledger.open({ id: Sample.accountId(), kind: "pool", asset: Sample.USD, floor: null })
      assert.strictEqual((yield* ledger.account(opened.id)).kind, "pool")
      const [spent, given] = [Sample.holdRequest(buyer, 40n), Sample.holdRequest(buyer, 30n)]
      const { hold, available } = yield* ledger.hold(spent)
      assert.strictEqual(hold.state, "pending")
      assert.strictEqual(available, 60n)
      yield* ledger.hold(given)
      assert.strictEqual(yield* ledger.renew(spent.owner, 1_000), 1)
      const posting = Sample.posting(buyer, provider, 25n, { attachments: [{ kind: "note", body: "kept" }] })
      assert.deepInclude(yield* ledger.settle(spent.id, posting), { sequence: 6n, replayed: false })
      assert.deepInclude(yield* ledger.settle(spent.id, posting), { sequence: 6n, replayed: true })
      yield* ledger.void(given.id, [])
      assert.strictEqual((yield* ledger.findHold(given.id))?.state, "voided")
      assert.isUndefined(yield* ledger.findHold(HoldId.make("nobody's")))
      assert.deepStrictEqual(yield* ledger.expire(10), [])
      const [attached] = yield* ledger.attachments(0n, 10)
      assert.deepStrictEqual(attached?.attachment, { kind: "note", body: "kept" })
      assert.lengthOf(yield* ledger.accounts(), 4)
      assert.strictEqual((yield* Effect.flip(ledger.account(Sample.accountId()))).reason._tag, "UnknownAccount")
      const claim = yield* Effect.flip(ledger.claim(given.id, Sample.posting(outside, provider, 1n)))
      assert.strictEqual(claim.reason._tag, "HoldNotAvailable")
    }),
  )

  it.effect("passes on what changes terms, links, takes back, draws, closes, pays out and only asks", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      const { ledger, store } = yield* desk()
      const payable = Sample.accountId("payable")
      const opened = yield* ledger.open({ id: payable, kind: "payable", asset: Sample.USD, floor: 0n, ceiling: 90n })
      assert.strictEqual(opened.ceiling, 90n)
      const terms = { floor: 0n, ceiling: 80n, state: "open" } as const
      const set = yield* ledger.setTerms({ idempotencyKey: "terms", account: payable, terms })
      assert.strictEqual(set.ceiling, 80n)

      const asked = Sample.post(buyer, payable, 81n)
      assert.strictEqual((yield* Effect.flip(ledger.dryRun(asked))).reason._tag, "CeilingExceeded")
      const preview = yield* ledger.dryRun(Sample.post(buyer, payable, 80n))
      assert.deepStrictEqual(
        preview.accounts.map(({ after, before }) => [before?.balance, after.balance]),
        [
          [100n, 20n],
          [0n, 80n],
        ],
      )
      assert.strictEqual((yield* ledger.account(buyer)).balance, 100n)

      const { hold } = yield* ledger.hold(Sample.holdRequest(buyer, 40n))
      yield* ledger.draw(hold.id, Sample.posting(buyer, payable, 30n))
      assert.deepInclude(yield* ledger.account(buyer), { balance: 70n, held: 10n })
      const { sequence } = yield* ledger.post(Sample.posting(buyer, provider, 5n))
      const reversal = yield* ledger.reverse(sequence, [{ kind: "note", body: "wrong" }])
      assert.deepInclude(reversal, { sequence: sequence + 1n, replayed: false })
      assert.deepInclude(yield* ledger.reverse(sequence, []), { ...reversal, replayed: true })

      const outcomes = yield* ledger.link([Sample.post(buyer, provider, 1n), Sample.hold(buyer, 1n)])
      assert.deepStrictEqual(
        outcomes.map(({ _tag }) => _tag),
        ["Posted", "Held"],
      )
      const refused = yield* Effect.flip(
        ledger.link([Sample.post(buyer, provider, 1n), Sample.post(buyer, provider, 90n)]),
      )
      assert.include(refused.message, "Command 1 of the linked ones was refused, so none was made.")

      const payout = yield* ledger.beginPayout({ account: payable, rail: "card", unit: 20n, minimum: 20n })
      assert.deepInclude(payout, { amount: 20n, carriedOut: 10n })
      const empty = { account: buyer, rail: "card", unit: 20n, minimum: 20n }
      assert.strictEqual((yield* Effect.flip(ledger.beginPayout(empty))).reason._tag, "InvalidCommand")
      yield* ledger.closePeriod(500)
      const trialBalance = { root: "r".repeat(43), accounts: 0, totals: [] }
      const sealed = yield* ledger.sealPeriod(500, trialBalance)
      assert.strictEqual(yield* ledger.sealPeriod(500, trialBalance), sealed)
      const [seal] = yield* store.history("entries", { after: sealed - 1n, limit: 1 })
      assert.deepStrictEqual(seal?._tag === "Acted" && seal.act, { _tag: "PeriodSealed", endMs: 500, trialBalance })
    }),
  )

  it.effect("is a layer over the store in context", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      assert.deepStrictEqual(yield* ledger.accounts(), [])
    }).pipe(Effect.provide(Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer)))),
  )
})
