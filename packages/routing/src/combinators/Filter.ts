/**
 * The combinator `filter`: a policy with a filter that holds in this market only, asked after the standard ones.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import { exclude, type Filter, RoutingFilter } from "../Filter.ts"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * Leaves out what the filter stops, with its reason; the policy ranks the others. `name` tells filters apart: a decision names
 * its policy, and with another filter it is another.
 *
 * **Example** (Only bonded ones)
 *
 * ```ts
 * import { Filter } from "@guildhall/routing/combinators"
 * import { bonded } from "@guildhall/routing/filters/Bonded"
 * import { LeastLoaded } from "@guildhall/routing/policies"
 * import { SampleMarket } from "@guildhall/routing/testing"
 *
 * const policy = Filter.filter("bonded", bonded, LeastLoaded.leastLoaded)
 * const instance = SampleMarket.instance({ name: "a" })
 * policy.rank({ model: instance.model, contextTokens: 100, tried: [] }, [{ instance, inFlight: 0 }], 7).excluded
 * // => [{ instance: "ins_a", code: "not_bonded" }]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const filter = (name: string, filter: Filter, policy: RoutingPolicy): RoutingPolicy => {
  const ofBoth = Naming.made("filter", [name, Naming.one(policy)])
  const promised = Reads.promised([policy])
  if (Scored.isScored(policy)) return { ...Scored.filtered(policy, ofBoth, filter), ...promised }
  return {
    name: ofBoth,
    version: 1,
    ...promised,
    rank: (request, candidates, seed) => {
      const stopped = candidates.flatMap((candidate) => {
        const code = exclude(request, candidate) === undefined ? filter(request, candidate) : undefined
        return code === undefined ? [] : [{ instance: candidate.instance.id, code }]
      })
      const isStopped = new Set(stopped.map(({ instance }) => instance))
      const others = candidates.filter(({ instance }) => !isStopped.has(instance.id))
      const { excluded, ranked } = policy.rank(request, others, seed)
      return { ranked, excluded: [...excluded, ...stopped] }
    },
  }
}

/**
 * The part by which a definition names the combinator: `{ use: "filter", with: { filter: { use: "Bonded" }, policy: { … } } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "filter",
  settings: Schema.Struct({ filter: Parts.PartRef, policy: Parts.PartRef }),
  make: Effect.fnUntraced(function* (settings, parts) {
    const found = yield* parts.resolve(RoutingFilter, settings.filter)
    return filter(JSON.stringify(settings.filter), found, yield* parts.resolve(RoutingPolicy, settings.policy))
  }),
})
