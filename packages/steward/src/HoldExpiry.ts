/**
 * Releases holds whose owner is gone. When a hold expires is the ledger's decision, by the database's clock; this loop
 * only asks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { Ledger } from "@guildhall/ledger/Ledger"
import * as Loop from "./Loop.ts"

const expired = Metric.counter("guildhall_holds_expired", {
  description: "Holds that expired because no gateway renewed them. Each stands for a request that a crash cut off.",
})

/** How many holds one command releases. */
const STEP_MAX = 500
/** How many of them are named in the log. */
const NAMED_MAX = 20

/** Releases one step; answers how many holds that were. */
const step = Effect.gen(function* () {
  const ledger = yield* Ledger
  const holds = yield* ledger.expire(STEP_MAX)
  if (holds.length === 0) return 0
  yield* Metric.update(expired, holds.length)
  const named = holds.slice(0, NAMED_MAX).join(", ")
  const more = holds.length > NAMED_MAX ? ` and ${holds.length - NAMED_MAX} more` : ""
  yield* Effect.logWarning(`Expired: ${named}${more}. Their gateway is gone; the buyers have their money back.`)
  return holds.length
})

/**
 * One round: expires everything that is due.
 *
 * @category constructors
 * @since 0.1.0
 */
export const round = Effect.repeat(step, { until: (count) => count < STEP_MAX }).pipe(
  Effect.asVoid,
  Effect.withSpan("HoldExpiry.round"),
)

/**
 * Runs a round every `everyMs` for as long as the layer lives; a good pause is half of a definition's `hold.renewMs`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly everyMs: number }) =>
  Layer.effectDiscard(Loop.run("HoldExpiry", options.everyMs, round))
