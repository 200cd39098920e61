/**
 * The command line of an agent.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Agent from "./Agent.ts"
import { AgentError } from "./AgentError.ts"
import { BackendError } from "./Backend.ts"
import * as AgentLogger from "./AgentLogger.ts"
import * as ParentPipe from "./ParentPipe.ts"

const Cents = Schema.Finite.pipe(
  Schema.check(
    Schema.makeFilter((cents: number) =>
      Number.isInteger(cents) && cents >= 0 && cents <= 100_000_000
        ? undefined
        : "a price is whole cents for a million tokens, from 0 to 100000000",
    ),
  ),
)
const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 })))
const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))
const Tokens = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 64, maximum: 100_000_000 })))

const price = (name: string, variable: string, about: string, fallback: number) =>
  Flag.Finite(name).pipe(
    Flag.withDescription(`${about}, in whole cents for a million tokens (${fallback})`),
    Flag.withFallbackConfig(Config.Finite(variable)),
    Flag.withDefault(fallback),
    Flag.withSchema(Cents),
  )

const text = (name: string, about: string) => Flag.String(name).pipe(Flag.withDescription(about), Flag.optional)

const flags = {
  market: Flag.String("market").pipe(
    Flag.withDescription("Address of the market, such as http://127.0.0.1:8787"),
    Flag.withFallbackConfig(Config.String("GUILDHALL_MARKET_URL")),
  ),
  key: Flag.Redacted("key").pipe(
    Flag.withDescription("The provider's API key (better in GUILDHALL_PROVIDER_KEY than on the command line)"),
    Flag.withFallbackConfig(Config.Redacted("GUILDHALL_PROVIDER_KEY")),
  ),
  home: Flag.String("home").pipe(
    Flag.withDescription("Folder for the device key and the usage log"),
    Flag.withFallbackConfig(Config.String("GUILDHALL_AGENT_HOME")),
    Flag.withDefault(".guildhall-agent"),
  ),
  model: text(
    "model",
    "A GGUF file's path, or the id of a model that a local server has; without it, what is found, or a demo",
  ),
  name: text("name", "The id under which a file is sold, such as meta-llama/Llama-3.1-8B-Instruct"),
  backend: text("backend", "Address of a server that speaks OpenAI's API, such as http://127.0.0.1:11434"),
  inputPrice: price("input-price", "GUILDHALL_INPUT_PRICE", "Price of what is read", 100),
  outputPrice: price("output-price", "GUILDHALL_OUTPUT_PRICE", "Price of what is written", 200),
  concurrency: Flag.Int("concurrency").pipe(
    Flag.withDescription("Requests at a time (4)"),
    Flag.withSchema(Count),
    Flag.optional,
  ),
  context: Flag.Int("context").pipe(
    Flag.withDescription("Context length that is offered, in tokens"),
    Flag.withSchema(Tokens),
    Flag.optional,
  ),
  host: Flag.String("host").pipe(Flag.withDescription("Address to listen on"), Flag.withDefault("127.0.0.1")),
  port: Flag.Int("port").pipe(
    Flag.withDescription("Port to listen on; 0 takes a free one"),
    Flag.withDefault(0),
    Flag.withSchema(Port),
  ),
  publicUrl: text("public-url", "Address under which the market reaches this agent, if it is another"),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Write logs as JSON"), Flag.withDefault(false)),
  exitWithParent: Flag.Boolean("exit-with-parent").pipe(
    Flag.withDescription("Stop when standard input ends, which a parent's death does"),
    Flag.withDefault(false),
  ),
}

/** What the flags and the environment give. */
interface Input {
  readonly market: string
  readonly key: Redacted.Redacted<string>
  readonly home: string
  readonly model: Option.Option<string>
  readonly name: Option.Option<string>
  readonly backend: Option.Option<string>
  readonly inputPrice: number
  readonly outputPrice: number
  readonly concurrency: Option.Option<number>
  readonly context: Option.Option<number>
  readonly host: string
  readonly port: number
  readonly publicUrl: Option.Option<string>
}

const toSettings = (input: Input): Agent.Settings => ({
  marketUrl: input.market,
  apiKey: input.key,
  home: input.home,
  model: Option.getOrUndefined(input.model),
  name: Option.getOrUndefined(input.name),
  backendUrl: Option.getOrUndefined(input.backend),
  inputPriceCents: input.inputPrice,
  outputPriceCents: input.outputPrice,
  concurrency: Option.getOrUndefined(input.concurrency),
  contextLength: Option.getOrUndefined(input.context),
  host: input.host,
  port: input.port,
  publicUrl: Option.getOrUndefined(input.publicUrl),
})

/**
 * The exit code that says: starting this agent again with the same settings cannot help. Any other failure may pass.
 *
 * @category constants
 * @since 0.1.0
 */
export const EXIT_CANNOT_SERVE = 2

const final = new Set(["BadSetting", "NoModel", "CannotLoad"])
/** What a market refuses for as long as the agent asks the same. */
const finalRefusals = new Set(["invalid_endpoint", "invalid_price", "device_revoked"])

/**
 * The exit code of an agent that ended with this failure.
 *
 * @category getters
 * @since 0.1.0
 */
export const exitCode = (cause: Cause.Cause<unknown>): number => {
  if (Cause.hasInterruptsOnly(cause)) return 0
  const error = Cause.squash(cause)
  const isFinal =
    ((error instanceof AgentError || error instanceof BackendError) && final.has(error.reason)) ||
    (error instanceof AgentError && finalRefusals.has(error.code ?? ""))
  return isFinal ? EXIT_CANNOT_SERVE : 1
}

/**
 * The command `agent`: serves a model on a market until it is stopped. It writes the letter of its failure before it fails.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("agent", flags, (input) =>
  Agent.run(toSettings(input), input.exitWithParent ? ParentPipe.ended : Effect.never).pipe(
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logError(
            Cause.prettyErrors(cause)
              .map((error) => error.message)
              .join("\n"),
          ),
    ),
    Effect.provide(Layer.mergeAll(NodeHttpClient.layerNodeHttp, AgentLogger.layer({ json: input.json }))),
    Effect.scoped,
  ),
).pipe(Command.withDescription("Serve a model on a market and get paid for it."))
