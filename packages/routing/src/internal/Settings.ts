import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A number that may be left out. */
export const setting = (least: number, most: number, otherwise: number) =>
  Schema.Finite.pipe(
    Schema.check(Schema.isBetween({ minimum: least, maximum: most })),
    Schema.withDecodingDefaultKey(Effect.succeed(otherwise)),
  )

/** A whole number that may be left out. */
export const count = (least: number, most: number, otherwise: number) =>
  Schema.Int.pipe(
    Schema.check(Schema.isBetween({ minimum: least, maximum: most })),
    Schema.withDecodingDefaultKey(Effect.succeed(otherwise)),
  )

/** A number of tokens that may be left out. */
export const tokens = (otherwise: number) => count(0, 1_000_000_000, otherwise)
