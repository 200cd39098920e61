/**
 * The combinator `orElse`: those that one policy leaves out follow in the order of another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import * as Preferred from "../Preferred.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"

/**
 * Ranks by `first`, and behind it, by `second`, those that `first` leaves out and `second` does not. What both leave out is
 * left out for the reason of `second`.
 *
 * **Example** (Bonded instances first, and others where no bonded one is left)
 *
 * ```ts
 * import { ModelId } from "@guildhall/core/Model"
 * import { bonded } from "@guildhall/routing/filters/Bonded"
 * import { Filter, OrElse } from "@guildhall/routing/combinators"
 * import { LeastLoaded } from "@guildhall/routing/policies"
 *
 * const { leastLoaded } = LeastLoaded
 * const policy = OrElse.orElse(Filter.filter("bonded", bonded, leastLoaded), leastLoaded)
 * policy.rank({ model: ModelId.make("a/b"), contextTokens: 1, tried: [] }, [], 7).ranked // => []
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const orElse = (first: RoutingPolicy, second: RoutingPolicy): RoutingPolicy => {
  const policy: RoutingPolicy = {
    name: Naming.made("orElse", [first, second].map(Naming.one)),
    version: 1,
    ...Reads.ofAll([first, second]),
    ...Reads.promised([first, second]),
    rank: (request, candidates, seed) => {
      const before = first.rank(request, candidates, seed)
      if (before.excluded.length === 0) return before
      const after = second.rank(request, candidates, seed)
      const isRanked = new Set(before.ranked.map(({ instance }) => instance))
      return {
        ranked: [...before.ranked, ...after.ranked.filter(({ instance }) => !isRanked.has(instance))],
        excluded: after.excluded.filter(({ instance }) => !isRanked.has(instance)),
      }
    },
  }
  const { prepare } = first
  const { prepare: prepareSecond } = second
  if (prepare === undefined || prepareSecond === undefined) return policy
  return {
    ...policy,
    prepare: (directory) => {
      const fast = prepare(directory)
      const fastSecond = prepareSecond(directory)
      return {
        choose: (request, seed) => {
          const { model, preferences } = request
          // A buyer's own order goes over both together.
          if (preferences !== undefined && Preferred.reorders(preferences)) {
            return Preferred.rank(policy, request, [...directory.candidates(model)], seed).ranked[0]?.instance
          }
          return fast.choose(request, seed) ?? fastSecond.choose(request, seed)
        },
      }
    },
  }
}

/**
 * The part by which a definition names the combinator: `{ use: "orElse", with: { first: { … }, second: { … } } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "orElse",
  settings: Schema.Struct({ first: Parts.PartRef, second: Parts.PartRef }),
  make: Effect.fnUntraced(function* ({ first, second }, parts) {
    return orElse(yield* parts.resolve(RoutingPolicy, first), yield* parts.resolve(RoutingPolicy, second))
  }),
})
