/**
 * How much of a balance one request sets aside: all it can cost while there is plenty, and what it is likely to cost when
 * there is not, so that a few long limits do not keep a buyer's other requests out.
 *
 * @since 0.1.0
 */
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"

/**
 * What a request may come to. `cost` is the most that the prompt and so many tokens of answer cost; `outputBound` the
 * longest that all its answers together can get.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cost {
  readonly outputBound: number
  readonly cost: (outputTokens: number) => bigint
}

/**
 * What is set aside, and for how many tokens of answer that is enough.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reserved {
  readonly amount: bigint
  readonly tokens: number
}

const reserved = (request: Cost, tokens: number): Reserved => ({ amount: request.cost(tokens), tokens })

/**
 * What to set aside first. `available` is what the payer was last seen to have, undefined where that is not known, and
 * `likely` how long such answers usually get.
 *
 * **Example** (Plenty, and little)
 *
 * ```ts
 * import { Reservation } from "@guildhall/gateway"
 *
 * const terms = { comfort: 10, outputTokensMin: 16, outputTokensStep: 512 }
 * const request = { outputBound: 4_096, cost: (tokens: number) => 100n + BigInt(tokens) }
 * Reservation.first(terms, request, { available: 50_000n, likely: 300 }) // => { amount: 4_196n, tokens: 4_096 }
 * Reservation.first(terms, request, { available: 9_000n, likely: 300 }) // => { amount: 400n, tokens: 300 }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const first = (
  terms: MarketDefinition["reservation"],
  request: Cost,
  { available, likely }: { readonly available: bigint | undefined; readonly likely: number | undefined },
): Reserved => {
  const most = reserved(request, request.outputBound)
  if (likely === undefined || available === undefined || available >= most.amount * BigInt(terms.comfort)) return most
  return reserved(request, Math.min(request.outputBound, Math.max(likely, terms.outputTokensMin)))
}

/**
 * The most that `available` covers of what was wanted; undefined where it is less than the shortest answer worth
 * beginning, or `atLeast`.
 *
 * @category rules
 * @since 0.1.0
 */
export const covered = (
  terms: MarketDefinition["reservation"],
  request: Cost,
  {
    atLeast = 0,
    available,
    wanted,
  }: { readonly available: bigint; readonly wanted: number; readonly atLeast?: number },
): Reserved | undefined => {
  const base = request.cost(0)
  const each = request.cost(1) - base
  const fits = each === 0n ? (available >= base ? wanted : 0) : Number((available - base) / each)
  const tokens = Math.min(wanted, fits)
  const least = Math.max(atLeast, Math.min(terms.outputTokensMin, request.outputBound))
  return available < base || tokens < least ? undefined : reserved(request, tokens)
}
