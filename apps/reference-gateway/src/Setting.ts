/**
 * A setting of the reference gateway: its name in the environment, its default, what it may be, and its sentence.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import path from "node:path"
import { LaunchError } from "./LaunchError.ts"

/**
 * One of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setting<A> {
  readonly variable: string
  /** The text used when the variable is not set; `undefined` leaves the setting out. */
  readonly fallback: string | undefined
  readonly allowed: string
  readonly sentence: string
  readonly isSecret: boolean
  readonly codec: Schema.ConstraintCodec<A, string>
}

/**
 * Names one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  variable: string,
  fallback: string | undefined,
  codec: Schema.ConstraintCodec<A, string>,
  allowed: string,
  sentence: string,
  isSecret = false,
): Setting<A> => ({ variable, fallback, codec, allowed, sentence, isSecret })

/**
 * The words of a list that is parted by commas.
 *
 * @category decoding
 * @since 0.1.0
 */
export const listOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "")

/**
 * Reads one; undefined where it is not set and has no default. Fails with a letter that names the variable and what is allowed.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = <A>(entry: Setting<A>): Effect.Effect<A | undefined, LaunchError> =>
  Effect.gen(function* () {
    const given = yield* Effect.orElseSucceed(Config.option(Config.String(entry.variable)), Option.none<string>)
    const text = Option.getOrUndefined(Option.filter(given, (value) => value !== "")) ?? entry.fallback
    if (text === undefined) return undefined
    return yield* Schema.decodeUnknownEffect(entry.codec)(text).pipe(
      Effect.mapError(
        () =>
          new LaunchError({
            what: `The setting ${entry.variable} has a value it cannot have${entry.isSecret ? "" : `: "${text}"`}.`,
            why: `It must be ${entry.allowed}.`,
            todo: `Change it, or leave it out${entry.fallback === undefined ? "" : ` for the default, ${entry.fallback}`}.`,
          }),
      ),
    )
  })

/**
 * Reads one that has a default.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readRequired = <A>(entry: Setting<A>): Effect.Effect<A, LaunchError> =>
  Effect.flatMap(read(entry), (value) =>
    value === undefined ? Effect.die(`${entry.variable} has no default`) : Effect.succeed(value),
  )

/** Where the person typed the command: npm itself moves to the repository's root before it runs a script. */
const startedIn = (): string => process.env["INIT_CWD"] ?? process.cwd()

/**
 * The absolute path of a file that a person named.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromWhereStarted = (file: string): string => path.resolve(startedIn(), file)
