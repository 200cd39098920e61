/**
 * How much somebody may use: an API key, a member with all its keys, or everyone on a market together.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const Positive = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 })))
const Cents = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 })))

/**
 * An allowance. What is absent has no limit.
 *
 * - `requestsPerMinute`: so many requests start in any 60 seconds at most.
 * - `tokensPerMinute`: prompts and answers together. A request's tokens count from its start, as what they may come to,
 *   until 60 seconds after its end, as what they came to.
 * - `concurrentRequests`: so many requests are under way at a time.
 * - `centsPerDay`, `centsPerMonth`: what requests may cost in a day and in a month of UTC, in whole cents of the market's
 *   price asset. A request under way counts as the most that it may cost.
 *
 * @category models
 * @since 0.1.0
 */
export const Allowance = Schema.Struct({
  requestsPerMinute: Schema.optionalKey(Positive),
  tokensPerMinute: Schema.optionalKey(Positive),
  concurrentRequests: Schema.optionalKey(Positive),
  centsPerDay: Schema.optionalKey(Cents),
  centsPerMonth: Schema.optionalKey(Cents),
})
/** @since 0.1.0 */
export type Allowance = typeof Allowance.Type

/**
 * The name of a limit, as refusals and answers give it.
 *
 * @category models
 * @since 0.1.0
 */
export const LimitName = Schema.Literals([
  "requestsPerMinute",
  "tokensPerMinute",
  "concurrentRequests",
  "centsPerDay",
  "centsPerMonth",
])
/** @since 0.1.0 */
export type LimitName = typeof LimitName.Type

/**
 * Whose limit it is: the key's, the member's, or that of the market as a whole.
 *
 * @category models
 * @since 0.1.0
 */
export const LimitScope = Schema.Literals(["key", "member", "market"])
/** @since 0.1.0 */
export type LimitScope = typeof LimitScope.Type
