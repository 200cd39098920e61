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
import { CENT } from "@guildhall/core/PriceSheet"
import * as Schema from "effect/Schema"
import * as Draw from "../Draw.ts"
import * as Naming from "../internal/Naming.ts"
import { power } from "../internal/Power.ts"
import * as Price from "../internal/Price.ts"
import { setting, tokens } from "../internal/Settings.ts"
import { ShareIndex } from "../internal/ShareIndex.ts"
import { Shares } from "../internal/Shares.ts"
import { type Finding, shelves } from "../internal/Shelves.ts"
import * as Load from "../Load.ts"
import { type Candidate, RoutingPolicy, type RoutingRequest } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings. Money is in the smallest unit of the price's asset for a million tokens; the defaults are for USD of scale 12.
 *
 * - `inputTokens`, `outputTokens`: how many tokens count where the request does not say, 1,000 and 250 by default.
 * - `errorCost`: how many times its price one error in each request would cost, 8 by default (quoted: 1 % of errors is 8 %
 *   on the price).
 * - `limitedPerMillion`: what a refusal as too many in each request would cost, 2.5 dollars by default (quoted: 0.4 % of
 *   refusals is a cent).
 * - `secondPerMillion`: what a second until the first token costs, nothing by default: the time to the first token follows the
 *   lengths of prompts, and among machines that are alike a price on it sends crowds after noise.
 * - `speedPower`: how much the time of a whole answer counts against the price, 0 by default: nothing beyond the first
 *   token. With 0.5, one that is twice as fast may ask for 1.41 times as much.
 * - `sparePower`: how much being full counts against the price, 0.25 by default: what an offer counts is divided by this power
 *   of `1 − load²`. So one that is nearly full steps back, and offers of one price do not run full one after the other.
 * - `edge`: up to how many times the best offer one is within the competitive edge, 1.02 by default.
 * - `insidePower`, `outsidePower`: how the share falls within the edge and beyond, 2 and 32 by default (2 is the inverse
 *   square that OpenRouter documented before).
 * - `exploration`: what share each keeps, of that of the best, 0.001 by default.
 * - `leastPerMillion`: what an offer counts at least, a cent by default. It bounds what one that charges nothing draws to it.
 * - `typicalErrorBps`, `typicalFirstTokenMs`, `typicalTokenUs`: what an instance counts for of which nothing is known yet: 20,
 *   500 and 20,000 by default. Who rates instances may say better, such as what is typical of the model.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  inputTokens: tokens(1_000),
  outputTokens: tokens(250),
  errorCost: setting(0, 1_000, 8),
  limitedPerMillion: setting(0, 1e30, 2.5e12),
  secondPerMillion: setting(0, 1e30, 0),
  speedPower: setting(0, 4, 0),
  sparePower: setting(0, 4, 0.25),
  edge: setting(1, 1_000, 1.02),
  insidePower: setting(0, 16, 2),
  outsidePower: setting(0, 64, 32),
  exploration: setting(0.000001, 1, 0.001),
  leastPerMillion: setting(1, 1e30, Number(CENT)),
  typicalErrorBps: setting(0, 10_000, 20),
  typicalFirstTokenMs: setting(0, 1e9, 500),
  typicalTokenUs: setting(0, 1e9, 20_000),
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
 * What an offer comes to, for a million tokens: `price` is the effective one; `adjusted` has the costs of waiting, errors and
 * refusals on top; `value` weighs that against speed and free capacity. The smaller, the better.
 *
 * @category models
 * @since 0.1.0
 */
export interface Terms {
  readonly price: number
  readonly adjusted: number
  readonly value: number
}

const MILLION = 1_000_000
/** A request's tokens are priced by what part of them goes in, to an eighth. */
const PARTS = 8
/** What an offer counts at most: so much that nobody is drawn for it, and little enough that nothing overflows. */
const MOST = 1e200

const partOf = ({ inputTokens, outputTokens }: Settings, { features }: RoutingRequest): number => {
  const input = features?.inputTokens ?? inputTokens
  const output = Math.max(1, features?.outputTokens ?? outputTokens)
  return Math.round((PARTS * input) / (input + output))
}

/** What an offer comes to, whatever is asked: what its price is made of, what is added to that, and by what it is weighed. */
interface Offered {
  input: number
  output: number
  request: number
  errors: number
  costs: number
  weighed: number
}

/** The offer of a candidate, valid until the next one is asked for: with an object for each, a ranking would take a tenth longer. */
const offered = (settings: Settings): ((candidate: Candidate) => Readonly<Offered>) => {
  const speedOf = power(settings.speedPower)
  const spareOf = power(settings.sparePower)
  const typical = { firstTokenMs: settings.typicalFirstTokenMs, tokenUs: settings.typicalTokenUs }
  // A half is no whole number: each of these stays a double for V8, which then writes it in place.
  const last: Offered = { input: 0.5, output: 0.5, request: 0.5, errors: 0.5, costs: 0.5, weighed: 0.5 }
  return (candidate) => {
    const { instance, rating } = candidate
    const offer = rating?.offer
    const { firstTokenMs, tokenUs } = rating?.pace ?? typical
    const listed = offer === undefined ? Price.ofUnits(instance.price) : undefined
    const limited = (settings.limitedPerMillion * (offer?.limitedBps ?? 0)) / 10_000
    const waiting = (settings.secondPerMillion * firstTokenMs) / 1_000
    const seconds = Math.max(0.001, firstTokenMs / 1_000 + (settings.outputTokens * tokenUs) / MILLION)
    const load = Load.inFlight(candidate) / Load.capacity(candidate)
    const spare = Math.max(0.001, 1 - load * load)
    last.input = offer?.inputPerMillion ?? MILLION * (listed?.input ?? 0)
    last.output = offer?.outputPerMillion ?? MILLION * (listed?.output ?? 0)
    last.request = listed?.request ?? 0
    last.errors = 1 + (settings.errorCost * (offer?.errorBps ?? settings.typicalErrorBps)) / 10_000
    last.costs = limited + waiting
    last.weighed = speedOf(seconds) / spareOf(spare)
    return last
  }
}

const priceAt = ({ input, output, request }: Readonly<Offered>, part: number): number =>
  input * part + output * (1 - part) + request

const adjustedAt = ({ leastPerMillion }: Settings, offer: Readonly<Offered>, part: number): number =>
  Math.min(MOST, Math.max(leastPerMillion, priceAt(offer, part) * offer.errors + offer.costs))

const valueAt = (settings: Settings, offer: Readonly<Offered>, part: number): number =>
  adjustedAt(settings, offer, part) * offer.weighed

/**
 * How offers are priced: gives the terms of one, for tokens of which this part (from 0 to 1) goes in. They depend on that
 * instance alone.
 *
 * @category rules
 * @since 0.1.0
 */
export const pricing = (settings: Settings): ((candidate: Candidate, part: number) => Terms) => {
  const offerOf = offered(settings)
  return (candidate, part) => {
    const offer = offerOf(candidate)
    const adjusted = adjustedAt(settings, offer, part)
    return { price: priceAt(offer, part), adjusted, value: valueAt(settings, offer, part) }
  }
}

/**
 * How shares fall: gives the share of an offer that counts so many times the best one, compared with the best one's, which is
 * 1. It never grows with what the offer counts.
 *
 * **Example** (Within the edge slowly, beyond it fast, and never nothing)
 *
 * ```ts
 * import { AdjustedPrice } from "@guildhall/routing/policies"
 *
 * const settings = { ...AdjustedPrice.usual, edge: 1.5, outsidePower: 8, exploration: 0.01 }
 * AdjustedPrice.sharing(settings)(1.25) // => 0.64
 * AdjustedPrice.sharing(settings)(3) // => 0.01
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const sharing = (settings: Settings): ((times: number) => number) => {
  const shares = new Shares(settings)
  return (times) => 1 / shares.stretch(times, 1)
}

/**
 * Makes the policy. What an instance was seen to take bounds its free capacity (`Load.capacity`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Scored => {
  const terms = pricing(settings)
  const bestOf = (all: ReadonlyArray<Terms>): number =>
    all.reduce((least, { value }) => Math.min(least, value), Infinity)
  const termsOf = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>): ReadonlyArray<Terms> => {
    const part = partOf(settings, request) / PARTS
    return candidates.map((candidate) => terms(candidate, part))
  }
  const shares = new Shares(settings)
  const offerOf = offered(settings)
  const finding: Finding<ShareIndex> = {
    index: () =>
      new ShareIndex(PARTS + 1, (candidate, counts) => {
        const offer = offerOf(candidate)
        for (let part = 0; part <= PARTS; part++) counts[part] = valueAt(settings, offer, part / PARTS)
      }),
    find: (indexOf, request, seed, mayServe) => {
      const part = partOf(settings, request)
      const index = indexOf(0)
      const best = index?.best(part, mayServe) ?? Infinity
      return index?.draw(Draw.ofSeed(seed), part, shares, best, mayServe)?.instance.id
    },
  }
  return Scored.make({
    name: Naming.withSettings("AdjustedPrice", settings, usual),
    version: 2,
    reads: ["inputTokens", "outputTokens", "pace", "offer"],
    weights: (request, candidates) => {
      const all = termsOf(request, candidates)
      const best = bestOf(all)
      return all.map(({ value }) => 1 / shares.stretch(value, best))
    },
    score: ({ candidates, lots, request }) => {
      const { length } = candidates
      const part = partOf(settings, request) / PARTS
      const prices = new Float64Array(length)
      const sums = new Float64Array(length)
      const values = new Float64Array(length)
      let best = Infinity
      for (let row = 0; row < length; row++) {
        const candidate = candidates[row]
        if (candidate === undefined) continue
        const offer = offerOf(candidate)
        const adjusted = adjustedAt(settings, offer, part)
        prices[row] = priceAt(offer, part)
        sums[row] = adjusted
        values[row] = adjusted * offer.weighed
        best = Math.min(best, values[row] ?? 0)
      }
      const draws = new Float64Array(length)
      for (let row = 0; row < length; row++) draws[row] = (lots[row] ?? 0) * shares.stretch(values[row] ?? 0, best)
      const because = (row: number): string => {
        const price = prices[row] ?? 0
        const adjusted = sums[row] ?? 0
        const value = values[row] ?? 0
        const times = (value / best).toPrecision(4)
        const draw = `${times} times the best, lot ${(draws[row] ?? 0).toPrecision(6)}`
        const listed = `price ${Price.said(price)} per million tokens`
        return `${listed}, ${Price.said(adjusted)} with errors and waiting, ${Price.said(value)} by speed and room, ${draw}`
      }
      return { columns: [draws], because, isDrawn: true }
    },
    find: (...on) => shelves(finding, ...on),
  })
}

/**
 * The part by which a definition names the policy: `{ use: "AdjustedPrice" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "AdjustedPrice", settings: Settings, make })
