/**
 * The agent's HTTP server: the market's gateway sends requests here, each with a ticket. Effect opens it, drains it and
 * closes it; what comes in is answered by the {@link Reception}.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import { AgentError } from "./AgentError.ts"
import { Backend } from "./Backend.ts"
import * as Reception from "./serving/Reception.ts"
import type { DeviceProof } from "@guildhall/protocol/provider/DeviceProof"
import type * as Gate from "./serving/TicketGate.ts"
import * as TicketGate from "./TicketGate.ts"
import { UsageLog } from "./UsageLog.ts"

/**
 * The server. `handle` answers a request that came another way, such as by a tunnel. `learn` takes the market's keys and the ids of this agent's instances; before it, nothing is served. `inFlight` is how
 * many requests of an instance run now. `drain` refuses what is new, waits up to `limitMs` for what is in flight, and then ends it.
 *
 * @category services
 * @since 0.1.0
 */
export class AgentServer extends Context.Service<
  AgentServer,
  {
    readonly port: number
    readonly handle: Reception.Reception["handle"]
    readonly inFlight: Reception.Reception["inFlight"]
    readonly learn: Gate.TicketGate["learn"]
    /** Serves at another price as well, and then at that one alone, but for what is under way: see `TicketGate`. */
    readonly offer: Gate.TicketGate["offer"]
    readonly settle: Gate.TicketGate["settle"]
    readonly drain: (limitMs: number) => Effect.Effect<void>
  }
>()("@guildhall/agent/AgentServer") {}

/**
 * What a server needs to know. `port` 0 takes a free one; `concurrency` is how many requests run at a time; `endpoints` are
 * those that it relays; `models` are the ids that `GET /healthz` names; `price` is the sheet that tickets are priced by. `prove`
 * signs a market's nonce; without it there is nothing to prove here.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly host: string
  readonly port: number
  readonly concurrency: number
  readonly endpoints: ReadonlyArray<Endpoint>
  readonly models: ReadonlyArray<string>
  readonly price: PriceSheet
  readonly prove?: ((nonce: string) => DeviceProof) | undefined
}

/** The gateway keeps connections; this lies above its own idle time, so that it is the one to close. */
const KEEP_ALIVE_MS = 75_000
const REQUEST_MS = 60_000
/** A backend that needs longer to name its models is not up; the answer holds for a while, so checks cost it nothing. */
const CHECK_MS = 3_000
const CHECK_HOLDS_MS = 2_000
/** Health checks and connections that are kept open come on top of the requests. */
const SPARE_CONNECTIONS = 64
/** What was broken off ends at once; this is for the callbacks to come through. */
const LAST_MS = 1_000

const busyPort = (options: Options) => (error: NodeJS.ErrnoException) =>
  new AgentError({
    reason: "PortInUse",
    detail:
      error.code === "EADDRINUSE"
        ? `Port ${options.port} on ${options.host} is in use. Stop what uses it, or choose another with --port (0 takes a free one).`
        : `The agent cannot listen on ${options.host}:${options.port}: ${error.message}. Correct --host and --port.`,
  })

const isAddress = (address: string | AddressInfo | null): address is AddressInfo =>
  typeof address === "object" && address !== null

const listen = (server: Http.Server, options: Options) =>
  Effect.callback<number, AgentError>((resume) => {
    const onError = (error: NodeJS.ErrnoException) => resume(Effect.fail(busyPort(options)(error)))
    server.once("error", onError)
    server.listen(options.port, options.host, () => {
      server.off("error", onError)
      const address = server.address()
      resume(Effect.succeed(isAddress(address) ? address.port : options.port))
    })
  })

const close = (server: Http.Server, reception: Reception.Reception) =>
  Effect.callback<void>((resume) => {
    reception.endAll()
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/**
 * Opens the server. It closes with the scope, at once: drain it first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const log = yield* UsageLog
  const backend = yield* Backend
  const clock = yield* Clock.Clock
  const served = (yield* log.pending).map((line) => line.ticket.ticket)
  const gate = TicketGate.make({ price: options.price, served })
  const idle = yield* Latch.make(true)
  const isUp = yield* Effect.cachedWithTTL(Effect.isSuccess(Effect.timeout(backend.describe, CHECK_MS)), CHECK_HOLDS_MS)
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const { prove } = options
  const reception = Reception.make({
    ...options,
    prove: prove === undefined ? undefined : (nonce, tell) => tell(prove(nonce)),
    backend,
    check: (tell) => void fork(Effect.map(isUp, tell)),
    gate,
    log,
    nowMs: () => clock.currentTimeMillisUnsafe(),
    onIdle: () => idle.openUnsafe(),
    onBusy: () => idle.closeUnsafe(),
  })
  const server = Http.createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MS, noDelay: true },
    reception.handle,
  )
  server.maxConnections = options.concurrency * 4 + SPARE_CONNECTIONS
  const port = yield* Effect.acquireRelease(listen(server, options), () => close(server, reception))

  return AgentServer.of({
    port,
    handle: reception.handle,
    inFlight: reception.inFlight,
    learn: gate.learn,
    offer: gate.offer,
    settle: gate.settle,
    drain: Effect.fn("AgentServer.drain")(function* (limitMs) {
      reception.close()
      yield* Effect.ignore(Effect.timeout(idle.await, limitMs))
      reception.endAll()
      yield* Effect.ignore(Effect.timeout(idle.await, LAST_MS))
      yield* Effect.ignore(log.flush)
    }),
  })
})

/**
 * The server as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<AgentServer, AgentError, Backend | UsageLog> =>
  Layer.effect(AgentServer, make(options))
