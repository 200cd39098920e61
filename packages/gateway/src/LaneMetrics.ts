/**
 * What the lane counts, under the names of OpenTelemetry's conventions for generative AI where there is one. Labels are
 * models that the market offers, outcomes and reason codes: their number is bounded, and nothing of a body is in them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Receipt } from "@guildhall/core/Receipt"
import type { ReasonCode } from "@guildhall/core/Reason"

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** Series for one model. Made once: an update of a series costs a map look-up, making one costs much more. */
const seriesOf = (model: string) => {
  const attributes = { "gen_ai.request.model": model }
  return {
    duration: Metric.histogram("gen_ai.server.request.duration", {
      description: "Seconds from a request's arrival to the end of its answer.",
      boundaries: SECONDS,
      attributes,
    }),
    firstToken: Metric.histogram("gen_ai.server.time_to_first_token", {
      description: "Seconds from a request's arrival to the first byte of its answer.",
      boundaries: SECONDS,
      attributes,
    }),
    input: Metric.counter("guildhall.inference.tokens", {
      description: "Tokens that were billed.",
      incremental: true,
      attributes: { ...attributes, "gen_ai.token.type": "input" },
    }),
    output: Metric.counter("guildhall.inference.tokens", {
      description: "Tokens that were billed.",
      incremental: true,
      attributes: { ...attributes, "gen_ai.token.type": "output" },
    }),
  }
}

const requests = (model: string, outcome: string, reason: string) =>
  Metric.counter("guildhall.inference.requests", {
    description: "Requests by model, outcome and reason.",
    incremental: true,
    attributes: { "gen_ai.request.model": model, outcome, reason },
  })

/**
 * What a request's span carries: ids, counts and codes, nothing of its bodies.
 *
 * @category getters
 * @since 0.1.0
 */
export const attributes = (receipt: Receipt): Readonly<Record<string, string | number>> => ({
  "gen_ai.operation.name": "chat",
  "gen_ai.request.model": receipt.model,
  "gen_ai.usage.input_tokens": (receipt.usage.inputToken ?? 0) + (receipt.usage.cachedInputToken ?? 0),
  "gen_ai.usage.output_tokens": receipt.usage.outputToken ?? 0,
  "guildhall.request.id": receipt.id,
  "guildhall.outcome": receipt.outcome,
  "guildhall.instance": receipt.instance ?? "",
  "guildhall.attempts": receipt.attempts,
})

/** How many requests are under way. */
const inFlight = Metric.gauge("guildhall.inference.in_flight", {
  description: "Requests under way, settlements included.",
})

/** Beyond so many models further ones are counted together. */
const MODELS_MAX = 1_000

/**
 * Makes the functions that count. They are plain functions: they run on the request path.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const byModel = new Map<string, ReturnType<typeof seriesOf>>()
  const byOutcome = new Map<string, ReturnType<typeof requests>>()

  const named = (model: string): string => (byModel.has(model) || byModel.size < MODELS_MAX ? model : "other")

  const count = (model: string, outcome: string, reason: string) => {
    const key = `${model}|${outcome}|${reason}`
    const known = byOutcome.get(key)
    const metric = known ?? requests(model, outcome, reason)
    if (known === undefined) byOutcome.set(key, metric)
    metric.updateUnsafe(1, context)
  }

  return {
    /** A request that took a hold has ended. */
    ended: (receipt: Receipt): void => {
      const model = named(receipt.model)
      const known = byModel.get(model)
      const series = known ?? seriesOf(model)
      if (known === undefined) byModel.set(model, series)
      count(model, receipt.outcome, receipt.reason ?? "")
      series.duration.updateUnsafe((receipt.endedAtMs - receipt.startedAtMs) / 1000, context)
      if (receipt.firstByteAtMs !== undefined) {
        series.firstToken.updateUnsafe((receipt.firstByteAtMs - receipt.startedAtMs) / 1000, context)
      }
      const { inputToken = 0, cachedInputToken = 0, outputToken = 0 } = receipt.usage
      series.input.updateUnsafe(inputToken + cachedInputToken, context)
      series.output.updateUnsafe(outputToken, context)
    },
    /** A request was refused. Its model is whatever the buyer wrote, and so is not a label. */
    refused: (reason: ReasonCode): void => count("", "refused", reason),
    /** So many are under way. */
    inFlight: (requests: number): void => inFlight.updateUnsafe(requests, context),
  } as const
})
