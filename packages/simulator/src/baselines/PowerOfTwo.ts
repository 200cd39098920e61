import * as Draw from "@guildhall/routing/Draw"
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { byScore } from "../internal/byScore.ts"

/**
 * Of two drawn by lot, the one with fewer requests of this gateway in flight. The others follow by lot.
 *
 * @category baselines
 * @since 0.1.0
 */
export const powerOfTwo: RoutingPolicy = byScore("PowerOfTwo", (seed, _, eligible) => {
  const lotOf = (id: string): number => Draw.lot(Draw.ofSeed(seed), Draw.ofId(id))
  const [first, second] = eligible
    .map(({ instance, inFlight }) => ({ id: instance.id, inFlight, lot: lotOf(instance.id) }))
    .sort((a, b) => a.lot - b.lot)
  const better = first !== undefined && second !== undefined && second.inFlight < first.inFlight ? second : first
  return {
    score: ({ instance }) => (instance.id === better?.id ? -1 : lotOf(instance.id)),
    because: (lot) => (lot === -1 ? "the less busy of two" : `lot ${lot}`),
  }
})
