import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Account from "../src/Account.ts"
import * as Ledger from "../src/Ledger.ts"
import { InvalidCommand, LedgerError, Unavailable } from "../src/LedgerError.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import { type Movement, RailError } from "../src/Movement.ts"
import type { Payout } from "../src/PayoutRail.ts"
import * as PayoutRun from "../src/PayoutRun.ts"
import * as Scripted from "../src/testing/ScriptedPayoutRail.ts"
import * as Trial from "./PayoutTrial.ts"

const { arrives, make } = Scripted
const { cent } = Trial
const books = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))
const policy = { attemptsMax: 3, firstWaitMs: 60_000, longestWaitMs: 240_000, answerMs: 5_000 }
const failed = { ...arrives, end: { _tag: "Failed", detail: "The account is closed." } } as const
const minute = 60_000

/** A member that earned so much, paid out by a rail that follows the script. */
const scene = <E>(
  script: Omit<Parameters<typeof make>[0], "name" | "scale">,
  test: (
    scripted: Scripted.Scripted,
    member: ReturnType<typeof Trial.newMember>,
  ) => Effect.Effect<void, E, Layer.Success<typeof books> | Layer.Success<ReturnType<typeof Trial.runs>>>,
) =>
  Effect.suspend(() => {
    const scripted = make({ name: Trial.bank, scale: 2, ...script })
    const member = Trial.newMember()
    return Effect.andThen(Trial.earn(member, 5n * cent + 7n), test(scripted, member)).pipe(
      Effect.provide(Trial.runs(scripted.rail, policy).pipe(Layer.provideMerge(books))),
    )
  })

const keysOf = (sends: ReadonlyArray<Payout>) => sends.map(({ idempotencyKey }) => idempotencyKey)

describe("PayoutRun", () => {
  it.effect("pays whole units of the rail once, posts them, and leaves the rest on the account", () =>
    scene({ deliver: () => arrives }, (scripted, member) =>
      Effect.gen(function* () {
        const range = yield* Trial.begun(member)
        assert.strictEqual(range.amount, 5n * cent)
        assert.strictEqual(range.carriedOut, 7n)
        assert.isTrue(yield* Trial.ends(range))
        assert.lengthOf(scripted.sends, 1)
        assert.deepInclude(scripted.sends[0], { amount: 5n * cent, member, idempotencyKey: `${range.hold}#1` })
        assert.strictEqual(yield* Trial.balanceOf(Trial.outside), 5n * cent)
        yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
        const status = yield* Trial.statusOf(member)
        assert.deepInclude(status, { state: "paid", attempt: 1, amount: 5n * cent, payout: range.hold })
        // What was earned since, and the remainder, are the next payout's.
        yield* Trial.earn(member, 3n * cent - 7n)
        const next = yield* Trial.begun(member)
        assert.deepInclude(next, { amount: 3n * cent, carriedIn: 7n, carriedOut: 0n, fromSequence: range.toSequence })
        assert.isTrue(yield* Trial.ends(next))
        yield* Trial.agrees(member, 8n * cent, 8n * cent)
      }),
    ),
  )

  it.effect("pays nothing below the minimum, below the rail's unit, or to an account that is not payable", () =>
    scene({ deliver: () => arrives }, (scripted, member) =>
      Effect.gen(function* () {
        const payouts = yield* PayoutRun.PayoutRun
        assert.isNull(yield* payouts.start({ rail: Trial.bank, member, minimum: 6n * cent }))
        const poor = Trial.newMember()
        yield* Trial.earn(poor, cent - 1n)
        assert.isNull(yield* payouts.start({ rail: Trial.bank, member: poor, minimum: 0n }))
        const ledger = yield* Ledger.Ledger
        const other = Trial.newMember()
        const id = Account.ids.payable(Trial.bank, other)
        yield* ledger.open({ id, kind: "accrual", asset: Trial.usd, floor: 0n })
        const refused = yield* Effect.flip(payouts.start({ rail: Trial.bank, member: other, minimum: 0n }))
        assert.strictEqual(refused.reason._tag, "InvalidCommand")
        const unknown = yield* Effect.flip(payouts.start({ rail: "Nowhere", member, minimum: 0n }))
        assert.include(unknown.message, "no payout rail Nowhere")
        assert.lengthOf(scripted.sends, 0)
        assert.isNull(yield* Trial.statusOf(poor))
      }),
    ),
  )

  it.effect("is one run, however often and at once it is started", () =>
    scene({ deliver: () => ({ ...arrives, lastsMs: 5 * minute }) }, (scripted, member) =>
      Effect.gen(function* () {
        const begun = yield* Effect.all(
          Array.from({ length: 8 }, () => Trial.begun(member)),
          { concurrency: "unbounded" },
        )
        assert.strictEqual(new Set(begun.map(({ hold }) => hold)).size, 1)
        yield* TestClock.adjust("2 minutes")
        const range = yield* Trial.begun(member)
        assert.strictEqual(range.hold, begun[0]?.hold)
        assert.isTrue(yield* Trial.ends(range))
        assert.lengthOf(scripted.sends, 1)
        yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
      }),
    ),
  )

  it.effect("waits for what is pending, and says so", () =>
    scene({ deliver: () => ({ ...arrives, lastsMs: 10 * minute }) }, (scripted, member) =>
      Effect.gen(function* () {
        const range = yield* Trial.begun(member)
        assert.isFalse(yield* Trial.ends(range, 5))
        const status = yield* Trial.statusOf(member)
        assert.deepInclude(status, { state: "sending", attempt: 1 })
        assert.include(status?.words, "not done yet")
        assert.isTrue(yield* Trial.ends(range, 15))
        assert.lengthOf(scripted.sends, 1)
        assert.deepInclude(yield* Trial.statusOf(member), { state: "paid" })
      }),
    ),
  )

  it.effect("finds by its key what arrived before the line was cut, and does not send it again", () =>
    scene({ deliver: () => ({ ...arrives, isAnswered: false }) }, (scripted, member) =>
      Effect.gen(function* () {
        const range = yield* Trial.begun(member)
        yield* Trial.rest
        const status = yield* Trial.statusOf(member)
        assert.deepInclude(status, { state: "waiting" })
        assert.include(status?.words, "not known whether it arrived")
        assert.isTrue(yield* Trial.ends(range, 3))
        assert.lengthOf(scripted.sends, 1)
        yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
      }),
    ),
  )

  it.effect("sends again under the same key what was lost before it arrived, or is still on its way", () =>
    scene(
      { deliver: (_, times) => (times === 1 ? { _tag: "Lost" } : { ...arrives, delayMs: 3 * minute }) },
      (scripted, member) =>
        Effect.gen(function* () {
          const range = yield* Trial.begun(member)
          assert.isTrue(yield* Trial.ends(range, 20))
          assert.isAbove(scripted.sends.length, 2)
          assert.deepStrictEqual([...new Set(keysOf(scripted.sends))], [`${range.hold}#1`])
          assert.strictEqual(yield* scripted.moved, 5n * cent)
          yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
        }),
    ),
  )

  it.effect("asks for what is unknown for as long as it takes, and never sends it anew", () =>
    scene(
      { deliver: () => ({ ...arrives, meanwhile: { _tag: "Unknown", detail: "No word." }, lastsMs: 600 * minute }) },
      (scripted, member) =>
        Effect.gen(function* () {
          const range = yield* Trial.begun(member)
          assert.isFalse(yield* Trial.ends(range, 590))
          const status = yield* Trial.statusOf(member)
          assert.deepInclude(status, { state: "waiting", attempt: 1 })
          assert.include(status?.words, "No word.")
          assert.isTrue(yield* Trial.ends(range, 20))
          assert.lengthOf(scripted.sends, 1)
          yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
        }),
    ),
  )

  it.effect("makes a new attempt, under a new key, after a proven failure only", () =>
    scene({ deliver: ({ idempotencyKey }) => (idempotencyKey.endsWith("#3") ? arrives : failed) }, (scripted, member) =>
      Effect.gen(function* () {
        const range = yield* Trial.begun(member)
        yield* Trial.rest
        const status = yield* Trial.statusOf(member)
        assert.include(status?.words, "Attempt 1 failed: The account is closed.")
        assert.isTrue(yield* Trial.ends(range))
        assert.deepStrictEqual(
          keysOf(scripted.sends),
          [1, 2, 3].map((attempt) => `${range.hold}#${attempt}`),
        )
        assert.deepInclude(yield* Trial.statusOf(member), { state: "paid", attempt: 3 })
        yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
      }),
    ),
  )

  it.effect(
    "gives the amount back after the last attempt is proven to have failed, and pays it with the next range",
    () => {
      let isOpen = false
      return scene({ deliver: () => (isOpen ? arrives : failed) }, (scripted, member) =>
        Effect.gen(function* () {
          const range = yield* Trial.begun(member)
          assert.isTrue(yield* Trial.ends(range))
          assert.lengthOf(scripted.sends, 3)
          assert.strictEqual(yield* Trial.holdState(range.hold), "voided")
          const status = yield* Trial.statusOf(member)
          assert.deepInclude(status, { state: "returned", attempt: 3 })
          assert.include(status?.words, "The account is closed. The amount is on your balance")
          const ledger = yield* Ledger.Ledger
          const attached = yield* ledger.attachments(0n, 100)
          assert.deepStrictEqual(
            attached.map(({ attachment }) => attachment.kind),
            ["payout.voided"],
          )
          yield* Trial.agrees(member, 0n, 5n * cent + 7n)
          isOpen = true
          yield* Trial.earn(member, cent)
          const next = yield* Trial.begun(member)
          assert.strictEqual(next.amount, 6n * cent)
          assert.strictEqual(next.carriedIn, 5n * cent + 7n)
          assert.isTrue(yield* Trial.ends(next))
          yield* Trial.agrees(member, 6n * cent, 6n * cent + 7n)
        }),
      )
    },
  )

  it.effect("does not take a refusal for proof: it says why, and tries the same key again", () => {
    let isReady = false
    return scene(
      { deliver: () => (isReady ? arrives : { _tag: "Refused", detail: "No bank account is set." }) },
      (scripted, member) =>
        Effect.gen(function* () {
          const range = yield* Trial.begun(member)
          assert.isFalse(yield* Trial.ends(range, 30))
          const status = yield* Trial.statusOf(member)
          assert.deepInclude(status, { state: "waiting", attempt: 1 })
          assert.include(status?.words, "No bank account is set.")
          isReady = true
          assert.isTrue(yield* Trial.ends(range, 10))
          assert.deepStrictEqual([...new Set(keysOf(scripted.sends))], [`${range.hold}#1`])
          yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
        }),
    )
  })
})

describe("PayoutRun, on a rail that forgets its keys", () => {
  const keyLifeMs = 10 * minute

  it.effect("never sends after the key's life, and where absence proves nothing waits for an operator", () =>
    scene({ keyLifeMs, deliver: () => ({ _tag: "Lost" }) }, (scripted, member) =>
      Effect.gen(function* () {
        const range = yield* Trial.begun(member)
        assert.isFalse(yield* Trial.ends(range, 600))
        assert.isTrue(scripted.sends.every(({ notAfterMs }) => notAfterMs === keyLifeMs))
        assert.isAtMost(scripted.sends.length, 6)
        assert.deepInclude(yield* Trial.statusOf(member), { state: "blocked", attempt: 1 })
        assert.strictEqual(yield* Trial.holdState(range.hold), "pending")
      }),
    ),
  )

  it.effect("takes absence for proof no sooner than the rail says, and then makes a new attempt", () =>
    scene(
      {
        keyLifeMs,
        absenceMs: 20 * minute,
        deliver: ({ idempotencyKey }) => (idempotencyKey.endsWith("#1") ? { _tag: "Lost" } : arrives),
      },
      (scripted, member) =>
        Effect.gen(function* () {
          const range = yield* Trial.begun(member)
          assert.isFalse(yield* Trial.ends(range, 30))
          assert.isTrue(keysOf(scripted.sends).every((key) => key === `${range.hold}#1`))
          assert.include((yield* Trial.statusOf(member))?.words, "may still be under way")
          assert.isTrue(yield* Trial.ends(range, 20))
          assert.strictEqual(keysOf(scripted.sends).at(-1), `${range.hold}#2`)
          yield* Trial.agrees(member, 5n * cent, 5n * cent + 7n)
        }),
    ),
  )
})

describe("PayoutRun, where something else is wrong", () => {
  it.effect("survives a rail that throws, and one that never answers", () =>
    Effect.gen(function* () {
      const scripted = make({ name: Trial.bank, scale: 2, deliver: () => arrives })
      let calls = 0
      const rail = {
        ...scripted.rail,
        send: (payout: Payout) =>
          Effect.suspend(() => {
            calls += 1
            if (calls === 1) return Effect.fail(new RailError({ reason: "Unavailable", detail: "" }))
            if (calls === 2) throw new Error("a fault")
            return calls === 3 ? Effect.andThen(scripted.rail.send(payout), Effect.never) : scripted.rail.send(payout)
          }),
      }
      const member = Trial.newMember()
      yield* Effect.gen(function* () {
        yield* Trial.earn(member, 5n * cent)
        const range = yield* Trial.begun(member)
        assert.isTrue(yield* Trial.ends(range))
        assert.strictEqual(calls, 3)
        yield* Trial.agrees(member, yield* scripted.moved, 5n * cent)
      }).pipe(Effect.provide(Trial.runs(rail, policy).pipe(Layer.provideMerge(books))))
    }),
  )

  it.effect("does not post what the rail says it sent under this key if it is another amount", () =>
    Effect.gen(function* () {
      const scripted = make({ name: Trial.bank, scale: 2, deliver: () => arrives })
      const less = <E, R>(effect: Effect.Effect<Movement, E, R>) =>
        Effect.map(effect, (movement) => ({ ...movement, amount: movement.amount - 1n }))
      const rail = {
        ...scripted.rail,
        send: (payout: Payout) => less(scripted.rail.send(payout)),
        find: (key: string) => less(scripted.rail.find(key)),
      }
      const member = Trial.newMember()
      yield* Effect.gen(function* () {
        yield* Trial.earn(member, 5n * cent)
        const range = yield* Trial.begun(member)
        assert.isFalse(yield* Trial.ends(range))
        assert.deepInclude(yield* Trial.statusOf(member), { state: "blocked" })
      }).pipe(Effect.provide(Trial.runs(rail, policy).pipe(Layer.provideMerge(books))))
    }),
  )

  it.effect("does not send what is no longer set aside", () =>
    scene({ answers: (_, times) => times > 1, deliver: () => arrives }, (scripted, member) =>
      Effect.gen(function* () {
        const range = yield* Trial.begun(member)
        yield* Trial.rest
        const ledger = yield* Ledger.Ledger
        yield* ledger.void(range.hold, [])
        for (let minutes = 0; minutes < 10; minutes++) yield* Effect.andThen(TestClock.adjust("1 minute"), Trial.rest)
        assert.lengthOf(scripted.sends, 0)
        assert.include((yield* Trial.statusOf(member))?.words, "no longer set aside")
      }),
    ),
  )

  it.effect("posts what arrived however often the books do not answer, or do not take it", () =>
    Effect.gen(function* () {
      const scripted = make({ name: Trial.bank, scale: 2, deliver: () => arrives })
      const member = Trial.newMember()
      const ledger = yield* Ledger.Ledger
      let calls = 0
      const unanswered = Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "the line was cut" }) }))
      const refused = Effect.fail(new LedgerError({ reason: new InvalidCommand({ detail: "not today." }) }))
      const moody = Layer.succeed(Ledger.Ledger, {
        ...ledger,
        settle: (hold, posting) =>
          Effect.suspend(() => {
            calls += 1
            if (calls === 1) return unanswered
            if (calls === 2) return refused
            return calls === 3 ? Effect.andThen(ledger.settle(hold, posting), unanswered) : ledger.settle(hold, posting)
          }),
      })
      yield* Trial.earn(member, 5n * cent)
      yield* Effect.gen(function* () {
        const range = yield* Trial.begun(member)
        assert.isTrue(yield* Trial.ends(range))
        for (let minutes = 0; minutes < 10; minutes++) yield* Effect.andThen(TestClock.adjust("1 minute"), Trial.rest)
        assert.strictEqual(calls, 4)
        assert.lengthOf(scripted.sends, 1)
        assert.deepInclude(yield* Trial.statusOf(member), { state: "paid" })
        yield* Trial.agrees(member, 5n * cent, 5n * cent)
      }).pipe(Effect.provide(Trial.runs(scripted.rail, policy).pipe(Layer.provide(moody))))
    }).pipe(Effect.provide(books)),
  )

  it.effect("is suspended by a fault of the market's own, and goes on when it is started again", () =>
    Effect.gen(function* () {
      const scripted = make({ name: Trial.bank, scale: 2, deliver: () => arrives })
      const member = Trial.newMember()
      const ledger = yield* Ledger.Ledger
      let isBroken = true
      const broken = Layer.succeed(Ledger.Ledger, {
        ...ledger,
        findHold: (hold) => (isBroken ? Effect.die("a fault") : ledger.findHold(hold)),
      })
      yield* Trial.earn(member, 5n * cent)
      const range = yield* Effect.gen(function* () {
        yield* Trial.begun(member)
        for (let minutes = 0; minutes < 10; minutes++) yield* Effect.andThen(TestClock.adjust("1 minute"), Trial.rest)
        assert.lengthOf(scripted.sends, 0)
        isBroken = false
        const again = yield* Trial.begun(member)
        yield* Trial.rest
        return again
      }).pipe(Effect.provide(Trial.runs(scripted.rail, policy).pipe(Layer.provide(broken))))
      assert.lengthOf(scripted.sends, 1)
      assert.strictEqual(yield* Trial.holdState(range.hold), "posted")
      yield* Trial.agrees(member, 5n * cent, 5n * cent)
    }).pipe(Effect.provide(books)),
  )

  it.effect("goes on from its range when everything the engine knew is lost", () =>
    Effect.gen(function* () {
      const scripted = make({
        name: Trial.bank,
        scale: 2,
        deliver: ({ idempotencyKey }) => (idempotencyKey.endsWith("#1") ? failed : { ...arrives, isAnswered: false }),
      })
      const member = Trial.newMember()
      const live = () => Layer.fresh(Trial.runs(scripted.rail, policy))
      yield* Trial.earn(member, 5n * cent)
      for (let life = 0; life < 4; life++) {
        yield* Effect.provide(
          Effect.gen(function* () {
            const payouts = yield* PayoutRun.PayoutRun
            yield* payouts.start({ rail: Trial.bank, member, minimum: 0n })
            yield* Trial.rest
            yield* TestClock.adjust("1 minute")
            yield* Trial.rest
          }),
          live(),
        )
      }
      assert.deepStrictEqual(
        keysOf(scripted.sends).map((key) => key.at(-1)),
        ["1", "2"],
      )
      yield* Trial.agrees(member, 5n * cent, 5n * cent)
    }).pipe(Effect.provide(books)),
  )
})
