/**
 * The command `guildhall`.
 */
import path from "node:path"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as KeyRingFile from "@guildhall/core/KeyRingFile"
import { DEVELOPMENT_ID } from "@guildhall/core/MarketChain"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as Parts from "@guildhall/core/Parts"
import * as AgentCommand from "@guildhall/agent/AgentCommand"
import * as ChainCommand from "@guildhall/chain-evm/ChainCommand"
import * as CatalogueCommand from "@guildhall/gateway/CatalogueCommand"
import * as NodeSignature from "@guildhall/gateway/NodeSignature"
import * as TokenCatalogue from "@guildhall/gateway/TokenCatalogue"
import * as LedgerCommand from "@guildhall/ledger/LedgerCommand"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as JournalSql from "@guildhall/journal/JournalSql"
import * as ReceiptCommand from "@guildhall/journal/ReceiptCommand"
import * as ReceiptStatements from "@guildhall/verification/ReceiptStatements"
import * as CloudAccounts from "@guildhall/registry/CloudAccounts"
import * as CloudCommand from "@guildhall/registry/CloudCommand"
import * as CloudStoreSql from "@guildhall/registry/CloudStoreSql"
import * as SealKeys from "@guildhall/registry/SealKeys"
import * as NamedPolicies from "@guildhall/routing/NamedPolicies"
import * as RoutingCommand from "@guildhall/routing/RoutingCommand"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as AppConfig from "./AppConfig.ts"
import * as Database from "./Database.ts"
import * as Definition from "./Definition.ts"
import * as Launch from "./Launch.ts"
import * as ChainState from "./embedded/ChainState.ts"
import * as Log from "./Log.ts"
import * as MarketCommand from "./MarketCommand.ts"
import * as RoutingFile from "./RoutingFile.ts"
import { routingParts } from "./RoutingParts.ts"
import * as SealLetter from "./SealLetter.ts"
import * as Terminal from "./Terminal.ts"
import * as Workers from "./Workers.ts"

const warnOfUnknown = Effect.forEach(
  AppConfig.unknownVariables(process.env),
  (name) => Effect.logWarning(`The environment has ${name}, which is no setting of Guildhall; is it misspelt?`),
  { discard: true },
)

const start = Command.make(
  "start",
  {
    model: Flag.String("model").pipe(
      Flag.withDescription("The model to serve: org/model, or the path of a .gguf file"),
      Flag.optional,
    ),
    workers: Flag.Int("workers").pipe(
      Flag.withDescription("How many processes serve the port, best one for each core"),
      Flag.filter(Workers.isCount, () => `a whole number from 1 to ${Workers.COUNT_MAX}`),
      Flag.withDefault(1),
    ),
    chain: Flag.Boolean("chain").pipe(
      Flag.withDescription("Start a chain for development too, with the contracts deployed and accounts funded"),
      Flag.withDefault(false),
    ),
  },
  Effect.fn(function* ({ chain, model, workers }) {
    const environment = yield* AppConfig.load
    const withModel = Option.isSome(model) ? AppConfig.withModel(environment, model.value) : environment
    const settings = chain ? AppConfig.withChain(withModel) : withModel
    const market = Effect.gen(function* () {
      yield* warnOfUnknown
      // Loaded here, so that the other commands do not wait for the whole gateway.
      const app = workers === 1 ? (yield* Effect.promise(() => import("./App.ts"))).make : Workers.make(workers)
      yield* Launch.launch({ settings, app, print: (line) => Console.log(line) })
      return yield* Effect.never
    })
    yield* Effect.scoped(market).pipe(Effect.provideService(References.MinimumLogLevel, settings.logLevel))
  }),
).pipe(Command.withDescription("Start the market: gateway, database and a provider"))

/** The keys that sign for the home's market. */
const keys = Layer.unwrap(
  Effect.map(AppConfig.load, ({ home }) => KeyRingFile.layer({ directory: path.join(home, "keys") })),
).pipe(Layer.provide(NodeSignature.layer), Layer.provide(NodeCrypto.layer))

/** The books of the home's market, running or stopped; nothing is held here, so the renewal period does not matter. */
const ledger = LedgerCommand.make(
  Layer.merge(LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(Database.layerForCommand)), keys),
)

/** The tokenizers of the home's market; a running one sees what is added. */
const catalogue = CatalogueCommand.make(
  Layer.unwrap(Effect.map(AppConfig.load, ({ catalogue }) => TokenCatalogue.layer({ folder: catalogue }))).pipe(
    Layer.provide(NodeCrypto.layer),
  ),
)

/** The accounts in a cloud of the home's market, running or stopped. Which URLs they may have was decided when they were added. */
const cloud = CloudCommand.make(
  Layer.unwrap(
    Effect.map(AppConfig.load, ({ sealKeys }) =>
      CloudAccounts.layer({ allowPrivate: true }).pipe(
        Layer.provide([CloudStoreSql.layer.pipe(Layer.provide(Database.layerForCommand)), SealKeys.layer(sealKeys)]),
        Layer.catchTag("SealKeysError", (error) =>
          Layer.effect(CloudAccounts.CloudAccounts, Effect.fail(SealLetter.of(error))),
        ),
      ),
    ),
  ),
)

/** By what the home's market routes: as it wrote down itself or, where it has not, as the definition says. */
const facts = Effect.gen(function* () {
  const settings = yield* AppConfig.load
  const written = yield* RoutingFile.read(settings.home)
  if (written !== undefined) return written
  const definition = yield* Definition.load(settings)
  const digest = yield* MarketDefinition.digest(definition)
  const policy = yield* Parts.make(routingParts).resolve(RoutingPolicy, definition.routing)
  const policies = { [NamedPolicies.nameOf(policy)]: definition.routing }
  return { market: definition.name, definition: digest, policies }
}).pipe(Effect.provide(NodeCrypto.layer))

/** The journal of the home's market, running or stopped. */
const routing = RoutingCommand.make({
  facts,
  journal: JournalSql.layer.pipe(Layer.provide(Database.layerForCommand)),
  parts: Parts.make(routingParts),
})

/** Loaded when a command asks for it: the others do not wait for it. */
const chainSite = Effect.promise(() => import("./ChainSite.ts"))

/** The contracts of a market, whether it runs here, elsewhere or not at all. */
const chain = ChainCommand.make({
  chains: Effect.map(chainSite, ({ chains }) => chains),
  endpoints: ({ id }) =>
    Effect.gen(function* () {
      const settings = yield* AppConfig.load
      const named = (yield* chainSite).named(settings)
      if (named.length > 0 || id !== DEVELOPMENT_ID) return named
      const running = ChainState.rpcUrlOf(settings.home)
      return running === undefined ? [] : [Redacted.make(running)]
    }),
  signer: Layer.unwrap(
    Effect.gen(function* () {
      return (yield* chainSite).signer({ settings: yield* AppConfig.load })
    }),
  ),
  definition: MarketCommand.find,
})

const guildhall = Command.make("guildhall").pipe(
  Command.withDescription("Run a market in AI inference"),
  Command.withSubcommands([
    start,
    ledger,
    catalogue,
    routing,
    cloud,
    chain,
    MarketCommand.command,
    ReceiptCommand.make(ReceiptStatements.checks),
    AgentCommand.command,
  ]),
)

// The level of the log is a setting like the others, not a flag.
const flags = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

Terminal.runMain(
  Command.run(guildhall, { version: "0.0.0" }).pipe(
    Effect.provide(Layer.mergeAll(NodeServices.layer, Log.layer, flags)),
  ),
)
