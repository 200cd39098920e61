/**
 * The command line's `market`: the definitions that there are, and one of them as JSON, to look at or to write one's own from.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { tell } from "@guildhall/core/CommandFailure"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as Markets from "@guildhall/markets/Markets"
import * as AppConfig from "./AppConfig.ts"
import * as Definition from "./Definition.ts"
import * as DefinitionFile from "./DefinitionFile.ts"
import { fromWhereStarted } from "./Setting.ts"

/** A market's name as it is, and a file from where the command was started. */
const placed = (market: string): string => (market.endsWith(".json") ? fromWhereStarted(market) : market)

/**
 * The definition that a command is about: the file or market that is named, or else the home's. A market of a name is shown as the
 * home last ran it, where it did.
 *
 * @category queries
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function* (named: Option.Option<string>) {
  const settings = yield* AppConfig.load
  if (Option.isSome(named)) return yield* Definition.load({ ...settings, market: placed(named.value) })
  const ran = yield* DefinitionFile.read(settings.home)
  return ran?.name === settings.market ? ran : yield* Definition.load(settings)
})

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

const list = Command.make(
  "list",
  { json },
  Effect.fnUntraced(function* ({ json }) {
    yield* Console.log(json ? JSON.stringify({ ok: true, markets: Markets.names }) : Markets.names.join("\n"))
  }),
).pipe(Command.withDescription("The markets that come with Guildhall, by name"))

const show = Command.make(
  "show",
  {
    market: Argument.String("market").pipe(
      Argument.withDescription("A JSON file or a market's name; without it, what the home's market runs by"),
      Argument.optional,
    ),
  },
  ({ market }) =>
    find(market).pipe(
      Effect.flatMap((definition) => Console.log(DefinitionFile.text(definition).trimEnd())),
      Effect.catch((error) => tell(error, false)),
    ),
).pipe(
  Command.withDescription(
    "A definition, whole, as the JSON that GUILDHALL_MARKET takes; a wrong one is refused with every reason",
  ),
  Command.withExamples([
    { command: "guildhall market show local > market.json", description: "A file to write your own from" },
    { command: "guildhall market show market.json", description: "See whether a file is right" },
  ]),
)

const check = Command.make(
  "check",
  {
    market: Argument.String("market").pipe(
      Argument.withDescription("A JSON file or a market's name; without it, the one of GUILDHALL_MARKET"),
      Argument.optional,
    ),
    json,
  },
  ({ json, market }) =>
    Effect.gen(function* () {
      const settings = yield* AppConfig.load
      const named = Option.getOrElse(market, () => settings.market)
      const definition = yield* Definition.load({ ...settings, market: placed(named) })
      const digest = yield* MarketDefinition.digest(definition)
      const { name } = definition
      yield* Console.log(
        json
          ? JSON.stringify({ ok: true, name, digest })
          : `The definition of "${name}" can be run. Its digest is ${digest}.`,
      )
    }).pipe(
      Effect.provide(NodeCrypto.layer),
      Effect.catch((error) => tell(error, json)),
    ),
).pipe(Command.withDescription("Whether a definition can be run, with every reason why not"))

/**
 * The command.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("market").pipe(
  Command.withDescription("Market definitions: which there are, one as JSON, and whether a file is right"),
  Command.withSubcommands([list, show, check]),
)
