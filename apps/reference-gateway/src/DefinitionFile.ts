/**
 * `definition.json` in the home: what its market runs by, whole, with the addresses that its chain for development gave to contracts
 * and tokens. For people, and for commands that look at a market which runs.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"

const Text = Schema.fromJsonString(Schema.toCodecJson(MarketDefinition))
const decode = Schema.decodeUnknownOption(Text)
const encode = Schema.encodeSync(Schema.toCodecJson(MarketDefinition))

/**
 * Where that of a home is.
 *
 * @category constants
 * @since 0.1.0
 */
export const fileOf = (home: string): string => path.join(home, "definition.json")

/**
 * A definition as a file has it.
 *
 * @category formatting
 * @since 0.1.0
 */
export const text = (definition: MarketDefinition): string => `${JSON.stringify(encode(definition), null, 2)}\n`

/**
 * Reads what the last start wrote; `undefined` when there was none or the file is damaged.
 *
 * @category queries
 * @since 0.1.0
 */
export const read = (home: string): Effect.Effect<MarketDefinition | undefined> =>
  Effect.sync(() => {
    try {
      return Option.getOrUndefined(decode(readFileSync(fileOf(home), "utf8")))
    } catch {
      return undefined
    }
  })

/**
 * Writes it in one step.
 *
 * @category commands
 * @since 0.1.0
 */
export const write = (home: string, definition: MarketDefinition): Effect.Effect<void> =>
  Effect.catchCause(
    Effect.try(() => {
      const draft = `${fileOf(home)}.draft`
      writeFileSync(draft, text(definition))
      renameSync(draft, fileOf(home))
    }),
    (cause) =>
      Effect.logWarning("definition.json could not be written: commands will not know by what the market runs.", cause),
  )
