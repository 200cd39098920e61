/** The suite of transports on the tunnel: a real WebSocket on a real port. */
import { Effect, Layer } from "effect"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { ProviderTransportTest } from "@guildhall/protocol/testing"
import { ScriptedProvider } from "@guildhall/protocol/testing/ScriptedProvider"
import * as BrokenTransport from "./BrokenTransport.ts"
import * as TunnelAgent from "./TunnelAgent.ts"
import * as TunnelMarket from "./TunnelMarket.ts"

const market = Effect.acquireRelease(
  Effect.promise(() => TunnelMarket.start()),
  (started) => Effect.promise(() => started.close()),
)

/** Agents whose answers `change` makes wrong. */
const tunnel = (change: (script: TunnelAgent.Script) => TunnelAgent.Script = (script) => script) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { join, transport, url } = yield* market
      const provider = ScriptedProvider.of({
        unreachable: Effect.map(
          Effect.promise(() => join()),
          ({ instance }) => instance,
        ),
        serve: (script) =>
          Effect.gen(function* () {
            const { device, instance } = yield* Effect.promise(() => join())
            yield* Effect.acquireRelease(
              Effect.promise(() => TunnelAgent.open({ url, device, script: change(script) })),
              (agent) => Effect.sync(() => agent.vanish()),
            )
            return instance
          }),
      })
      return Layer.build(
        Layer.merge(Layer.succeed(ProviderTransport, transport), Layer.succeed(ScriptedProvider, provider)),
      )
    }).pipe(Effect.flatten),
  )

ProviderTransportTest.suite("tunnel", tunnel())

const broken = BrokenTransport.over(tunnel())

ProviderTransportTest.breaks(
  "an end is told twice",
  broken((dispatch) => (request, sink) => dispatch(request, { ...sink, onEnd: () => (sink.onEnd(), sink.onEnd()) })),
  1,
)
ProviderTransportTest.breaks(
  "the agent drops a byte",
  tunnel((script) => (exchange) => script({ ...exchange, data: (chunk) => exchange.data(chunk.subarray(1)) })),
  2,
)
ProviderTransportTest.breaks(
  "a pause is not kept",
  broken(
    (dispatch) => (request, sink) => dispatch(request, { ...sink, onData: (chunk) => (sink.onData(chunk), true) }),
  ),
  3,
)
ProviderTransportTest.breaks(
  "the agent does not hear of a cancel",
  tunnel((script) => (exchange) => script({ ...exchange, onClosed: () => undefined })),
  4,
)
ProviderTransportTest.breaks(
  "an agent ends what it should break off",
  tunnel((script) => (exchange) => script({ ...exchange, close: () => (exchange.start(200, {}), exchange.end()) })),
  5,
)
ProviderTransportTest.breaks(
  "it claims to have sent before it could",
  broken((dispatch) => (request, sink) => {
    queueMicrotask(() => sink.onSent?.())
    return dispatch(request, { ...sink, onSent: () => undefined })
  }),
  6,
)
