/**
 * The agent's end of a tunnel: dials a gateway, serves what comes through it, comes back after a loss and goes on where it
 * was.
 *
 * @since 0.1.0
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as TunnelDial from "@guildhall/protocol/provider/TunnelDial"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { TunnelSession, type Wire } from "@guildhall/protocol/provider/TunnelSession"
import { AgentServer } from "./AgentServer.ts"
import { DeviceKey } from "./DeviceKey.ts"
import { visit } from "./internal/TunnelVisit.ts"
import { MarketClient } from "./MarketClient.ts"

/** The market opens at most so many streams at a time; each still needs a ticket and a place to be served. */
const STREAMS_MAX = 4_096
/** Signed messages leave one after another, so one that hangs holds up the heartbeat. */
const HANDSHAKE_MS = 3_000
const TICK_MS = 500
const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 10_000
/** A tunnel that was up for so long is dialed again at once. */
const STEADY_MS = 10_000
/** The market has looked at a signature after so long, or is away. */
const SIGNED_MS = 4_000
const GOODBYE_MS = 300
const PROBLEM_BYTES_MAX = 4_096

const Refused = Schema.fromJsonString(Schema.Struct({ code: Schema.String, detail: Schema.String }))
const decodeRefused = Schema.decodeUnknownOption(Refused)

/**
 * How a connection ended: whether it was welcome, and why it is over.
 *
 * @category models
 * @since 0.1.0
 */
interface Ended {
  readonly wasWelcome: boolean
  readonly code: number
  readonly reason: string
}

/** Who hears of a dial. */
interface Dialing {
  readonly onOpen: () => void
  readonly onEnd: (ended: Ended) => void
}

const addressOf = (url: string): string => `${url.replace(/^http/, "ws").replace(/\/+$/, "")}${TunnelHello.PATH}`

/** The words of a refused upgrade, as far as they fit. */
const onRefusal = (socket: NodeWS.WebSocket, tell: (reason: string) => void): void => {
  socket.on("unexpected-response", (request, response) => {
    let text = ""
    response.on("data", (chunk: Buffer) => {
      text = `${text}${String(chunk)}`.slice(0, PROBLEM_BYTES_MAX)
    })
    response.on("close", () => {
      const said = decodeRefused(text)
      tell(
        Option.match(said, {
          onNone: () => `status ${response.statusCode}`,
          onSome: ({ code, detail }) => `${code}: ${detail}`,
        }),
      )
      request.destroy()
    })
  })
}

/** Tells when bytes that wait have left. The socket is known once the connection stands. */
const onRoom = (socket: NodeWS.WebSocket, tell: () => void): void => {
  socket.on("upgrade", (response) => response.socket.on("drain", tell))
}

/** One gateway's tunnel: the session that is kept over its connections. */
class Line {
  readonly #handle: AgentServer["Service"]["handle"]
  #session: TunnelSession | undefined
  #name: string | undefined
  #nowMs = 0

  constructor(handle: AgentServer["Service"]["handle"]) {
    this.#handle = handle
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
    this.#session?.tick(nowMs)
  }

  end(reason: string): void {
    this.#session?.end(reason)
  }

  /** Dials, and tells when the tunnel is open and when it is over. */
  dial(url: string, headers: Readonly<Record<string, string>>, { onEnd, onOpen }: Dialing): NodeWS.WebSocket {
    const socket = new NodeWS.WebSocket(addressOf(url), TunnelHello.PROTOCOL, {
      headers,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: TunnelFrame.MESSAGE_BYTES_MAX,
      // A tunnel goes to the address that was given and nowhere else.
      followRedirects: false,
    })
    let wire: Wire | undefined
    let refusal: string | undefined
    onRefusal(socket, (reason) => (refusal = reason))
    onRoom(socket, () => this.#session?.drained())
    socket.on("error", (error) => {
      refusal ??= error.message
      // What a session hears of its socket's error is that the other side does not keep to the protocol.
      if (wire !== undefined && "code" in error && String(error.code).startsWith("WS_ERR")) {
        this.#session?.fail(error.message)
      }
    })
    const former = this.#session?.isOver === false ? this.#name : undefined
    const hello: TunnelHello.Hello =
      former === undefined ? { received: 0 } : { session: former, received: this.#session?.received ?? 0 }
    TunnelDial.begin(socket, hello, {
      onWelcome: (welcome, dialed) => {
        wire = dialed
        if (this.#enter(welcome, dialed)) onOpen()
      },
      onMessage: (message) => this.#session?.receive(message),
      onClosed: (code, reason) => {
        if (wire !== undefined) this.#leave(wire, code, reason)
        onEnd({ wasWelcome: wire !== undefined, code, reason: reason || (refusal ?? "the connection was lost") })
      },
    })
    return socket
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

/** Lets a goodbye leave, where there is one, and ends the connection. */
const hangUp = (socket: NodeWS.WebSocket) =>
  Effect.callback<void>((resume) => {
    if (socket.readyState !== socket.CLOSING) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  }).pipe(Effect.timeoutOption(GOODBYE_MS), Effect.ensuring(Effect.sync(() => socket.terminate())))

/** Some way around a time: agents that lost the same gateway do not come back at the same moment. */
const around = (ms: number) => Effect.map(Random.next, (part) => Math.round(ms * (0.5 + part)))

/**
 * Keeps a tunnel to one gateway until it is interrupted, and then ends it. `opened` succeeds when it is open for the
 * first time. It never fails: what goes wrong is logged once, and tried again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keep = Effect.fnUntraced(function* (url: string, opened: Deferred.Deferred<void>) {
  const market = yield* MarketClient
  const server = yield* AgentServer
  const key = yield* DeviceKey
  const line = new Line(server.handle)
  yield* Effect.addFinalizer(() => Effect.sync(() => line.end("The agent stops.")))
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
          line.dial(url, headers, {
            onOpen: () => {
              Deferred.doneUnsafe(stands, Effect.void)
              Deferred.doneUnsafe(opened, Effect.void)
            },
            onEnd: (end) => {
              Deferred.doneUnsafe(ended, Effect.succeed(end))
              Deferred.doneUnsafe(stands, Effect.void)
            },
          }),
        ),
        hangUp,
      ).pipe(Effect.andThen(Effect.timeoutOption(Deferred.await(stands), SIGNED_MS)))
    yield* market.sign({ method: "GET", path: TunnelHello.PATH }, dial)
    return yield* Deferred.await(ended)
  })

  let failures = 0
  while (true) {
    const startedAtMs = yield* Clock.currentTimeMillis
    const result = yield* Effect.result(Effect.scoped(connect()))
    const livedMs = (yield* Clock.currentTimeMillis) - startedAtMs
    const why = result._tag === "Success" ? result.success.reason : result.failure.message
    const wasWelcome = result._tag === "Success" && result.success.wasWelcome
    if (wasWelcome && livedMs >= STEADY_MS) failures = 0
    if (why.startsWith("replayed_message")) yield* key.skipAhead
    if (failures === 0) yield* Effect.logWarning(`The tunnel to ${url} is down: ${why}. The agent dials again.`)
    const waitMs =
      wasWelcome && failures === 0 ? 50 : Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 8))
    failures += 1
    yield* Effect.flatMap(around(waitMs), Effect.sleep)
  }
})

/** An agent holds tunnels to so many gateways, where the market names more: one may die without anybody noticing. */
const GATEWAYS_MAX = 3
const LOOK_MS = 1_000
/** A gateway that is no longer named keeps its tunnel for so many looks: it may be the table that is away. */
const UNNAMED_MAX = 60

/** Whether an address that a market names may be dialed: a market that is asked by TLS names none that is not. */
const isDialable = (market: string) => {
  const isSecure = URL.parse(market)?.protocol === "https:"
  return (url: string): boolean => {
    const protocol = URL.parse(url)?.protocol
    return protocol === "https:" || (protocol === "http:" && !isSecure)
  }
}

/**
 * Keeps tunnels to the gateways that the market names, to three at most, or to the market's own address where it names none. Those that are up stay,
 * so that nothing breaks off when the list changes. `opened` succeeds when the first one is open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keepAll = Effect.fnUntraced(function* (marketUrl: string, opened: Deferred.Deferred<void>) {
  const market = yield* MarketClient
  const fibers = yield* FiberMap.make<string>()
  const unnamed = new Map<string, number>()
  const mayDial = isDialable(marketUrl)
  while (true) {
    const named = market.tunnels().filter(mayDial)
    const wanted = named.length === 0 ? [marketUrl] : named
    for (const url of unnamed.keys()) {
      const looks = wanted.includes(url) ? 0 : (unnamed.get(url) ?? 0) + 1
      unnamed.set(url, looks)
      if (looks < UNNAMED_MAX) continue
      unnamed.delete(url)
      yield* FiberMap.remove(fibers, url)
    }
    const free = wanted.filter((url) => !unnamed.has(url))
    const held = wanted.length - free.length
    for (const url of (yield* Random.shuffle(free)).slice(0, Math.max(0, GATEWAYS_MAX - held))) {
      unnamed.set(url, 0)
      yield* FiberMap.run(fibers, url, Effect.scoped(keep(url, opened)))
    }
    yield* Effect.sleep(LOOK_MS)
  }
})
