/**
 * Sends requests to an HTTP server over connections that are kept open, and passes the answer's bytes on with backpressure.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import * as Https from "node:https"
import type { Dispatch, TransportError } from "@guildhall/protocol/ProviderTransport"
import type { BackendRequest, BackendSink } from "../Backend.ts"

/**
 * A relay to one server. `close` ends its connections.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerRelay {
  readonly dispatch: (request: BackendRequest, sink: BackendSink) => Dispatch
  readonly close: () => void
}

const MAX_CONNECTIONS = 256
const MAX_IDLE_CONNECTIONS = 16

/** Headers that have one value; the others have no place in an answer of a model. */
const toHeaders = (headers: Http.IncomingHttpHeaders): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  )

type Fail = (reason: TransportError["reason"], detail: string) => void

/** Hands an answer to the sink; `isOver` says that the exchange ended already. */
const pass = (
  incoming: Http.IncomingMessage,
  sink: BackendSink,
  state: { readonly isOver: () => boolean; readonly end: () => void; readonly fail: Fail },
): void => {
  if (state.isOver()) return
  sink.onStart(incoming.statusCode ?? 502, toHeaders(incoming.headers))
  incoming.on("data", (chunk: Uint8Array) => {
    if (!state.isOver() && !sink.onData(chunk)) incoming.pause()
  })
  incoming.on("end", () => {
    if (incoming.complete) state.end()
  })
  const broken = () => state.fail("ClosedEarly", "the model server broke off its answer")
  incoming.on("error", broken)
  incoming.on("close", broken)
}

/**
 * Makes a relay. `base` may have a path, with or without `/v1` at its end.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (base: URL, headers: Readonly<Record<string, string>>): ServerRelay => {
  const isSecure = base.protocol === "https:"
  const settings = { keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: MAX_IDLE_CONNECTIONS, noDelay: true }
  const agent = isSecure ? new Https.Agent(settings) : new Http.Agent(settings)
  const request = isSecure ? Https.request : Http.request
  const prefix = base.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")

  const dispatch: ServerRelay["dispatch"] = ({ path, body, contentType }, sink) => {
    let response: Http.IncomingMessage | undefined
    let isOver = false
    const once = (tell: () => void) => {
      if (isOver) return
      isOver = true
      tell()
    }
    // Never from within `dispatch` or `cancel`: the sink may not expect it there.
    const fail: Fail = (reason, detail) => once(() => queueMicrotask(() => sink.onError({ reason, detail })))
    const outgoing = request(
      new URL(prefix + path, base),
      {
        method: "POST",
        agent,
        headers: { ...headers, "content-type": contentType ?? "application/json", "content-length": body.length },
      },
      (incoming) => {
        response = incoming
        pass(incoming, sink, { isOver: () => isOver, end: () => once(sink.onEnd), fail })
      },
    )
    outgoing.on("error", (error) =>
      fail(response === undefined ? "Unreachable" : "ClosedEarly", `the model server failed: ${error.message}`),
    )
    outgoing.once("finish", () => {
      if (!isOver) sink.onSent?.()
    })
    outgoing.end(body)
    return {
      resume: () => {
        response?.resume()
      },
      cancel: (detail) => {
        fail("Cancelled", detail)
        outgoing.destroy()
      },
    }
  }
  return { dispatch, close: () => agent.destroy() }
}
