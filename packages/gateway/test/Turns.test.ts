import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { MemberId } from "@guildhall/core/Member"
import * as Turns from "../src/http/internal/Turns.ts"

const [greedy, modest] = [MemberId.make("mem_greedy"), MemberId.make("mem_modest")]

describe("turns", () => {
  it.effect("let a member ask while another one asks in a loop", () =>
    Effect.gen(function* () {
      const turn = yield* Turns.make(1, 4)
      const answers = { greedy: 0, refused: 0, modest: 0 }
      const ask = Effect.matchEffect(turn(greedy, Effect.yieldNow), {
        onFailure: ({ code }) =>
          Effect.sync(() => {
            assert.strictEqual(code, "too_many_concurrent")
            answers.refused++
          }).pipe(Effect.andThen(Effect.yieldNow)),
        onSuccess: () => Effect.sync(() => answers.greedy++),
      })
      const loops = yield* Effect.forkChild(Effect.forEach([1, 2, 3, 4], () => Effect.forever(ask), { concurrency: 4 }))
      for (let at = 0; at < 20; at++) {
        yield* turn(modest, Effect.yieldNow)
        answers.modest++
      }
      yield* Fiber.interrupt(loops)
      assert.strictEqual(answers.modest, 20)
      // In turn: nobody's second question comes before the other's first.
      assert.isAtMost(answers.greedy, 22)
      assert.isAbove(answers.refused, 0)
    }),
  )

  it.effect("answer in the order in which they were asked, so many at once, and refuse what is too much", () =>
    Effect.gen(function* () {
      const turn = yield* Turns.make(2, 3)
      const members = Array.from({ length: 6 }, (_, at) => MemberId.make(`mem_${at}`))
      const gates = yield* Effect.forEach(members, () => Deferred.make<void>())
      const begun: Array<number> = []
      const fibers = yield* Effect.forEach(members.slice(0, 5), (member, at) =>
        Effect.forkChild(
          turn(
            member,
            Effect.andThen(
              Effect.sync(() => begun.push(at)),
              Deferred.await(gates[at] ?? assert.fail()),
            ),
          ),
          { startImmediately: true },
        ),
      )
      assert.deepStrictEqual(begun, [0, 1])
      const { code } = yield* Effect.flip(turn(members[5] ?? greedy, Effect.void))
      assert.strictEqual(code, "service_unavailable")
      // Who goes away while waiting holds nobody up, and may ask again.
      yield* Fiber.interrupt(fibers[2] ?? assert.fail())
      yield* Deferred.succeed(gates[1] ?? assert.fail(), undefined)
      yield* Fiber.join(fibers[1] ?? assert.fail())
      yield* Effect.yieldNow
      assert.deepStrictEqual(begun, [0, 1, 3])
      yield* Deferred.succeed(gates[0] ?? assert.fail(), undefined)
      yield* Deferred.succeed(gates[3] ?? assert.fail(), undefined)
      yield* Deferred.succeed(gates[4] ?? assert.fail(), undefined)
      for (const at of [0, 3, 4]) yield* Fiber.join(fibers[at] ?? assert.fail())
      assert.deepStrictEqual(begun, [0, 1, 3, 4])
      for (const member of members) yield* turn(member, Effect.void)
    }),
  )
})
