/**
 * The policy `AdjustedPrice`: what an instance asks for, and what dealing with it costs on top, against how fast it is. The best
 * offers share most of the requests, those close to them lose slowly, the others fast; each keeps a little, so that one that
 * got better is found.
 *
 * It follows OpenRouter's description for providers of 2026 ("effective price, throughput, TTFT, rate limits, reliability").
 * What is quoted there is marked below; the rest are choices of this policy.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Naming from "../internal/Naming.ts"
import * as Price from "../internal/Price.ts"
import { setting, tokens } from "../internal/Settings.ts"
import * as Load from "../Load.ts"
import { type Candidate, RoutingPolicy, type RoutingRequest } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings.
 *
 * - `inputTokens`, `outputTokens`: how many tokens count where the request does not say, 1,000 and 250 by default.
 * - `errorCost`: how many times its price one error in each request would cost, 8 by default (quoted: 1 % of errors is 8 %
 *   on the price).
 * - `limitedCost`: how many times the typical price one refusal as too many in each request would cost, 2.5 by default
 *   (quoted: 0.4 % of refusals is a cent at a price of about a dollar).
 * - `secondCost`: how many times the typical price a second until the first token costs, 0.1 by default.
 * - `speedPower`: how much speed counts against the price. With 0.5, the default, one that is twice as fast may ask for 1.41
 *   times as much.
 * - `speedMost`: by how much at most speed changes what an offer counts for, in either direction, 2 by default.
 * - `edge`: up to how many times the best offer one is within the competitive edge, 1.5 by default.
 * - `insidePower`, `outsidePower`: how the share falls within the edge and beyond, 2 and 8 by default (2 is the inverse square
 *   that OpenRouter documented before).
 * - `exploration`: what share each keeps, of that of the best, 0.01 by default.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  inputTokens: tokens(1_000),
  outputTokens: tokens(250),
  errorCost: setting(0, 1_000, 8),
  limitedCost: setting(0, 1_000, 2.5),
  secondCost: setting(0, 1_000, 0.1),
  speedPower: setting(0, 4, 0.5),
  speedMost: setting(1, 100, 2),
  edge: setting(1, 1_000, 1.5),
  insidePower: setting(0, 16, 2),
  outsidePower: setting(0, 64, 8),
  exploration: setting(0, 1, 0.01),
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
 * What an offer is made of: `price` is the effective one of this request; `adjusted` has the costs of waiting, errors and
 * refusals on top; `value` weighs that against speed. All in the smallest unit of the price's asset; smaller is better.
 *
 * @category models
 * @since 0.1.0
 */
export interface Terms {
  readonly price: Float64Array
  readonly adjusted: Float64Array
  readonly value: Float64Array
}

/** The lower median of those that are known. */
const typical = (values: Float64Array): number | undefined => {
  const known = values.filter((value) => !Number.isNaN(value)).sort()
  return known[(known.length - 1) >> 1]
}

/** Replaces what is not known by what is typical of the others. */
const filled = (values: Float64Array, otherwise: number): Float64Array => {
  const usual = typical(values) ?? otherwise
  return values.map((value) => (Number.isNaN(value) ? usual : value))
}

/**
 * The terms of offers. An instance of which nothing is known counts as a typical one of the others, at its declared price.
 *
 * @category rules
 * @since 0.1.0
 */
export const terms = (settings: Settings, request: RoutingRequest, candidates: ReadonlyArray<Candidate>): Terms => {
  const input = request.features?.inputTokens ?? settings.inputTokens
  const output = Math.max(1, request.features?.outputTokens ?? settings.outputTokens)
  const { length } = candidates
  const price = new Float64Array(length)
  const errors = new Float64Array(length).fill(NaN)
  const limited = new Float64Array(length).fill(NaN)
  const waitMs = new Float64Array(length).fill(NaN)
  const totalMs = new Float64Array(length).fill(NaN)
  for (let row = 0; row < length; row++) {
    const candidate = candidates[row]
    if (candidate === undefined) continue
    const { instance, rating } = candidate
    const offer = rating?.offer
    price[row] =
      offer === undefined
        ? Price.ofTokens(instance.price, input, output)
        : (offer.inputPerMillion * input + offer.outputPerMillion * output) / 1_000_000
    if (offer !== undefined) {
      errors[row] = offer.errorBps / 10_000
      limited[row] = offer.limitedBps / 10_000
    }
    if (rating?.pace !== undefined) {
      waitMs[row] = rating.pace.firstTokenMs
      totalMs[row] = rating.pace.firstTokenMs + (output * rating.pace.tokenUs) / 1_000
    }
  }
  const usualPrice = typical(price) ?? 0
  const ofErrors = filled(errors, 0)
  const ofLimited = filled(limited, 0)
  const ofWaiting = filled(waitMs, 0)
  const ofTotal = filled(totalMs, 1).map((total) => Math.max(1, total))
  const adjusted = price.map((own, row) => {
    const seconds = (ofWaiting[row] ?? 0) / 1_000
    const onTop = settings.secondCost * seconds + settings.limitedCost * (ofLimited[row] ?? 0)
    return own * (1 + settings.errorCost * (ofErrors[row] ?? 0)) + usualPrice * onTop
  })
  return { price, adjusted, value: weighed(settings, adjusted, ofTotal) }
}

/** Against the typical speed, within bounds. */
const weighed = ({ speedMost, speedPower }: Settings, adjusted: Float64Array, totalMs: Float64Array): Float64Array => {
  const usualMs = typical(totalMs) ?? 1
  return adjusted.map((one, row) => {
    const slower = ((totalMs[row] ?? usualMs) / usualMs) ** speedPower
    return one * Math.min(speedMost, Math.max(1 / speedMost, slower))
  })
}

/**
 * The share of each offer, compared with the best one's, which is 1. What is free counts a millionth of the dearest.
 *
 * @category rules
 * @since 0.1.0
 */
export const shares = (settings: Settings, values: Float64Array): Float64Array => {
  const { edge, exploration, insidePower, outsidePower } = settings
  const dearest = values.reduce((most, value) => Math.max(most, value), 0)
  const least = dearest > 0 ? dearest / 1_000_000 : 1
  const best = Math.max(
    least,
    values.reduce((lowest, value) => Math.min(lowest, value), Infinity),
  )
  return values.map((value) => {
    const times = Math.max(least, value) / best
    const inside = Math.min(times, edge) ** -insidePower
    const share = times <= edge ? inside : inside * (times / edge) ** -outsidePower
    return Math.max(exploration, share)
  })
}

/**
 * Makes the policy. An instance is drawn by its share times the part of its capacity that is free: what it was seen to take
 * bounds that (`Load.capacity`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Scored => {
  const weigh = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>) => {
    const { adjusted, price, value } = terms(settings, request, candidates)
    const weights = shares(settings, value).map((share, row) => {
      const candidate = candidates[row]
      return candidate === undefined ? 0 : share * (1 - Load.inFlight(candidate) / Load.capacity(candidate))
    })
    return { adjusted, price, value, weights }
  }
  return Scored.make({
    name: Naming.withSettings("AdjustedPrice", settings, usual),
    version: 1,
    weights: (request, candidates) => [...weigh(request, candidates).weights],
    score: ({ candidates, lots, request }) => {
      const { adjusted, price, value, weights } = weigh(request, candidates)
      const draws = lots.map((lot, row) => lot / Math.max(1e-300, weights[row] ?? 0))
      const because = (row: number): string =>
        [
          `price ${(price[row] ?? 0).toPrecision(6)}`,
          `adjusted ${(adjusted[row] ?? 0).toPrecision(6)}`,
          `with speed ${(value[row] ?? 0).toPrecision(6)}`,
          `drawn by weight ${(weights[row] ?? 0).toPrecision(4)}`,
          `lot ${(draws[row] ?? 0).toPrecision(6)}`,
        ].join(", ")
      return { columns: [draws], because }
    },
  })
}

/**
 * The part by which a definition names the policy: `{ use: "AdjustedPrice" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "AdjustedPrice", settings: Settings, make })
