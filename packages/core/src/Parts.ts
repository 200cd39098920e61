/**
 * How a market definition, which is only data, names code: `{ use: "LeastLoaded", with: { … } }`. Packages export
 * parts, an embedder adds theirs, and `Parts` resolves names to values once, at start.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * The name of a part and its settings, as a definition writes them.
 *
 * @category models
 * @since 0.1.0
 */
export const PartRef = Schema.Struct({
  use: Schema.NonEmptyString,
  with: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
})
/** @since 0.1.0 */
export type PartRef = typeof PartRef.Type

/**
 * A kind of part, such as "routing policy". The type parameter is what resolving one gives.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kind<out A> {
  readonly name: string
  readonly _A?: (_: never) => A
}

/**
 * Names a kind of part. A port's package makes one for its port.
 *
 * @category constructors
 * @since 0.1.0
 */
export const kind = <A>(name: string): Kind<A> => ({ name })

/**
 * A part: the kind it is of, the name that a definition uses, and how to make it from its settings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part {
  readonly kind: string
  readonly name: string
  readonly make: (settings: unknown, parts: Parts) => Effect.Effect<unknown, Schema.SchemaError | PartError>
}

/** A setting that does not exist is refused, so that a misspelled one is not silently ignored. */
const strict = { errors: "all", onExcessProperty: "error" } as const

/**
 * Makes a part from the schema of its settings and a function.
 *
 * @category constructors
 * @since 0.1.0
 */
export const part = <A, S extends Schema.ConstraintDecoder<unknown>>(
  kind: Kind<A>,
  options: { readonly name: string; readonly settings: S; readonly make: (settings: S["Type"]) => A },
): Part => ({
  kind: kind.name,
  name: options.name,
  make: (settings) => Effect.map(Schema.decodeUnknownEffect(options.settings, strict)(settings), options.make),
})

/**
 * Makes a part that is made of others: its settings name them, and `parts.resolve` makes them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const composed = <A, S extends Schema.ConstraintDecoder<unknown>>(
  kind: Kind<A>,
  options: {
    readonly name: string
    readonly settings: S
    readonly make: (settings: S["Type"], parts: Parts) => Effect.Effect<A, PartError>
  },
): Part => ({
  kind: kind.name,
  name: options.name,
  make: (settings, parts) =>
    Effect.flatMap(Schema.decodeUnknownEffect(options.settings, strict)(settings), (decoded) =>
      options.make(decoded, parts),
    ),
})

/**
 * The settings of a part that has none. (`Schema.Struct({})` would take anything.)
 *
 * @category models
 * @since 0.1.0
 */
export const NoSettings = Schema.Record(Schema.String, Schema.Never)

/**
 * Why a name in a definition could not be resolved.
 *
 * @category errors
 * @since 0.1.0
 */
export class PartError extends Schema.TaggedError<PartError>()("PartError", {
  kind: Schema.String,
  use: Schema.String,
  detail: Schema.String,
}) {
  override get message(): string {
    return `The definition names the ${this.kind} "${this.use}", which cannot be used. ${this.detail}`
  }
}

/**
 * The parts that a market is assembled from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parts {
  readonly resolve: <A>(kind: Kind<A>, ref: PartRef) => Effect.Effect<A, PartError>
  readonly names: (kind: Kind<unknown>) => ReadonlyArray<string>
}

/** Nobody means more than this, and what is made of a definition is kept and hashed. */
const DEPTH_MAX = 16

/**
 * Collects parts. A later part replaces an earlier one of the same kind and name, so an embedder can put theirs
 * in place of ours.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (parts: ReadonlyArray<Part>): Parts => {
  const byKey = new Map(parts.map((part) => [`${part.kind}/${part.name}`, part]))
  const names = (kind: Kind<unknown>): ReadonlyArray<string> =>
    [...byKey.values()].filter((part) => part.kind === kind.name).map((part) => part.name)
  const at = (depth: number): Parts => ({
    names,
    resolve: <A>(kind: Kind<A>, ref: PartRef) => {
      if (depth > DEPTH_MAX) {
        const detail = `Parts are made of parts at most ${DEPTH_MAX} levels deep.`
        return Effect.fail(new PartError({ kind: kind.name, use: ref.use, detail }))
      }
      const part = byKey.get(`${kind.name}/${ref.use}`)
      if (part === undefined) {
        const known = names(kind)
        const detail = known.length === 0 ? "No part of this kind is registered." : `Known are: ${known.join(", ")}.`
        return Effect.fail(new PartError({ kind: kind.name, use: ref.use, detail }))
      }
      return part.make(ref.with ?? {}, at(depth + 1)).pipe(
        // The key pairs the kind's name with the part's, and only `part` makes parts: the type is the kind's.
        Effect.map((value) => value as A),
        // What is wrong with a part of a part is told once, and not again at each level above it.
        Effect.mapError((error) =>
          error instanceof PartError
            ? error
            : new PartError({ kind: kind.name, use: ref.use, detail: String(error.message) }),
        ),
      )
    },
  })
  return at(1)
}
