import * as Effect from "effect/Effect"
import { Router } from "@guildhall/routing/Router"
import type { Conclusion } from "../Conclusion.ts"
import type { Hedge } from "../Hedge.ts"
import { Market } from "../Market.ts"
import type { Priced } from "../Price.ts"
import type { RelayJob } from "../Relay.ts"
import type { Routed } from "../Route.ts"
import type { Settled } from "../Settle.ts"

/** What nobody waits for: those who were asked in vain are paid, and the router and whoever counts again are told what was charged. */
export const make = Effect.fnUntraced(function* (hedge: Hedge) {
  const { split } = (yield* Market).definition
  const router = yield* Router

  return Effect.fnUntraced(function* (
    { admitted, observer }: RelayJob,
    { promptBytes }: Priced,
    { hedges, instance, relayed }: Routed,
    { charge, entry }: Settled,
    { bills }: Conclusion,
  ) {
    const { endedAtMs, usage } = entry.receipt
    // What was cut off was charged for less than it cost.
    if (bills === "answer" && instance !== undefined) router.charged({ instance, usage, atMs: endedAtMs })
    const { cachedInputToken = 0, inputToken = 0 } = usage
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
