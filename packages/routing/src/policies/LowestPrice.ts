/**
 * The policy `LowestPrice`: the cheapest instance serves; among those of one price it is drawn.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Naming from "../internal/Naming.ts"
import * as Price from "../internal/Price.ts"
import { tokens } from "../internal/Settings.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings: the request by whose price instances are compared. By default 1,000 tokens in and 250 out, close to the mean
 * of a conversation's turn in the public Azure trace of 2023 (1,155 and 211).
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({ inputTokens: tokens(1_000), outputTokens: tokens(250) })
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
 * **Example** (The cheapest request)
 *
 * ```ts
 * import { LowestPrice } from "@guildhall/routing/policies"
 *
 * LowestPrice.make({ inputTokens: 1_000, outputTokens: 250 }).name // => "LowestPrice"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Standings => {
  const { inputTokens, outputTokens } = settings
  return Scored.standings({
    name: Naming.withSettings("LowestPrice", settings, usual),
    version: 1,
    reads: [],
    isByFirst: true,
    table: (length) => {
      const prices = new Float64Array(length)
      return {
        first: prices,
        stand: ({ instance }, row) => {
          prices[row] = Price.ofTokens(instance.price, inputTokens, outputTokens)
        },
        because: (row) => `price ${Price.saidOf(prices[row] ?? 0, inputTokens + outputTokens)}`,
      }
    },
  })
}

/**
 * The part by which a definition names the policy: `{ use: "LowestPrice" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "LowestPrice", settings: Settings, make })
