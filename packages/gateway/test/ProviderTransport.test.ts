import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Instance } from "@guildhall/core"
import { type ProviderRequest, type ProviderSink, ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { ProviderTransportTest } from "@guildhall/protocol/testing"
import { ScriptedProvider } from "@guildhall/protocol/testing/ScriptedProvider"
import * as ByReach from "../src/transports/ByReach.ts"
import * as MemoryTransport from "../src/transports/Memory.ts"
import * as UndiciTransport from "../src/transports/Undici.ts"
import * as BrokenTransport from "./BrokenTransport.ts"
import * as ScriptedHttp from "./ScriptedHttp.ts"
import * as TestLane from "./TestLane.ts"

/** A provider on a real socket. */
const overHttp = Layer.succeed(
  ScriptedProvider,
  ScriptedProvider.of({
    unreachable: Effect.succeed(TestLane.instance("gone", "http://127.0.0.1:1")),
    serve: (script) => Effect.map(ScriptedHttp.listen(script), (url) => TestLane.instance("http", url)),
  }),
)

const inMemory = () => {
  const providers = new Map<string, MemoryTransport.MemoryProvider>()
  const instance = (name: string): Instance.Instance =>
    TestLane.instance("memory", "", { reach: { _tag: "Memory", name } })
  const scripted = ScriptedProvider.of({
    unreachable: Effect.succeed(instance("nobody")),
    serve: (script) =>
      Effect.sync(() => {
        const name = `p${providers.size}`
        providers.set(name, script)
        return instance(name)
      }),
  })
  return Layer.merge(MemoryTransport.layer(providers), Layer.succeed(ScriptedProvider, scripted))
}

const undici = Layer.merge(UndiciTransport.layer, overHttp)

ProviderTransportTest.suite("undici", undici)
ProviderTransportTest.suite("memory", inMemory())

/** A transport that is chosen among several by how an instance is reached. */
const byReach = (() => {
  const memory = inMemory()
  const joined = Layer.effect(
    ProviderTransport,
    Effect.map(Effect.all([UndiciTransport.make(), ProviderTransport]), (transports) => ByReach.make(transports)),
  )
  return joined.pipe(Layer.provideMerge(memory))
})()
ProviderTransportTest.suite("by reach", byReach)

it.effect("an instance that no transport can reach is told as unreachable, after dispatch", () =>
  Effect.gen(function* () {
    const transport = ByReach.make([])
    assert.deepStrictEqual(transport.capabilities.reaches, [])
    const told: Array<string> = []
    const request: ProviderRequest = {
      instance: TestLane.instance("lost", "", { reach: { _tag: "Tunnel" } }),
      method: "POST",
      path: "/v1/chat/completions",
      headers: {},
      body: new Uint8Array(),
      connectMs: 1_000,
      headersMs: 1_000,
    }
    const error = yield* Effect.callback<string>((resume) => {
      const sink: ProviderSink = {
        onStart: () => undefined,
        onData: () => true,
        onEnd: () => undefined,
        onError: ({ reason, detail }) => {
          told.push("error")
          resume(Effect.succeed(`${reason}: ${detail}`))
        },
      }
      transport.dispatch(request, sink).resume()
      told.push("returned")
    })
    assert.deepStrictEqual(told, ["returned", "error"])
    assert.strictEqual(error, "Unreachable: This gateway has no transport to instances by Tunnel. Give it one.")
  }),
)

const broken = BrokenTransport.over(inMemory())

ProviderTransportTest.breaks(
  "an end is told twice",
  broken((dispatch) => (request, sink) => dispatch(request, { ...sink, onEnd: () => (sink.onEnd(), sink.onEnd()) })),
  1,
)
ProviderTransportTest.breaks(
  "an error is told before dispatch returns",
  broken((dispatch) => (request, sink) => {
    if (request.instance.reach._tag === "Memory" && request.instance.reach.name === "nobody") {
      sink.onError({ reason: "Unreachable", detail: "at once" })
      return { resume: () => undefined, cancel: () => undefined }
    }
    return dispatch(request, sink)
  }),
  1,
)
ProviderTransportTest.breaks(
  "a byte is changed",
  broken(
    (dispatch) => (request, sink) =>
      dispatch(request, {
        ...sink,
        onData: (chunk) => sink.onData(chunk.map((byte, at) => (at === 5_000 ? byte ^ 1 : byte))),
      }),
  ),
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
  "a pause is not kept, over a socket",
  BrokenTransport.over(undici)(
    (dispatch) => (request, sink) => dispatch(request, { ...sink, onData: (chunk) => (sink.onData(chunk), true) }),
  ),
  3,
)
ProviderTransportTest.breaks(
  "a cancel is only told to the sink",
  broken((dispatch) => (request, sink) => {
    const inner = dispatch(request, sink)
    return { ...inner, resume: () => inner.resume(), cancel: (detail) => sink.onError({ reason: "Cancelled", detail }) }
  }),
  4,
)
ProviderTransportTest.breaks(
  "a cut answer looks whole",
  broken(
    (dispatch) => (request, sink) =>
      dispatch(request, {
        ...sink,
        onError: (error) => (error.reason === "ClosedEarly" ? sink.onEnd() : sink.onError(error)),
      }),
  ),
  5,
)
ProviderTransportTest.breaks(
  "silence has no limit",
  broken((dispatch) => (request, sink) => dispatch({ ...request, headersMs: 60_000 }, sink)),
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
