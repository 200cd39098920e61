/**
 * Tells what is asked for. The answer is made once in some seconds, however many ask.
 *
 * @since 0.1.0
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Journal } from "@guildhall/journal/Journal"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Router } from "@guildhall/routing/Router"
import * as Demand from "../Demand.ts"
import { Market } from "../Market.ts"
import * as Problems from "./internal/Problems.ts"

const WINDOW_MS = 86_400_000

/** So long an answer is told again; a journal that is away is asked again sooner. */
const FRESH = "10 seconds"
const AWAY = "1 second"

/**
 * The handlers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "demand",
  Effect.fnUntraced(function* (handlers) {
    const journal = yield* Journal
    const router = yield* Router
    const { prices } = (yield* Market).definition

    const look = Effect.fn("DemandRoutes.look")(function* (windowMs: number) {
      const nowMs = yield* Clock.currentTimeMillis
      const asked = yield* journal.demand(nowMs - windowMs)
      return {
        as_of_ms: nowMs,
        window_ms: windowMs,
        suggested_input_price_per_million: prices.inputCentsPerMillion,
        suggested_output_price_per_million: prices.outputCentsPerMillion,
        data: Demand.list(router.instances(), asked, prices),
      }
    })
    const looked = yield* Cache.makeWith(look, {
      capacity: 1,
      timeToLive: (exit) => (Exit.isSuccess(exit) ? FRESH : AWAY),
    })

    return handlers.handle(
      "demand",
      Effect.fnUntraced(function* ({ query: { model } }) {
        const all = yield* Cache.get(looked, WINDOW_MS)
        return model === undefined ? all : { ...all, data: all.data.filter((one) => one.model === model) }
      }, Problems.answer),
    )
  }),
)
