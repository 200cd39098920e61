/**
 * Reaches providers inside this process, without a socket: for tests, examples and virtual time. Its one timer follows
 * the `Clock` in context, so a test clock drives it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { ProviderExchange } from "@guildhall/protocol/ProviderExchange"
import {
  type Dispatch,
  type ProviderRequest,
  type ProviderSink,
  ProviderTransport,
  type TransportError,
} from "@guildhall/protocol/ProviderTransport"

/**
 * A provider: it is called with each request.
 *
 * @category models
 * @since 0.1.0
 */
export type MemoryProvider = (exchange: ProviderExchange) => void

class Exchange implements Dispatch, ProviderExchange {
  readonly method: ProviderRequest["method"]
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly #sink: ProviderSink
  #over = false
  #paused = false
  #kept: Array<Uint8Array> = []
  #ending: "end" | "close" | undefined
  #drained: Array<() => void> = []
  #closed: Array<() => void> = []
  #stopTimer: () => void = () => undefined

  constructor(request: ProviderRequest, sink: ProviderSink) {
    this.method = request.method
    this.path = request.path
    this.headers = request.headers
    this.body = request.body
    this.#sink = sink
  }

  run(provider: MemoryProvider | undefined, name: string, startTimer: (late: () => void) => () => void): void {
    if (this.#over) return
    if (provider === undefined) {
      return this.#fail({ reason: "Unreachable", detail: `There is no provider "${name}" in this process.` })
    }
    this.#sink.onSent?.()
    this.#stopTimer = startTimer(() => this.#abort({ reason: "HeadersTimeout", detail: "No answer in time." }))
    provider(this)
  }

  // Public, as properties, because a provider may pass them on alone.
  readonly start = (status: number, headers: Readonly<Record<string, string>>): void => {
    if (this.#over) return
    this.#stopTimer()
    this.#sink.onStart(status, headers)
  }

  readonly data = (chunk: Uint8Array): boolean => {
    if (this.#over) return false
    this.#kept.push(chunk)
    this.#flush()
    return !this.#paused
  }

  readonly end = (): void => {
    this.#ending ??= "end"
    this.#flush()
  }

  readonly close = (): void => {
    // What was given before the break has arrived, as on a socket.
    this.#ending ??= "close"
    this.#flush()
  }

  readonly onDrain = (listener: () => void): void => void this.#drained.push(listener)
  readonly onClosed = (listener: () => void): void => void this.#closed.push(listener)

  resume(): void {
    if (!this.#paused || this.#over) return
    this.#paused = false
    this.#flush()
    if (!this.#paused && !this.#over) for (const listener of this.#drained) listener()
  }

  cancel(detail: string): void {
    this.#abort({ reason: "Cancelled", detail })
  }

  #flush(): void {
    while (!this.#paused && !this.#over) {
      const chunk = this.#kept.shift()
      if (chunk === undefined) break
      if (!this.#sink.onData(chunk)) this.#paused = true
    }
    if (this.#paused || this.#over || this.#ending === undefined) return
    if (this.#ending === "close") return this.#fail({ reason: "ClosedEarly", detail: "The provider broke off." })
    this.#finish()
    this.#sink.onEnd()
  }

  #abort(error: TransportError): void {
    if (this.#over) return
    this.#fail(error)
    for (const listener of this.#closed) listener()
  }

  #fail(error: TransportError): void {
    if (this.#over) return
    this.#finish()
    // Also where `dispatch` is still running: nothing is told before it has returned.
    queueMicrotask(() => this.#sink.onError(error))
  }

  #finish(): void {
    this.#over = true
    this.#kept = []
    this.#stopTimer()
  }
}

/**
 * Makes a transport to the named providers. The map is read at each dispatch, so a provider may be added later.
 *
 * **Example** (A provider that always answers the same)
 *
 * ```ts
 * import { Layer } from "effect"
 * import * as MemoryTransport from "@guildhall/gateway/transports/Memory"
 *
 * const hello: MemoryTransport.MemoryProvider = (exchange) => {
 *   exchange.start(200, { "content-type": "text/plain" })
 *   exchange.data(new TextEncoder().encode("hello"))
 *   exchange.end()
 * }
 * Layer.isLayer(MemoryTransport.layer(new Map([["greeter", hello]]))) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (providers: ReadonlyMap<string, MemoryProvider>) =>
  Effect.gen(function* () {
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    return ProviderTransport.of({
      capabilities: { reaches: ["Memory"] },
      dispatch: (request, sink) => {
        const { reach } = request.instance
        const name = reach._tag === "Memory" ? reach.name : reach._tag === "Endpoint" ? reach.url : reach._tag
        const exchange = new Exchange(request, sink)
        const startTimer = (late: () => void) => {
          const fiber = fork(Effect.andThen(Effect.sleep(request.headersMs), Effect.sync(late)))
          return () => void fork(Fiber.interrupt(fiber))
        }
        queueMicrotask(() => exchange.run(providers.get(name), name, startTimer))
        return exchange
      },
    })
  })

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (providers: ReadonlyMap<string, MemoryProvider>): Layer.Layer<ProviderTransport> =>
  Layer.effect(ProviderTransport, make(providers))
