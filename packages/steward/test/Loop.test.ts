import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Ref, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Loop from "../src/Loop.ts"

describe("a last round", () => {
  it.effect("is made when the scope closes; where it cannot be, or takes too long, one line says so", () => {
    const lines: Array<string> = []
    const log = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    const otherwise = "It is not done."
    return Effect.gen(function* () {
      let rounds = 0
      const round = Effect.sync(() => (rounds += 1))
      yield* Effect.scoped(Loop.atEnd(round, { limitMs: 1_000, otherwise }))
      assert.deepStrictEqual([rounds, lines], [1, []])
      yield* Effect.scoped(Loop.atEnd(Effect.fail(new Error("away")), { limitMs: 1_000, otherwise }))
      assert.deepStrictEqual(lines, ["It is not done. away"])
      const slow = yield* Effect.forkChild(Effect.scoped(Loop.atEnd(Effect.never, { limitMs: 1_000, otherwise })))
      yield* TestClock.adjust(1_000)
      yield* Fiber.join(slow)
      assert.lengthOf(lines, 2)
    }).pipe(Effect.provide(Logger.layer([log])))
  })
})

describe("a loop", () => {
  it.effect(
    "goes on after a round that failed, died or was interrupted, more slowly, and quickly again once one succeeds",
    () =>
      Effect.gen(function* () {
        const startsMs: Array<number> = []
        const ends = [Effect.fail("away"), Effect.die("a bug"), Effect.interrupt, Effect.void, Effect.void]
        const round = Effect.gen(function* () {
          startsMs.push(yield* Effect.clockWith((clock) => clock.currentTimeMillis))
          yield* ends[startsMs.length - 1] ?? Effect.void
        })
        yield* Loop.run("test", 100, round)
        yield* TestClock.adjust(1_700)
        assert.deepStrictEqual(startsMs, [0, 200, 600, 1_400, 1_500, 1_600, 1_700])
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
  )

  it.effect("ends with its scope, and its round with it", () =>
    Effect.gen(function* () {
      const running = yield* Ref.make(0)
      const round = Effect.acquireUseRelease(
        Ref.update(running, (count) => count + 1),
        () => Effect.never,
        () => Ref.update(running, (count) => count - 1),
      )
      const scope = yield* Scope.make()
      yield* Loop.run("test", 100, round).pipe(Scope.provide(scope))
      yield* TestClock.adjust(1_000)
      assert.strictEqual(yield* Ref.get(running), 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Ref.get(running), 0)
    }),
  )

  it.effect("says once that it fails, and once that it works again", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(
        ({ message }) => void lines.push(String(Array.isArray(message) ? message[0] : message)),
      )
      let rounds = 0
      const round = Effect.suspend(() => (rounds++ < 3 ? Effect.fail("away") : Effect.void))
      yield* Loop.run("Outbox", 100, round).pipe(Effect.provide(Logger.layer([logger])))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(lines, [
        "Outbox failed and will be tried again. away",
        "Outbox works again, after 3 failure(s).",
      ])
    }).pipe(Effect.scoped),
  )
})
