/**
 * For a market in which poor uptime costs a place: the instance has so much health. With `orElse` several floors make steps:
 * who is below one comes behind those above it, and who is below the last gets nothing.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Parts from "@guildhall/core/Parts"
import { type Filter, reading, RoutingFilter } from "../Filter.ts"

/**
 * Leaves out an instance whose health of the last 14 days, in basis points, is below this: `below_health_floor`. One of which
 * nothing is known yet passes.
 *
 * **Example** (Just below 95 %)
 *
 * ```ts
 * import { HealthFloor } from "@guildhall/routing/filters"
 * import { SampleMarket } from "@guildhall/routing/testing"
 *
 * const instance = SampleMarket.instance({ name: "a" })
 * const request = { model: instance.model, contextTokens: 100, tried: [] }
 * const rated = (healthBps: number) => ({ instance, inFlight: 0, rating: { healthBps } })
 * HealthFloor.atLeast(9_500)(request, rated(9_499)) // => "below_health_floor"
 * HealthFloor.atLeast(9_500)(request, rated(9_500)) // => undefined
 * ```
 *
 * @category filters
 * @since 0.1.0
 */
export const atLeast =
  (bps: number): Filter =>
  (_, { rating }) =>
    (rating?.healthBps ?? 10_000) >= bps ? undefined : "below_health_floor"

/**
 * The settings: the least health, in basis points.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  bps: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 10_000 }))),
})

/**
 * The part by which a definition names the filter: `{ use: "HealthFloor", with: { bps: 9500 } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingFilter, {
  name: "HealthFloor",
  settings: Settings,
  make: ({ bps }) => reading(["healthBps"], atLeast(bps)),
})
