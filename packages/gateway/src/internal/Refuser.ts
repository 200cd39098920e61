import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Visit } from "../Admit.ts"
import type * as LaneMetrics from "../LaneMetrics.ts"
import * as Receipt from "../Receipt.ts"
import { Refusal } from "../Refusal.ts"
import * as RefusalLog from "../RefusalLog.ts"
import type { Buyer } from "./Buyer.ts"
import { respond } from "./Outlet.ts"

/** Makes what happens to a request that no money was held for: the buyer is told, it is counted and written down. */
export const make = Effect.fnUntraced(function* (metrics: Effect.Success<typeof LaneMetrics.make>) {
  const clock = yield* Clock.Clock
  const log = yield* RefusalLog.make

  const refuse = (buyer: Buyer, visit: Visit, refusal: Refusal): Effect.Effect<void> =>
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
  /** Something failed that cannot fail. Whoever cannot even be told so is at least not left waiting. */
  const crashed = (buyer: Buyer, visit: Visit, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
    Effect.logError(`The request ${visit.id} failed inside the gateway.`, cause).pipe(
      Effect.andThen(refuse(buyer, visit, new Refusal({ code: "internal_error" }))),
      Effect.catchCause((further) =>
        Effect.logError(`Its buyer could not be told.`, further).pipe(
          Effect.ensuring(Effect.sync(() => buyer.response.destroy())),
        ),
      ),
    )

  return { refuse, crashed } as const
})
