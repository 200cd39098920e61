/**
 * What an API key may be used for, beyond its role: which models, from where, until when and how much.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Allowance } from "./Allowance.ts"
import { IpRange } from "./IpRange.ts"
import { ModelId } from "./Model.ts"

const list = <S extends Schema.Top>(item: S) =>
  Schema.Array(item).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(100)))

/**
 * The terms of a key. What is absent is not restricted.
 *
 * - `allowedModels`: the models that it may ask for, by the names that the market gives them, not by aliases.
 * - `allowedIps`: the addresses that requests with it may come from.
 * - `expiresAtMs`: from this time on, in milliseconds since 1970, it opens nothing.
 * - `keepAlive`: whether its streams get `: ping` comments while nothing else is to be said; they do unless this is false.
 * - `limits`: its own limits, each in place of the one that the market sets for a key.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyTerms = Schema.Struct({
  allowedModels: Schema.optionalKey(list(ModelId)),
  allowedIps: Schema.optionalKey(list(IpRange)),
  expiresAtMs: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8.64e15 })))),
  keepAlive: Schema.optionalKey(Schema.Boolean),
  limits: Schema.optionalKey(Allowance),
})
/** @since 0.1.0 */
export type KeyTerms = typeof KeyTerms.Type

/**
 * The terms of a key that is not restricted.
 *
 * @category constants
 * @since 0.1.0
 */
export const NONE: KeyTerms = {}
