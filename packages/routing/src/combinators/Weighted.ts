/**
 * The combinator `weighted`: several policies, each of which decides for its share of the requests.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Draw from "../Draw.ts"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"

/**
 * A policy and its weight, above zero.
 *
 * @category models
 * @since 0.1.0
 */
export interface Choice {
  readonly policy: RoutingPolicy
  readonly weight: number
}

/** What each promises guaranteed tiers, of the requests that it decides on, comes to this of all. */
const promised = (choices: ReadonlyArray<Choice>): Pick<RoutingPolicy, "guaranteedPercent"> => {
  if (choices.every(({ policy }) => policy.guaranteedPercent === undefined)) return {}
  const sum = choices.reduce((total, { weight }) => total + weight, 0)
  const weigh = (total: number, { policy, weight }: Choice) => total + weight * (policy.guaranteedPercent ?? 0)
  return { guaranteedPercent: choices.reduce(weigh, 0) / sum }
}

/**
 * Draws by the seed which policy decides. Use it to try a new policy on some requests: a decision can still be computed again.
 *
 * **Example** (A tenth by price)
 *
 * ```ts
 * import { Weighted } from "@guildhall/routing/combinators"
 * import { LeastLoaded, LowestPrice } from "@guildhall/routing/policies"
 *
 * const byPrice = LowestPrice.make(LowestPrice.usual)
 * const policy = Weighted.weighted({ policy: LeastLoaded.leastLoaded, weight: 9 }, { policy: byPrice, weight: 1 })
 * policy.version // => 1
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const weighted = (first: Choice, ...others: ReadonlyArray<Choice>): RoutingPolicy => {
  const choices = [first, ...others]
  const name = Naming.made(
    "weighted",
    choices.map(({ policy, weight }) => `${weight} ${Naming.one(policy)}`),
  )
  const sum = choices.reduce((total, { weight }) => total + weight, 0)
  const drawn = (seed: number): number => {
    let left = Draw.chance(seed, name) * sum
    for (const [at, { weight }] of choices.entries()) {
      if (left < weight) return at
      left -= weight
    }
    return 0
  }
  const policyAt = (at: number): RoutingPolicy => (choices[at] ?? first).policy
  const policy: RoutingPolicy = {
    name,
    version: 1,
    ...Reads.ofAll(choices.map((one) => one.policy)),
    ...promised(choices),
    rank: (request, candidates, seed) => policyAt(drawn(seed)).rank(request, candidates, seed),
  }
  const makers = choices.flatMap(({ policy: { prepare } }) => prepare ?? [])
  if (makers.length < choices.length) return policy
  return {
    ...policy,
    prepare: (directory) => {
      const prepared = makers.map((make) => make(directory))
      return { choose: (request, seed) => prepared[drawn(seed)]?.choose(request, seed) }
    },
  }
}

const Weight = Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0.001, maximum: 1_000_000 })))

/**
 * The part by which a definition names the combinator:
 * `{ use: "weighted", with: { policies: [{ weight: 9, policy: { … } }, …] } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "weighted",
  settings: Schema.Struct({
    policies: Schema.NonEmptyArray(Schema.Struct({ policy: Parts.PartRef, weight: Weight })),
  }),
  make: Effect.fnUntraced(function* ({ policies }, parts) {
    const resolved = ({ policy, weight }: (typeof policies)[number]) =>
      Effect.map(parts.resolve(RoutingPolicy, policy), (one): Choice => ({ policy: one, weight }))
    const [first, ...others] = policies
    return weighted(yield* resolved(first), ...(yield* Effect.forEach(others, resolved)))
  }),
})
