/**
 * The policy `TierWeighted`: what an owner has staked decides. Instances of the tier `overflow` serve only where nobody else
 * is left; the others share by the weight of their tier; `preferred` ones come first for premium buyers; and a fixed share of
 * the requests is offered to `guaranteed` ones first.
 *
 * A policy keeps no account of the past. So the share is not counted off but tossed for: each request's seed decides whether it
 * is one of those. Over `n` requests the share then is off by about `√(p·(1−p)/n)`: 0.5 points of 30 % after 10,000.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import type { TierPriority } from "@guildhall/core/Rating"
import * as Schema from "effect/Schema"
import * as Draw from "../Draw.ts"
import * as Naming from "../internal/Naming.ts"
import { setting } from "../internal/Settings.ts"
import { type Candidate, RoutingPolicy, type RoutingRequest } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings: `guaranteedPercent` of the requests are offered to guaranteed instances first, 30 by default. They take part
 * in the sharing of the others as well, so they get at least that, up to what they can take.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({ guaranteedPercent: setting(0, 100, 30) })
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * The settings where nothing is said.
 *
 * @category constants
 * @since 0.1.0
 */
export const usual: Settings = Schema.decodeUnknownSync(Settings)({})

/** In which turn a tier comes: for a standard buyer, a premium one, and each where the request is guaranteed ones'. */
const turns: ReadonlyArray<Record<TierPriority, number>> = [
  { guaranteed: 1, preferred: 1, normal: 1, overflow: 2 },
  { guaranteed: 1, preferred: 1, normal: 2, overflow: 3 },
  { guaranteed: 0, preferred: 1, normal: 1, overflow: 2 },
  { guaranteed: 0, preferred: 1, normal: 2, overflow: 3 },
]
const PREMIUM = 1
const GUARANTEED = 2

const stand = ({ rating }: Candidate, variant: number) => {
  const { priority, weightBps } = rating?.tier ?? { priority: "normal", weightBps: 10_000 }
  const turn = turns[variant]?.[priority] ?? 0
  return { first: turn, second: 0, weight: weightBps, priority }
}

const premium = ({ features }: RoutingRequest): number => (features?.buyer?.class === "premium" ? PREMIUM : 0)

/** How often each comes first, in one variant. */
const sharesOf = (candidates: ReadonlyArray<Candidate>, variant: number): ReadonlyArray<number> => {
  const standings = candidates.map((candidate) => stand(candidate, variant))
  const turn = standings.reduce((least, { first }) => Math.min(least, first), Infinity)
  const weights = standings.map(({ first, weight }) => (first === turn ? weight : 0))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}

/**
 * Makes the policy. An instance of which no tier is known is `normal`, at a weight of 10,000.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Standings => {
  const { guaranteedPercent } = settings
  const share = guaranteedPercent / 100
  const isGuaranteed = (seed: number): boolean => Draw.chance(seed, "guaranteed") < share
  const policy = Scored.standings({
    name: Naming.withSettings("TierWeighted", settings, usual),
    version: 1,
    reads: ["buyer"],
    stand,
    variantOf: (request, seed) => premium(request) + (isGuaranteed(seed) ? GUARANTEED : 0),
    because: ({ first, priority, weight }) => `${priority}, turn ${first}, drawn by weight ${weight}`,
    weights: (request, candidates) => {
      const usual = sharesOf(candidates, premium(request))
      const guaranteed = sharesOf(candidates, premium(request) + GUARANTEED)
      return usual.map((one, row) => (1 - share) * one + share * (guaranteed[row] ?? 0))
    },
  })
  return { ...policy, guaranteedPercent }
}

/**
 * The part by which a definition names the policy: `{ use: "TierWeighted" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "TierWeighted", settings: Settings, make })
