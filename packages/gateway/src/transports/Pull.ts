/**
 * Reaches instances whose workers ask for requests when they have time: the layer of `ProviderTransport` over the jobs that
 * they take.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Dispatch, ProviderTransport, type ProviderSink } from "@guildhall/protocol/ProviderTransport"
import * as PeerProof from "../internal/PeerProof.ts"
import * as PullHop from "../internal/PullHop.ts"
import * as Unreached from "../internal/Unreached.ts"
import { PullJobs } from "../PullJobs.ts"
import { TunnelPeers } from "../TunnelPeers.ts"
import { Exchange } from "./Tunnel.ts"

const NOBODY = "No worker of the instance asks for requests at the moment."

/** That a worker asks is all that there is to know of its health, and it is known here. */
const healthy = (sink: ProviderSink): Dispatch => {
  let isOver = false
  queueMicrotask(() => {
    if (isOver) return
    isOver = true
    sink.onSent?.()
    sink.onStart(200, {})
    sink.onEnd()
  })
  return {
    resume: () => undefined,
    cancel: (detail) => {
      if (isOver) return
      isOver = true
      sink.onError({ reason: "Cancelled", detail })
    },
  }
}

/**
 * Makes the transport. A worker that asks this gateway is served by it, one that asks another by one hop, where there are
 * `TunnelPeers`. A check of health is answered by whether a worker is there, and takes none of its time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const jobs = yield* PullJobs
  const peers = Option.getOrUndefined(yield* Effect.serviceOption(TunnelPeers))
  return ProviderTransport.of({
    capabilities: { reaches: ["Pull"] },
    dispatch: (request, sink) => {
      const { instance, method, path } = request
      const peer = jobs.isThere(instance) ? undefined : peers?.find(instance.deviceId)
      if (method === "GET" && path === "/healthz") {
        return peer !== undefined || jobs.isThere(instance) ? healthy(sink) : Unreached.because(sink, NOBODY)
      }
      if (peer === undefined) return jobs.dispatch(request, sink)
      const hop = { [PeerProof.DEVICE_HEADER]: instance.deviceId, [PullHop.HEADER]: PullHop.encode(instance) }
      return new Exchange(request, sink).begin(peer, hop)
    },
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProviderTransport, never, PullJobs> = Layer.effect(ProviderTransport, make)
