import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Markets from "./Markets.ts"
import * as Shrink from "./Shrink.ts"
import * as Tally from "./Tally.ts"
import * as Trial from "./Trial.ts"

/** Other seeds: `CHAIN_SEED=<first>`. Another number of traces: `CHAIN_TRACES=<count>`. */
const first = Number(process.env["CHAIN_SEED"] ?? 1)
const traces = Number(process.env["CHAIN_TRACES"] ?? 100)
const STEPS = 56

/** Several times what it takes on a machine that does nothing else. */
const timeoutMs = 120_000 + traces * 3_000

/** The traces of some seeds on a node of their own. */
const some = Effect.fnUntraced(function* (from: number, to: number, tally: Tally.Tally) {
  const markets = yield* Markets.make(Markets.BRIEFLY)
  for (let seed = from; seed < to; seed++) {
    const found = yield* Trial.run(markets, Trial.ofSeed(markets, seed, STEPS), tally)
    if (found === undefined) continue
    const again = yield* Markets.make()
    assert.fail(Trial.report(again, seed, yield* Shrink.shrink(again, seed, found)))
  }
}, Effect.scoped)

describe("the contracts and the chain in memory", () => {
  it.effect(
    `do the same to the last unit through ${traces} traces of ${STEPS} steps (seeds from ${first} on)`,
    () =>
      Effect.gen(function* () {
        const tally = Tally.tally()
        for (let from = first; from < first + traces; from += Markets.TRACES_MAX) {
          yield* some(from, Math.min(from + Markets.TRACES_MAX, first + traces), tally)
          // So far: the long form takes a while.
          yield* Effect.sync(() => process.stdout.write(`figures: ${Tally.figures(tally)}\n`))
        }
        // A hundred traces or more must have met most of what there is, or there would be little to compare.
        if (traces >= 100) assert.deepStrictEqual(Tally.missing(tally), [])
      }),
    timeoutMs,
  )
})
