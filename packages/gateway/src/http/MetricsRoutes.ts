/**
 * `/metrics`, in the format of Prometheus.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type { Members } from "@guildhall/registry/Members"
import * as KeyAccess from "./KeyAccess.ts"

/**
 * Who may read the metrics: who has an operator's key, unless told that anyone may who reaches the port.
 *
 * @category references
 * @since 0.1.0
 */
export const Readers = Context.Reference<"operator" | "anyone">("@guildhall/gateway/http/MetricsRoutes/Readers", {
  defaultValue: () => "operator",
})

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

const shown = Effect.map(PrometheusMetrics.format(), (text) =>
  HttpServerResponse.text(text, { contentType: CONTENT_TYPE }),
)

/**
 * The route. The metrics name models and say what a market earns, so an operator's key is asked for.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | Members> = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* HttpRouter.HttpRouter
    const readers = yield* Readers
    const callerOf = yield* KeyAccess.make
    const asked = Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const key = /^Bearer\s+(\S+)$/i.exec(headers["authorization"] ?? "")?.[1] ?? ""
      yield* callerOf(Redacted.make(key), ["operator"])
      return yield* shown
    }).pipe(Effect.catchTag("Problem", (problem) => problem[HttpServerRespondable.symbol]()))
    yield* router.add("GET", "/metrics", readers === "anyone" ? shown : asked)
  }),
)
