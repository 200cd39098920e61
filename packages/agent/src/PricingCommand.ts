/**
 * The command line's `pricing set`: changes what this machine asks, of a running agent at once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as AgentConfig from "./AgentConfig.ts"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as RunningAgent from "./control/RunningAgent.ts"
import type { AskedPrices } from "./control/AgentStatus.ts"
import type { PriceChange } from "./control/ControlRpcs.ts"
import * as HumanText from "./models/HumanText.ts"

const price = (name: string, about: string) =>
  Flag.Finite(name).pipe(Flag.withDescription(`${about}, in whole cents`), CommandFlags.cents, Flag.optional)

const flags = {
  inputPrice: price("input-price", "Price of a million tokens that are read"),
  outputPrice: price("output-price", "Price of a million tokens that are written"),
  cachedInputPrice: price("cached-input-price", "Price of a million tokens that are read from a cache"),
  imagePrice: price("image-price", "Price of a thousand images"),
  audioPrice: price("audio-price", "Price of a thousand seconds of sound"),
  requestPrice: price("request-price", "Price of a thousand requests"),
  home: CommandFlags.home,
  json: CommandFlags.json,
}

type Given = Command.Command.Config.Infer<typeof flags>

const part = <K extends keyof PriceChange>(name: K, given: Option.Option<number>): PriceChange =>
  Option.match(given, { onNone: () => ({}), onSome: (cents) => ({ [name]: cents }) })

const changeOf = (given: Given): PriceChange => ({
  ...part("input_price_per_million", given.inputPrice),
  ...part("output_price_per_million", given.outputPrice),
  ...part("cached_input_price_per_million", given.cachedInputPrice),
  ...part("image_price_per_thousand", given.imagePrice),
  ...part("audio_second_price_per_thousand", given.audioPrice),
  ...part("request_price_per_thousand", given.requestPrice),
})

const LABELS: ReadonlyArray<readonly [keyof AskedPrices, string]> = [
  ["input_price_per_million", "a million tokens in"],
  ["output_price_per_million", "a million tokens out"],
  ["cached_input_price_per_million", "a million tokens from a cache"],
  ["image_price_per_thousand", "a thousand images"],
  ["audio_second_price_per_thousand", "a thousand seconds of sound"],
  ["request_price_per_thousand", "a thousand requests"],
]

/**
 * Prices in lines of a table: so many cents for so much.
 *
 * @category formatting
 * @since 0.1.0
 */
export const rows = (prices: Partial<AskedPrices>): ReadonlyArray<ReadonlyArray<string>> =>
  LABELS.flatMap(([name, label]) => {
    const cents = prices[name]
    return cents === undefined ? [] : [[`${cents} cents`, `for ${label}`]]
  })

const nothingSaid = new AgentError({
  reason: "BadSetting",
  detail:
    "No price is named. Say which: --input-price, --output-price, or another one of `guildhall-agent pricing set --help`.",
})

const nobody = (home: string) =>
  new AgentError({
    reason: "NotRunning",
    detail: `No agent runs with the home ${home}, and it has no settings to change either. Write them with \`guildhall-agent init\`, or start an agent.`,
  })

const set = Effect.fnUntraced(function* (given: Given) {
  const change = changeOf(given)
  if (Object.keys(change).length === 0) return yield* nothingSaid
  const socket = yield* RunningAgent.find(given.home)
  const told = Option.isSome(socket) ? yield* (yield* RunningAgent.connect(socket.value)).setPrices(change) : undefined
  const { input_price_per_million: inputPrice, output_price_per_million: outputPrice } = change
  const isKept = yield* AgentConfig.update(given.home, {
    ...(inputPrice === undefined ? {} : { inputPrice }),
    ...(outputPrice === undefined ? {} : { outputPrice }),
  })
  if (told === undefined && !isKept) return yield* nobody(given.home)
  const holds = told?.holds ?? "next start"
  return {
    document: { holds, prices: told?.prices ?? change, kept: isKept },
    text: () => [
      ...HumanText.table(rows(told?.prices ?? change), [0]),
      holds === "now"
        ? "The agent asks this from now on. What is under way is paid as it was asked."
        : holds === "soon"
          ? "The market does not answer at the moment. The agent tells it as soon as it does."
          : "No agent runs. The next one asks this, where no flag says something else: guildhall-agent serve",
      ...(isKept
        ? []
        : [
            "It holds for this run. For the next ones, write settings with `guildhall-agent init`, or pass the prices as flags.",
          ]),
    ],
  }
})

/**
 * The command `pricing`.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("pricing").pipe(
  Command.withDescription("What this machine asks"),
  Command.withSubcommands([
    Command.make("set", flags, (given) => CommandAnswer.run(given.json, set(given))).pipe(
      Command.withDescription("Ask other prices, without a restart"),
      Command.withExamples([
        {
          command: "guildhall-agent pricing set --input-price 80 --output-price 160",
          description: "In cents for a million tokens",
        },
      ]),
    ),
  ]),
)
