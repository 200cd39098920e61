/**
 * On which ways, beside the heartbeat, this market sends warnings: what a provider may set an address for. Who composes a market says
 * so; by default on none.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { SentWay } from "@guildhall/registry/Notifier"

/**
 * The ways.
 *
 * @category services
 * @since 0.1.0
 */
export const SentWays = Context.Reference<ReadonlyArray<SentWay>>("@guildhall/gateway/SentWays", {
  defaultValue: () => [],
})
