import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { AnswerStore, JournalError } from "@guildhall/journal"
import { SampleEntry } from "@guildhall/journal/testing"
import * as AnswerSweep from "../src/AnswerSweep.ts"

const keep = Effect.fnUntraced(function* (count: number, lifeMs: number) {
  const store = yield* AnswerStore.AnswerStore
  for (const request of SampleEntry.requestIds(count)) {
    const claim = { slot: request, request, fingerprint: "f", member: SampleEntry.member(), leaseMs: 1_000 }
    yield* store.claim(claim)
    yield* store.keep(claim, { keyId: "key", bytes: Uint8Array.of(1) }, lifeMs)
  }
})

/** How many slots a look behind the loop's back still finds to erase. */
const left = AnswerStore.AnswerStore.use((store) => store.sweep(10_000))

describe("the loop", () => {
  it.effect("erases what is over, all of it, and leaves the rest", () =>
    Effect.gen(function* () {
      yield* keep(450, 90_000)
      yield* keep(3, 300_000)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* left, 0)
      yield* TestClock.adjust("181 seconds")
      assert.strictEqual(yield* left, 0)
    }).pipe(Effect.provide(AnswerSweep.layer().pipe(Layer.provideMerge(AnswerStore.layerMemory)))),
  )

  it.effect("survives an outage of the store", () =>
    Effect.gen(function* () {
      const store = yield* AnswerStore.AnswerStore
      let away = true
      let rounds = 0
      const outage = Layer.succeed(
        AnswerStore.AnswerStore,
        AnswerStore.AnswerStore.of({
          ...store,
          sweep: (limit) =>
            Effect.suspend(() => {
              rounds += 1
              return away
                ? Effect.fail(new JournalError.JournalError({ reason: "Unavailable", cause: "away" }))
                : store.sweep(limit)
            }),
        }),
      )
      yield* keep(2, 1_000)
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("3 minutes")
        assert.isAtLeast(rounds, 3)
        away = false
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* left, 0)
      }).pipe(Effect.provide(AnswerSweep.layer().pipe(Layer.provide(outage))))
    }).pipe(Effect.provide(AnswerStore.layerMemory), Effect.provide(Logger.layer([]))),
  )
})
