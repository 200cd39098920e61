/**
 * The one place where layers are composed: the whole market over one database and one port. Every layer here, and in the
 * files beside this one, is exported by a package; an embedder writes files like these.
 */
import { createServer, type Server } from "node:http"
import path from "node:path"
import { setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerError from "effect/http/HttpServerError"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { KeyRing } from "@guildhall/core/KeyRing"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { PartError } from "@guildhall/core/Parts"
import * as CloudCheck from "@guildhall/gateway/CloudCheck"
import * as ClientAddress from "@guildhall/gateway/ClientAddress"
import * as Attestation from "@guildhall/gateway/Attestation"
import * as Claims from "@guildhall/gateway/Claims"
import * as HoldRenewal from "@guildhall/gateway/HoldRenewal"
import * as Horde from "@guildhall/gateway/Horde"
import * as ControlRoutes from "@guildhall/gateway/http/ControlRoutes"
import * as HordeRoutes from "@guildhall/gateway/http/HordeRoutes"
import * as InferenceRoutes from "@guildhall/gateway/http/InferenceRoutes"
import * as LaneServer from "@guildhall/gateway/http/LaneServer"
import * as MetricsRoutes from "@guildhall/gateway/http/MetricsRoutes"
import * as NotFoundRoute from "@guildhall/gateway/http/NotFoundRoute"
import * as PullRoutes from "@guildhall/gateway/http/PullRoutes"
import * as TunnelServer from "@guildhall/gateway/http/TunnelServer"
import * as Idempotency from "@guildhall/gateway/Idempotency"
import * as InferenceLane from "@guildhall/gateway/InferenceLane"
import * as Limits from "@guildhall/gateway/Limits"
import * as Readiness from "@guildhall/gateway/Readiness"
import * as Recount from "@guildhall/gateway/Recount"
import * as TokenCatalogue from "@guildhall/gateway/TokenCatalogue"
import * as CountingThread from "@guildhall/gateway/tokens/CountingThread"
import * as ReceiptCommand from "@guildhall/journal/ReceiptCommand"
import * as SealKeys from "@guildhall/registry/SealKeys"
import type { Settings } from "./AppConfig.ts"
import * as ConsolePages from "./ConsolePages.ts"
import * as DefinedMarket from "./DefinedMarket.ts"
import * as Definition from "./Definition.ts"
import * as Installer from "./install/Installer.ts"
import * as DevMembers from "./DevMembers.ts"
import { type Facts, listenError, type Running } from "./Launch.ts"
import { LaunchError, reasonOf } from "./LaunchError.ts"
import * as Loops from "./Loops.ts"
import * as OwnProvider from "./OwnProvider.ts"
import * as SealLetter from "./SealLetter.ts"
import * as Stores from "./Stores.ts"
import * as Telemetry from "./Telemetry.ts"
import * as Transports from "./Transports.ts"

/** Requests under way get so long to end by themselves before they are ended; npm takes a second of its own after all. */
const DRAIN_MS = 3_000

/** Exact counts with the tokenizers of the catalogue. */
const recount = (folder: string) =>
  Recount.layer().pipe(Layer.provide(Layer.merge(TokenCatalogue.layer({ folder }), CountingThread.layer({ folder }))))

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

/** What the request path and the control API stand on. */
const services = (facts: Facts, definition: MarketDefinition, nodeServer: Server) =>
  Layer.mergeAll(
    InferenceLane.layer,
    Claims.layer,
    Horde.layer(),
    Readiness.layer,
    DefinedMarket.topUps(facts, definition),
    Stores.pairing(facts.settings),
    CloudCheck.layer({ allowPrivate: definition.endpoints.allowPrivate }),
  ).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        HoldRenewal.layer,
        Attestation.layer,
        Limits.layer,
        Idempotency.layer().pipe(Layer.provide(Stores.answerSeal(facts.settings))),
        recount(facts.settings.catalogue),
      ),
    ),
    Layer.provideMerge(
      Layer.merge(
        DefinedMarket.layer(facts.settings.home, definition),
        Transports.layer(facts.settings, definition, facts.worker, nodeServer),
      ),
    ),
    Layer.provideMerge(Stores.layer(facts, definition)),
    Layer.provideMerge(Layer.mergeAll(NodeCrypto.layer, NodeServices.layer)),
  )

/** Everything that the port answers. */
const server = ({ settings, worker }: Facts, definition: MarketDefinition, nodeServer: Server) =>
  HttpRouter.serve(
    Layer.mergeAll(
      InferenceRoutes.layer,
      ControlRoutes.layer,
      Installer.layer(settings, definition),
      ConsolePages.layer(settings),
      // A job is this process's own: its worker must not speak to another one on the same port.
      worker === undefined ? Layer.merge(PullRoutes.layer, HordeRoutes.layer) : Layer.empty,
      NotFoundRoute.layer,
    ),
    { disableLogger: true, disableListenLog: true },
  ).pipe(
    Layer.provideMerge(
      NodeHttpServer.layer(() => nodeServer, {
        port: settings.port,
        host: settings.host,
        reusePort: worker !== undefined,
        gracefulShutdownTimeout: "100 millis",
      }),
    ),
  )

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
    const definition = yield* Definition.load(settings)
    const nodeServer = createServer(LaneServer.serverOptions)
    const context = yield* Layer.build(
      Layer.mergeAll(
        server(facts, definition, nodeServer),
        LaneServer.layer(nodeServer),
        TunnelServer.layer(nodeServer),
      ).pipe(
        Layer.provideMerge(
          worker === undefined || worker === 1 ? Loops.layer(facts, definition) : Loops.layerFurther(facts, definition),
        ),
        Layer.provideMerge(services(facts, definition, nodeServer)),
        Layer.provideMerge(Telemetry.layer(settings)),
        Layer.provideMerge(Layer.succeed(ClientAddress.TrustedProxies, settings.trustedProxies)),
        Layer.provideMerge(Layer.succeed(MetricsRoutes.Readers, settings.metrics)),
      ),
    )
    return yield* Effect.gen(function* () {
      yield* publishKeys(settings.home)
      const lane = yield* InferenceLane.InferenceLane
      const readiness = yield* Readiness.Readiness
      yield* Effect.addFinalizer(() => Effect.andThen(readiness.drain, lane.drain(DRAIN_MS)))
      const keys = yield* DevMembers.make(definition, facts.lastKeys)
      const { address } = yield* HttpServer.HttpServer
      const port = address._tag === "UnixPathAddress" ? settings.port : address.port
      return { port, keys, ...(yield* OwnProvider.make(settings, port, keys.providerKey)) }
    }).pipe(Effect.provideContext(context))
  }).pipe(Effect.mapError(toLaunchError(facts.settings)))

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
