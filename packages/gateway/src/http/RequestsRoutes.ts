/**
 * Requests: lists, one, and why it went where it went.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Reason from "@guildhall/core/Reason"
import type { RequestId } from "@guildhall/core/Request"
import { Journal } from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import type { ExplanationView } from "@guildhall/protocol/api/RequestsApi"
import { type Explanation, Router } from "@guildhall/routing/Router"
import { Market } from "../Market.ts"
import * as Problems from "./internal/Problems.ts"
import * as RequestViews from "./internal/RequestViews.ts"

const rankingView = ({ excluded, ranked }: Explanation["attempts"][number]["ranking"]) => ({
  ranked: ranked.map(({ because, instance }) => ({ instance, because })),
  excluded: excluded.map(({ code, instance }) => ({ instance, code, because: Reason.describe(code).sentence })),
})

const explained = (
  id: RequestId,
  decision: RoutingDecision,
  explanation: Explanation,
  isBuyers: boolean,
): ExplanationView => ({
  id,
  model: decision.model,
  contextTokens: decision.contextTokens,
  endpoint: decision.endpoint ?? null,
  preferences: (isBuyers ? decision.preferences : undefined) ?? null,
  features: (isBuyers ? decision.features : undefined) ?? null,
  policy: explanation.policy,
  replica: decision.replica,
  version: explanation.version,
  seed: explanation.seed,
  attempts: explanation.attempts.map(({ chosen, model, passed, ranking, reason, unattested }) => ({
    chosen,
    model,
    reason,
    ...rankingView(ranking),
    unattested,
    passed: isBuyers ? passed.map(({ model, ranking }) => ({ model, ...rankingView(ranking) })) : [],
  })),
})

/**
 * The handlers. What belongs to another member is answered like what does not exist.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "requests",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const journal = yield* Journal
    const router = yield* Router
    const view = RequestViews.request(definition)

    const find = Effect.fnUntraced(function* (id: RequestId) {
      const caller = yield* Caller
      const [record] = yield* journal.requests({ id })
      if (record === undefined || !RequestViews.isFor(caller, record)) {
        return yield* Problem.of("not_found", `There is no request ${id} of yours, or it has not ended yet.`)
      }
      return record
    })

    return handlers.handleAll({
      list: Effect.fn("RequestsRoutes.list")(function* ({ query: { before, limit } }) {
        const { memberId } = yield* Caller
        const records = yield* journal.requests({ member: memberId, before, limit: limit + 1 })
        return RequestViews.page(view, records, limit)
      }, Problems.answer),
      get: Effect.fn("RequestsRoutes.get")(({ params }) => Effect.map(find(params.id), view), Problems.answer),
      explain: Effect.fn("RequestsRoutes.explain")(function* ({ params: { id } }) {
        const record = yield* find(id)
        const { decision } = record
        if (decision === null) {
          return yield* Problem.of("not_found", `The request ${id} never came to the router, so nothing was chosen.`)
        }
        const isBuyers = RequestViews.isBuyers(yield* Caller, record)
        return explained(id, decision, yield* router.explain(decision), isBuyers)
      }, Problems.answer),
    })
  }),
)
