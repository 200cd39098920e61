import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Conformance from "../src/testing/Conformance.ts"

class Refused extends Data.TaggedError("Refused")<{}> {}
class Counter extends Context.Service<Counter, { readonly next: Effect.Effect<number, Refused> }>()("test/Counter") {}

const rises = Effect.gen(function* () {
  const counter = yield* Counter
  const last = yield* counter.next
  assert.isAbove(yield* counter.next, last)
})
const waits = Effect.gen(function* () {
  yield* TestClock.adjust("1 hour")
  assert.isNumber(yield* (yield* Counter).next)
})
const port: Conformance.Port<Counter> = {
  name: "Counter",
  clock: "virtual",
  guarantees: [
    { number: 1, test: "The next number is higher than the last.", proof: rises },
    { number: 2, test: "An hour changes nothing.", proof: waits },
    { number: 4, test: "What no counter does.", proof: Effect.sync(() => assert.fail("it ran")) },
  ],
}
const counter = (next: Effect.Effect<number, Refused>) => Layer.succeed(Counter, Counter.of({ next }))
const rising = Layer.sync(Counter, () => {
  let count = 0
  return Counter.of({ next: Effect.sync(() => ++count) })
})

/** It falls below what it was. */
const falling = Layer.sync(Counter, () => {
  let count = 0
  return Counter.of({ next: Effect.sync(() => --count) })
})

Conformance.suite(port)("in memory", rising, { skip: [{ test: 4, reason: "it is a counter" }] })
Conformance.suite({ ...port, clock: "real", guarantees: port.guarantees.slice(0, 1) })("in real time", rising)
Conformance.breaks(port)("it stands still", counter(Effect.succeed(7)), 1)
Conformance.breaks({ ...port, clock: "real" })("it falls", falling, 1)

describe("Conformance", () => {
  it("refuses a skip of nothing, a skip without a reason, and to break what is no guarantee", () => {
    const skip = (test: number, reason: string) => () =>
      Conformance.suite(port)("never registered", rising, { skip: [{ test, reason }] })
    assert.throws(skip(3, "there is none"), "There is no guarantee 3. Name one of 1, 2, 4.")
    assert.throws(skip(4, " "), "The skip of guarantee 4 has no reason.")
    assert.throws(() => Conformance.breaks(port)("never registered", rising, 3), "There is no guarantee 3.")
  })

  it.effect("takes an assertion for a failure, and nothing else", () =>
    Effect.gen(function* () {
      const verdict = (layer: Layer.Layer<Counter, string>, proof: Conformance.Proof<Counter> = rises) =>
        Effect.map(Effect.exit(Conformance.fails(proof, layer)), (exit) =>
          Exit.isSuccess(exit) ? "fails" : String(exit.cause),
        )
      assert.strictEqual(yield* verdict(counter(Effect.succeed(7))), "fails")
      assert.include(yield* verdict(rising), "The guarantee holds")
      assert.include(yield* verdict(Layer.effect(Counter, Effect.fail("no database"))), "The layer cannot be built.")
      assert.include(
        yield* verdict(counter(Effect.die(new TypeError("not a function")))),
        "It failed, but not by an assertion.",
      )
      assert.include(yield* verdict(counter(Effect.fail(new Refused()))), "It failed, but not by an assertion.")
      assert.include(yield* verdict(counter(Effect.interrupt)), "It failed, but not by an assertion.")
    }),
  )

  it.effect("looks at refusals and answers by assertions", () =>
    Effect.gen(function* () {
      const refusal = Effect.fail(new Refused())
      assert.instanceOf(yield* Conformance.refused(refusal), Refused)
      assert.strictEqual(yield* Conformance.answered(Effect.succeed(7)), 7)
      const answers = Conformance.fails(Effect.asVoid(Conformance.refused(Effect.succeed(7), "at noon")), Layer.empty)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(answers)))
      const refuses = Conformance.fails(Effect.asVoid(Conformance.answered(refusal)), Layer.empty)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(refuses)))
    }),
  )
})
