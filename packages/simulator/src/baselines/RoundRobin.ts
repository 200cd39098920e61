import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { byScore } from "../internal/byScore.ts"

/**
 * One after the other in the order of their ids. Whose turn it is comes from the seed: a gateway that counts its seeds up
 * goes round.
 *
 * @category baselines
 * @since 0.1.0
 */
export const roundRobin: RoutingPolicy = byScore("RoundRobin", (seed, _, eligible) => {
  const ids = eligible.map(({ instance }) => instance.id).sort()
  const places = new Map(ids.map((id, at) => [id, at]))
  const turn = ids.length === 0 ? 0 : ((seed % ids.length) + ids.length) % ids.length
  return {
    score: ({ instance }) => ((places.get(instance.id) ?? 0) - turn + ids.length) % ids.length,
    because: (after) => (after === 0 ? "its turn" : `${after} before its turn`),
  }
})
