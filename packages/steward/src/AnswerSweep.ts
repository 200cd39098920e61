/**
 * Erases kept answers whose time is over. They are not told any more from that moment on; this loop sees to it that they
 * are gone.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { AnswerStore } from "@guildhall/journal/AnswerStore"
import * as Loop from "./Loop.ts"

const erased = Metric.counter("guildhall_answers_erased", {
  description: "Slots of idempotency keys that were erased because their time was over.",
})

/** How many slots one command erases: a large answer is megabytes. */
const STEP_MAX = 200

/** Erases one step; answers how many slots that were. */
const step = Effect.gen(function* () {
  const store = yield* AnswerStore
  const count = yield* store.sweep(STEP_MAX)
  if (count > 0) yield* Metric.update(erased, count)
  return count
})

/**
 * One round: erases everything that is over.
 *
 * @category constructors
 * @since 0.1.0
 */
export const round = Effect.repeat(step, { until: (count) => count < STEP_MAX }).pipe(
  Effect.asVoid,
  Effect.withSpan("AnswerSweep.round"),
)

/**
 * Runs a round every `everyMs` (a minute unless told) for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly everyMs?: number } = {}) =>
  Layer.effectDiscard(Loop.run("AnswerSweep", options.everyMs ?? 60_000, round))
