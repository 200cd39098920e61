/**
 * Why an instance cannot serve a request. A filter is one question with one reason code; they are asked in an order,
 * from what can never change for this request to what changes by the second.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import { breaker } from "./filters/Breaker.ts"
import { capability } from "./filters/Capability.ts"
import { concurrency } from "./filters/Concurrency.ts"
import { confidential } from "./filters/Confidential.ts"
import { context } from "./filters/Context.ts"
import { endpoint } from "./filters/Endpoint.ts"
import { jurisdiction } from "./filters/Jurisdiction.ts"
import { maxPrice } from "./filters/MaxPrice.ts"
import { model } from "./filters/Model.ts"
import { only } from "./filters/Only.ts"
import { parameters } from "./filters/Parameters.ts"
import { precision } from "./filters/Precision.ts"
import { rails } from "./filters/Rails.ts"
import { region } from "./filters/Region.ts"
import { retention } from "./filters/Retention.ts"
import { state } from "./filters/State.ts"
import { tried } from "./filters/Tried.ts"
import type { Candidate, Readable, RoutingRequest } from "./RoutingPolicy.ts"

/**
 * One question: the reason why the candidate cannot serve the request, or `undefined` where nothing speaks against it. `reads`
 * is what it looks at of what must be worked out, all of it where it does not say.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  (request: RoutingRequest, candidate: Candidate): ReasonCode | undefined
  readonly reads?: ReadonlyArray<Readable>
}

/**
 * The filter, with what it reads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reading = (reads: NonNullable<Filter["reads"]>, filter: Filter): Filter =>
  // The function itself stays as it is: it may be used elsewhere.
  Object.assign((request: RoutingRequest, candidate: Candidate) => filter(request, candidate), { reads })

/**
 * The kind under which a market definition names a filter, such as one that holds in this market only.
 *
 * @category parts
 * @since 0.1.0
 */
export const RoutingFilter: Parts.Kind<Filter> = Parts.kind("routing filter")

/**
 * The filters of what a buyer prefers. They are asked where there are preferences.
 *
 * @category constants
 * @since 0.1.0
 */
export const preferred: ReadonlyArray<Filter> = [only, parameters, precision, retention, maxPrice]

/**
 * The filters of what the market knows of a request beyond its model and length. They are asked where it knows something.
 *
 * @category constants
 * @since 0.1.0
 */
export const featured: ReadonlyArray<Filter> = [rails, jurisdiction, region, confidential, capability]

/**
 * The filters that every policy applies, in their order: model, endpoint, context, what the market knows of the request, what
 * the buyer prefers, state, breaker, concurrency, tried. A candidate that a later filter stops came closer to serving.
 *
 * @category constants
 * @since 0.1.0
 */
export const standard: ReadonlyArray<Filter> = [
  model,
  endpoint,
  context,
  ...featured,
  ...preferred,
  state,
  breaker,
  concurrency,
  tried,
]

/**
 * The first reason for which a candidate is left out, or `undefined` where it may be ranked. Call it first in a policy
 * of your own: guarantee 3 of the port asks for exactly these filters.
 *
 * @category rules
 * @since 0.1.0
 */
export const exclude: Filter = (request, candidate) =>
  model(request, candidate) ??
  endpoint(request, candidate) ??
  context(request, candidate) ??
  (request.features === undefined ? undefined : unfit(request, candidate)) ??
  (request.preferences === undefined ? undefined : unwanted(request, candidate)) ??
  state(request, candidate) ??
  breaker(request, candidate) ??
  concurrency(request, candidate) ??
  tried(request, candidate)

/**
 * {@link exclude} for one request and many candidates: what the request does not ask for is found out once.
 *
 * @category rules
 * @since 0.1.0
 */
export const excluding = (request: RoutingRequest): ((candidate: Candidate) => ReasonCode | undefined) => {
  const isFeatured = request.features !== undefined && isDemanding(request.features)
  const isPreferred = request.preferences !== undefined
  return (candidate) =>
    model(request, candidate) ??
    endpoint(request, candidate) ??
    context(request, candidate) ??
    (isFeatured ? unfit(request, candidate) : undefined) ??
    (isPreferred ? unwanted(request, candidate) : undefined) ??
    state(request, candidate) ??
    breaker(request, candidate) ??
    concurrency(request, candidate) ??
    tried(request, candidate)
}

/** Whether one of {@link featured} could speak against anybody. */
const isDemanding = ({ buyer, confidential, countries, inputs, parameters, regions }: RoutingFeatures): boolean =>
  buyer?.rail !== undefined ||
  countries !== undefined ||
  regions !== undefined ||
  confidential === true ||
  parameters !== undefined ||
  inputs !== undefined

/**
 * The first reason of {@link featured}, asked one after the other without a loop. For an index that holds the answers of the
 * filters which do not look at the request.
 *
 * @category rules
 * @since 0.1.0
 */
export const unfit: Filter = (request, candidate) =>
  rails(request, candidate) ??
  jurisdiction(request, candidate) ??
  region(request, candidate) ??
  confidential(request, candidate) ??
  capability(request, candidate)

const unwanted: Filter = (request, candidate) => {
  for (const filter of preferred) {
    const code = filter(request, candidate)
    if (code !== undefined) return code
  }
  return undefined
}

/** From the furthest from success to the closest, in the order of {@link standard}. */
const order: ReadonlyArray<ReasonCode> = [
  "other_model",
  "endpoint_not_offered",
  "context_too_short",
  "rail_not_accepted",
  "country_not_accepted",
  "region_not_accepted",
  "not_confidential",
  "capability_missing",
  "own_instance",
  "not_bonded",
  "ignored_by_request",
  "not_in_only",
  "no_fallback_allowed",
  "parameter_not_supported",
  "quantization_not_accepted",
  "data_retained",
  "price_too_high",
  "offline",
  "draining",
  "maintenance",
  "not_verified",
  "below_throughput_floor",
  "below_health_floor",
  "ejected",
  "parked",
  "probing",
  "concurrency_full",
  "already_tried",
]

/**
 * Of the reasons for which candidates were left out, the one closest to success: the one of the candidate that got
 * past the most filters. A reason that no standard filter gives counts as closest.
 *
 * **Example** (One is offline, one is full)
 *
 * ```ts
 * import { Filter } from "@guildhall/routing"
 *
 * Filter.closest(["offline", "concurrency_full"]) // => "concurrency_full"
 * Filter.closest([]) // => undefined
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const closest = (codes: Iterable<ReasonCode>): ReasonCode | undefined => {
  let best: ReasonCode | undefined
  let bestAt = -1
  for (const code of codes) {
    const found = order.indexOf(code)
    const at = found === -1 ? order.length : found
    if (at > bestAt) {
      best = code
      bestAt = at
    }
  }
  return best
}

/**
 * What a buyer is told where no candidate is left: the reason of all instances together, for the closest reason of one.
 *
 * @category rules
 * @since 0.1.0
 */
export const ofAll = (closest: ReasonCode | undefined): ReasonCode => {
  switch (closest) {
    case undefined:
    case "other_model":
    case "offline":
    case "draining":
    case "maintenance":
    case "not_verified":
    case "not_bonded":
    case "below_throughput_floor":
    case "below_health_floor":
    case "ejected":
    case "parked":
    case "probing":
    case "concurrency_full":
      return "no_capacity"
    case "context_too_short":
      return "context_too_long"
    default:
      return closest
  }
}
