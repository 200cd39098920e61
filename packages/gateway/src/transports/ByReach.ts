/**
 * Several transports as one: each request goes to the transport that knows the way to its instance.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Instance } from "@guildhall/core/Instance"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import * as Unreached from "../internal/Unreached.ts"

/**
 * Joins transports. Where two know the same way, the first is taken. An instance that none can reach ends as `Unreachable`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (transports: ReadonlyArray<ProviderTransport["Service"]>): ProviderTransport["Service"] => {
  const byReach = new Map<Instance["reach"]["_tag"], ProviderTransport["Service"]>()
  for (const transport of transports.toReversed()) {
    for (const reach of transport.capabilities.reaches) byReach.set(reach, transport)
  }
  return ProviderTransport.of({
    capabilities: { reaches: [...byReach.keys()] },
    dispatch: (request, sink) => {
      const { _tag } = request.instance.reach
      const transport = byReach.get(_tag)
      if (transport !== undefined) return transport.dispatch(request, sink)
      return Unreached.because(sink, `This gateway has no transport to instances by ${_tag}. Give it one.`)
    },
  })
}

/**
 * Transports as one layer.
 *
 * **Example** (By HTTP, or within the process)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { ByReach, Memory, Undici } from "@guildhall/gateway/transports"
 *
 * Layer.isLayer(ByReach.layer([Undici.layer, Memory.layer(new Map())])) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  transports: ReadonlyArray<Layer.Layer<ProviderTransport, E, R>>,
): Layer.Layer<ProviderTransport, E, R> =>
  Layer.effect(
    ProviderTransport,
    Effect.map(
      Effect.forEach(transports, (transport) =>
        Effect.map(Layer.build(transport), (built) => Context.get(built, ProviderTransport)),
      ),
      make,
    ),
  )
