/**
 * The policy `LeastLoaded`: the instance with the smallest part of its concurrency in use serves; ties are drawn at
 * random from the seed.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import * as Load from "../Load.ts"
import { type Candidate, RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * By load. It is a quotient of two integers below 2¹⁷: two different ones differ by more than a double's rounding and equal
 * ones round to the same double, so comparing the quotients is exact.
 */
const stand = (candidate: Candidate) => {
  const inFlight = Load.inFlight(candidate)
  const capacity = Load.capacity(candidate)
  return { inFlight, capacity, first: inFlight / capacity, second: 0, weight: 1 }
}

/**
 * The policy.
 *
 * **Example** (The idle one first)
 *
 * ```ts
 * import { ModelId } from "@guildhall/core/Model"
 * import { LeastLoaded } from "@guildhall/routing/policies"
 *
 * const request = { model: ModelId.make("a/b"), contextTokens: 100, tried: [] }
 * LeastLoaded.leastLoaded.rank(request, [], 7) // => { ranked: [], excluded: [] }
 * LeastLoaded.leastLoaded.name // => "LeastLoaded"
 * ```
 *
 * @category policies
 * @since 0.1.0
 */
export const leastLoaded: Scored.Standings = Scored.standings({
  name: "LeastLoaded",
  version: 2,
  stand,
  isByFirst: true,
  reads: [],
  because: ({ capacity, inFlight }) => `${inFlight} of ${capacity} in use`,
})

/**
 * The part by which a definition names the policy: `{ use: "LeastLoaded" }`. It has no settings.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, {
  name: leastLoaded.name,
  settings: Parts.NoSettings,
  make: () => leastLoaded,
})
