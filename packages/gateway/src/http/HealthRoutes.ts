/**
 * `/healthz` and `/readyz`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Journal } from "@guildhall/journal/Journal"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as CommitProof from "../internal/CommitProof.ts"
import { Readiness } from "../Readiness.ts"

/** How long the journal's store may take to show that it is there. */
const PATIENCE_MS = 1_000

/**
 * The handlers. Ready means: not draining, and within a second the journal's store answers and the ledger's would commit a
 * hold. However often it is asked, the ledger is asked once a second.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "health",
  Effect.fnUntraced(function* (handlers) {
    const readiness = yield* Readiness
    const journal = yield* Journal
    const commits = yield* CommitProof.make
    const unready = (detail: string) => () => Problem.of("service_unavailable", detail)
    const reads = journal.position.pipe(
      Effect.timeout(PATIENCE_MS),
      Effect.mapError(unready("The database does not answer. Send requests elsewhere, and look after the database.")),
    )
    const writes = commits.pipe(
      Effect.mapError(
        unready(
          "The database keeps nothing that is written, so no request could be held and paid for. Send requests elsewhere, and look after the database and its disk; the gateway's log has what it said.",
        ),
      ),
    )
    const stores = Effect.all([reads, writes], { concurrency: 2, discard: true })
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
