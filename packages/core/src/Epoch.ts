/**
 * A stretch of time with one definition. A change of definition takes effect where one epoch ends and the next starts.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An epoch: which, what kind, from when until when (milliseconds since 1970, by the database's clock, end excluded)
 * and under which definition.
 *
 * @category models
 * @since 0.1.0
 */
export const Epoch = Schema.Struct({
  number: Schema.Int,
  startMs: Schema.Int,
  endMs: Schema.Int,
  definitionDigest: Schema.String,
})
/** @since 0.1.0 */
export type Epoch = typeof Epoch.Type

/**
 * The epoch that an instant falls into, for epochs of one length counted from 1970.
 *
 * **Example** (Daily epochs)
 *
 * ```ts
 * import { Epoch } from "@guildhall/core"
 *
 * Epoch.at(90_000_000, { lengthMs: 86_400_000, definitionDigest: "d" })
 * // => { number: 1, startMs: 86_400_000, endMs: 172_800_000, definitionDigest: "d" }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const at = (
  instantMs: number,
  options: { readonly lengthMs: number; readonly definitionDigest: string },
): Epoch => {
  const number = Math.floor(instantMs / options.lengthMs)
  return {
    number,
    startMs: number * options.lengthMs,
    endMs: (number + 1) * options.lengthMs,
    definitionDigest: options.definitionDigest,
  }
}
