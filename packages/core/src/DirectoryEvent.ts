/**
 * What the router hears of the market. The registry, the steward and the lane speak to the router only through
 * these; the directory is nothing but their fold.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Instance, InstanceId, InstanceState } from "./Instance.ts"

/**
 * A change of the directory.
 *
 * - `InstanceListed`: the instance is new or has new terms.
 * - `InstanceUnlisted`: it left the market.
 * - `StateChanged`: a heartbeat, a health check or the device itself changed whether it may be routed to.
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
})
/** @since 0.1.0 */
export type DirectoryEvent = typeof DirectoryEvent.Type
