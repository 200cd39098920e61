import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Visit } from "../Admit.ts"
import type * as LaneMetrics from "../LaneMetrics.ts"
import * as Receipt from "../Receipt.ts"
import type { Refusal } from "../Refusal.ts"
import * as RefusalLog from "../RefusalLog.ts"
import type { Buyer } from "./Buyer.ts"
import { respond } from "./Outlet.ts"

/** Makes what happens to a request that no money was held for: the buyer is told, it is counted and written down. */
export const make = Effect.fnUntraced(function* (metrics: Effect.Success<typeof LaneMetrics.make>) {
  const clock = yield* Clock.Clock
  const log = yield* RefusalLog.make

  return (buyer: Buyer, visit: Visit, refusal: Refusal): Effect.Effect<void> =>
    Effect.sync(() => {
      const attempts = visit.decision?.attempts.length ?? 0
      respond(buyer, refusal, visit.endpoint.errors, { id: visit.id, attempts })
      metrics.refused(refusal.code)
      log({
        _tag: "RequestRefused",
        id: Receipt.entryId(visit.id, 0),
        requestId: visit.id,
        buyer: visit.payer?.memberId ?? null,
        keyId: visit.payer?.keyId ?? null,
        model: visit.model ?? null,
        reason: refusal.code,
        decision: visit.decision ?? null,
        atMs: clock.currentTimeMillisUnsafe(),
      })
    })
})
