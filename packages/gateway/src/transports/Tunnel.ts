/**
 * Reaches instances over the tunnels that their agents hold open: the layer of `ProviderTransport` for those that cannot be
 * called.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import {
  type Dispatch,
  type ProviderRequest,
  type ProviderSink,
  ProviderTransport,
  type TransportError,
} from "@guildhall/protocol/ProviderTransport"
import { encodeOpen, type StartHead } from "@guildhall/protocol/provider/TunnelFrame"
import type { TunnelSession } from "@guildhall/protocol/provider/TunnelSession"
import type { StreamListener, TunnelStream } from "@guildhall/protocol/provider/TunnelStream"
import * as PeerProof from "../internal/PeerProof.ts"
import * as Ticks from "../internal/Ticks.ts"
import { TunnelPeers } from "../TunnelPeers.ts"
import { STREAMS_MAX, Tunnels } from "../Tunnels.ts"

const unreachable = (detail: string): TransportError => ({ reason: "Unreachable", detail })

const NO_TUNNEL = unreachable("The instance's agent holds no tunnel to this market at the moment.")
const FULL = unreachable(`The instance's tunnel carries ${STREAMS_MAX} requests already.`)
const LARGE = unreachable("The request's headers are larger than a tunnel carries.")

/**
 * One exchange: a stream of a tunnel, or of the hop to another gateway, on one side, the port's sink on the other.
 *
 * @category models
 * @since 0.1.0
 */
export class Exchange implements Dispatch, StreamListener {
  readonly #sink: ProviderSink
  readonly #request: ProviderRequest
  #stream: TunnelStream | undefined
  #timer: Ticks.Timer | undefined
  #isOver = false
  #isSent = false

  constructor(request: ProviderRequest, sink: ProviderSink) {
    this.#request = request
    this.#sink = sink
  }

  begin(session: TunnelSession | undefined, hop: Readonly<Record<string, string>> | undefined): Dispatch {
    const { body, connectMs, headers, method, path } = this.#request
    const length = body.byteLength === 0 ? undefined : { "content-length": String(body.byteLength) }
    const head =
      session === undefined ? undefined : encodeOpen({ method, path, headers: { ...headers, ...length, ...hop } })
    if (session === undefined || head === undefined || session.size >= STREAMS_MAX) {
      const error = session === undefined ? NO_TUNNEL : head === undefined ? LARGE : FULL
      // Nothing is told before `dispatch` has returned.
      queueMicrotask(() => this.#fail(error))
      return this
    }
    this.#limit(connectMs, "ConnectTimeout", `The tunnel did not come back within ${connectMs} ms.`)
    this.#stream = session.open(head, body, this)
    return this
  }

  resume(): void {
    if (!this.#isOver) this.#stream?.resume()
  }

  cancel(detail: string): void {
    this.#abort({ reason: "Cancelled", detail })
  }

  onSent(): void {
    if (this.#isOver) return
    this.#isSent = true
    const { headersMs } = this.#request
    this.#limit(headersMs, "HeadersTimeout", `No answer within ${headersMs} ms.`)
    this.#sink.onSent?.()
  }

  onStart({ headers, status }: StartHead): void {
    if (this.#isOver) return
    Ticks.stop(this.#timer)
    this.#sink.onStart(status, headers)
  }

  onData(chunk: Uint8Array): boolean {
    return this.#isOver || this.#sink.onData(chunk)
  }

  onEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    Ticks.stop(this.#timer)
    this.#sink.onEnd()
  }

  onReset(detail: string): void {
    this.#fail({ reason: this.#isSent ? "ClosedEarly" : "Unreachable", detail: detail || "The agent broke off." })
  }

  #limit(ms: number, reason: TransportError["reason"], detail: string): void {
    Ticks.stop(this.#timer)
    this.#timer = Ticks.after(ms, () => this.#abort({ reason, detail }))
  }

  #abort(error: TransportError): void {
    if (this.#isOver) return
    this.#stream?.reset(error.detail)
    this.#fail(error)
  }

  #fail(error: TransportError): void {
    if (this.#isOver) return
    this.#isOver = true
    Ticks.stop(this.#timer)
    this.#sink.onError(error)
  }
}

/**
 * Makes the transport over the tunnels of this gateway and, where there are `TunnelPeers`, of the others: a device that is
 * connected here is asked here, one that is connected elsewhere over one hop.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const tunnels = yield* Tunnels
  const peers = Option.getOrUndefined(yield* Effect.serviceOption(TunnelPeers))
  return ProviderTransport.of({
    capabilities: { reaches: ["Tunnel"] },
    dispatch: (request, sink) => {
      const { deviceId } = request.instance
      const exchange = new Exchange(request, sink)
      const own = tunnels.find(deviceId)
      if (own?.isAttached === true) return exchange.begin(own, undefined)
      const peer = peers?.find(deviceId)
      return peer === undefined
        ? exchange.begin(own, undefined)
        : exchange.begin(peer, { [PeerProof.DEVICE_HEADER]: deviceId })
    },
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProviderTransport, never, Tunnels> = Layer.effect(ProviderTransport, make)
