import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { MemberId } from "@guildhall/core/Member"
import { Journal } from "@guildhall/journal/Journal"
import * as Ids from "../../internal/Ids.ts"

/** Makes the function that notes what somebody changed. The change is made already, so a journal that is away is logged. */
export const make = Effect.gen(function* () {
  const journal = yield* Journal
  return Effect.fnUntraced(function* (actor: MemberId, act: string, subject: string) {
    const atMs = yield* Clock.currentTimeMillis
    yield* Effect.catch(
      journal.append([{ _tag: "OperatorActed", id: `act:${Ids.randomHex(16)}`, actor, act, subject, atMs }]),
      (error) =>
        Effect.logError(`The journal is away and does not know that ${actor} did ${act} to ${subject}.`, error),
    )
  })
})
