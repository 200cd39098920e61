/** Schemas of objects that a `type` tells apart, in lists that others may add to. */
import * as Schema from "effect/Schema"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/** An object of one type; members that are not named pass through. */
export const tagged = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.StructWithRest(Schema.Struct({ type: Schema.Literal(type), ...fields }), Rest)

/** An object of any other type, as it is. */
export const other = (known: ReadonlyArray<string>) =>
  Schema.StructWithRest(
    Schema.Struct({
      type: Schema.String.pipe(
        Schema.check(Schema.makeFilter((type: string) => !known.includes(type) || "does not fit its type")),
      ),
    }),
    Rest,
  )
