/**
 * The policy `InverseSquarePrice`: instances are drawn with the weight `1/price²`. One at a third of the price gets nine
 * times the requests; undercutting by a cent moves next to nothing.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import { CENT } from "@guildhall/core/PriceSheet"
import * as Schema from "effect/Schema"
import * as Naming from "../internal/Naming.ts"
import { power } from "../internal/Power.ts"
import * as Price from "../internal/Price.ts"
import { setting, tokens } from "../internal/Settings.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings.
 *
 * - `inputTokens`, `outputTokens`: the request by whose price instances are compared, 1,000 and 250 by default.
 * - `leastPerMillion`: what a million tokens count at least, in the smallest unit of the price's asset. It bounds what one
 *   that charges nothing can draw to it. By default a cent of USD.
 * - `power`: 2 by default, as OpenRouter documented it until 2026.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  inputTokens: tokens(1_000),
  outputTokens: tokens(250),
  leastPerMillion: setting(1, 1e30, Number(CENT)),
  power: setting(0, 16, 2),
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

/**
 * Makes the policy.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Standings => {
  const { inputTokens, leastPerMillion, outputTokens } = settings
  const weightOf = power(settings.power)
  const least = (leastPerMillion / 1_000_000) * Math.max(1, inputTokens + outputTokens)
  return Scored.standings({
    name: Naming.withSettings("InverseSquarePrice", settings, usual),
    version: 1,
    reads: [],
    table: (length) => {
      const prices = new Float64Array(length)
      const weight = new Float64Array(length)
      return {
        weight,
        stand: ({ instance }, row) => {
          const price = Math.max(least, Price.ofTokens(instance.price, inputTokens, outputTokens))
          prices[row] = price
          // In units of the least price, so that no weight is too small to be told from none.
          weight[row] = weightOf(least / price)
        },
        because: (row) => `drawn by price ${Price.saidOf(prices[row] ?? 0, inputTokens + outputTokens)}`,
      }
    },
  })
}

/**
 * The part by which a definition names the policy: `{ use: "InverseSquarePrice" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "InverseSquarePrice", settings: Settings, make })
