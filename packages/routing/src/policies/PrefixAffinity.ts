/**
 * The policy `PrefixAffinity`: requests that begin alike go to the same few instances, which then have the beginning in their
 * cache. Affinity holds until such an instance is saturated and no longer: then, and where a request has no `affinity`, another
 * policy decides.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Draw from "../Draw.ts"
import { smallest } from "../internal/Order.ts"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import { count, setting } from "../internal/Settings.ts"
import { type Finding, shelves } from "../internal/Shelves.ts"
import { StandingIndex } from "../internal/StandingIndex.ts"
import * as Load from "../Load.ts"
import { type Candidate, RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings.
 *
 * - `homes`: how many instances a beginning is at home on, 2 by default. They are tried in an order of its own, so the second
 *   is asked only while the first is saturated or cannot serve.
 * - `saturatedPercent`: from which part of its capacity on an instance is saturated, 90 by default. Well below that, affinity
 *   gives way to load too soon: in the simulator 50 halved what caches saved at a load of 0.8.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly homes: number
  readonly saturatedPercent: number
}

const fields = { homes: count(1, 64, 2), saturatedPercent: setting(0, 100, 90) }

/** By what lots are divided in the index. */
const byCapacity = (): Omit<Scored.Table, "because"> => {
  const weight = new Float64Array(1)
  const stand = (candidate: Candidate): void => {
    weight[0] = Load.capacity(candidate)
  }
  return { weight, stand }
}

/**
 * Makes the policy. Homes are drawn by the `affinity` of the request, whatever the seed, each instance with the weight of its
 * capacity: weighted rendezvous hashing (lots are waiting times, so a lot divided by a weight wins with its probability). When an instance comes or goes, few beginnings move.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings, otherwise: RoutingPolicy): Scored.Scored => {
  const other = Scored.lift(otherwise)
  const isSaturated = (candidate: Candidate): boolean =>
    Load.inFlight(candidate) * 100 >= Load.capacity(candidate) * settings.saturatedPercent

  const score = (pool: Scored.Pool): Scored.Score => {
    const { candidates, request } = pool
    const scored = other.score(pool)
    const affinity = request.features?.affinity
    if (affinity === undefined) return scored
    const draws = pool.draw(Draw.ofId(affinity))
    for (let row = 0; row < draws.length; row++) {
      const candidate = candidates[row]
      if (candidate !== undefined) draws[row] = (draws[row] ?? 0) / Load.capacity(candidate)
    }
    const lowest = smallest(draws, settings.homes)
    const limit = lowest.at(-1) ?? -Infinity
    // A home stands by which of them it is: small numbers are sorted faster than lots.
    const elsewhere = lowest.length
    const homes = new Float64Array(draws.length)
    for (let row = 0; row < draws.length; row++) {
      const candidate = candidates[row]
      const draw = draws[row] ?? 0
      const isHome = draw <= limit && candidate !== undefined && !isSaturated(candidate)
      homes[row] = isHome ? lowest.indexOf(draw) : elsewhere
    }
    const because = (row: number): string => {
      const draw = draws[row] ?? 0
      if ((homes[row] ?? elsewhere) < elsewhere) return `at home here, lot ${draw.toPrecision(6)}`
      return `${draw <= limit ? "its home, but saturated" : "not its home"}, ${scored.because(row)}`
    }
    return { ...scored, columns: [homes, ...scored.columns], because }
  }

  const find: Scored.Find = (policy, filters, directory) => {
    const rest = Scored.make({ ...other, filters }).prepare?.(directory)
    const finding: Finding<StandingIndex> = {
      index: () => new StandingIndex(byCapacity()),
      find: (indexOf, request, seed, mayServe) => {
        const affinity = request.features?.affinity
        if (affinity === undefined) return rest?.choose(request, seed)
        let asked = 0
        let home: Candidate | undefined
        indexOf(0)?.walk(Draw.ofId(affinity), (candidate) => {
          if (!mayServe(candidate)) return false
          if (!isSaturated(candidate)) home = candidate
          return home !== undefined || ++asked >= settings.homes
        })
        return home?.instance.id ?? rest?.choose(request, seed)
      },
    }
    return shelves(finding, policy, filters, directory)
  }
  const made = Scored.make({
    name: Naming.made("PrefixAffinity", [...Object.values(settings).map(String), Naming.one(otherwise)]),
    version: 1,
    ...(otherwise.reads === undefined ? {} : { reads: [...new Set(["affinity" as const, ...otherwise.reads])] }),
    score,
    filters: other.filters,
    ...(other.find === undefined ? {} : { find }),
  })
  return { ...made, ...Reads.promised([otherwise]) }
}

/**
 * The part by which a definition names the policy: `{ use: "PrefixAffinity" }`, with {@link Settings} and `otherwise`, a
 * policy, which is `LeastLoaded` by default.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "PrefixAffinity",
  settings: Schema.Struct({
    ...fields,
    otherwise: Parts.PartRef.pipe(Schema.withDecodingDefaultKey(Effect.succeed({ use: "LeastLoaded" }))),
  }),
  make: ({ homes, otherwise, saturatedPercent }, parts) =>
    Effect.map(parts.resolve(RoutingPolicy, otherwise), (policy) => make({ homes, saturatedPercent }, policy)),
})
