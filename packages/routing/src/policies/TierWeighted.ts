/**
 * The policy `TierWeighted`: what an owner has staked decides. Instances of the tier `overflow` serve only where nobody else
 * is left; the others share by the weight of their tier; `preferred` ones come first for premium buyers; and a fixed share of
 * the requests is offered to `guaranteed` ones first.
 *
 * A policy keeps no account of the past. Who routes does (`rules/Guarantee`, one for each model), and says of a request by its
 * feature `owed` that it is one of those. Where nobody keeps one, nothing is owed and all share by weight.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import type { TierPriority } from "@guildhall/core/Rating"
import * as Schema from "effect/Schema"
import * as Naming from "../internal/Naming.ts"
import { setting } from "../internal/Settings.ts"
import { RoutingPolicy, type RoutingRequest } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings: `guaranteedPercent` of the requests that guaranteed instances could take are offered to them, 30 by default.
 * It is a floor: what they get in the ordinary sharing counts, and is made up to it, up to what they can take.
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

/** In which turn a tier comes: for a standard buyer, a premium one, and each where the request is owed to guaranteed ones. */
const turns: ReadonlyArray<Record<TierPriority, number>> = [
  { guaranteed: 1, preferred: 1, normal: 1, overflow: 2 },
  { guaranteed: 1, preferred: 1, normal: 2, overflow: 3 },
  { guaranteed: 0, preferred: 1, normal: 1, overflow: 2 },
  { guaranteed: 0, preferred: 1, normal: 2, overflow: 3 },
]
const PREMIUM = 1
const OWED = 2

/** Where nothing is known of a tier. */
const UNKNOWN = { priority: "normal", weightBps: 10_000 } as const

const table = (length: number): Scored.Table => {
  const turn = new Float64Array(length)
  const weight = new Float64Array(length)
  const priorities: Array<TierPriority> = []
  return {
    first: turn,
    weight,
    stand: ({ rating }, row, variant) => {
      const { priority, weightBps } = rating?.tier ?? UNKNOWN
      priorities[row] = priority
      turn[row] = turns[variant]?.[priority] ?? 0
      weight[row] = weightBps
    },
    because: (row) =>
      `${turn[row] === 0 ? "owed to " : ""}${priorities[row] ?? ""}, turn ${turn[row] ?? 0}, drawn by weight ${weight[row] ?? 0}`,
  }
}

const variantOf = ({ features, model }: RoutingRequest): number =>
  (features?.buyer?.class === "premium" ? PREMIUM : 0) + (features?.owed?.includes(model) === true ? OWED : 0)

/**
 * Makes the policy. An instance of which no tier is known is `normal`, at a weight of 10,000.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Standings => {
  const { guaranteedPercent } = settings
  const policy = Scored.standings({
    name: Naming.withSettings("TierWeighted", settings, usual),
    version: 2,
    reads: ["buyer", "owed"],
    table,
    variantOf,
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
