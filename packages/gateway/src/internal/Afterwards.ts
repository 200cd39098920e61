import * as Effect from "effect/Effect"
import type { Conclusion } from "../Conclusion.ts"
import type { Hedge } from "../Hedge.ts"
import { Market } from "../Market.ts"
import type { Priced } from "../Price.ts"
import type { RelayJob } from "../Relay.ts"
import type { Routed } from "../Route.ts"
import type { Settled } from "../Settle.ts"

/** What nobody waits for: those who were asked in vain are paid, and whoever counts again is told what was charged. */
export const make = Effect.fnUntraced(function* (hedge: Hedge) {
  const { split } = (yield* Market).definition

  return Effect.fnUntraced(function* (
    { admitted, observer }: RelayJob,
    { promptBytes }: Priced,
    { hedges, relayed }: Routed,
    { charge, entry }: Settled,
    { bills }: Conclusion,
  ) {
    const { cachedInputToken = 0, inputToken = 0 } = entry.receipt.usage
    for (const { instance, number } of hedges) {
      const promptTokens = inputToken + cachedInputToken
      yield* hedge.pay({ request: admitted.id, attempt: number, instance, promptTokens })
    }
    // Of two attempts side by side, the observer heard both.
    if (bills !== "answer" || relayed === undefined || hedges.length > 0) return observer?.onEnd(undefined)
    const { outputBytes } = relayed.tally
    observer?.onEnd({ entry, charged: { split, sources: charge.sources }, outputBytes, promptBytes })
  })
})
