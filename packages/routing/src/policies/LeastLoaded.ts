/**
 * The policy `LeastLoaded`: the instance with the smallest part of its concurrency in use serves; ties are drawn at
 * random from the seed.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import * as Load from "../Load.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * By load. It is a quotient of two integers below 2¹⁷: two different ones differ by more than a double's rounding and equal
 * ones round to the same double, so comparing the quotients is exact.
 */
const table = (length: number): Scored.Table => {
  const first = new Float64Array(length)
  const inFlight = new Int32Array(length)
  const capacity = new Int32Array(length)
  return {
    first,
    stand: (candidate, row) => {
      const used = Load.inFlight(candidate)
      const most = Load.capacity(candidate)
      inFlight[row] = used
      capacity[row] = most
      first[row] = used / most
    },
    because: (row) => `${inFlight[row] ?? 0} of ${capacity[row] ?? 0} in use`,
  }
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
  table,
  isByFirst: true,
  reads: [],
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
