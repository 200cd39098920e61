/**
 * Sends a request through a transport and writes down what the sink hears: for the suite of `ProviderTransport`, and for
 * whoever adds to it.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import { type Dispatch, ProviderTransport, type TransportError } from "../ProviderTransport.ts"

/**
 * One thing that a sink heard.
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  | { readonly _tag: "sent" }
  | { readonly _tag: "start"; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly _tag: "data"; readonly chunk: Uint8Array }
  | { readonly _tag: "end" }
  | { readonly _tag: "error"; readonly error: TransportError }

/**
 * What was heard so far, in order. `early` says that something came while `dispatch` was still running; `goOn` is what
 * `onData` answers, and may be changed on the way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hearing {
  readonly events: Array<Event>
  readonly dispatch: Dispatch
  readonly early: boolean
  bytes: number
  goOn: boolean
}

/** Long enough for anything local to happen, short enough for a suite. */
const SOON_MS = 2_000

/**
 * Waits in real time, a moment where no time is given.
 *
 * @category probes
 * @since 0.1.0
 */
export const pause = (ms = 50): Effect.Effect<void> => Effect.sleep(ms)

/**
 * Waits until a condition holds; fails, naming what it waited for, when it does not come to hold.
 *
 * @category probes
 * @since 0.1.0
 */
export const until = Effect.fnUntraced(function* (what: string, condition: () => boolean, limitMs = SOON_MS) {
  const endAtMs = (yield* Clock.currentTimeMillis) + limitMs
  while (!condition()) {
    if ((yield* Clock.currentTimeMillis) > endAtMs) return assert.fail(`waited ${limitMs} ms in vain: ${what}`)
    yield* pause(2)
  }
})

/**
 * Sends a request to an instance. The sink answers `goOn`, true where it is not given.
 *
 * @category probes
 * @since 0.1.0
 */
export const send = Effect.fnUntraced(function* (
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

/**
 * Whether the exchange has ended.
 *
 * @category probes
 * @since 0.1.0
 */
export const isOver = (hearing: Hearing) => hearing.events.some(({ _tag }) => _tag === "end" || _tag === "error")
/**
 * Waits for the end of the exchange.
 *
 * @category probes
 * @since 0.1.0
 */
export const over = (hearing: Hearing) => until("the end of the exchange", () => isOver(hearing))

/**
 * Asserts what guarantee 1 says of the order of things.
 *
 * @category probes
 * @since 0.1.0
 */
export const assertOrder = (hearing: Hearing): void => {
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

/**
 * The reason of the error that ended the exchange, where one did.
 *
 * @category probes
 * @since 0.1.0
 */
export const errorOf = (hearing: Hearing): TransportError["reason"] | undefined => {
  const last = hearing.events.at(-1)
  return last?._tag === "error" ? last.error.reason : undefined
}

/**
 * All the bytes that were heard, in order.
 *
 * @category probes
 * @since 0.1.0
 */
export const bytesOf = (hearing: Hearing): Uint8Array => {
  const all = new Uint8Array(hearing.bytes)
  let at = 0
  for (const event of hearing.events) {
    if (event._tag !== "data") continue
    all.set(event.chunk, at)
    at += event.chunk.byteLength
  }
  return all
}
