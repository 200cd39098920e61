import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { byScore } from "../internal/byScore.ts"

/**
 * The one with the fewest requests of this gateway in flight, however much it can take: what proxies do by that name.
 *
 * @category baselines
 * @since 0.1.0
 */
export const leastConnections: RoutingPolicy = byScore("LeastConnections", () => ({
  score: ({ inFlight }) => inFlight,
  because: (inFlight) => `${inFlight} connections`,
}))
