/**
 * For a market with a floor under speed: the instance sustains so many tokens a second. Above the floor, speed says nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Parts from "@guildhall/core/Parts"
import { type Filter, reading, RoutingFilter } from "../Filter.ts"

/**
 * Leaves out an instance of which less than half of the answers of the last minutes were as fast as this:
 * `below_throughput_floor`. One of which too little was seen of late passes.
 *
 * **Example** (Four tokens a second)
 *
 * ```ts
 * import { ThroughputFloor } from "@guildhall/routing/filters"
 * import { SampleMarket } from "@guildhall/routing/testing"
 *
 * const candidate = {
 *   instance: SampleMarket.instance({ name: "slow" }),
 *   inFlight: 0,
 *   measured: { firstTokenMs: [100, 100, 100, 100], tokensPerSecond: [4, 4, 3, 3] },
 * } as const
 * const request = { model: candidate.instance.model, contextTokens: 100, tried: [] }
 * ThroughputFloor.atLeast(5)(request, candidate) // => "below_throughput_floor"
 * ThroughputFloor.atLeast(4)(request, candidate) // => undefined
 * ```
 *
 * @category filters
 * @since 0.1.0
 */
export const atLeast =
  (tokensPerSecond: number): Filter =>
  (_, { measured }) =>
    measured === undefined || measured.tokensPerSecond[0] >= tokensPerSecond ? undefined : "below_throughput_floor"

/**
 * The settings: `tokensPerSecond`, 5 where it is left out.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  tokensPerSecond: Schema.Int.pipe(
    Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 })),
    Schema.withDecodingDefaultKey(Effect.succeed(5)),
  ),
})

/**
 * The part by which a definition names the filter: `{ use: "ThroughputFloor", with: { tokensPerSecond: 5 } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingFilter, {
  name: "ThroughputFloor",
  settings: Settings,
  make: ({ tokensPerSecond }) => reading([], atLeast(tokensPerSecond)),
})
