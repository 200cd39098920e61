/**
 * What the router hears of the market. The registry, the steward and the lane speak to the router only through
 * these; the directory is nothing but their fold.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Instance, InstanceId, InstanceState } from "./Instance.ts"
import { News } from "./Rating.ts"

/**
 * What an instance did of late, by percentile of its answers of the last five minutes: `firstTokenMs` are times to the
 * first token that so many answers did not exceed, `tokensPerSecond` rates that so many reached, in the order p50, p75,
 * p90, p99.
 *
 * @category models
 * @since 0.1.0
 */
export const Measured = Schema.Struct({
  firstTokenMs: Schema.Tuple([Schema.Int, Schema.Int, Schema.Int, Schema.Int]),
  tokensPerSecond: Schema.Tuple([Schema.Int, Schema.Int, Schema.Int, Schema.Int]),
})
/** @since 0.1.0 */
export type Measured = typeof Measured.Type

/**
 * A change of the directory.
 *
 * - `InstanceListed`: the instance is new or has new terms.
 * - `InstanceUnlisted`: it left the market.
 * - `StateChanged`: a heartbeat, a health check or the device itself changed whether it may be routed to.
 * - `InstanceMeasured`: how fast it was of late, said at most every few seconds; null where
 *   nothing was seen of it for so long that what was known is too old.
 * - `InstanceRated`: something new is known of it: its breaker, its health, its load, its owner's stake. The parts that
 *   `rating` has take the place of the former ones; a tier that is null is known no longer.
 * - `DispatchStarted` / `DispatchEnded`: this gateway sent a request to it, and that request ended.
 *
 * @category models
 * @since 0.1.0
 */
export const DirectoryEvent = Schema.TaggedUnion({
  InstanceListed: { instance: Instance },
  InstanceUnlisted: { instanceId: InstanceId },
  StateChanged: { instanceId: InstanceId, state: InstanceState },
  DispatchStarted: { instanceId: InstanceId },
  DispatchEnded: { instanceId: InstanceId },
  InstanceMeasured: { instanceId: InstanceId, measured: Schema.NullOr(Measured) },
  InstanceRated: { instanceId: InstanceId, rating: News },
})
/** @since 0.1.0 */
export type DirectoryEvent = typeof DirectoryEvent.Type
