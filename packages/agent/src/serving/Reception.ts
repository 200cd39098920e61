/**
 * Answers the requests that come to a provider, by whichever way: looks at the ticket, keeps to the number of requests at a time, begins the
 * exchange, logs its end. It is plain callbacks: the byte path.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { InstanceId } from "@guildhall/core/Instance"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import type { Usage } from "@guildhall/core/Usage"
import * as DeviceProof from "@guildhall/protocol/provider/DeviceProof"
import { HEADER as TICKET_HEADER } from "@guildhall/protocol/provider/Ticket"
import type { UsageLine } from "@guildhall/protocol/provider/UsageLog"
import { type Engine, type Exchange, exchange, type Incoming, type Outgoing } from "./Exchange.ts"
import * as OpenAIError from "./OpenAIError.ts"
import type { TicketGate } from "./TicketGate.ts"
import type { UsageLog } from "./UsageLog.ts"

/**
 * What a reception works with. `onIdle` hears that the last exchange has ended, `onBusy` that the first one began.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly backend: Engine
  readonly gate: Pick<TicketGate, "admit" | "use" | "priceOf">
  readonly log: Pick<UsageLog<unknown>, "isOpen" | "record">
  readonly nowMs: () => number
  readonly concurrency: number
  readonly endpoints: ReadonlyArray<Endpoint>
  readonly models: ReadonlyArray<string>
  readonly price: PriceSheet
  /** Signs a nonce of the market, at once or later. Without it there is nothing to prove here. */
  readonly prove?: ((nonce: string, tell: (proof: DeviceProof.DeviceProof) => void) => void) | undefined
  /** Tells whether the backend is up. */
  readonly check: (tell: (isUp: boolean) => void) => void
  readonly onIdle: () => void
  readonly onBusy: () => void
}

/**
 * A reception. After `close` nothing new is served; `endAll` breaks off what is in flight.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reception {
  readonly handle: (request: Incoming, response: Outgoing) => void
  readonly inFlight: (instance: InstanceId) => number
  readonly close: () => void
  readonly endAll: () => void
}

/** The header that tells the gateway how many requests are in flight. */
const LOAD_HEADER = "x-guildhall-load"

const notFound = (paths: Iterable<string>): OpenAIError.OpenAIError => ({
  status: 404,
  code: "not_found",
  message: `This provider answers GET /healthz and POST ${[...paths].join(", ")}.`,
})
const STOPPING: OpenAIError.OpenAIError = {
  status: 503,
  code: "shutting_down",
  message: "This provider is stopping. Send the request to another one.",
}
const UNLOGGED: OpenAIError.OpenAIError = {
  status: 503,
  code: "no_capacity",
  message: "This provider cannot write its usage log at the moment. Send the request to another one.",
}
const CROWDED: OpenAIError.OpenAIError = {
  status: 503,
  code: "no_capacity",
  message: "This provider holds more tickets than it can remember. Try again in a minute.",
}

const BAD_NONCE: OpenAIError.OpenAIError = {
  status: 400,
  code: "invalid_request",
  message: "A nonce is 32 bytes in base64url.",
}
/** What comes before the nonce. */
const PROOF = `${DeviceProof.PATH}?nonce=`
const isNonce = Schema.is(DeviceProof.Nonce)

const encoder = new TextEncoder()

const full = (concurrency: number): OpenAIError.OpenAIError => ({
  status: 429,
  code: "concurrency_full",
  message: `This provider already serves ${concurrency} requests, as many as it declared.`,
})

const send = (response: Outgoing, status: number, body: string, headers: Readonly<Record<string, string>>): void => {
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": encoder.encode(body).length,
    ...headers,
  })
  response.end(body)
}

/**
 * Makes a reception.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Reception => {
  const { gate, log, nowMs } = options
  const endpoints = new Map(options.endpoints.map((endpoint) => [`/v1/${endpoint}`, endpoint]))
  const NOT_FOUND = notFound(endpoints.keys())
  const running = new Map<Exchange, InstanceId>()
  let isClosed = false

  const load = () => ({ [LOAD_HEADER]: String(running.size) })
  const refuse = (response: Outgoing, error: OpenAIError.OpenAIError): void =>
    send(response, error.status, OpenAIError.encode(error), {
      ...load(),
      ...(error.status === 429 || error.status === 503 ? { "retry-after": "1" } : {}),
      // The body may still be on its way; reading it would be work for nothing.
      connection: "close",
    })

  /** A request counts as one once something of its answer was delivered. */
  const counted = (price: PriceSheet, usage: Usage, outcome: UsageLine["outcome"]): Usage =>
    price.some(({ unit }) => unit === "request") && (outcome === "completed" || Object.keys(usage).length > 0)
      ? { ...usage, request: 1 }
      : usage

  const complete = (endpoint: Endpoint, request: Incoming, response: Outgoing): void => {
    const header = request.headers[TICKET_HEADER]
    const admitted = gate.admit(typeof header === "string" ? header : undefined, nowMs())
    if (Result.isFailure(admitted)) return refuse(response, admitted.failure)
    const ticket = admitted.success
    // It may be one that was asked until a moment ago.
    const price = gate.priceOf(ticket.ticket) ?? options.price
    if (isClosed) return refuse(response, STOPPING)
    // What cannot be logged cannot be claimed, so nothing more is served.
    if (!log.isOpen()) return refuse(response, UNLOGGED)
    if (running.size >= options.concurrency) return refuse(response, full(options.concurrency))
    if (!gate.use(ticket.ticket, nowMs())) return refuse(response, CROWDED)
    if (running.size === 0) options.onBusy()
    const current = exchange({
      backend: options.backend,
      endpoint,
      request,
      response,
      headers: load,
      refuse: (error) => refuse(response, error),
      onDone: (delivered, outcome) => {
        const usage = counted(price, delivered, outcome)
        running.delete(current)
        log.record({ ticket, price, usage, outcome, endedAtMs: nowMs() })
        if (running.size === 0) options.onIdle()
      },
    })
    running.set(current, ticket.ticket.instanceId)
  }

  /** Nothing is signed but what has the form of a nonce, and the signature says what it is for. */
  const prove = (response: Outgoing, nonce: string, sign: NonNullable<Options["prove"]>): void =>
    isNonce(nonce)
      ? sign(nonce, (proof) => send(response, 200, JSON.stringify(proof), load()))
      : refuse(response, BAD_NONCE)

  const health = (response: Outgoing): void =>
    options.check((isUp) => {
      const status = isClosed ? "draining" : !log.isOpen() ? "log_unwritable" : isUp ? "ok" : "backend_down"
      const body = JSON.stringify({ status, models: options.models, in_flight: running.size })
      send(response, status === "ok" ? 200 : 503, body, load())
    })

  return {
    handle: (request, response) => {
      const endpoint = endpoints.get(request.url ?? "")
      if (endpoint !== undefined && request.method === "POST") return complete(endpoint, request, response)
      if (request.url === "/healthz" && request.method === "GET") return health(response)
      if (request.url?.startsWith(PROOF) === true && request.method === "GET" && options.prove !== undefined) {
        return prove(response, request.url.slice(PROOF.length), options.prove)
      }
      return refuse(response, NOT_FOUND)
    },
    inFlight: (instance) => {
      let count = 0
      for (const other of running.values()) if (other === instance) count += 1
      return count
    },
    close: () => {
      isClosed = true
    },
    endAll: () => {
      for (const current of running.keys()) current.end()
    },
  }
}
