/**
 * The suite of the port `ProviderTransport`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type { Instance } from "@guildhall/core/Instance"
import { type Dispatch, ProviderTransport, type TransportError } from "../ProviderTransport.ts"
import { ScriptedProvider } from "./ScriptedProvider.ts"

/** What a transport under test comes with. @category models @since 0.1.0 */
export type UnderTest = ProviderTransport | ScriptedProvider

/**
 * A guarantee with the program that proves it. Programs run in real time: they look at sockets.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guarantee {
  readonly number: number
  readonly test: string
  readonly proof: Effect.Effect<void, unknown, UnderTest>
}

/** What a sink heard, in order. */
type Event =
  | { readonly _tag: "sent" }
  | { readonly _tag: "start"; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly _tag: "data"; readonly chunk: Uint8Array }
  | { readonly _tag: "end" }
  | { readonly _tag: "error"; readonly error: TransportError }

interface Hearing {
  readonly events: Array<Event>
  readonly dispatch: Dispatch
  /** Something was heard while `dispatch` was still running. */
  readonly early: boolean
  bytes: number
  /** What `onData` answers. */
  goOn: boolean
}

/** Long enough for anything local to happen, short enough for a suite. */
const SOON_MS = 2_000
const PAUSE_MS = 50

const pause = (ms = PAUSE_MS) => Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, ms)))

const until = Effect.fnUntraced(function* (what: string, condition: () => boolean, limitMs = SOON_MS) {
  const endAt = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > endAt) return assert.fail(`waited ${limitMs} ms in vain: ${what}`)
    yield* pause(2)
  }
})

const send = Effect.fnUntraced(function* (
  instance: Instance,
  options: { readonly body?: Uint8Array; readonly headersMs?: number; readonly goOn?: boolean } = {},
) {
  const transport = yield* ProviderTransport
  const events: Array<Event> = []
  let returned = false
  let early = false
  const hear = (event: Event) => {
    if (!returned) early = true
    events.push(event)
  }
  const state = { bytes: 0, goOn: options.goOn ?? true }
  const dispatch = transport.dispatch(
    {
      instance,
      method: "POST",
      path: "/v1/chat/completions",
      headers: { "content-type": "application/json", "x-suite": "yes" },
      body: options.body ?? new TextEncoder().encode('{"model":"m"}'),
      connectMs: 1_000,
      headersMs: options.headersMs ?? 2_000,
    },
    {
      onSent: () => hear({ _tag: "sent" }),
      onStart: (status, headers) => hear({ _tag: "start", status, headers }),
      onData: (chunk) => {
        // The memory may be used again by the transport once this returns.
        hear({ _tag: "data", chunk: Uint8Array.from(chunk) })
        state.bytes += chunk.byteLength
        return state.goOn
      },
      onEnd: () => hear({ _tag: "end" }),
      onError: (error) => hear({ _tag: "error", error }),
    },
  )
  returned = true
  const hearing: Hearing = Object.assign(state, {
    events,
    dispatch,
    get early() {
      return early
    },
  })
  return hearing
})

const isOver = (hearing: Hearing) => hearing.events.some(({ _tag }) => _tag === "end" || _tag === "error")
const over = (hearing: Hearing) => until("the end of the exchange", () => isOver(hearing))

const assertOrder = (hearing: Hearing): void => {
  const tags = hearing.events.map(({ _tag }) => _tag)
  assert.isFalse(hearing.early, "something was told before dispatch had returned")
  assert.isAtMost(tags.filter((tag) => tag === "start").length, 1, "it started twice")
  assert.lengthOf(
    tags.filter((tag) => tag === "end" || tag === "error"),
    1,
    `it ended not once: ${tags.join(" ")}`,
  )
  assert.oneOf(tags.at(-1), ["end", "error"], "something came after the end")
  const data = tags.indexOf("data")
  if (data !== -1) assert.isBelow(tags.indexOf("start"), data, "data came before the start")
}

const errorOf = (hearing: Hearing): TransportError["reason"] | undefined => {
  const last = hearing.events.at(-1)
  return last?._tag === "error" ? last.error.reason : undefined
}

const bytesOf = (hearing: Hearing): Uint8Array => {
  const all = new Uint8Array(hearing.bytes)
  let at = 0
  for (const event of hearing.events) {
    if (event._tag !== "data") continue
    all.set(event.chunk, at)
    at += event.chunk.byteLength
  }
  return all
}

const ordered = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const good = yield* provider.serve((exchange) => {
    exchange.start(200, { "content-type": "text/plain", "x-from": "provider" })
    exchange.data(new TextEncoder().encode("one"))
    exchange.data(new TextEncoder().encode("two"))
    exchange.end()
  })
  const hearing = yield* send(good)
  yield* over(hearing)
  hearing.dispatch.cancel("too late")
  hearing.dispatch.resume()
  yield* pause()
  assertOrder(hearing)
  assert.strictEqual(hearing.events.at(-1)?._tag, "end")
  const start = hearing.events.find((event) => event._tag === "start")
  assert.strictEqual(start?.status, 200)
  assert.strictEqual(start?.headers["x-from"], "provider")

  const empty = yield* provider.serve((exchange) => {
    exchange.start(503, {})
    exchange.end()
  })
  const refused = yield* send(empty)
  yield* over(refused)
  assertOrder(refused)

  const broken = yield* send(yield* provider.unreachable)
  yield* over(broken)
  yield* pause()
  assertOrder(broken)
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
  const hearing = yield* send(instance, { body })
  yield* over(hearing)
  assert.strictEqual(hearing.events.at(-1)?._tag, "end")
  assert.isTrue(received !== undefined && same(received, body), "the request arrived changed")
  assert.isTrue(same(bytesOf(hearing), answer), "the answer arrived changed")
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
  const hearing = yield* send(instance, { goOn: false })
  yield* until("the first bytes", () => hearing.bytes > 0)
  yield* pause(200)
  const heard = hearing.bytes
  assert.isAtMost(heard, BUFFERED_BYTES, "more arrived than was buffered")
  yield* pause(100)
  assert.strictEqual(hearing.bytes, heard, "bytes arrived during the pause")
  assert.isBelow(written, FLOOD_BYTES, "the provider was not held back")
  hearing.goOn = true
  hearing.dispatch.resume()
  yield* until("the rest", () => isOver(hearing), 10_000)
  assert.strictEqual(hearing.bytes, FLOOD_BYTES)
  assertOrder(hearing)
}).pipe(Effect.scoped)

const cancels = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  for (const phase of ["before the headers", "in the middle", "while it is paused"]) {
    let closedAt = 0
    let arrived = false
    const instance = yield* provider.serve((exchange) => {
      arrived = true
      exchange.onClosed(() => (closedAt = performance.now()))
      if (phase === "before the headers") return
      exchange.start(200, {})
      exchange.data(new Uint8Array(10))
    })
    const hearing = yield* send(instance, { goOn: phase !== "while it is paused" })
    yield* until("the request", () => (phase === "before the headers" ? arrived : hearing.bytes > 0))
    const cancelledAt = performance.now()
    hearing.dispatch.cancel("the suite is done")
    yield* until(`the provider's close, ${phase}`, () => closedAt > 0, 500)
    assert.isBelow(closedAt - cancelledAt, 100, phase)
    yield* over(hearing)
    yield* pause()
    assertOrder(hearing)
    assert.strictEqual(errorOf(hearing), "Cancelled", phase)
  }
}).pipe(Effect.scoped)

const reasons = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const unreachable = yield* send(yield* provider.unreachable)
  yield* over(unreachable)
  assert.strictEqual(errorOf(unreachable), "Unreachable")

  const slammed = yield* send(yield* provider.serve((exchange) => exchange.close()))
  yield* over(slammed)
  assert.strictEqual(errorOf(slammed), "ClosedEarly", "closed before the headers")

  const half = yield* provider.serve((exchange) => {
    exchange.start(200, {})
    exchange.data(new Uint8Array(10))
    setTimeout(() => exchange.close(), 20)
  })
  const cut = yield* send(half)
  yield* over(cut)
  assert.strictEqual(errorOf(cut), "ClosedEarly", "closed in the middle")

  const silent = yield* send(yield* provider.serve(() => undefined), { headersMs: 100 })
  const startedAt = performance.now()
  yield* over(silent)
  assert.strictEqual(errorOf(silent), "Timeout")
  assert.isBelow(performance.now() - startedAt, 1_000)
}).pipe(Effect.scoped)

const sent = Effect.gen(function* () {
  const provider = yield* ScriptedProvider
  const good = yield* provider.serve((exchange) => {
    exchange.start(200, {})
    exchange.end()
  })
  const hearing = yield* send(good)
  yield* over(hearing)
  const tags = hearing.events.map(({ _tag }) => _tag)
  assert.strictEqual(tags[0], "sent", tags.join(" "))
  assert.lengthOf(
    tags.filter((tag) => tag === "sent"),
    1,
  )

  const unreachable = yield* send(yield* provider.unreachable)
  yield* over(unreachable)
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
export const guarantees: ReadonlyArray<Guarantee> = [
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

/**
 * Proves a transport. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(
  name: string,
  layer: Layer.Layer<UnderTest, E>,
  options: { readonly skip?: ReadonlyArray<{ readonly test: number; readonly reason: string }> } = {},
): void => {
  describe(`ProviderTransport: ${name}`, () => {
    for (const { number, test, proof } of guarantees) {
      const skipped = options.skip?.find((skip) => skip.test === number)
      if (skipped === undefined) it.live(`${number}. ${test}`, () => Effect.provide(proof, layer))
      else it.skip(`${number}. ${test} (skipped: ${skipped.reason})`, () => {})
    }
  })
}

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail, by one of its assertions.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = <E>(name: string, layer: Layer.Layer<UnderTest, E>, number: number): void => {
  describe(`ProviderTransport, broken: ${name}`, () => {
    it.live(`${number}. fails`, () =>
      Effect.gen(function* () {
        const guarantee = guarantees.find((one) => one.number === number)
        if (guarantee === undefined) return assert.fail(`There is no guarantee ${number}.`)
        const exit = yield* Effect.exit(Effect.provide(guarantee.proof, layer))
        if (Exit.isSuccess(exit)) return assert.fail(`guarantee ${number} holds on a layer that breaks it`)
        assert.strictEqual(nameOf(Cause.squash(exit.cause)), "AssertionError", "it failed, but not by an assertion")
      }),
    )
  })
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error)
