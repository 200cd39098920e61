/**
 * A whole agent: home, key, log, backend, server and heart, put together and run until it is told to stop.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Redacted from "effect/Redacted"
import type { Endpoint } from "@guildhall/core/Endpoint"
import { type Prices, prices, priceSheet, type Registration } from "@guildhall/protocol/provider/Registration"
import type { Commitment } from "@guildhall/protocol/provider/DeviceProof"
import { AgentError } from "./AgentError.ts"
import * as AgentHome from "./AgentHome.ts"
import * as AgentServer from "./AgentServer.ts"
import { Backend, type ServedModel } from "./Backend.ts"
import * as AgentVersions from "./AgentVersions.ts"
import * as BackendChoice from "./BackendChoice.ts"
import * as AgentControl from "./control/AgentControl.ts"
import type { AgentStatus } from "./control/AgentStatus.ts"
import * as Declaration from "./Declaration.ts"
import * as DeviceKey from "./DeviceKey.ts"
import * as DeviceReadings from "./DeviceReadings.ts"
import * as EntryWatch from "./EntryWatch.ts"
import * as Heart from "./Heart.ts"
import * as MarketClient from "./MarketClient.ts"
import * as Pricing from "./Pricing.ts"
import * as Pull from "./Pull.ts"
import * as Tunnel from "./Tunnel.ts"
import * as UsageLog from "./UsageLog.ts"

/**
 * The settings of an agent. `prices` are whole US cents, as the registration has them; `port` 0 takes a free one; `publicUrl` is where
 * the market reaches the agent, if that is not `host` and port. `tunnel` says whether it is asked through a tunnel that it
 * opens itself; without it {@link opensTunnel} decides. With `pull` it asks for requests when it has room.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings extends BackendChoice.Wish, Declaration.Wish {
  readonly marketUrl: string
  /** A provider's API key; a device that is paired needs none. */
  readonly apiKey: Redacted.Redacted<string> | undefined
  readonly home: string
  readonly prices: Prices
  readonly host: string
  readonly port: number
  readonly publicUrl: string | undefined
  readonly tunnel?: boolean | undefined
  readonly pull?: boolean | undefined
}

/** A market's gateway waits five seconds for its agent; the goodbyes take a part of that. */
const DRAIN_MS = 3_500
/** The agent waits so long for its tunnel before it goes on, and dials in the background. */
const OPEN_MS = 5_000
/** More models than this on one server are a library, not an offer. */
const MAX_MODELS = 16

/** A commitment names the engine in so many characters. */
const ENGINE_CHARS_MAX = 80

/** A model with what is declared of it. */
interface Offer {
  readonly model: ServedModel
  readonly declared: Declaration.Declared
}

/** Names and addresses under which nobody else reaches this machine, or none is named. */
const isHere = (host: string): boolean => /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1?\]?|0\.0\.0\.0)$/.test(host)

/**
 * Whether an agent opens a tunnel where nobody says: it has no public URL, it does not listen on an address of the
 * network, and its market is on another machine, so nobody could call it.
 *
 * @category predicates
 * @since 0.1.0
 */
export const opensTunnel = (
  settings: Pick<Settings, "marketUrl" | "host" | "publicUrl" | "tunnel" | "pull">,
): boolean =>
  settings.pull !== true &&
  (settings.tunnel ??
    (settings.publicUrl === undefined &&
      isHere(settings.host) &&
      !isHere(URL.parse(settings.marketUrl)?.hostname ?? "")))

const toRegistration =
  (settings: Settings, endpointUrl: string | undefined, concurrency: number) =>
  ({ declared, model }: Offer): Registration => ({
    provider_type: "agent",
    ...(endpointUrl === undefined
      ? { reach: settings.pull === true ? "pull" : "tunnel" }
      : { endpoint_url: endpointUrl }),
    model: model.id,
    ...settings.prices,
    context_length_offered: model.contextLength,
    concurrency,
    ...declared,
  })

/** What the device signs that it serves. */
const commitment =
  (engine: string) =>
  ({ declared, model }: Offer): Commitment => ({
    model: model.id,
    contextLength: model.contextLength,
    engine: engine.slice(0, ENGINE_CHARS_MAX),
    ...(model.digest === undefined ? {} : { weights: model.digest }),
    ...(declared.quantization === undefined ? {} : { quantization: declared.quantization }),
    ...(declared.tokenizer === undefined ? {} : { tokenizer: declared.tokenizer }),
  })

const endpoint = (settings: Settings, port: number): string => {
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host
  return settings.publicUrl ?? `http://${host}:${port}`
}

/** Opens the tunnel, and waits for it for a while: a market that is reached by HTTP may still refuse it. */
const openTunnel = Effect.fnUntraced(function* (url: string) {
  const opened = yield* Deferred.make<void>()
  yield* Effect.forkScoped(Effect.scoped(Tunnel.keepAll(url, opened)))
  yield* Effect.timeoutOption(Deferred.await(opened), OPEN_MS)
})

const checked = Effect.fnUntraced(function* (settings: Settings) {
  const asked = prices(settings.prices)
  if (asked.some((price) => !Number.isSafeInteger(price) || price < 0)) {
    return yield* new AgentError({
      reason: "BadSetting",
      detail: `A price is whole cents, zero or more; ${asked.join(", ")} cannot be. Correct --input-price, --output-price and the others.`,
    })
  }
  if (!URL.canParse(settings.marketUrl) || (settings.publicUrl !== undefined && !URL.canParse(settings.publicUrl))) {
    return yield* new AgentError({
      reason: "BadSetting",
      detail: "An address is not one. Write --market and --public-url like http://127.0.0.1:8787.",
    })
  }
})

/** How requests come to it, in words. */
const wayOf = (settings: Settings, url: string | undefined): string => {
  if (url !== undefined) return `at ${url}`
  return settings.pull === true ? `by asking ${settings.marketUrl}` : `through a tunnel to ${settings.marketUrl}`
}

/** Shows who asks how many requests are under way, and how the machine is doing. */
const makeLook = Effect.gen(function* () {
  const server = yield* AgentServer.AgentServer
  const readings = yield* DeviceReadings.DeviceReadings
  return (status: AgentStatus) =>
    Effect.map(readings.latest, ({ driver: _driver, ...gauges }): AgentStatus => ({
      ...status,
      instances: status.instances.map((one) => ({ ...one, inFlight: server.inFlight(one.id) })),
      readings: gauges,
    }))
})

/** What is decided before the server is there. */
interface Plan {
  readonly offers: ReadonlyArray<Offer>
  readonly serves: ReadonlyArray<Commitment>
  readonly endpoints: ReadonlyArray<Endpoint>
  readonly concurrency: number
}

const makePlan = Effect.fnUntraced(function* (settings: Settings) {
  const backend = yield* Backend
  const control = yield* AgentControl.AgentControl
  const models = (yield* backend.describe).slice(0, MAX_MODELS)
  const offers = yield* Effect.forEach(models, (model) =>
    Effect.map(Declaration.make(settings, backend, model), (declared): Offer => ({ model, declared })),
  )
  const endpoints = [...new Set(offers.flatMap(({ declared }) => declared.endpoints))]
  const concurrency = settings.concurrency ?? backend.capabilities.concurrency
  yield* control.show((status) => ({ ...status, phase: "joins", engine: backend.name, endpoints, concurrency }))
  const plan: Plan = { offers, serves: offers.map(commitment(backend.name)), endpoints, concurrency }
  return plan
})

/** Joins the market, serves, and says goodbye when the scope closes. */
const join = Effect.fnUntraced(function* (settings: Settings, plan: Plan, drainMs: Ref.Ref<number>) {
  const { concurrency, endpoints, offers, serves } = plan
  const backend = yield* Backend
  const control = yield* AgentControl.AgentControl
  const server = yield* AgentServer.AgentServer
  const { id } = yield* DeviceKey.DeviceKey
  const isPulling = settings.pull === true
  const url = isPulling || opensTunnel(settings) ? undefined : endpoint(settings, server.port)
  const registrations = (asked: Prices) => offers.map(toRegistration({ ...settings, prices: asked }, url, concurrency))
  const heart = yield* Heart.make(registrations(settings.prices), {
    serves,
    engine: backend.name,
    takes: backend.capabilities.concurrency,
  })
  const way = wayOf(settings, url)
  yield* Effect.logInfo(`Device ${id}, home ${settings.home}.`)
  yield* control.completeWith(yield* makeLook)
  const instances = yield* heart.register
  const pull = isPulling ? yield* Pull.make({ instances, concurrency }) : undefined
  if (url === undefined && !isPulling) yield* openTunnel(settings.marketUrl)
  // From here on the market may send requests, so the way out goes through the farewell.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* control.show((status) => ({ ...status, phase: "drains" }))
      yield* pull?.stop ?? Effect.void
      yield* heart.farewell(yield* Ref.get(drainMs))
    }),
  )
  const tell = (asked: Prices) => control.show((status) => ({ ...status, prices: asked }))
  yield* control.able({ setPrices: yield* Pricing.make({ first: settings.prices, heart, registrations, tell }) })
  const listed = offers.flatMap(({ model }, at) => {
    const instance = instances[at]
    return instance === undefined
      ? []
      : [{ id: instance, model: model.id, contextLength: model.contextLength, inFlight: 0 }]
  })
  yield* control.show((status) => ({ ...status, phase: "serves", way, instances: listed }))
  yield* Effect.logInfo(
    `Serving ${listed.map(({ model }) => model).join(", ")} with ${backend.name} ${way} as ${instances.join(", ")}: ${endpoints.join(", ")}.`,
  )
  yield* Effect.forEach(listed, (one) => Effect.forkScoped(EntryWatch.follow(one.id, one.model)), { discard: true })
  yield* heart.run
})

const serve = Effect.fnUntraced(function* (settings: Settings, stop: Effect.Effect<void>) {
  const key = yield* DeviceKey.DeviceKey
  const control = yield* AgentControl.AgentControl
  const plan = yield* makePlan(settings)
  const { concurrency, endpoints, offers, serves } = plan
  const options = {
    host: settings.host,
    port: settings.port,
    concurrency,
    endpoints,
    price: priceSheet(settings.prices),
    models: offers.map(({ model }) => model.id),
    prove: (nonce: string) => key.signProof(nonce, serves),
  }
  const drainMs = yield* Ref.make(DRAIN_MS)
  const asked = Effect.flatMap(control.drained, (limitMs) =>
    Effect.andThen(Ref.set(drainMs, limitMs), Effect.logInfo("Draining: nothing new is taken.")),
  )
  yield* Effect.raceFirst(Effect.scoped(join(settings, plan, drainMs)), Effect.raceFirst(stop, asked)).pipe(
    Effect.provide(AgentServer.layer(options)),
  )
  yield* Effect.logInfo("Stopped.")
})

/** What `status` tells before the agent knows what it serves. */
const control = (settings: Settings) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const key = yield* DeviceKey.DeviceKey
      const { directory } = yield* AgentHome.AgentHome
      const status: AgentStatus = {
        phase: "starts",
        pid: process.pid,
        version: AgentVersions.AGENT,
        startedAtMs: yield* Clock.currentTimeMillis,
        home: directory,
        market: settings.marketUrl,
        device: key.id,
        fingerprint: key.fingerprint,
        engine: null,
        way: null,
        endpoints: [],
        concurrency: null,
        prices: settings.prices,
        instances: [],
        readings: {},
      }
      return AgentControl.layer(status)
    }),
  )

/**
 * Runs an agent. Interrupt it, or let `stop` end, to drain and stop: it tells the market, finishes what is in flight
 * (3.5 s at most) and hands over its log. Whoever asks it to drain over its control socket says how long that may take. Fails
 * where it cannot start.
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (settings: Settings, stop: Effect.Effect<void> = Effect.never) {
  yield* checked(settings)
  const services = Layer.effectContext(BackendChoice.context(settings)).pipe(
    Layer.provideMerge(control(settings)),
    Layer.provideMerge(MarketClient.layer({ url: settings.marketUrl, apiKey: settings.apiKey })),
    Layer.provideMerge(UsageLog.layer),
    Layer.provideMerge(DeviceReadings.layer),
    Layer.provideMerge(DeviceKey.layer),
    Layer.provideMerge(AgentHome.layer({ directory: settings.home })),
  )
  yield* serve(settings, stop).pipe(Effect.provide(services))
})
