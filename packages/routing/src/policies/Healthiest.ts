/**
 * The policy `Healthiest`: the one with the best record of the last 14 days serves. By itself it sends everybody to one
 * instance; it is meant as the second of a `tieBreak`, which asks it among the least loaded only.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import { RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The policy. An instance of which nothing is known counts as healthy.
 *
 * **Example** (The least loaded, and of these the healthiest)
 *
 * ```ts
 * import { TieBreak } from "@guildhall/routing/combinators"
 * import { Healthiest, LeastLoaded } from "@guildhall/routing/policies"
 * import { SampleMarket } from "@guildhall/routing/testing"
 *
 * const policy = TieBreak.tieBreak(LeastLoaded.leastLoaded, Healthiest.healthiest)
 * const candidates = [100, 9_000, 9_990].map((healthBps, inFlight) => ({
 *   instance: SampleMarket.instance({ name: `${healthBps}` }),
 *   inFlight: inFlight === 0 ? 0 : 1,
 *   rating: { healthBps },
 * }))
 * const request = { model: SampleMarket.instance({ name: "any" }).model, contextTokens: 100, tried: [] }
 * policy.rank(request, candidates, 7).ranked.map(({ instance }) => instance) // => ["ins_100", "ins_9990", "ins_9000"]
 * ```
 *
 * @category policies
 * @since 0.1.0
 */
export const healthiest: Scored.Standings = Scored.standings({
  name: "Healthiest",
  version: 1,
  reads: ["healthBps"],
  isByFirst: true,
  table: (length) => {
    const failed = new Float64Array(length)
    return {
      first: failed,
      stand: ({ rating }, row) => {
        failed[row] = 10_000 - (rating?.healthBps ?? 10_000)
      },
      because: (row) => `${(failed[row] ?? 0) / 100} % failed in 14 days`,
    }
  },
})

/**
 * The part by which a definition names the policy: `{ use: "Healthiest" }`. It has no settings.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, {
  name: "Healthiest",
  settings: Parts.NoSettings,
  make: () => healthiest,
})
