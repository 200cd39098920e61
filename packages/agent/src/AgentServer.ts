/**
 * The agent's HTTP server: the market's gateway sends requests here, each with a ticket. Bytes go from the backend to the
 * socket through callbacks; Effect opens it, drains it and closes it.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { InstanceId } from "@guildhall/core/Instance"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import { HEADER as TICKET_HEADER } from "@guildhall/protocol/provider/Ticket"
import { AgentError } from "./AgentError.ts"
import { Backend } from "./Backend.ts"
import { type Exchange, exchange } from "./Exchange.ts"
import * as OpenAIError from "./OpenAIError.ts"
import * as TicketGate from "./TicketGate.ts"
import { UsageLog } from "./UsageLog.ts"

/**
 * The server. `learn` takes the market's keys and the ids of this agent's instances; before it, nothing is served. `drain` refuses what
 * is new, waits up to `limitMs` for what is in flight, and then ends it.
 *
 * @category services
 * @since 0.1.0
 */
export class AgentServer extends Context.Service<
  AgentServer,
  {
    readonly port: number
    readonly inFlight: (instance: InstanceId) => number
    readonly learn: TicketGate.TicketGate["learn"]
    readonly drain: (limitMs: number) => Effect.Effect<void>
  }
>()("@guildhall/agent/AgentServer") {}

/**
 * What a server needs to know. `port` 0 takes a free one; `concurrency` is how many requests run at a time; `models` are the ids that
 * `GET /healthz` names; `price` is the sheet that tickets are priced by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly host: string
  readonly port: number
  readonly concurrency: number
  readonly models: ReadonlyArray<string>
  readonly price: PriceSheet
}

/** The header that tells the gateway how many requests are in flight. */
const LOAD_HEADER = "x-guildhall-load"
/** The gateway keeps connections; this lies above its own idle time, so that it is the one to close. */
const KEEP_ALIVE_MS = 75_000
const REQUEST_MS = 60_000

const busyPort = (options: Options) => (error: NodeJS.ErrnoException) =>
  new AgentError({
    reason: "PortInUse",
    detail:
      error.code === "EADDRINUSE"
        ? `Port ${options.port} on ${options.host} is in use. Stop what uses it, or choose another with --port (0 takes a free one).`
        : `The agent cannot listen on ${options.host}:${options.port}: ${error.message}.`,
  })

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

const isAddress = (address: string | AddressInfo | null): address is AddressInfo =>
  typeof address === "object" && address !== null

/**
 * Opens the server. It closes with the scope, at once: drain it first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const backend = yield* Backend
  const log = yield* UsageLog
  const clock = yield* Clock.Clock
  const served = (yield* log.pending).map((line) => line.ticket.ticket)
  const gate = TicketGate.make({ price: options.price, served })
  const running = new Map<Exchange, InstanceId>()
  const idle = yield* Latch.make(true)
  let draining = false

  const refuse = (response: Http.ServerResponse, error: OpenAIError.OpenAIError) => {
    const body = OpenAIError.encode(error)
    response.writeHead(error.status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      [LOAD_HEADER]: String(running.size),
      ...(error.status === 429 || error.status === 503 ? { "retry-after": "1" } : {}),
      // The body may still be on its way; reading it would be work for nothing.
      connection: "close",
    })
    response.end(body)
  }

  const complete = (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    const nowMs = clock.currentTimeMillisUnsafe()
    const header = request.headers[TICKET_HEADER]
    const admitted = gate.admit(typeof header === "string" ? header : undefined, nowMs)
    if (Result.isFailure(admitted)) return refuse(response, admitted.failure)
    if (draining) return refuse(response, { status: 503, code: "shutting_down", message: "This provider is stopping." })
    if (running.size >= options.concurrency) {
      const message = `This provider already serves ${options.concurrency} requests, as many as it declared.`
      return refuse(response, { status: 429, code: "concurrency_full", message })
    }
    if (!gate.use(admitted.success.ticket, nowMs)) {
      return refuse(response, { status: 503, code: "no_capacity", message: "Too many tickets at a time." })
    }
    idle.closeUnsafe()
    const current = exchange({
      backend,
      request,
      response,
      headers: () => ({ [LOAD_HEADER]: String(running.size) }),
      refuse: (error) => refuse(response, error),
      onDone: (usage, outcome) => {
        running.delete(current)
        const endedAtMs = clock.currentTimeMillisUnsafe()
        if (!log.record({ ticket: admitted.success, price: options.price, usage, outcome, endedAtMs })) draining = true
        if (running.size === 0) idle.openUnsafe()
      },
    })
    running.set(current, admitted.success.ticket.instanceId)
  }

  const server = Http.createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MS, noDelay: true },
    (request, response) => {
      if (request.url === "/v1/chat/completions" && request.method === "POST") return complete(request, response)
      if (request.url === "/healthz" && request.method === "GET") {
        const body = JSON.stringify({
          status: draining ? "draining" : "ok",
          models: options.models,
          in_flight: running.size,
        })
        response.writeHead(200, { "content-type": "application/json", [LOAD_HEADER]: String(running.size) })
        response.end(body)
        return
      }
      refuse(response, {
        status: 404,
        code: "not_found",
        message: "A provider answers POST /v1/chat/completions and GET /healthz.",
      })
    },
  )
  server.maxConnections = options.concurrency * 4 + 64
  const port = yield* Effect.acquireRelease(listen(server, options), () =>
    Effect.callback<void>((resume) => {
      for (const current of running.keys()) current.end()
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    }),
  )

  return AgentServer.of({
    port,
    inFlight: (instance) => {
      let count = 0
      for (const other of running.values()) if (other === instance) count += 1
      return count
    },
    learn: gate.learn,
    drain: Effect.fn("AgentServer.drain")(function* (limitMs) {
      draining = true
      yield* Effect.ignore(Effect.timeout(idle.await, limitMs))
      for (const current of running.keys()) current.end()
      yield* Effect.ignore(Effect.timeout(idle.await, 1_000))
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
