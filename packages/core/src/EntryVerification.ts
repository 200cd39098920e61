/**
 * What a market asks of an instance before buyers' requests go to it: which checks count, and what each found.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ReasonCode } from "./Reason.ts"

/**
 * The checks of an endpoint, in the order in which they are made: what costs nothing first.
 *
 * - `resolve`: its host leads to public addresses only, unless the market allows others.
 * - `reach`: it answers, says that it is well, and sends nobody elsewhere.
 * - `tls`: its certificate is trusted, for this host, and valid.
 * - `device_key`: it signs what the market just made up, with the device's key.
 * - `region`: it is not sooner to answer than light could be from where it says it is.
 * - `model`: it commits to the weights that it declared.
 * - `completion`: it answers a request for one token.
 * - `streaming`: it sends an answer token by token.
 * - `context`: it takes a prompt as long as it declared.
 * - `concurrency`: it serves as many requests at a time as it declared.
 *
 * @category models
 * @since 0.1.0
 */
export const CheckName = Schema.Literals([
  "resolve",
  "reach",
  "tls",
  "device_key",
  "region",
  "model",
  "completion",
  "streaming",
  "context",
  "concurrency",
])
/** @since 0.1.0 */
export type CheckName = typeof CheckName.Type

/**
 * A place on earth, in degrees.
 *
 * @category models
 * @since 0.1.0
 */
export const Place = Schema.Struct({
  latitude: Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: -90, maximum: 90 }))),
  longitude: Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: -180, maximum: 180 }))),
})
/** @since 0.1.0 */
export type Place = typeof Place.Type

const Name = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/)))

/**
 * What a market asks.
 *
 * - `checks`: those that must pass; the others are not made.
 * - `recheckMs`: after so long on average, at a time that nobody can foretell, they are made again.
 * - `promptTokensMax`: the longest prompt that the check of the context sends: what a longer declaration costs nobody.
 * - `parallelMax`: the most requests at a time that the check of the concurrency sends.
 * - `points`: where the market's gateways stand, by name. `regions`: where the regions that providers declare are, and how far
 *   from their middle an instance may be, in kilometres.
 * - `weights`: the digests of the weights that pass as a model, by its id: SHA-256 of the file, in hexadecimal. A model that is
 *   not listed may have any.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  checks: Schema.NonEmptyArray(CheckName).pipe(Schema.check(Schema.isUnique())),
  recheckMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1_000, maximum: 604_800_000 }))),
  promptTokensMax: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 64, maximum: 131_072 }))),
  parallelMax: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 64 }))),
  points: Schema.optionalKey(Schema.Record(Name, Place)),
  regions: Schema.optionalKey(
    Schema.Record(
      Name,
      Schema.Struct({
        ...Place.fields,
        radiusKm: Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 20_100 }))),
      }),
    ),
  ),
  weights: Schema.optionalKey(
    Schema.Record(
      Schema.String,
      Schema.Array(Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)))).pipe(
        Schema.check(Schema.isMaxLength(100)),
      ),
    ),
  ),
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * How a check ended. `does_not_apply` where there is nothing to look at, such as the certificate of a tunnel; `not_checked`
 * where it should have been looked at and could not be, which never counts as passed.
 *
 * @category models
 * @since 0.1.0
 */
export const CheckState = Schema.Literals(["passed", "failed", "not_checked", "does_not_apply"])
/** @since 0.1.0 */
export type CheckState = typeof CheckState.Type

/**
 * What a check found: `detail` says what is there, with names and figures, and `fix` what to do about it. `code` is there where it
 * did not pass.
 *
 * @category models
 * @since 0.1.0
 */
export const Verdict = Schema.Struct({
  state: CheckState,
  detail: Schema.String,
  code: Schema.optionalKey(ReasonCode),
  fix: Schema.optionalKey(Schema.String),
})
/** @since 0.1.0 */
export type Verdict = typeof Verdict.Type

/**
 * A check with its verdict, and when it was known, in milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const Outcome = Schema.Struct({ check: CheckName, atMs: Schema.Int, ...Verdict.fields })
/** @since 0.1.0 */
export type Outcome = typeof Outcome.Type

/**
 * Where an instance stands: its checks are still to be made, or it passed or failed them.
 *
 * @category models
 * @since 0.1.0
 */
export const EntryState = Schema.Literals(["pending", "passed", "failed"])
/** @since 0.1.0 */
export type EntryState = typeof EntryState.Type
