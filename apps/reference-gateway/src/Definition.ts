/**
 * The market definition of a start: one by name from `@guildhall/markets`, or a JSON file.
 */
import * as Effect from "effect/Effect"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as Markets from "@guildhall/markets/Markets"
import { readFileSync } from "node:fs"
import type { Settings } from "./AppConfig.ts"
import * as DevChain from "./DevChain.ts"
import { LaunchError, reasonOf } from "./LaunchError.ts"
import * as MarketParts from "./MarketParts.ts"

/** The letter about a definition that nothing can be made of. */
export const wrong = (market: string, why: string) =>
  new LaunchError({
    what: `The market definition ${market} cannot be used.`,
    why,
    todo: "Correct the file; `guildhall market show local` prints one to start from.",
  })

const missing = (file: string) =>
  new LaunchError({
    what: `There is no market definition ${file}.`,
    todo: "Set GUILDHALL_MARKET, or --definition where a command has it, to the path of a .json file or the name of a market.",
  })

const read = (file: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(readFileSync(file, "utf8")),
    catch: (cause) =>
      cause instanceof Error && "code" in cause && cause.code === "ENOENT"
        ? missing(file)
        : wrong(file, reasonOf(cause)),
  })

/**
 * Finds and checks the definition, and whether every part that it names can be made; a wrong one is refused with the path and
 * the reason of each problem.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = (
  settings: Pick<Settings, "market" | "chain">,
): Effect.Effect<MarketDefinition.MarketDefinition, LaunchError> =>
  Effect.tap(
    Effect.map(find(settings.market), (definition) => DevChain.defined(definition, settings)),
    (definition) =>
      Effect.flatMap(MarketParts.problems(definition), (problems) =>
        problems.length === 0 ? Effect.void : Effect.fail(wrong(settings.market, problems.join("\n  "))),
      ),
  )

const find = (market: string): Effect.Effect<MarketDefinition.MarketDefinition, LaunchError> => {
  if (market.endsWith(".json")) {
    return read(market).pipe(
      Effect.flatMap(MarketDefinition.decode),
      Effect.catchTag("MarketDefinitionError", (error) => Effect.fail(wrong(market, error.message))),
    )
  }
  const found = Markets.find(market)
  return found === undefined
    ? Effect.fail(
        new LaunchError({
          what: `There is no market named "${market}".`,
          why: `Known are: ${Markets.names.join(", ")}.`,
          todo: "Set GUILDHALL_MARKET to one of them, or to the path of a .json file.",
        }),
      )
    : Effect.succeed(found)
}
