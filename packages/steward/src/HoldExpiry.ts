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

/** Holds that were released because nobody renewed them. More than none means that a gateway died. */
const expired = Metric.counter("guildhall_holds_expired", {
  description: "Holds that expired because no gateway renewed them. Each stands for a request that a crash cut off.",
})

/** How many holds one round releases. */
const ROUND_MAX = 500

/**
 * One round: expires what is due, and answers how many holds that were.
 *
 * @category constructors
 * @since 0.1.0
 */
export const round = Effect.gen(function* () {
  const ledger = yield* Ledger
  const holds = yield* ledger.expire(ROUND_MAX)
  if (holds.length > 0) {
    yield* Metric.update(expired, holds.length)
    yield* Effect.logWarning(`${holds.length} hold(s) expired: their gateway is gone. The buyers got the money back.`)
  }
  return holds.length
}).pipe(Effect.withSpan("HoldExpiry.round"))

/**
 * Runs a round every `everyMs` for as long as the layer lives; a good pause is a definition's `hold.renewMs`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly everyMs: number }) =>
  Layer.effectDiscard(Loop.run("HoldExpiry", options.everyMs, round))
