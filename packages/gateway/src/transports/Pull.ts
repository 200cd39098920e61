/**
 * Reaches instances whose workers ask for requests when they have time: the layer of `ProviderTransport` over the jobs that
 * they take.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Dispatch, ProviderTransport, type ProviderSink } from "@guildhall/protocol/ProviderTransport"
import * as Unreached from "../internal/Unreached.ts"
import { PullJobs } from "../PullJobs.ts"

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
 * Makes the transport. A check of health is answered by whether a worker is there, and takes none of its time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.map(PullJobs, (jobs) =>
  ProviderTransport.of({
    capabilities: { reaches: ["Pull"] },
    dispatch: (request, sink) => {
      if (request.method !== "GET" || request.path !== "/healthz") return jobs.dispatch(request, sink)
      return jobs.isThere(request.instance) ? healthy(sink) : Unreached.because(sink, NOBODY)
    },
  }),
)

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProviderTransport, never, PullJobs> = Layer.effect(ProviderTransport, make)
