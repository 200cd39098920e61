/**
 * The command line's `wallet`: binds this device to the wallet that it bonds and votes with.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as EvmKey from "@guildhall/protocol/evm/EvmKey"
import * as TypedData from "@guildhall/protocol/evm/TypedData"
import { typedData } from "@guildhall/protocol/provider/WalletBinding"
import * as AgentHome from "./AgentHome.ts"
import * as DeviceKey from "./DeviceKey.ts"
import * as MarketClient from "./MarketClient.ts"
import * as PairCommand from "./PairCommand.ts"
import * as PairedMarket from "./PairedMarket.ts"
import * as Wallet from "./Wallet.ts"

const flags = {
  market: Flag.String("market").pipe(
    Flag.withDescription("Address of the market; without it, the one that `pair` was told"),
    Flag.withFallbackConfig(Config.String("GUILDHALL_MARKET_URL")),
    Flag.optional,
  ),
  home: Flag.String("home").pipe(
    Flag.withDescription("Folder for the keys of device and wallet"),
    Flag.withFallbackConfig(Config.String("GUILDHALL_AGENT_HOME")),
    Flag.withDefault(".guildhall-agent"),
  ),
  address: Flag.String("address").pipe(
    Flag.withDescription("Address of a wallet elsewhere: prints what it has to sign"),
    Flag.filterMap(
      Schema.decodeUnknownOption(EvmKey.Address),
      () => "an address of 0x and 40 digits, with its checksum",
    ),
    Flag.optional,
  ),
  signature: Flag.String("signature").pipe(
    Flag.withDescription("What that wallet signed: 65 bytes in hexadecimal"),
    Flag.optional,
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false)),
}

interface Input {
  readonly market: Option.Option<string>
  readonly home: string
  readonly address: Option.Option<EvmKey.Address>
  readonly signature: Option.Option<string>
  readonly json: boolean
}

/** What a person does with the statement. */
const howToSign = (data: string): string =>
  `${data}

Sign this with the wallet, as typed data (EIP-712; with Foundry: cast wallet sign --data '…'), within an hour. Then:
  guildhall-agent wallet bind --signature 0x…`

const bound = (json: boolean, address: string) =>
  Console.log(json ? JSON.stringify({ ok: true, wallet: address }) : `This device is bound to the wallet ${address}.`)

const bind = Effect.fnUntraced(function* ({ address, json, signature }: Input) {
  if (Option.isSome(signature)) return yield* bound(json, yield* Wallet.end(signature.value))
  if (Option.isSome(address)) {
    const data = TypedData.json(typedData(yield* Wallet.begin(address.value)))
    return yield* Console.log(json ? data : howToSign(data))
  }
  // In the environment alone: what stands on a command line is shown to everyone on the machine.
  const imported = yield* Effect.orElseSucceed(Config.option(Config.Redacted("GUILDHALL_WALLET_KEY")), () =>
    Option.none(),
  )
  yield* bound(json, yield* Wallet.bind(Option.getOrUndefined(imported)))
})

const run = Effect.fnUntraced(function* (input: Input) {
  const url = yield* PairedMarket.resolve(input.market, input.home)
  const services = MarketClient.layer({ url, apiKey: undefined }).pipe(
    Layer.provideMerge(DeviceKey.layer),
    Layer.provideMerge(AgentHome.layer({ directory: input.home })),
  )
  yield* Effect.provide(bind(input), services)
})

const bindCommand = Command.make("bind", flags, (input) =>
  run(input).pipe(
    Effect.catchTag("AgentError", (error) => PairCommand.fail(error, input.json)),
    Effect.provide(NodeHttpClient.layerNodeHttp),
    Effect.provide(Logger.layer([])),
    Effect.scoped,
  ),
).pipe(
  Command.withDescription(
    "Bind this device to a wallet: one whose key is made in its home (or taken from GUILDHALL_WALLET_KEY, and kept there), or one elsewhere.",
  ),
  Command.withExamples([
    { command: "guildhall-agent wallet bind", description: "Make a key in the home of the agent and bind it" },
    {
      command: "guildhall-agent wallet bind --address 0x…",
      description: "Print what a wallet elsewhere has to sign",
    },
    { command: "guildhall-agent wallet bind --signature 0x…", description: "Bind it with its signature" },
  ]),
)

/**
 * The command `wallet`. The agent must not run meanwhile.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("wallet").pipe(
  Command.withDescription("The wallet that this device's member is paid to, and that the device bonds and votes with."),
  Command.withSubcommands([bindCommand]),
)
