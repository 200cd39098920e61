/** Who may ask what costs much: each member one question at a time, and a few in all, in the order in which they came. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { MemberId } from "@guildhall/core/Member"
import { Problem } from "@guildhall/protocol/api/Problem"

/** Makes the function that answers a member's question in its turn: `atOnce` at a time, and as many members as `waiting` at most. */
export const make = Effect.fnUntraced(function* (atOnce: number, waiting: number) {
  const permits = yield* Semaphore.make(atOnce)
  const asking = new Set<MemberId>()

  const enter = (member: MemberId) =>
    Effect.suspend(() => {
      if (asking.has(member)) {
        const detail = "The market is answering such a question of yours already. Ask the next one when it has."
        return Effect.fail(Problem.of("too_many_concurrent", detail))
      }
      if (asking.size >= atOnce + waiting) {
        const detail = `${asking.size} members are asking such questions. Ask again in a few seconds.`
        return Effect.fail(Problem.of("service_unavailable", detail))
      }
      asking.add(member)
      return Effect.void
    })

  return <A, E, R>(member: MemberId, answer: Effect.Effect<A, E, R>): Effect.Effect<A, E | Problem, R> =>
    Effect.acquireUseRelease(
      enter(member),
      () => permits.withPermits(1)(answer),
      () => Effect.sync(() => asking.delete(member)),
    )
})
