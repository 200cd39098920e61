/**
 * The command line's `init`: asks once what an agent needs to know, and keeps it in its home.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import { DeviceName } from "@guildhall/core/Device"
import { Region } from "@guildhall/core/Instance"
import * as AgentConfig from "./AgentConfig.ts"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as RunningAgent from "./control/RunningAgent.ts"
import * as HumanText from "./models/HumanText.ts"
import * as PriceDefaults from "./PriceDefaults.ts"

const NAME_EXPECTED = "1 to 60 printable ASCII characters"
const REGION_EXPECTED = "letters, digits and hyphens, such as eu-west"

const text = (name: string, about: string) => Flag.String(name).pipe(Flag.withDescription(about), Flag.optional)

const price = (name: string, variable: string, about: string) =>
  Flag.Finite(name).pipe(
    Flag.withDescription(`${about}, in whole cents for a million tokens [${variable}]`),
    Flag.withFallbackConfig(Config.Finite(variable)),
    CommandFlags.cents,
    Flag.optional,
  )

const flags = {
  market: CommandFlags.market,
  name: Flag.String("name").pipe(
    Flag.withDescription("What to call this machine; without it, its host name"),
    CommandFlags.checked(DeviceName, NAME_EXPECTED),
    Flag.optional,
  ),
  model: text(
    "model",
    "What to serve: a GGUF file, a model of a local server, or org/model; without it, what is found",
  ),
  quant: text("quant", "Quantisation of org/model, such as Q4_K_M"),
  backend: text("backend", "Address of a server that speaks OpenAI's API"),
  region: Flag.String("region").pipe(
    Flag.withDescription("Where the machine stands, such as eu-west [GUILDHALL_REGION]"),
    Flag.withFallbackConfig(Config.String("GUILDHALL_REGION")),
    CommandFlags.checked(Region, REGION_EXPECTED),
    Flag.optional,
  ),
  inputPrice: price("input-price", "GUILDHALL_INPUT_PRICE", `Price of what is read (${PriceDefaults.INPUT})`),
  outputPrice: price("output-price", "GUILDHALL_OUTPUT_PRICE", `Price of what is written (${PriceDefaults.OUTPUT})`),
  yes: Flag.Boolean("yes").pipe(
    Flag.withAlias("y"),
    Flag.withDescription("Ask nothing: take the flags, and what is there already"),
    Flag.withDefault(false),
  ),
  home: CommandFlags.home,
  json: CommandFlags.json,
}

type Given = Command.Command.Config.Infer<typeof flags>

const setting = <K extends keyof AgentConfig.AgentConfig>(
  name: K,
  value: Option.Option<AgentConfig.AgentConfig[K]>,
): Partial<AgentConfig.AgentConfig> => Option.match(value, { onNone: () => ({}), onSome: (one) => ({ [name]: one }) })

const saidBy = (given: Given): Partial<AgentConfig.AgentConfig> => ({
  ...setting("market", given.market),
  ...setting("name", given.name),
  ...setting("model", given.model),
  ...setting("quant", given.quant),
  ...setting("backend", given.backend),
  ...setting("region", given.region),
  ...setting("inputPrice", given.inputPrice),
  ...setting("outputPrice", given.outputPrice),
})

/** Asks a person: an empty answer keeps what stands in brackets, and `none` is nothing. */
const question = <A>(
  message: string,
  initial: A | undefined,
  read: (text: string) => Option.Option<A>,
  expected: string,
) =>
  Prompt.run(
    Prompt.String({
      message: initial === undefined ? message : `${message} (${initial})`,
      validate: (typed) => {
        const answer = typed.trim()
        return answer === "" || answer === "none" || Option.isSome(read(answer))
          ? Effect.succeed(answer)
          : Effect.fail(`Write ${expected}, or none.`)
      },
    }),
  ).pipe(
    Effect.map((answer) =>
      answer === "" ? Option.fromUndefinedOr(initial) : answer === "none" ? Option.none<A>() : read(answer),
    ),
  )

const isUrl = (text: string) =>
  /^https?:\/\//.test(text) && URL.canParse(text) ? Option.some(text.replace(/\/+$/, "")) : Option.none<string>()
const any = (text: string) => Option.some(text)
const asCents = (text: string) =>
  /^\d{1,9}$/.test(text) && Number(text) <= 100_000_000 ? Option.some(Number(text)) : Option.none<number>()

const stopped = new AgentError({ reason: "BadSetting", detail: "Nothing was written: it was stopped." })

const asked = (before: AgentConfig.AgentConfig) =>
  Effect.gen(function* () {
    const market = yield* question(
      "Address of the market",
      before.market,
      isUrl,
      "an address such as https://market.example",
    )
    const name = yield* question(
      "Name of this machine",
      before.name,
      Schema.decodeUnknownOption(DeviceName),
      NAME_EXPECTED,
    )
    const model = yield* question("Model to serve; none for what is found here", before.model, any, "a model")
    const region = yield* question("Region", before.region, Schema.decodeUnknownOption(Region), REGION_EXPECTED)
    const per = "in cents for a million tokens"
    const inputPrice = yield* question(`Price of what is read, ${per}`, before.inputPrice, asCents, "whole cents")
    const outputPrice = yield* question(`Price of what is written, ${per}`, before.outputPrice, asCents, "whole cents")
    const { backend, quant } = before
    const config: AgentConfig.AgentConfig = {
      ...(backend === undefined ? {} : { backend }),
      ...(quant === undefined ? {} : { quant }),
      ...setting("market", market),
      ...setting("name", name),
      ...setting("model", model),
      ...setting("region", region),
      ...setting("inputPrice", inputPrice),
      ...setting("outputPrice", outputPrice),
    }
    return config
  }).pipe(Effect.catchTag("QuitError", () => stopped))

const LABELS: Readonly<Record<keyof AgentConfig.AgentConfig, string>> = {
  market: "Market",
  name: "Name",
  model: "Model",
  quant: "Quantisation",
  backend: "Server",
  region: "Region",
  inputPrice: "Price in",
  outputPrice: "Price out",
}

const rows = (config: AgentConfig.AgentConfig): ReadonlyArray<string> =>
  HumanText.table(
    Object.entries(LABELS).flatMap(([name, label]) => {
      const value = Object.entries(config).find(([key]) => key === name)?.[1]
      if (value === undefined) return []
      return [[label, typeof value === "number" ? `${value} cents for a million tokens` : value]]
    }),
  )

const checkMarket = (url: string | undefined) =>
  url === undefined || Option.isSome(isUrl(url))
    ? Effect.void
    : new AgentError({
        reason: "BadSetting",
        detail: `${url} is no market's address. Write --market like https://market.example or http://127.0.0.1:8787.`,
      })

const init = Effect.fnUntraced(function* (given: Given) {
  const { home, json, yes } = given
  const { canPrompt } = yield* TerminalCapabilities
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const found = yield* AgentConfig.read(home)
  const defaults = { inputPrice: PriceDefaults.INPUT, outputPrice: PriceDefaults.OUTPUT }
  const before = { ...defaults, ...Option.getOrElse(found, () => ({})), ...saidBy(given) }
  const config = canPrompt && !yes && !json ? yield* asked(before) : before
  yield* checkMarket(config.market)
  const isChanged = Option.isNone(found) || !AgentConfig.isSame(found.value, config)
  const file = isChanged ? yield* AgentConfig.write(home, config) : path.join(home, AgentConfig.FILE)
  const isPaired = yield* Effect.orElseSucceed(fs.exists(path.join(home, "market.json")), () => false)
  const isRunning = Option.isSome(yield* RunningAgent.find(home))
  const own = home === CommandFlags.DEFAULT_HOME ? "" : ` --home ${home}`
  const market = config.market === undefined ? " --market <address>" : ""
  const next = [
    ...(isPaired ? [] : [`Pair it, with a code that the market shows: guildhall-agent pair <code>${market}${own}`]),
    isRunning ? "The agent that runs takes them up at its next start." : `Then serve: guildhall-agent serve${own}`,
  ]
  return {
    document: { file, config, changed: isChanged, paired: isPaired, next },
    text: () => [...rows(config), isChanged ? `Written to ${file}.` : `${file} is so already.`, ...next],
  }
})

/**
 * The command `init`. At a terminal it asks; else, and with `--yes`, it takes the flags and what is there already. What was
 * written before stays where nothing else is said.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("init", flags, (given) => CommandAnswer.run(given.json, init(given))).pipe(
  Command.withDescription("Write the settings of this machine: market, name, model, region and prices"),
  Command.withExamples([
    { command: "guildhall-agent init", description: "Asks at a terminal" },
    {
      command: "guildhall-agent init --yes --market https://market.example --model Qwen/Qwen3-8B --region eu-west",
      description: "For scripts",
    },
  ]),
)
