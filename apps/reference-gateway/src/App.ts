/**
 * The one place where layers are composed: the whole market over one database and one port. Every layer here is exported
 * by a package; an embedder writes a file like this one.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PgClient } from "@effect/sql-pg"
import { createServer } from "node:http"
import path from "node:path"
import { setFlagsFromString } from "node:v8"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerError from "effect/http/HttpServerError"
import * as Otlp from "effect/observability/Otlp"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import { KeyRing } from "@guildhall/core/KeyRing"
import * as KeyRingFile from "@guildhall/core/KeyRingFile"
import type { Instance } from "@guildhall/core/Instance"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import { PartError } from "@guildhall/core/Parts"
import * as AnswerSeal from "@guildhall/gateway/AnswerSeal"
import * as CloudCheck from "@guildhall/gateway/CloudCheck"
import * as ClientAddress from "@guildhall/gateway/ClientAddress"
import * as Claims from "@guildhall/gateway/Claims"
import * as HoldRenewal from "@guildhall/gateway/HoldRenewal"
import * as ControlRoutes from "@guildhall/gateway/http/ControlRoutes"
import * as MetricsRoutes from "@guildhall/gateway/http/MetricsRoutes"
import * as InferenceRoutes from "@guildhall/gateway/http/InferenceRoutes"
import * as LaneServer from "@guildhall/gateway/http/LaneServer"
import * as NotFoundRoute from "@guildhall/gateway/http/NotFoundRoute"
import * as HordeRoutes from "@guildhall/gateway/http/HordeRoutes"
import * as PullRoutes from "@guildhall/gateway/http/PullRoutes"
import * as TunnelServer from "@guildhall/gateway/http/TunnelServer"
import * as Horde from "@guildhall/gateway/Horde"
import * as Idempotency from "@guildhall/gateway/Idempotency"
import * as InferenceLane from "@guildhall/gateway/InferenceLane"
import * as Limits from "@guildhall/gateway/Limits"
import * as LimitStoreSql from "@guildhall/gateway/LimitStoreSql"
import { Market } from "@guildhall/gateway/Market"
import * as NodeSignature from "@guildhall/gateway/NodeSignature"
import * as ProbeTickets from "@guildhall/gateway/ProbeTickets"
import * as Readiness from "@guildhall/gateway/Readiness"
import * as Recount from "@guildhall/gateway/Recount"
import * as TokenCatalogue from "@guildhall/gateway/TokenCatalogue"
import * as CountingThread from "@guildhall/gateway/tokens/CountingThread"
import * as TopUps from "@guildhall/gateway/TopUps"
import * as PullJobs from "@guildhall/gateway/PullJobs"
import * as ByReach from "@guildhall/gateway/transports/ByReach"
import * as CloudTransport from "@guildhall/gateway/transports/Cloud"
import * as PullTransport from "@guildhall/gateway/transports/Pull"
import * as TunnelTransport from "@guildhall/gateway/transports/Tunnel"
import * as Undici from "@guildhall/gateway/transports/Undici"
import * as Tunnels from "@guildhall/gateway/Tunnels"
import * as AnswerStoreSql from "@guildhall/journal/AnswerStoreSql"
import * as ReceiptCommand from "@guildhall/journal/ReceiptCommand"
import * as JournalSql from "@guildhall/journal/JournalSql"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import { PaymentRail } from "@guildhall/ledger/PaymentRail"
import { PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import * as CloudAccounts from "@guildhall/registry/CloudAccounts"
import * as CloudStoreSql from "@guildhall/registry/CloudStoreSql"
import { Devices } from "@guildhall/registry/Devices"
import * as DevicesSql from "@guildhall/registry/DevicesSql"
import * as EntryRecordSql from "@guildhall/registry/EntryRecordSql"
import * as HealthRecordSql from "@guildhall/registry/HealthRecordSql"
import * as InFlightSql from "@guildhall/registry/InFlightSql"
import * as PairingSql from "@guildhall/registry/PairingSql"
import * as PgNotifier from "@guildhall/registry/notifiers/Pg"
import { Members } from "@guildhall/registry/Members"
import * as MembersSql from "@guildhall/registry/MembersSql"
import * as SealKeys from "@guildhall/registry/SealKeys"
import * as NamedPolicies from "@guildhall/routing/NamedPolicies"
import * as Router from "@guildhall/routing/Router"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as AnswerSweep from "@guildhall/steward/AnswerSweep"
import * as DirectoryFeed from "@guildhall/steward/DirectoryFeed"
import * as Entry from "@guildhall/steward/Entry"
import * as HealthExchange from "@guildhall/steward/HealthExchange"
import * as HoldExpiry from "@guildhall/steward/HoldExpiry"
import * as InFlightExchange from "@guildhall/steward/InFlightExchange"
import * as Liveness from "@guildhall/steward/Liveness"
import * as Silence from "@guildhall/steward/Silence"
import * as Outbox from "@guildhall/steward/Outbox"
import * as OutboxSql from "@guildhall/steward/OutboxSql"
import * as TransportProbe from "@guildhall/verification/endpoint/TransportProbe"
import { randomUUID } from "node:crypto"
import type { Settings } from "./AppConfig.ts"
import * as Definition from "./Definition.ts"
import * as DevMembers from "./DevMembers.ts"
import { agentProgram, type AgentCommand, type Facts, listenError, type Running } from "./Launch.ts"
import { LaunchError, reasonOf } from "./LaunchError.ts"
import * as MarketParts from "./MarketParts.ts"
import * as Replicas from "./Replicas.ts"
import * as RoutingFile from "./RoutingFile.ts"
import * as SealLetter from "./SealLetter.ts"

/** Requests under way get so long to end by themselves before they are ended; npm takes a second of its own after all. */
const DRAIN_MS = 3_000

/** Members' accounts in a cloud: what opens their tokens comes from the settings alone. */
const cloudAccounts = ({ sealKeys }: Settings, { endpoints }: MarketDefinition.MarketDefinition) =>
  CloudAccounts.layer({ allowPrivate: endpoints.allowPrivate }).pipe(
    Layer.provide([CloudStoreSql.layer, SealKeys.layer(sealKeys)]),
  )

/** Everything that keeps something: the database, the stores over it, and the keys. */
const stores = (facts: Facts, definition: MarketDefinition.MarketDefinition) => {
  const database = PgClient.layer({ url: facts.databaseUrl, maxConnections: 12 })
  return Layer.mergeAll(
    Ledger.layer.pipe(Layer.provide(LedgerStoreSql.layer({ renewMs: definition.hold.renewMs }))),
    JournalSql.layer,
    AnswerStoreSql.layer(),
    MembersSql.layer,
    LimitStoreSql.layer,
    DevicesSql.layer({
      allowPrivate: definition.endpoints.allowPrivate,
      devices: definition.devices,
      asksEntry: definition.entry !== undefined,
    }),
    cloudAccounts(facts.settings, definition),
    EntryRecordSql.layer,
    InFlightSql.layer(),
    HealthRecordSql.layer({ days: definition.health.window?.days }),
    PgNotifier.layer,
  ).pipe(
    Layer.provideMerge(database),
    Layer.provideMerge(
      KeyRingFile.layer({ directory: path.join(facts.settings.home, "keys") }).pipe(Layer.provide(NodeSignature.layer)),
    ),
  )
}

/** The market of the definition, with its parts resolved. */
const market = (home: string, definition: MarketDefinition.MarketDefinition) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const parts = MarketParts.make(yield* Members, definition)
      const payments = yield* Effect.forEach(definition.payments, (ref) => parts.resolve(PaymentScheme, ref))
      const policy = yield* parts.resolve(RoutingPolicy, definition.routing)
      const digest = yield* MarketDefinition.digest(definition)
      const named = { [NamedPolicies.nameOf(policy)]: definition.routing }
      yield* RoutingFile.add(home, { market: definition.name, definition: digest, policies: named })
      const former = yield* NamedPolicies.resolve(parts, (yield* RoutingFile.read(home))?.policies ?? {})
      const formerPolicies = [...former.values()]
      const router = yield* Router.make({ replica: "gateway", policy, formerPolicies, health: definition.health })
      return Context.make(Market, { definition, digest, owner: `gateway-${randomUUID()}`, payments }).pipe(
        Context.add(Router.Router, router),
      )
    }),
  )

/** Top-ups by the rails that the definition names. */
const topUps = (definition: MarketDefinition.MarketDefinition) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const parts = MarketParts.make(yield* Members, definition)
      const rails = yield* Effect.forEach(definition.topUps, (ref) => parts.resolve(PaymentRail, ref))
      return TopUps.layer({ rails })
    }),
  )

/** What every process on the port knows by itself: the instances, and then what is known of them. */
const knowledge = () =>
  Layer.merge(HealthExchange.layer().pipe(Layer.provideMerge(DirectoryFeed.layer())), InFlightExchange.layer())

/** The most that a probe's ticket promises beyond the prompt of the check of the context. */
const PROBE_TOKENS = { input: 256, output: 32 }

/** The checks of who enters, where the definition asks for some. */
const entry = ({ point }: Settings, { endpoints, entry: settings }: MarketDefinition.MarketDefinition) => {
  if (settings === undefined) return Layer.empty
  const probe = Layer.unwrap(
    Effect.map(
      ProbeTickets.make({
        inputTokens: settings.promptTokensMax + PROBE_TOKENS.input,
        outputTokens: PROBE_TOKENS.output,
      }),
      (headers) => TransportProbe.layer({ allowPrivate: endpoints.allowPrivate, headers }),
    ),
  )
  return Entry.layer({ settings, owner: `gateway-${randomUUID()}`, seed: randomUUID(), point }).pipe(
    Layer.provide(probe),
  )
}

const loops = (settings: Settings, definition: MarketDefinition.MarketDefinition) =>
  Layer.mergeAll(
    knowledge(),
    entry(settings, definition),
    Liveness.layer({ heartbeat: definition.heartbeat }),
    Silence.layer({ heartbeat: definition.heartbeat }),
    HoldExpiry.layer({ everyMs: Math.ceil(definition.hold.renewMs / 2) }),
    Outbox.layerWith({ definition, copy: OutboxSql.copy() }),
    AnswerSweep.layer(),
  )

/** What every further process on the port does by itself: it knows the instances, and seals what it leaves behind. */
const furtherLoops = (definition: MarketDefinition.MarketDefinition) =>
  Layer.mergeAll(knowledge(), Outbox.layerAtEnd({ definition, copy: OutboxSql.copy() }))

/** What answers are sealed with while they are kept: from the settings, else from the home, which then makes its own. */
const answerSeal = ({ answerSecrets, home }: Settings) => {
  if (answerSecrets === undefined) return AnswerSeal.layerFile({ file: path.join(home, "keys", "answer-secrets") })
  const [first = "", ...later] = Redacted.value(answerSecrets).split(",")
  return AnswerSeal.layer([Redacted.make(first), ...later.map((secret) => Redacted.make(secret))])
}

/** Codes by which machines are paired. They are hashed with a secret of the market, for a code is found by trying. */
const pairing = (settings: Settings) =>
  Layer.unwrap(
    Effect.map(AnswerSeal.AnswerSeal, ({ mac }) => PairingSql.layer({ mac: (code) => mac("pairing", code) })),
  ).pipe(Layer.provide(answerSeal(settings)))

/** Exact counts with the tokenizers of the catalogue. */
const recount = (folder: string) =>
  Recount.layer().pipe(Layer.provide(Layer.merge(TokenCatalogue.layer({ folder }), CountingThread.layer({ folder }))))

/** Effect exports nothing unless told to; OpenTelemetry's own default, once there is an endpoint, is everything. */
const exporters = ConfigProvider.layerAdd(
  ConfigProvider.fromUnknown({
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_LOGS_EXPORTER: "otlp",
    OTEL_SERVICE_NAME: "guildhall",
  }),
)

const telemetry = (settings: Settings) =>
  settings.otlpEndpoint === undefined
    ? Layer.empty
    : Otlp.layerFromConfig().pipe(
        Layer.provide(exporters),
        Layer.provide(OtlpSerialization.layerJson),
        Layer.provide(NodeHttpClient.layerUndici),
      )

/** The agent of this machine, started by the launch. */
const agent = (settings: Settings, port: number, key: Redacted.Redacted): AgentCommand | undefined =>
  settings.agent === "off"
    ? undefined
    : {
        program: agentProgram,
        args: [
          "--market",
          `http://127.0.0.1:${port}`,
          "--home",
          path.join(settings.home, "agent"),
          ...(settings.model === undefined ? [] : ["--model", settings.model]),
        ],
        env: { GUILDHALL_PROVIDER_KEY: Redacted.value(key) },
      }

/** Leaves the published keys in the home, where `guildhall receipt verify` finds them without a network. */
const publishKeys = Effect.fnUntraced(function* (home: string) {
  const ring = yield* KeyRing
  const fs = yield* FileSystem.FileSystem
  const file = path.join(home, ReceiptCommand.KEYS_FILE)
  const draft = `${file}.${process.pid}.draft`
  yield* fs.writeFileString(draft, `${JSON.stringify({ keys: yield* ring.list }, null, 2)}\n`, {
    mode: 0o600,
  })
  yield* fs.rename(draft, file)
})

/**
 * V8 makes objects of a kind that mostly lived long in the old part of the heap from the start, and there they keep all that
 * they name until that part is collected. With requests that wait for a commit it comes to believe so of everything, and
 * then a fifth of the time goes into the collector.
 */
const tuneHeap = Effect.sync(() => setFlagsFromString("--no-allocation-site-pretenuring"))

/**
 * Starts the gateway in the scope. When the scope closes, requests under way end, everything is settled, receipts are
 * sealed, and then the server stops.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (facts: Facts): Effect.Effect<Running, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    const { settings, worker } = facts
    yield* tuneHeap
    const definition = yield* Definition.load(settings.market)
    const nodeServer = createServer(LaneServer.serverOptions)
    const replicas = yield* Replicas.make(settings, worker, nodeServer)
    const services = Layer.mergeAll(
      InferenceLane.layer,
      Claims.layer,
      Horde.layer(),
      Readiness.layer,
      topUps(definition),
      pairing(settings),
      CloudCheck.layer({ allowPrivate: definition.endpoints.allowPrivate }),
    ).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          HoldRenewal.layer,
          Limits.layer,
          Idempotency.layer().pipe(Layer.provide(answerSeal(settings))),
          recount(settings.catalogue),
        ),
      ),
      Layer.provideMerge(
        Layer.merge(
          market(settings.home, definition),
          ByReach.layer<never, CloudAccounts.CloudAccounts | PullJobs.PullJobs | Tunnels.Tunnels>([
            Undici.layerWith({ allowPrivate: definition.endpoints.allowPrivate }),
            TunnelTransport.layer,
            PullTransport.layer,
            CloudTransport.layerWith({ allowPrivate: definition.endpoints.allowPrivate }),
          ]).pipe(Layer.provideMerge(replicas), Layer.provideMerge(Layer.merge(Tunnels.layer(), PullJobs.layer()))),
        ),
      ),
      Layer.provideMerge(stores(facts, definition)),
      Layer.provideMerge(Layer.mergeAll(NodeCrypto.layer, NodeServices.layer)),
    )
    const routes = Layer.mergeAll(
      InferenceRoutes.layer,
      ControlRoutes.layer,
      // A job is this process's own: its worker must not speak to another one on the same port.
      worker === undefined ? Layer.merge(PullRoutes.layer, HordeRoutes.layer) : Layer.empty,
      NotFoundRoute.layer,
    )
    const server = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(
        NodeHttpServer.layer(() => nodeServer, {
          port: settings.port,
          host: settings.host,
          reusePort: worker !== undefined,
          gracefulShutdownTimeout: "100 millis",
        }),
      ),
    )
    const context = yield* Layer.build(
      Layer.mergeAll(server, LaneServer.layer(nodeServer), TunnelServer.layer(nodeServer)).pipe(
        Layer.provideMerge(
          worker === undefined || worker === 1 ? loops(settings, definition) : furtherLoops(definition),
        ),
        Layer.provideMerge(services),
        Layer.provideMerge(telemetry(settings)),
        Layer.provideMerge(Layer.succeed(ClientAddress.TrustedProxies, settings.trustedProxies)),
        Layer.provideMerge(Layer.succeed(MetricsRoutes.Readers, settings.metrics)),
      ),
    ).pipe(Effect.mapError(toLaunchError(settings)))

    yield* publishKeys(settings.home).pipe(Effect.provideContext(context), Effect.mapError(toLaunchError(settings)))
    const lane = Context.get(context, InferenceLane.InferenceLane)
    const readiness = Context.get(context, Readiness.Readiness)
    yield* Effect.addFinalizer(() => Effect.andThen(readiness.drain, lane.drain(DRAIN_MS)))
    const keys = yield* DevMembers.make(definition, facts.lastKeys).pipe(
      Effect.provideContext(context),
      Effect.mapError(toLaunchError(settings)),
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = address._tag === "UnixPathAddress" ? settings.port : address.port
    const router = Context.get(context, Router.Router)
    const devices = Context.get(context, Devices)
    const startedAtMs = yield* Clock.currentTimeMillis
    const online = Effect.sync(() => router.instances().filter((instance) => instance.state === "online"))
    // The registry still lists what served before this start; it counts once its provider has spoken again.
    const heard = Effect.map(
      Effect.orElseSucceed(Effect.zip(online, devices.instances), () => [[], []] as const),
      ([routed, listed]) => {
        const spoke = listed.filter(({ lastBeatAtMs }) => lastBeatAtMs >= startedAtMs)
        const addresses = new Map(spoke.map(({ instance }) => [instance.id, urlOf(instance)]))
        return routed.filter((instance) => addresses.get(instance.id) === urlOf(instance))
      },
    )
    const provider = agent(settings, port, keys.providerKey)
    return {
      port,
      keys,
      agent: provider,
      ready:
        provider === undefined
          ? Effect.void
          : Effect.asVoid(
              Effect.repeat(heard, { until: (found) => found.length > 0, schedule: Schedule.spaced("50 millis") }),
            ),
      model: Effect.map(provider === undefined ? online : heard, ([instance]) => instance?.model ?? "no-model-yet"),
    }
  })

const urlOf = ({ reach }: Instance): string => (reach._tag === "Endpoint" ? reach.url : reach._tag)

const toLaunchError =
  (settings: Settings) =>
  (error: unknown): LaunchError => {
    if (error instanceof LaunchError) return error
    if (error instanceof HttpServerError.ServeError) return listenError(settings, error.cause)
    if (error instanceof SealKeys.SealKeysError) return SealLetter.of(error)
    if (error instanceof PartError) return Definition.wrong(settings.market, error.message)
    return new LaunchError({
      what: "The gateway could not be put together.",
      why: reasonOf(error),
      todo: "If the database was changed by hand or by a newer version, restore it; otherwise report this.",
    })
  }
