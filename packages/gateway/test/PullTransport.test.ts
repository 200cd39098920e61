/** The suite of transports on workers that pull: real requests on a real port. */
import { Effect, Layer } from "effect"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { ProviderTransportTest } from "@guildhall/protocol/testing"
import { ScriptedProvider } from "@guildhall/protocol/testing/ScriptedProvider"
import * as BrokenTransport from "./BrokenTransport.ts"
import * as PullMarket from "./PullMarket.ts"
import * as PullWorker from "./PullWorker.ts"

const market = Effect.acquireRelease(
  Effect.promise(() => PullMarket.start()),
  (started) => Effect.promise(() => started.close()),
)

/** Workers whose answers `change` makes wrong. */
const pull = (change: (script: PullWorker.Script) => PullWorker.Script = (script) => script) =>
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
            const joined = yield* Effect.promise(() => join())
            yield* Effect.acquireRelease(
              Effect.promise(async () => {
                const worker = PullWorker.run({ url, ...joined }, change(script))
                await worker.ready
                return worker
              }),
              (worker) => Effect.sync(() => worker.vanish()),
            )
            return joined.instance
          }),
      })
      return Layer.build(
        Layer.merge(Layer.succeed(ProviderTransport, transport), Layer.succeed(ScriptedProvider, provider)),
      )
    }).pipe(Effect.flatten),
  )

ProviderTransportTest.suite("pull", pull())

const broken = BrokenTransport.over(pull())

ProviderTransportTest.breaks(
  "an end is told twice",
  broken((dispatch) => (request, sink) => dispatch(request, { ...sink, onEnd: () => (sink.onEnd(), sink.onEnd()) })),
  1,
)
ProviderTransportTest.breaks(
  "the worker drops a byte",
  pull((script) => (exchange) => script({ ...exchange, data: (chunk) => exchange.data(chunk.subarray(1)) })),
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
  "the worker does not hear of a cancel",
  pull((script) => (exchange) => script({ ...exchange, onClosed: () => undefined })),
  4,
)
ProviderTransportTest.breaks(
  "a worker ends what it should hand back",
  pull((script) => (exchange) => script({ ...exchange, close: () => (exchange.start(200, {}), exchange.end()) })),
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
