/** Makes a trace that differs as short as it can in a few tries. */
import { Effect } from "effect"
import type * as Markets from "./Markets.ts"
import type { Step } from "./Step.ts"
import * as Tally from "./Tally.ts"
import * as Trial from "./Trial.ts"

const TRIES_MAX = 120

/** Takes out halves, quarters and so on down to single steps, for as long as the sides still differ. */
export const shrink = Effect.fnUntraced(function* (markets: Markets.Markets, market: number, found: Trial.Difference) {
  let tries = 0
  const differs = (steps: ReadonlyArray<Step>) => {
    tries++
    return Trial.run(markets, Trial.ofSteps(market, steps), Tally.tally())
  }
  // The same steps, looked at after each: what showed at the end shows where it began.
  let least = (yield* differs(found.steps)) ?? found
  for (let size = Math.ceil(least.steps.length / 2); size >= 1 && tries < TRIES_MAX; size = size >> 1) {
    for (let at = 0; at < least.steps.length && tries < TRIES_MAX;) {
      const shorter: Trial.Difference | undefined = yield* differs(least.steps.toSpliced(at, size))
      if (shorter === undefined) at += size
      else least = shorter
    }
  }
  return least
})
