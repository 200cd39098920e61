/**
 * The flags of an agent that serves, and the settings that they come to.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Endpoint } from "@guildhall/core/Endpoint"
import {
  Country,
  Endpoints,
  Input,
  Inputs,
  Parameters,
  ProviderName,
  Quantization,
  Rails,
  Region,
} from "@guildhall/core/Instance"
import { TokenizerDigest } from "@guildhall/core/Tokenizer"
import type { Prices } from "@guildhall/protocol/provider/Registration"
import type * as Agent from "./Agent.ts"
import type * as AgentConfig from "./AgentConfig.ts"
import * as CommandFlags from "./CommandFlags.ts"
import { cents, checked, whole } from "./CommandFlags.ts"
import * as ModelsCommand from "./ModelsCommand.ts"
import * as PriceDefaults from "./PriceDefaults.ts"

const price = (name: string, variable: string, about: string, fallback: number) =>
  Flag.Finite(name).pipe(
    Flag.withDescription(`${about}, in whole cents for a million tokens (${fallback}) [${variable}]`),
    Flag.withFallbackConfig(Config.Finite(variable)),
    cents,
    Flag.optional,
  )

/** A price of what not every model has; without it, that costs nothing. */
const extraPrice = (name: string, variable: string, about: string) =>
  Flag.Finite(name).pipe(
    Flag.withDescription(`${about}, in whole cents [${variable}]`),
    Flag.withFallbackConfig(Config.Finite(variable)),
    cents,
    Flag.optional,
  )

const setting = (name: string, variable: string, about: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(`${about} [${variable}]`),
    Flag.withFallbackConfig(Config.String(variable)),
  )

/** A list with commas. */
const split = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")

const namesBy = (read: (text: string) => ReadonlyArray<string>) =>
  Schema.String.pipe(
    Schema.decodeTo(Schema.Array(Schema.String), {
      decode: SchemaGetter.transform(read),
      encode: SchemaGetter.transform((names: ReadonlyArray<string>) => names.join(",")),
    }),
  )
const Names = namesBy(split)
/** The word for a list that is declared, and empty. */
const NamesOrNone = namesBy((text) => (text.trim() === "none" ? [] : split(text)))
const YesNo = Schema.Literals(["yes", "no"])

const text = (name: string, about: string) => Flag.String(name).pipe(Flag.withDescription(about), Flag.optional)

/**
 * The flags of an agent that serves.
 *
 * @category flags
 * @since 0.1.0
 */
export const flags = {
  market: CommandFlags.market,
  key: CommandFlags.key,
  home: CommandFlags.home,
  model: text(
    "model",
    "A GGUF file's path, the id of a model that a local server has, or org/model at the hub; without it, what is found, or a demo",
  ),
  quant: ModelsCommand.quant,
  revision: ModelsCommand.revision,
  yes: ModelsCommand.yes,
  modelsDirectory: ModelsCommand.modelsDirectory,
  name: text("name", "The id under which a file is sold, such as meta-llama/Llama-3.1-8B-Instruct"),
  backend: text("backend", "Address of a server that speaks OpenAI's API, such as http://127.0.0.1:11434"),
  inputPrice: price("input-price", "GUILDHALL_INPUT_PRICE", "Price of what is read", PriceDefaults.INPUT),
  outputPrice: price("output-price", "GUILDHALL_OUTPUT_PRICE", "Price of what is written", PriceDefaults.OUTPUT),
  cachedInputPrice: extraPrice(
    "cached-input-price",
    "GUILDHALL_CACHED_INPUT_PRICE",
    "Price of a million tokens that are read from a cache; without it, that of the others",
  ),
  imagePrice: extraPrice("image-price", "GUILDHALL_IMAGE_PRICE", "Price of a thousand images"),
  audioPrice: extraPrice("audio-price", "GUILDHALL_AUDIO_PRICE", "Price of a thousand seconds of sound"),
  requestPrice: extraPrice("request-price", "GUILDHALL_REQUEST_PRICE", "Price of a thousand requests"),
  provider: setting(
    "provider",
    "GUILDHALL_PROVIDER_NAME",
    "Public name by which buyers ask for you: up to 40 of a-z, 0-9 and -",
  ).pipe(checked(ProviderName, "up to 40 of a-z, 0-9 and -, the first no -"), Flag.optional),
  endpoints: setting(
    "endpoints",
    "GUILDHALL_ENDPOINTS",
    `What is served, with commas: ${Endpoint.literals.join(", ")}; without it, what the engine answers`,
  ).pipe(
    checked(Names.pipe(Schema.decodeTo(Endpoints)), `some of ${Endpoint.literals.join(", ")}, with commas`),
    Flag.optional,
  ),
  quantization: setting(
    "quantization",
    "GUILDHALL_QUANTIZATION",
    `Precision of the weights: ${Quantization.literals.join(", ")}; without it, what the file says`,
  ).pipe(
    checked(Schema.String.pipe(Schema.decodeTo(Quantization)), `one of ${Quantization.literals.join(", ")}`),
    Flag.optional,
  ),
  parameters: setting(
    "parameters",
    "GUILDHALL_PARAMETERS",
    "Members of a request that the engine understands, with commas, such as tools,response_format,temperature",
  ).pipe(checked(Names.pipe(Schema.decodeTo(Parameters)), "names of members, with commas, each once"), Flag.optional),
  retainsData: setting(
    "retains-data",
    "GUILDHALL_RETAINS_DATA",
    "yes or no: whether prompts or answers are kept after they were served; without it, nothing is declared",
  ).pipe(checked(Schema.String.pipe(Schema.decodeTo(YesNo)), "yes or no"), Flag.optional),
  tokenizer: setting("tokenizer", "GUILDHALL_TOKENIZER", "Digest of the engine's tokenizer").pipe(
    checked(TokenizerDigest, "64 of 0-9 and a-f"),
    Flag.optional,
  ),
  region: setting("region", "GUILDHALL_REGION", "Where the machine stands, such as eu-west").pipe(
    checked(Region, "letters, digits and hyphens, such as eu-west"),
    Flag.optional,
  ),
  country: setting(
    "country",
    "GUILDHALL_COUNTRY",
    "Country whose law holds where the machine stands: two letters, such as DE",
  ).pipe(checked(Country, "two capital letters, such as DE"), Flag.optional),
  inputs: setting(
    "inputs",
    "GUILDHALL_INPUTS",
    `What the model takes in beside text, with commas: ${Input.literals.join(", ")}; "none" for nothing`,
  ).pipe(
    checked(NamesOrNone.pipe(Schema.decodeTo(Inputs)), `some of ${Input.literals.join(", ")}, with commas, or none`),
    Flag.optional,
  ),
  rails: setting(
    "rails",
    "GUILDHALL_RAILS",
    "Payment schemes whose buyers are served, with commas, such as ApiKey; without it, all",
  ).pipe(
    checked(Names.pipe(Schema.decodeTo(Rails)), "names of payment schemes, with commas, each once"),
    Flag.optional,
  ),
  weights: setting(
    "weights",
    "GUILDHALL_WEIGHTS",
    "Path of the GGUF file that the server runs, to read precision and tokenizer from",
  ).pipe(Flag.optional),
  concurrency: Flag.Int("concurrency").pipe(
    Flag.withDescription("Requests at a time (4)"),
    whole(1, 100_000),
    Flag.optional,
  ),
  context: Flag.Int("context").pipe(
    Flag.withDescription("Context length that is offered, in tokens"),
    whole(64, 100_000_000),
    Flag.optional,
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen on (127.0.0.1)"),
    Flag.withDefault("127.0.0.1"),
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("Port to listen on (0, which takes a free one)"),
    Flag.withDefault(0),
    whole(0, 65_535),
  ),
  publicUrl: text("public-url", "Address under which the market reaches this agent, if it is another"),
  tunnel: setting(
    "tunnel",
    "GUILDHALL_TUNNEL",
    "yes or no: whether requests come through a tunnel that the agent opens, so that no port need be open here; without it, yes where the market is on another machine and there is no --public-url",
  ).pipe(checked(Schema.String.pipe(Schema.decodeTo(YesNo)), "yes or no"), Flag.optional),
  pull: Flag.Boolean("pull").pipe(
    Flag.withDescription(
      "Ask the market for requests when there is room, in place of being called or of a tunnel [GUILDHALL_PULL]",
    ),
    Flag.withFallbackConfig(Config.Boolean("GUILDHALL_PULL")),
    Flag.withDefault(false),
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Write what is told as JSON, one object a line"),
    Flag.withDefault(false),
  ),
  exitWithParent: Flag.Boolean("exit-with-parent").pipe(
    Flag.withDescription("Stop when standard input ends, which a parent's death does"),
    Flag.withDefault(false),
  ),
}

/**
 * The same, for a command under which other commands stand: its help shows those.
 *
 * @category flags
 * @since 0.1.0
 */
export const hidden = Object.fromEntries(
  Object.entries(flags).map(([name, flag]: [string, Flag.Flag<unknown>]) => [name, Flag.withHidden(flag)]),
  // Hiding a flag changes nothing of what it gives, which the types of entries do not say.
) as typeof flags

/**
 * What the flags and the environment give.
 *
 * @category models
 * @since 0.1.0
 */
export type Given = Command.Command.Config.Infer<typeof flags>

const given = (name: keyof Prices, price: Option.Option<number>): Partial<Prices> =>
  Option.match(price, { onNone: () => ({}), onSome: (cents) => ({ [name]: cents }) })

/**
 * The settings of an agent: a flag goes before the environment, that before what `init` wrote, and that before what is usual. What is
 * to be served is one thing: whoever names a model or a server means neither those that were written.
 *
 * @category constructors
 * @since 0.1.0
 */
export const toSettings = (input: Given, marketUrl: string, written: AgentConfig.AgentConfig): Agent.Settings => {
  const isNamed = Option.isSome(input.model) || Option.isSome(input.backend)
  const { backend, model, quant }: AgentConfig.AgentConfig = isNamed ? {} : written
  return {
    marketUrl,
    apiKey: Option.getOrUndefined(input.key),
    home: input.home,
    model: Option.getOrUndefined(input.model) ?? model,
    quant: Option.getOrUndefined(input.quant) ?? quant,
    revision: Option.getOrUndefined(input.revision),
    acceptsLicense: input.yes,
    modelsDirectory: Option.getOrUndefined(input.modelsDirectory),
    name: Option.getOrUndefined(input.name),
    backendUrl: Option.getOrUndefined(input.backend) ?? backend,
    prices: {
      input_price_per_million: Option.getOrUndefined(input.inputPrice) ?? written.inputPrice ?? PriceDefaults.INPUT,
      output_price_per_million: Option.getOrUndefined(input.outputPrice) ?? written.outputPrice ?? PriceDefaults.OUTPUT,
      ...given("cached_input_price_per_million", input.cachedInputPrice),
      ...given("image_price_per_thousand", input.imagePrice),
      ...given("audio_second_price_per_thousand", input.audioPrice),
      ...given("request_price_per_thousand", input.requestPrice),
    },
    provider: Option.getOrUndefined(input.provider),
    endpoints: Option.getOrUndefined(input.endpoints),
    quantization: Option.getOrUndefined(input.quantization),
    parameters: Option.getOrUndefined(input.parameters),
    retainsData: Option.getOrUndefined(Option.map(input.retainsData, (answer) => answer === "yes")),
    tokenizer: Option.getOrUndefined(input.tokenizer),
    region: Option.getOrUndefined(input.region) ?? written.region,
    country: Option.getOrUndefined(input.country),
    inputs: Option.getOrUndefined(input.inputs),
    rails: Option.getOrUndefined(input.rails),
    weights: Option.getOrUndefined(input.weights),
    concurrency: Option.getOrUndefined(input.concurrency),
    contextLength: Option.getOrUndefined(input.context),
    host: input.host,
    port: input.port,
    publicUrl: Option.getOrUndefined(input.publicUrl),
    tunnel: Option.getOrUndefined(Option.map(input.tunnel, (answer) => answer === "yes")),
    pull: input.pull,
  }
}
