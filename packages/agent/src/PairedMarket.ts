/**
 * The market that a home was paired with, so that nobody needs to name it again. It is an address, and no secret.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as AgentConfig from "./AgentConfig.ts"
import { AgentError } from "./AgentError.ts"
import type { AgentHome } from "./AgentHome.ts"

/** The file in the home. @category constants @since 0.1.0 */
export const FILE = "market.json"
const NONE: AgentConfig.AgentConfig = {}
const Stored = Schema.fromJsonString(
  Schema.Struct({ market: Schema.String.pipe(Schema.check(Schema.isMaxLength(2000))) }),
)

/**
 * Keeps the market's address in a home.
 *
 * @category combinators
 * @since 0.1.0
 */
export const write = (home: AgentHome["Service"], market: string): Effect.Effect<void, AgentError> =>
  home.write(FILE, new TextEncoder().encode(`${Schema.encodeSync(Stored)({ market })}\n`))

/**
 * The market that was named, or the one that this home was paired with, or the one that `init` wrote. Fails with `BadSetting` where
 * there is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = Effect.fnUntraced(function* (named: Option.Option<string>, home: string) {
  if (Option.isSome(named)) return named.value
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* Effect.option(fs.readFileString(path.join(home, FILE)))
  const stored = Option.flatMap(text, Schema.decodeUnknownOption(Stored))
  if (Option.isSome(stored)) return stored.value.market
  const { market } = Option.getOrElse(yield* AgentConfig.read(home), () => NONE)
  if (market !== undefined) return market
  return yield* new AgentError({
    reason: "BadSetting",
    detail: `No market is named, and ${home} is paired with none. Pair this machine with \`guildhall-agent pair <code> --market <address>\`, or name the market with --market or GUILDHALL_MARKET_URL.`,
  })
})
