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
import { ShareIndex } from "../internal/ShareIndex.ts"
import { Shares } from "../internal/Shares.ts"
import { type Finding, shelves } from "../internal/Shelves.ts"
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

/** Before any price. */
const WITHIN = -1

/**
 * Makes the policy.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Scored => {
  const { inputTokens, outputTokens, percent } = settings
  const priceOf = ({ instance }: Candidate): number => Price.ofTokens(instance.price, inputTokens, outputTokens)
  const priceAt = (candidate: Candidate | undefined): number =>
    candidate === undefined ? Infinity : priceOf(candidate)
  const turnOf = (price: number, limit: number): number => (price <= limit ? WITHIN : price)
  const limitOf = (lowest: number): number => lowest * (1 + percent / 100)
  const score = ({ candidates }: Scored.Pool): Scored.Score => {
    const prices = Scored.column(candidates.length, (row) => priceAt(candidates[row]))
    let lowest = Infinity
    for (let row = 0; row < prices.length; row++) lowest = Math.min(lowest, prices[row] ?? Infinity)
    const limit = limitOf(lowest)
    const standings = Scored.column(prices.length, (row) => turnOf(prices[row] ?? 0, limit))
    const because = (row: number): string => {
      const isWithin = standings[row] === WITHIN
      const [price, least] = [prices[row] ?? 0, lowest].map((one) => Price.saidOf(one, inputTokens + outputTokens))
      return `price ${price}, ${isWithin ? "within" : "beyond"} ${percent} % of ${least}`
    }
    return { columns: [standings], because }
  }
  const shares = new Shares({ edge: limitOf(1), insidePower: 0, outsidePower: Infinity, exploration: 0 })
  const finding: Finding<ShareIndex> = {
    index: () => new ShareIndex(1, (candidate, counts) => counts.fill(priceOf(candidate))),
    find: (indexOf, _, seed, mayServe) => {
      const index = indexOf(0)
      const lowest = index?.best(0, mayServe) ?? Infinity
      return index?.draw(Draw.ofSeed(seed), 0, shares, lowest, mayServe)?.instance.id
    },
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
    find: (...on) => shelves(finding, ...on),
  })
}

/**
 * The part by which a definition names the policy: `{ use: "PriceBand" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "PriceBand", settings: Settings, make })
