import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { byScore } from "../internal/byScore.ts"

/**
 * The one whose whole answer would take the least time by its moving averages, whatever is in flight on it; one that is not
 * known yet is tried first. Price does not count.
 *
 * @category baselines
 * @since 0.1.0
 */
export const latencyEwma: RoutingPolicy = byScore("LatencyEwma", (_, { features }) => ({
  score: ({ rating }) =>
    rating?.pace === undefined
      ? 0
      : rating.pace.firstTokenMs + (rating.pace.tokenUs * (features?.outputTokens ?? 200)) / 1_000,
  because: (ms) => `${Math.round(ms)} ms`,
}))
