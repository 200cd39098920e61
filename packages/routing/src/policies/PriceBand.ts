/**
 * The policy `PriceBand`: one of those whose price is within a band above the lowest is drawn, each as likely. The others
 * follow by price.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Draw from "../Draw.ts"
import * as Naming from "../internal/Naming.ts"
import * as Price from "../internal/Price.ts"
import { setting, tokens } from "../internal/Settings.ts"
import { type Candidate, RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings.
 *
 * - `percent`: how much more than the lowest price is within the band, 20 by default.
 * - `inputTokens`, `outputTokens`: the request by whose price instances are compared, 1,000 and 250 by default.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  percent: setting(0, 10_000, 20),
  inputTokens: tokens(1_000),
  outputTokens: tokens(250),
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * The settings where nothing is said.
 *
 * @category constants
 * @since 0.1.0
 */
export const usual: Settings = Schema.decodeUnknownSync(Settings)({})

/** In one index instances stand by price, in the other all alike. */
const BY_PRICE = 0
const ALIKE = 1

/**
 * Makes the policy.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Scored => {
  const { inputTokens, outputTokens, percent } = settings
  const priceOf = ({ instance }: Candidate): number => Price.ofTokens(instance.price, inputTokens, outputTokens)
  const limitOf = (lowest: number): number => lowest * (1 + percent / 100)
  const score = ({ candidates }: Scored.Pool): Scored.Score => {
    const prices = Float64Array.from(candidates, priceOf)
    const lowest = prices.reduce((least, price) => Math.min(least, price), Infinity)
    const limit = limitOf(lowest)
    const standings = prices.map((price) => (price <= limit ? -1 : price))
    const because = (row: number): string => {
      const isWithin = standings[row] === -1
      return `price ${prices[row] ?? 0}, ${isWithin ? "within" : "beyond"} ${percent} % of ${lowest}`
    }
    return { columns: [standings], because }
  }
  return Scored.make({
    name: Naming.withSettings("PriceBand", settings, usual),
    version: 1,
    reads: [],
    score,
    weights: (_, candidates) => {
      const limit = limitOf(candidates.reduce((least, one) => Math.min(least, priceOf(one)), Infinity))
      return candidates.map((one) => (priceOf(one) <= limit ? 1 : 0))
    },
    find: () => ({
      stand: (candidate, variant) => ({ first: variant === BY_PRICE ? priceOf(candidate) : 0, second: 0, weight: 1 }),
      find: (indexOf, _, seed, mayServe) => {
        const ofSeed = Draw.ofSeed(seed)
        const lowest = indexOf(BY_PRICE)?.walk(ofSeed, mayServe)
        if (lowest === undefined) return undefined
        const limit = limitOf(priceOf(lowest))
        return indexOf(ALIKE)?.walk(ofSeed, (one) => priceOf(one) <= limit && mayServe(one))?.instance.id
      },
    }),
  })
}

/**
 * The part by which a definition names the policy: `{ use: "PriceBand" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "PriceBand", settings: Settings, make })
