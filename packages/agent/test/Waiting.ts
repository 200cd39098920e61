import { assert } from "@effect/vitest"
import { Effect } from "effect"

/** Waits until something is so, for five seconds at most. */
export const until = (done: () => boolean) =>
  Effect.gen(function* () {
    for (let tries = 0; tries < 1_000 && !done(); tries++) yield* Effect.sleep(5)
    assert.isTrue(done(), "it did not happen in time")
  })
