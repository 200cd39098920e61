/**
 * Reaches providers over HTTP/1.1 with `undici`: the layer of `ProviderTransport` for instances with a URL.
 *
 * @since 0.1.0
 */
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Agent, type Dispatcher, errors } from "undici"
import type { Instance } from "@guildhall/core/Instance"
import {
  type Dispatch,
  type ProviderRequest,
  type ProviderSink,
  ProviderTransport,
  type TransportError,
} from "@guildhall/protocol/ProviderTransport"
import * as PublicLookup from "@guildhall/verification/PublicLookup"
import * as Ticks from "../internal/Ticks.ts"

/**
 * `connectionsPerOrigin` bounds the sockets to one provider; more requests wait, at most for their connect timeout.
 * `keepAliveMs` is how long an idle socket is kept. `allowPrivate` is the definition's `endpoints.allowPrivate`: where it is
 * false, no private address is connected to, whatever a name has come to mean since its provider registered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly connectionsPerOrigin?: number | undefined
  readonly keepAliveMs?: number | undefined
  readonly allowPrivate?: boolean | undefined
}

const CONNECTIONS = 256
const KEEP_ALIVE_MS = 10_000
/** A socket that is still connecting when nobody waits for it any more is given up after this. */
const CONNECT_MAX_MS = 30_000

/** So much of an answer is read from its socket at once, and so much is read ahead of a buyer who is slow. */
const READ_BYTES = 4 * 1024
const AHEAD_BYTES = 2 * 1024

/**
 * Node reads up to 64 KiB at once, and a thousand streams whose buyers have stopped to read would keep several of those
 * each. One buffer serves all sockets, since each read is taken out of it before the next begins; what is taken out has
 * memory of its own, or a few bytes that wait would keep the whole of a pool.
 */
const buffer = Buffer.alloc(READ_BYTES)
const onread = {
  buffer,
  callback(this: Socket, bytes: number): boolean {
    const chunk = Buffer.allocUnsafeSlow(bytes)
    buffer.copy(chunk, 0, 0, bytes)
    return this.push(chunk)
  },
}

/** What undici does not know of these it hands on to `net.connect`, which does. */
const reading = { timeout: CONNECT_MAX_MS, highWaterMark: AHEAD_BYTES, onread }

interface Target {
  readonly origin: string
  readonly prefix: string
  readonly isPrivate: boolean
}

const targets = new WeakMap<Instance["reach"], Target | null>()

/** Where an instance is; `null` where it has no URL. A base that ends in `/v1` does not get a second one. */
const targetOf = (reach: Instance["reach"]): Target | null => {
  const known = targets.get(reach)
  if (known !== undefined) return known
  const url = reach._tag === "Endpoint" ? URL.parse(reach.url) : null
  const target =
    url === null
      ? null
      : {
          origin: url.origin,
          prefix: url.pathname.replace(/\/+$/, ""),
          isPrivate: PublicLookup.isPrivateLiteral(url.hostname),
        }
  targets.set(reach, target)
  return target
}

const join = (prefix: string, path: string): string =>
  prefix.endsWith("/v1") && path.startsWith("/v1/") ? prefix.slice(0, -3) + path : prefix + path

const single = (value: string | ReadonlyArray<string> | undefined): string =>
  typeof value === "string" ? value : (value?.join(", ") ?? "")

/** One exchange: undici's handler on one side, the port's sink on the other. */
class Exchange implements Dispatch, Dispatcher.DispatchHandler {
  readonly #sink: ProviderSink
  readonly #request: ProviderRequest
  #controller: Dispatcher.DispatchController | undefined
  #timer: Ticks.Timer | undefined
  #over = false
  #cancelled: string | undefined
  #sent = false
  #started = false
  /** Until `dispatch` has returned, what happens is put off. */
  #returned = false

  constructor(request: ProviderRequest, sink: ProviderSink) {
    this.#request = request
    this.#sink = sink
  }

  begin(agent: Agent, allowPrivate: boolean): Dispatch {
    const target = targetOf(this.#request.instance.reach)
    if (target === null) {
      this.#fail({ reason: "Unreachable", detail: "The instance has no URL that could be called." })
    } else if (target.isPrivate && !allowPrivate) {
      this.#fail({ reason: "Unreachable", detail: new PublicLookup.PrivateHost(target.origin).message })
    } else {
      this.#limit(this.#request.connectMs, `No connection within ${this.#request.connectMs} ms.`)
      const { method, path, headers, body } = this.#request
      agent.dispatch(
        {
          origin: target.origin,
          path: join(target.prefix, path),
          method,
          headers,
          body: body.byteLength === 0 ? null : body,
          // Each phase has a limit of its own here; undici's are too coarse.
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        this,
      )
    }
    this.#returned = true
    return this
  }

  resume(): void {
    if (!this.#over) this.#controller?.resume()
  }

  cancel(detail: string): void {
    if (this.#over) return
    this.#cancelled = detail
    this.#abort({ reason: "Cancelled", detail })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) return controller.abort(new Error("nobody waits for this request any more"))
    this.#sent = true
    this.#limit(this.#request.headersMs, `No answer within ${this.#request.headersMs} ms.`)
    if (this.#sink.onSent === undefined) return
    if (this.#returned) this.#sink.onSent()
    else queueMicrotask(() => this.#over || this.#sink.onSent?.())
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | Array<string> | undefined>,
  ): void {
    // Interim answers (1xx) come before the one that counts.
    if (this.#over || this.#started || status < 200) return
    this.#started = true
    Ticks.stop(this.#timer)
    const flat: Record<string, string> = {}
    for (const name in headers) flat[name] = single(headers[name])
    this.#sink.onStart(status, flat)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over && !this.#sink.onData(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#over = true
    Ticks.stop(this.#timer)
    this.#sink.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(this.#meaning(error))
  }

  #meaning(error: Error): TransportError {
    if (this.#cancelled !== undefined) return { reason: "Cancelled", detail: this.#cancelled }
    if (error instanceof errors.ConnectTimeoutError) return { reason: "ConnectTimeout", detail: error.message }
    return { reason: this.#sent ? "ClosedEarly" : "Unreachable", detail: error.message }
  }

  #limit(ms: number, detail: string): void {
    Ticks.stop(this.#timer)
    this.#timer = Ticks.after(ms, () =>
      this.#abort({ reason: this.#sent ? "HeadersTimeout" : "ConnectTimeout", detail }),
    )
  }

  /** Tells the sink first, then closes the connection: what undici says about that is not news. */
  #abort(error: TransportError): void {
    this.#fail(error)
    this.#controller?.abort(new Error(error.detail))
  }

  #fail(error: TransportError): void {
    if (this.#over) return
    this.#over = true
    Ticks.stop(this.#timer)
    if (this.#returned) this.#sink.onError(error)
    else queueMicrotask(() => this.#sink.onError(error))
  }
}

/**
 * Makes the transport. Its sockets live as long as the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}) => {
  const allowPrivate = options.allowPrivate ?? true
  return Effect.map(
    Effect.acquireRelease(
      Effect.sync(
        () =>
          new Agent({
            connections: options.connectionsPerOrigin ?? CONNECTIONS,
            pipelining: 1,
            keepAliveTimeout: options.keepAliveMs ?? KEEP_ALIVE_MS,
            connect: allowPrivate ? reading : { ...reading, lookup: PublicLookup.lookup },
            allowH2: false,
          }),
      ),
      (agent) => Effect.promise(() => agent.destroy()),
    ),
    (agent) =>
      ProviderTransport.of({
        capabilities: { reaches: ["Endpoint"] },
        dispatch: (request, sink) => new Exchange(request, sink).begin(agent, allowPrivate),
      }),
  )
}

/**
 * The transport with its defaults.
 *
 * **Example** (A few sockets for each provider)
 *
 * ```ts
 * import { Layer } from "effect"
 * import * as UndiciTransport from "@guildhall/gateway/transports/Undici"
 *
 * Layer.isLayer(UndiciTransport.layerWith({ connectionsPerOrigin: 16 })) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<ProviderTransport> =>
  Layer.effect(ProviderTransport, make(options))

/** The transport with its defaults. @category layers @since 0.1.0 */
export const layer: Layer.Layer<ProviderTransport> = layerWith({})
