import * as Draw from "@guildhall/routing/Draw"
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { byScore } from "../internal/byScore.ts"

/**
 * Any that can serve, each as likely.
 *
 * @category baselines
 * @since 0.1.0
 */
export const randomChoice: RoutingPolicy = byScore("Random", (seed) => ({
  score: ({ instance }) => Draw.lot(Draw.ofSeed(seed), Draw.ofId(instance.id)),
  because: (lot) => `lot ${lot}`,
}))
