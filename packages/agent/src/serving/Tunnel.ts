/**
 * The provider's end of a tunnel: dials a gateway, serves what comes through it, comes back after a loss and goes on where it
 * was. The WebSocket comes from whoever uses this.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as TunnelDial from "@guildhall/protocol/provider/TunnelDial"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { TunnelSession, type Wire } from "@guildhall/protocol/provider/TunnelSession"
import type { MarketClient } from "./MarketClient.ts"
import type { Reception } from "./Reception.ts"
import { visit } from "./TunnelVisit.ts"

/** The market opens at most so many streams at a time; each still needs a ticket and a place to be served. */
const STREAMS_MAX = 4_096
const TICK_MS = 500
const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 10_000
/** A tunnel that was up for so long is dialed again at once. */
const STEADY_MS = 10_000
/** The market has looked at a signature after so long, or is away. */
const SIGNED_MS = 4_000

/**
 * A WebSocket that was just made. `proof` goes into the hello where the socket cannot carry headers; `refusal` are the words
 * with which it was not opened, where they are known; `hangUp` lets a goodbye leave, where there is one, and ends it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dialed {
  readonly socket: TunnelDial.Socket
  readonly proof?: TunnelHello.Proof | undefined
  readonly refusal: () => string | undefined
  readonly hangUp: Effect.Effect<void>
}

/**
 * Who hears of a socket: there is room in it again, and the other side does not keep to the protocol of WebSockets.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hooks {
  readonly drained: () => void
  readonly wrong: (detail: string) => void
}

/**
 * Which gateway, who answers what comes, who signs, and how a WebSocket of the protocol `TunnelHello.PROTOCOL` is made with the
 * headers of a signed request. `onChange` hears whether the tunnel stands, and why it does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E> {
  readonly url: string
  readonly handle: Reception["handle"]
  readonly sign: MarketClient<E>["sign"]
  readonly skipAhead: Effect.Effect<void>
  readonly dial: (address: string, headers: Readonly<Record<string, string>>, hooks: Hooks) => Dialed
  readonly onChange?: ((why: string | undefined) => void) | undefined
}

/** How a connection ended: whether it was welcome, and why it is over. */
interface Ended {
  readonly wasWelcome: boolean
  readonly reason: string
}

/** Who hears of a dial. */
interface Dialing {
  readonly onOpen: () => void
  readonly onEnd: (ended: Ended) => void
}

const addressOf = (url: string): string => `${url.replace(/^http/, "ws").replace(/\/+$/, "")}${TunnelHello.PATH}`

/** One gateway's tunnel: the session that is kept over its connections. */
class Line {
  readonly #handle: Reception["handle"]
  #session: TunnelSession | undefined
  #name: string | undefined
  #nowMs = 0

  constructor(handle: Reception["handle"]) {
    this.#handle = handle
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
    this.#session?.tick(nowMs)
    // Not every socket tells when it has room.
    this.#session?.drained()
  }

  end(reason: string): void {
    this.#session?.end(reason)
  }

  /** Dials, and tells when the tunnel is open and when it is over. */
  dial(open: (hooks: Hooks) => Dialed, { onEnd, onOpen }: Dialing): Dialed {
    let wire: Wire | undefined
    const dialed = open({
      drained: () => this.#session?.drained(),
      // Before the welcome it is only a dial that failed.
      wrong: (detail) => wire === undefined || this.#session?.fail(detail),
    })
    const former = this.#session?.isOver === false ? this.#name : undefined
    const hello: TunnelHello.Hello = {
      ...(former === undefined ? { received: 0 } : { session: former, received: this.#session?.received ?? 0 }),
      ...(dialed.proof === undefined ? {} : { proof: dialed.proof }),
    }
    TunnelDial.begin(dialed.socket, hello, {
      onWelcome: (welcome, opened) => {
        wire = opened
        if (this.#enter(welcome, opened)) onOpen()
      },
      onMessage: (message) => this.#session?.receive(message),
      onClosed: (code, reason) => {
        if (wire !== undefined) this.#leave(wire, code, reason)
        onEnd({
          wasWelcome: wire !== undefined,
          reason: reason || (dialed.refusal() ?? "the connection was lost"),
        })
      },
    })
    return dialed
  }

  #enter(welcome: TunnelHello.Welcome, wire: Wire): boolean {
    if (!welcome.resumed || this.#session === undefined) this.#begin(welcome)
    const flaw = this.#session?.attach(wire, welcome.received)
    if (flaw !== undefined) wire.close(TunnelFrame.CLOSE.wrong, flaw)
    return flaw === undefined
  }

  #begin({ resume_ms, session }: TunnelHello.Welcome): void {
    this.#session?.ended("The gateway began anew.")
    this.#name = session
    this.#session = new TunnelSession(
      {
        side: "answers",
        // A little longer than the gateway: it is the one to say that a session is over.
        resumeMs: resume_ms + TICK_MS * 2,
        streamsMax: STREAMS_MAX,
        onOpen: (stream, head) => visit(stream, head, this.#handle),
        onOver: () => undefined,
      },
      this.#nowMs,
    )
  }

  #leave(wire: Wire, code: number, reason: string): void {
    if (TunnelDial.endsSession(code)) this.#session?.endedOn(wire, reason || "The gateway ended the tunnel.")
    else this.#session?.lost(wire)
  }
}

/** Some way around a time: providers that lost the same gateway do not come back at the same moment. */
const around = (ms: number) => Effect.map(Random.next, (part) => Math.round(ms * (0.5 + part)))

/**
 * Keeps a tunnel to one gateway until it is interrupted, and then ends it. `opened` succeeds when it is open for the
 * first time. It never fails: what goes wrong is logged once, and tried again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keep = Effect.fnUntraced(function* <E extends { readonly message: string }>(
  options: Options<E>,
  opened: Deferred.Deferred<void>,
) {
  const { onChange, url } = options
  const line = new Line(options.handle)
  yield* Effect.addFinalizer(() => Effect.sync(() => line.end("The provider stops.")))
  const tick = Effect.map(Clock.currentTimeMillis, (nowMs) => line.tick(nowMs))
  yield* tick
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(TICK_MS), tick)))

  /** One connection, from its dial to its end. Others may sign once it stands. */
  const connect = Effect.fnUntraced(function* () {
    const ended = yield* Deferred.make<Ended>()
    const stands = yield* Deferred.make<void>()
    const dial = (headers: Readonly<Record<string, string>>) =>
      Effect.acquireRelease(
        Effect.sync(() =>
          line.dial((hooks) => options.dial(addressOf(url), headers, hooks), {
            onOpen: () => {
              onChange?.(undefined)
              Deferred.doneUnsafe(stands, Effect.void)
              Deferred.doneUnsafe(opened, Effect.void)
            },
            onEnd: (end) => {
              Deferred.doneUnsafe(ended, Effect.succeed(end))
              Deferred.doneUnsafe(stands, Effect.void)
            },
          }),
        ),
        ({ hangUp }) => hangUp,
      ).pipe(Effect.andThen(Effect.timeoutOption(Deferred.await(stands), SIGNED_MS)))
    yield* options.sign({ method: "GET", path: TunnelHello.PATH }, dial)
    return yield* Deferred.await(ended)
  })

  let failures = 0
  while (true) {
    const startedAtMs = yield* Clock.currentTimeMillis
    const result = yield* Effect.result(Effect.scoped(connect()))
    const livedMs = (yield* Clock.currentTimeMillis) - startedAtMs
    const why = result._tag === "Success" ? result.success.reason : result.failure.message
    const wasWelcome = result._tag === "Success" && result.success.wasWelcome
    onChange?.(why)
    if (wasWelcome && livedMs >= STEADY_MS) failures = 0
    if (why.startsWith("replayed_message")) yield* options.skipAhead
    if (failures === 0) yield* Effect.logWarning(`The tunnel to ${url} is down: ${why}. It is dialed again.`)
    const waitMs =
      wasWelcome && failures === 0 ? 50 : Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 8))
    failures += 1
    yield* Effect.flatMap(around(waitMs), Effect.sleep)
  }
})
