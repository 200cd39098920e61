/** The suite of transports where providers come to the market: they join, and serve by a connection of theirs. */
import { Effect, Layer } from "effect"
import type { Instance } from "@guildhall/core"
import type { ProviderExchange } from "@guildhall/protocol/ProviderExchange"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { ProviderTransportTest } from "@guildhall/protocol/testing"
import { ScriptedProvider } from "@guildhall/protocol/testing/ScriptedProvider"
import * as BrokenTransport from "./BrokenTransport.ts"
import type * as SampleDevice from "@guildhall/registry/testing/SampleDevice"

export type Script = (exchange: ProviderExchange) => void

interface Joined {
  readonly device: SampleDevice.SampleDevice
  readonly instance: Instance.Instance
}

interface Market {
  readonly url: string
  readonly transport: ProviderTransport["Service"]
  readonly join: () => Promise<Joined>
  readonly close: () => Promise<void>
}

/** How providers of a kind join and serve: `serve` answers once the provider can be asked. */
export interface Options {
  readonly name: string
  readonly start: () => Promise<Market>
  readonly serve: (joined: Joined & { readonly url: string; readonly script: Script }) => Promise<{
    readonly vanish: () => void
  }>
}

/** The transport with providers whose answers `change` makes wrong. */
const layer = ({ serve, start }: Options, change: (script: Script) => Script = (script) => script) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { join, transport, url } = yield* Effect.acquireRelease(Effect.promise(start), (started) =>
        Effect.promise(() => started.close()),
      )
      const provider = ScriptedProvider.of({
        unreachable: Effect.map(Effect.promise(join), ({ instance }) => instance),
        serve: (script) =>
          Effect.gen(function* () {
            const joined = yield* Effect.promise(join)
            yield* Effect.acquireRelease(
              Effect.promise(() => serve({ ...joined, url, script: change(script) })),
              (provider) => Effect.sync(provider.vanish),
            )
            return joined.instance
          }),
      })
      return Layer.merge(Layer.succeed(ProviderTransport, transport), Layer.succeed(ScriptedProvider, provider))
    }),
  )

/** The suite, and six ways to break its guarantees, on the market's side or the provider's. */
export const suite = (options: Options): void => {
  const wrong = (change: (script: Script) => Script) => layer(options, change)
  const broken = BrokenTransport.over(layer(options))
  ProviderTransportTest.suite(options.name, layer(options))
  ProviderTransportTest.breaks(
    "an end is told twice",
    broken((dispatch) => (request, sink) => dispatch(request, { ...sink, onEnd: () => (sink.onEnd(), sink.onEnd()) })),
    1,
  )
  ProviderTransportTest.breaks(
    "the provider drops a byte",
    wrong((script) => (exchange) => script({ ...exchange, data: (chunk) => exchange.data(chunk.subarray(1)) })),
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
    "the provider does not hear of a cancel",
    wrong((script) => (exchange) => script({ ...exchange, onClosed: () => undefined })),
    4,
  )
  ProviderTransportTest.breaks(
    "the provider ends what it should break off or hand back",
    wrong((script) => (exchange) => script({ ...exchange, close: () => (exchange.start(200, {}), exchange.end()) })),
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
}
