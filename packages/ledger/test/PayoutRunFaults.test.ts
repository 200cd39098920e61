import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Ledger from "../src/Ledger.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import type { MovementState } from "../src/Movement.ts"
import * as PayoutRun from "../src/PayoutRun.ts"
import * as Scripted from "../src/testing/ScriptedPayoutRail.ts"
import * as Trial from "./PayoutTrial.ts"

const books = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))
const policy = { attemptsMax: 3, firstWaitMs: 60_000, longestWaitMs: 480_000, answerMs: 5_000 }
const minute = 60_000
const seeds = Number(process.env["GUILDHALL_PAYOUT_SEEDS"] ?? 40)

/** Numbers from 0 up to below `end`, the same for the same seed. */
const below = (seed: number) => {
  let state = seed >>> 0
  return (end: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * end)
  }
}

/** Most of what can go wrong goes wrong, but not for ever. */
const faultyRail = (random: (end: number) => number, forgets: boolean, honest: boolean) => {
  const ends: ReadonlyArray<MovementState> = [
    { _tag: "Succeeded" },
    { _tag: "Succeeded" },
    { _tag: "Failed", detail: "The bank sent it back." },
  ]
  const meanwhiles: ReadonlyArray<MovementState> = [
    { _tag: "Pending", next: null },
    { _tag: "Unknown", detail: "The bank is asked." },
  ]
  const pick = <A>(items: ReadonlyArray<A>): A => items[random(items.length)] ?? assert.fail("nothing to pick from")
  return Scripted.make({
    name: Trial.bank,
    scale: 2,
    ...(forgets ? { keyLifeMs: (5 + random(20)) * minute, absenceMs: honest ? 15 * minute : 1 } : {}),
    lagMs: random(10) * minute,
    answers: (_, times) => times > 8 || random(4) > 0,
    deliver: (_, times) => {
      const luck = times > 8 ? 9 : random(10)
      if (luck < 2) return { _tag: "Lost" }
      if (luck < 3) return { _tag: "Refused", detail: "Not now." }
      return {
        _tag: "Arrives",
        delayMs: random(3) === 0 ? random(5 * minute) : 0,
        isAnswered: random(2) === 0,
        meanwhile: pick(meanwhiles),
        lastsMs: random(2) === 0 ? 0 : random(40 * minute),
        end: pick(ends),
      }
    },
  })
}

/**
 * Pays a member out again and again over a faulty rail. Where the rail forgets its keys, the engine must not forget what it
 * sent; where it does not, the engine loses everything now and then.
 */
const market = Effect.fnUntraced(
  function* (seed: number, honest: boolean) {
    const random = below(seed)
    const forgets = !honest || random(2) === 0
    const scripted = faultyRail(random, forgets, honest)
    const member = Trial.newMember()
    const engine = yield* Layer.build(Layer.fresh(Trial.runs(scripted.rail, policy)))
    let whole = 0n
    let calm = 0
    for (let life = 0; calm < 2; life++) {
      assert.isBelow(life, 100, "it does not come to rest")
      yield* Effect.gen(function* () {
        const payouts = yield* PayoutRun.PayoutRun
        for (let round = 0; round < 3; round++) {
          if (life < 4) {
            const amount = BigInt(1 + random(1_000_000)) * 10n ** 7n
            whole += amount
            yield* Trial.earn(member, amount)
          }
          const range = yield* payouts.start({ rail: Trial.bank, member, minimum: 0n })
          const isDone = range === null || (yield* Trial.ends(range, life < 4 ? random(90) : 600))
          calm = isDone && life >= 4 ? calm + 1 : 0
          assert.isTrue((yield* scripted.moved) <= whole, "the rail moved more than there was")
        }
      }).pipe(Effect.provide(forgets ? Layer.succeedContext(engine) : Layer.fresh(Trial.runs(scripted.rail, policy))))
    }
    // What is still under way may arrive now: it must not move anything.
    for (let hours = 0; hours < 24; hours++) yield* TestClock.adjust("1 hour")
    const all = yield* Trial.ranges(member)
    assert.isTrue(
      all.every(({ state }) => state !== "pending"),
      "a payout has not ended",
    )
    yield* Trial.agrees(member, yield* scripted.moved, whole)
    return { voided: all.filter(({ state }) => state === "voided").length, sends: scripted.sends.length }
  },
  Effect.scoped,
  Effect.provide(Layer.fresh(books)),
)

describe("PayoutRun over a faulty rail", () => {
  it.effect(
    `moves what it posts and posts what it moves, once, in ${seeds} markets`,
    () =>
      Effect.gen(function* () {
        let [voided, sends] = [0, 0]
        for (let seed = 1; seed <= seeds; seed++) {
          const exit = yield* Effect.exit(market(seed, true))
          if (Exit.isFailure(exit)) return assert.fail(`seed ${seed}: ${exit.cause}`)
          voided += exit.value.voided
          sends += exit.value.sends
        }
        assert.isAbove(sends, seeds * 4)
        assert.isAbove(voided, 0)
      }),
    60_000 + seeds * 500,
  )

  it.effect(
    "is noticed to pay twice over a rail that lies about what absence proves",
    () =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= 200; seed++) {
          const result = yield* Effect.exit(market(seed, false))
          if (Exit.isFailure(result)) {
            return assert.match(
              String(result.cause),
              /the books and the rail differ|the rail moved more than there was/,
            )
          }
        }
        assert.fail("nothing was noticed")
      }),
    120_000,
  )
})
