/**
 * The suite of the port `ProviderTransport`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { ProviderTransport } from "../ProviderTransport.ts"
import { ScriptedProvider } from "./ScriptedProvider.ts"
import * as TransportProbe from "./TransportProbe.ts"

/** What a transport under test comes with. @category models @since 0.1.0 */
export type UnderTest = ProviderTransport | ScriptedProvider

const ordered = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const good = yield* provider.serve((exchange) => {
    exchange.start(200, { "content-type": "text/plain", "x-from": "provider" })
    exchange.data(new TextEncoder().encode("one"))
    exchange.data(new TextEncoder().encode("two"))
    exchange.end()
  })
  const hearing = yield* TransportProbe.send(good)
  yield* TransportProbe.over(hearing)
  hearing.dispatch.cancel("too late")
  hearing.dispatch.resume()
  yield* TransportProbe.pause()
  TransportProbe.assertOrder(hearing)
  assert.strictEqual(hearing.events.at(-1)?._tag, "end")
  const start = hearing.events.find((event) => event._tag === "start")
  assert.strictEqual(start?.status, 200)
  assert.strictEqual(start?.headers["x-from"], "provider")

  const empty = yield* provider.serve((exchange) => {
    exchange.start(503, {})
    exchange.end()
  })
  const refused = yield* TransportProbe.send(empty)
  yield* TransportProbe.over(refused)
  TransportProbe.assertOrder(refused)

  const broken = yield* TransportProbe.send(yield* provider.unreachable)
  yield* TransportProbe.over(broken)
  yield* TransportProbe.pause()
  TransportProbe.assertOrder(broken)
}).pipe(Effect.scoped)

const unchanged = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  // All bytes, a length that fits no buffer, and pieces that cut characters in two.
  const answer = Uint8Array.from({ length: 300_007 }, (_, at) => (at * 31 + (at >> 8)) & 255)
  const body = Uint8Array.from({ length: 70_001 }, (_, at) => (at * 17) & 255)
  let received: Uint8Array | undefined
  const instance = yield* provider.serve((exchange) => {
    received = exchange.body
    assert.strictEqual(exchange.path, "/v1/chat/completions")
    assert.strictEqual(exchange.method, "POST")
    assert.strictEqual(exchange.headers["x-suite"], "yes")
    exchange.start(200, {})
    let at = 0
    let size = 1
    const pump = () => {
      while (at < answer.length) {
        const piece = answer.subarray(at, at + size)
        at += size
        size = (size % 9_973) + 101
        if (!exchange.data(piece)) return
      }
      exchange.end()
    }
    exchange.onDrain(pump)
    pump()
  })
  const hearing = yield* TransportProbe.send(instance, { body })
  yield* TransportProbe.over(hearing)
  assert.strictEqual(hearing.events.at(-1)?._tag, "end")
  assert.isTrue(received !== undefined && same(received, body), "the request arrived changed")
  assert.isTrue(same(TransportProbe.bytesOf(hearing), answer), "the answer arrived changed")
}).pipe(Effect.scoped)

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at])

/** More than the buffers of any socket on the way hold. */
const FLOOD_BYTES = 64 * 1024 * 1024
/** What may be under way in buffers when a pause begins. */
const BUFFERED_BYTES = 1024 * 1024

const pauses = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const piece = new Uint8Array(64 * 1024).fill(7)
  let written = 0
  const instance = yield* provider.serve((exchange) => {
    exchange.start(200, {})
    const pump = () => {
      while (written < FLOOD_BYTES) {
        written += piece.length
        if (!exchange.data(piece)) return
      }
      exchange.end()
    }
    exchange.onDrain(pump)
    pump()
  })
  const hearing = yield* TransportProbe.send(instance, { goOn: false })
  yield* TransportProbe.until("the first bytes", () => hearing.bytes > 0)
  yield* TransportProbe.pause(200)
  const heard = hearing.bytes
  assert.isAtMost(heard, BUFFERED_BYTES, "more arrived than was buffered")
  yield* TransportProbe.pause(100)
  assert.strictEqual(hearing.bytes, heard, "bytes arrived during the pause")
  assert.isBelow(written, FLOOD_BYTES, "the provider was not held back")
  hearing.goOn = true
  hearing.dispatch.resume()
  yield* TransportProbe.until("the rest", () => TransportProbe.isOver(hearing), 10_000)
  assert.strictEqual(hearing.bytes, FLOOD_BYTES)
  TransportProbe.assertOrder(hearing)
}).pipe(Effect.scoped)

const cancels = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const clock = yield* Clock.Clock
  for (const phase of ["before the headers", "in the middle", "while it is paused"]) {
    let closedAt = 0
    let arrived = false
    const instance = yield* provider.serve((exchange) => {
      arrived = true
      exchange.onClosed(() => (closedAt = clock.currentTimeMillisUnsafe()))
      if (phase === "before the headers") return
      exchange.start(200, {})
      exchange.data(new Uint8Array(10))
    })
    const hearing = yield* TransportProbe.send(instance, { goOn: phase !== "while it is paused" })
    yield* TransportProbe.until("the request", () => (phase === "before the headers" ? arrived : hearing.bytes > 0))
    const cancelledAt = yield* Clock.currentTimeMillis
    hearing.dispatch.cancel("the suite is done")
    yield* TransportProbe.until(`the provider's close, ${phase}`, () => closedAt > 0, 500)
    assert.isBelow(closedAt - cancelledAt, 100, phase)
    yield* TransportProbe.over(hearing)
    yield* TransportProbe.pause()
    TransportProbe.assertOrder(hearing)
    assert.strictEqual(TransportProbe.errorOf(hearing), "Cancelled", phase)
  }
}).pipe(Effect.scoped)

const reasons = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const unreachable = yield* TransportProbe.send(yield* provider.unreachable)
  yield* TransportProbe.over(unreachable)
  assert.strictEqual(TransportProbe.errorOf(unreachable), "Unreachable")

  const slammed = yield* TransportProbe.send(yield* provider.serve((exchange) => exchange.close()))
  yield* TransportProbe.over(slammed)
  assert.strictEqual(TransportProbe.errorOf(slammed), "ClosedEarly", "closed before the headers")

  let slam: () => void = () => assert.fail("the request did not arrive")
  const half = yield* provider.serve((exchange) => {
    slam = exchange.close
    exchange.start(200, {})
    exchange.data(new Uint8Array(10))
  })
  const cut = yield* TransportProbe.send(half)
  yield* TransportProbe.until("the first bytes", () => cut.bytes > 0)
  slam()
  yield* TransportProbe.over(cut)
  assert.strictEqual(TransportProbe.errorOf(cut), "ClosedEarly", "closed in the middle")

  const silent = yield* TransportProbe.send(yield* provider.serve(() => undefined), { headersMs: 100 })
  const startedAt = yield* Clock.currentTimeMillis
  yield* TransportProbe.over(silent)
  assert.strictEqual(TransportProbe.errorOf(silent), "HeadersTimeout")
  assert.isBelow((yield* Clock.currentTimeMillis) - startedAt, 1_000)
}).pipe(Effect.scoped)

const sent = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const good = yield* provider.serve((exchange) => {
    exchange.start(200, {})
    exchange.end()
  })
  const hearing = yield* TransportProbe.send(good)
  yield* TransportProbe.over(hearing)
  const tags = hearing.events.map(({ _tag }) => _tag)
  assert.strictEqual(tags[0], "sent", tags.join(" "))
  assert.lengthOf(
    tags.filter((tag) => tag === "sent"),
    1,
  )

  const unreachable = yield* TransportProbe.send(yield* provider.unreachable)
  yield* TransportProbe.over(unreachable)
  assert.notInclude(
    unreachable.events.map(({ _tag }) => _tag),
    "sent",
  )
}).pipe(Effect.scoped)

/**
 * What a transport guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<UnderTest>>> = [
  {
    number: 1,
    test: "`onStart` comes at most once and before any data; `onEnd` or `onError` comes exactly once, and nothing after it.",
    proof: ordered,
  },
  { number: 2, test: "The bytes of the answer arrive unchanged and in order.", proof: unchanged },
  {
    number: 3,
    test: "After `onData` returned `false`, no more than what is already buffered arrives until `resume`.",
    proof: pauses,
  },
  {
    number: 4,
    test: "After `cancel`, the provider sees its connection closed within 100 ms, and the sink hears `onError` with `Cancelled`.",
    proof: cancels,
  },
  {
    number: 5,
    test: "A provider that cannot be reached, closes early or stays silent past a timeout ends in `onError` with that reason.",
    proof: reasons,
  },
  {
    number: 6,
    test: "`onSent` comes once the request may have reached the provider: an error before it is safe to send again.",
    proof: sent,
  },
]

const port: Conformance.Port<UnderTest> = { name: "ProviderTransport", guarantees, clock: "real" }

/**
 * Proves a transport. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Conformance.Suite<UnderTest> = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Conformance.Breaks<UnderTest> = Conformance.breaks(port)
