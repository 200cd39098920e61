/**
 * What recounts come to, counted by their results.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/**
 * What a recount came to.
 *
 * - `agreed`: the bill lies within what was counted. `unknown`: nothing could be counted.
 * - `lowered`: the charge was lowered. `higher`: more was delivered than billed, which the platform carries.
 * - `unsettled`: the charge was never posted, so there is nothing to lower. `failed`: it could not be lowered.
 * - `dropped`: there was no room or no time. `not_available`, `crashed`: it could not be counted.
 *
 * @category models
 * @since 0.1.0
 */
export type Result =
  | "agreed"
  | "unknown"
  | "lowered"
  | "higher"
  | "unsettled"
  | "failed"
  | "dropped"
  | "not_available"
  | "crashed"

const results = (result: Result) =>
  Metric.counter("guildhall.inference.recount", {
    description: "Requests whose tokens were to be counted exactly, by what came of it.",
    incremental: true,
    attributes: { result },
  })

const tokens = (result: string) =>
  Metric.counter("guildhall.inference.recount.tokens", {
    description: "Tokens by which bills were off: above what was counted (lowered) or below it (higher).",
    incremental: true,
    attributes: { result },
  })

/**
 * Makes the functions that count. They are plain functions: some run on the request path.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  return {
    count: (result: Result): void => results(result).updateUnsafe(1, context),
    tokens: (result: "lowered" | "higher", count: number): void => tokens(result).updateUnsafe(count, context),
  } as const
})
