/**
 * `/healthz` and `/readyz`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Journal } from "@guildhall/journal/Journal"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { Readiness } from "../Readiness.ts"

/** How long the stores may take to show that they are there. */
const PATIENCE_MS = 1_000

/**
 * The handlers. Ready means: not draining, and the stores of ledger and journal answer within a second.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "health",
  Effect.fnUntraced(function* (handlers) {
    const readiness = yield* Readiness
    const ledger = yield* Ledger
    const journal = yield* Journal
    const stores = Effect.all([journal.position, ledger.accounts([Account.ids.platformLoss])], {
      concurrency: 2,
      discard: true,
    }).pipe(
      Effect.timeout(PATIENCE_MS),
      Effect.mapError(() =>
        Problem.of("service_unavailable", "The database does not answer. Send requests elsewhere."),
      ),
    )
    return handlers.handleAll({
      live: () => Effect.succeed({ status: "ok" as const }),
      ready: Effect.fn("HealthRoutes.ready")(function* () {
        if (yield* readiness.isDraining) return yield* Problem.of("shutting_down")
        yield* stores
        return { status: "ready" as const }
      }),
    })
  }),
)
