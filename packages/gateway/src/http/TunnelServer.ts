/**
 * Opens tunnels: `GET /v1/providers/tunnel` with `Upgrade: websocket`, right behind Node's server. A device signs the
 * upgrade's headers; a page in a browser, which cannot set any, puts its signature into its hello.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, Server } from "node:http"
import type { Duplex } from "node:stream"
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DeviceId } from "@guildhall/core/Device"
import { Problem } from "@guildhall/protocol/api/Problem"
import { SignatureHeaders } from "@guildhall/protocol/api/ProvidersApi"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import * as TunnelDial from "@guildhall/protocol/provider/TunnelDial"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import type { TunnelSession, Wire } from "@guildhall/protocol/provider/TunnelSession"
import { Devices, type SignedMessage } from "@guildhall/registry/Devices"
import { RegistryError } from "@guildhall/registry/RegistryError"
import { Router } from "@guildhall/routing/Router"
import * as Ticks from "../internal/Ticks.ts"
import { Tunnels } from "../Tunnels.ts"
import { intercept } from "./internal/Intercept.ts"

/**
 * Limits on those who have not shown who they are: `strangersMax` (256) of them at a time, each with `strangerMs` (5,000)
 * and one message of 4 KiB. A device that is not on the market `unlistedMs` (5,000) after it came is cut.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly strangersMax?: number | undefined
  readonly strangerMs?: number | undefined
  readonly unlistedMs?: number | undefined
}

const STRANGERS_MAX = 256
const STRANGER_MS = 5_000
const UNLISTED_MS = 5_000
const HELLO_BYTES_MAX = 4 * 1024
const SWEEP_MS = 250
/** A connection whose other side does not answer its close is ended. */
const CLOSE_MS = 1_000

const decodeHeaders = Schema.decodeUnknownOption(SignatureHeaders)
const NO_BODY = new Uint8Array()

type Signature = Pick<SignedMessage, "publicKey" | "signature" | "issuedAtMs" | "sequence">

const signed = (signature: Signature): SignedMessage => ({
  method: "GET",
  path: TunnelHello.PATH,
  body: NO_BODY,
  ...signature,
})

const ofHeaders = (headers: IncomingMessage["headers"]): SignedMessage | undefined =>
  Option.getOrUndefined(
    Option.map(decodeHeaders(headers), (read) =>
      signed({
        publicKey: read[HEADERS.device],
        signature: read[HEADERS.signature],
        issuedAtMs: read[HEADERS.issuedAt],
        sequence: read[HEADERS.sequence],
      }),
    ),
  )

const ofProof = ({ device, issued_at, sequence, signature }: TunnelHello.Proof): SignedMessage =>
  signed({ publicKey: device, signature, issuedAtMs: issued_at, sequence })

const helloIn = (message: Uint8Array): TunnelHello.Hello | undefined => {
  let hello: TunnelHello.Hello | undefined
  if (message.length > HELLO_BYTES_MAX) return undefined
  TunnelFrame.decode(message, ({ payload, type }) => {
    if (type === TunnelFrame.CONTROL.hello) hello = TunnelHello.decodeHello(payload)
    return undefined
  })
  return hello
}

/** Answers an upgrade that is not granted, and ends the connection. */
const refuse = (socket: Duplex, { code, detail, docs, status, title, type }: Problem): void => {
  const body = JSON.stringify({ type, title, status, detail, code, docs })
  socket.end(
    `HTTP/1.1 ${status} ${title.replace(/[^\x20-\x7e]/g, "")}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

const wireOf = (socket: NodeWS.WebSocket): Wire => ({
  send: (message) => socket.send(message),
  buffered: () => socket.bufferedAmount,
  close: (code, reason) => {
    socket.close(code, TunnelDial.reasonOf(reason))
    const timer = Ticks.after(CLOSE_MS, () => socket.terminate())
    socket.once("close", () => Ticks.stop(timer))
  },
})

/** What a connection does with what it hears. */
interface Doors {
  readonly accept: (device: DeviceId, hello: TunnelHello.Hello, wire: Wire) => TunnelSession | undefined
  /** Finds out who signed. */
  readonly who: (message: SignedMessage, then: (device: DeviceId | Problem) => void) => void
  readonly strangerMs: number
  /** It has shown who it is, or is gone. */
  readonly known: () => void
}

/** One connection: a stranger until it has said hello, then the wire of a session. */
class Connection {
  readonly #doors: Doors
  readonly #wire: Wire
  readonly #timer: Ticks.Timer
  #device: DeviceId | undefined
  #session: TunnelSession | undefined
  #hasSpoken = false
  #isOver = false

  constructor(socket: NodeWS.WebSocket, tcp: Duplex, device: DeviceId | undefined, doors: Doors) {
    this.#doors = doors
    this.#device = device
    this.#wire = wireOf(socket)
    this.#timer = Ticks.after(doors.strangerMs, () => this.#refuse("body_timeout: No hello came in time."))
    socket.on("message", (data: Buffer, isBinary) => this.#hear(data, isBinary))
    socket.on("close", (code, reason) => this.#closed(code, String(reason)))
    // A message that is too long, or no WebSocket's: whoever sends it does not keep to the protocol.
    socket.on("error", (error) => this.#session?.fail(error.message))
    tcp.on("drain", () => this.#session?.drained())
  }

  #hear(message: Buffer, isBinary: boolean): void {
    if (this.#isOver) return
    if (!isBinary) return this.#wrong("A message is text.")
    if (this.#session !== undefined) return this.#session.receive(message)
    if (this.#hasSpoken) return this.#wrong("A message came before the welcome.")
    this.#hasSpoken = true
    const hello = helloIn(message)
    if (hello === undefined) return this.#wrong("A hello was expected.")
    if (this.#device !== undefined) return this.#enter(this.#device, hello)
    if (hello.proof === undefined) return this.#refuse("invalid_signature: Nobody signed this tunnel.")
    this.#doors.who(ofProof(hello.proof), (device) => {
      if (typeof device === "string") this.#enter(device, hello)
      else this.#refuse(`${device.code}: ${device.detail}`)
    })
  }

  #enter(device: DeviceId, hello: TunnelHello.Hello): void {
    if (this.#isOver) return
    this.#device = device
    this.#known()
    this.#session = this.#doors.accept(device, hello, this.#wire)
  }

  #known(): void {
    Ticks.stop(this.#timer)
    this.#doors.known()
  }

  #wrong(flaw: string): void {
    if (this.#session !== undefined) return this.#session.fail(flaw)
    this.#isOver = true
    this.#wire.close(TunnelFrame.CLOSE.wrong, flaw)
  }

  #refuse(reason: string): void {
    this.#isOver = true
    this.#wire.close(TunnelFrame.CLOSE.refused, reason)
  }

  #closed(code: number, reason: string): void {
    this.#isOver = true
    const session = this.#session
    if (session === undefined) return this.#known()
    if (TunnelDial.endsSession(code)) session.endedOn(this.#wire, reason || "The agent ended its tunnel.")
    else session.lost(this.#wire)
  }
}

const problemOf = (cause: Cause.Cause<RegistryError>): Problem => {
  const error = Cause.squash(cause)
  return error instanceof RegistryError
    ? Problem.of(error.code, error.detail)
    : Problem.of("internal_error", "Something failed inside the market. Try again.")
}

/** Cuts the devices that are not on the market, such as one that was revoked. One that has just come may not be known yet. */
const makeSweep = Effect.fnUntraced(function* (options: Options) {
  const tunnels = yield* Tunnels
  const router = yield* Router
  const clock = yield* Clock.Clock
  const unlistedMs = options.unlistedMs ?? UNLISTED_MS
  let came = new Map<DeviceId, number>()
  const isListed = (device: DeviceId) => router.instances().some(({ deviceId }) => deviceId === device)
  /** Once it was listed it has no time left to become so. */
  const enter = (device: DeviceId): void => {
    came.set(device, isListed(device) ? 0 : clock.currentTimeMillisUnsafe())
  }
  const sweep = Effect.sync(() => {
    if (tunnels.size() === 0) return
    const nowMs = clock.currentTimeMillisUnsafe()
    const listed = new Set(router.instances().map(({ deviceId }) => deviceId))
    const next = new Map<DeviceId, number>()
    const unlisted: Array<DeviceId> = []
    for (const device of tunnels.devices()) {
      const cameAtMs = listed.has(device) ? 0 : (came.get(device) ?? nowMs)
      next.set(device, cameAtMs)
      if (!listed.has(device) && nowMs - cameAtMs >= unlistedMs) unlisted.push(device)
    }
    came = next
    for (const device of unlisted) tunnels.cut(device, "not_found: The device has nothing on the market.")
  })
  return { enter, sweep }
})

const make = Effect.fnUntraced(function* (options: Options, enter: (device: DeviceId) => void) {
  const devices = yield* Devices
  const tunnels = yield* Tunnels
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const sockets = new NodeWS.WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: TunnelFrame.MESSAGE_BYTES_MAX,
    handleProtocols: (offered) => (offered.has(TunnelHello.PROTOCOL) ? TunnelHello.PROTOCOL : false),
  })
  const strangersMax = options.strangersMax ?? STRANGERS_MAX
  const strangerMs = options.strangerMs ?? STRANGER_MS
  let strangers = 0

  const accept: Doors["accept"] = (device, hello, wire) => {
    enter(device)
    return tunnels.accept(device, hello, wire)
  }
  const who: Doors["who"] = (message, then) =>
    void fork(
      Effect.matchCause(devices.authenticate(message), {
        onSuccess: (device) => then(device),
        onFailure: (cause) => then(problemOf(cause)),
      }),
    )
  const upgrade = (request: IncomingMessage, tcp: Duplex, head: Buffer, device: DeviceId | undefined) => {
    let isKnown = false
    const known = () => {
      if (!isKnown) strangers -= 1
      isKnown = true
    }
    const doors: Doors = { accept, who, strangerMs, known }
    tcp.once("close", known)
    sockets.handleUpgrade(request, tcp, head, (socket) => void new Connection(socket, tcp, device, doors))
  }
  const open = (request: IncomingMessage, tcp: Duplex, head: Buffer): void => {
    tcp.on("error", () => undefined)
    if (strangers >= strangersMax) {
      return refuse(tcp, Problem.of("service_unavailable", "Too many tunnels are being opened. Try again in a moment."))
    }
    if (request.headers[HEADERS.device] === undefined) {
      strangers += 1
      return upgrade(request, tcp, head, undefined)
    }
    const message = ofHeaders(request.headers)
    if (message === undefined)
      return refuse(tcp, Problem.of("invalid_request", "The signature's headers are not right."))
    strangers += 1
    who(message, (device) => {
      if (typeof device === "string" && !tcp.destroyed) return upgrade(request, tcp, head, device)
      strangers -= 1
      if (typeof device !== "string") refuse(tcp, device)
    })
  }
  return (request: IncomingMessage, tcp: Duplex, head: Buffer): boolean => {
    const [path] = (request.url ?? "").split("?", 1)
    if (path !== TunnelHello.PATH || request.method !== "GET") return false
    open(request, tcp, head)
    return true
  }
})

/** Without a listener Node upgrades nothing. Other upgrades are another listener's, or nobody's. */
const alone = function (this: Server, _request: IncomingMessage, tcp: Duplex): void {
  if (this.listenerCount("upgrade") === 1) refuse(tcp, Problem.of("not_found"))
}

/**
 * Takes the tunnels' upgrades out of a server's, as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (server: Server, options: Options = {}): Layer.Layer<never, never, Tunnels | Devices | Router> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { enter, sweep } = yield* makeSweep(options)
      const take = yield* make(options, enter)
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          server.on("upgrade", alone)
          return intercept(server, "upgrade", take)
        }),
        (restore) => Effect.sync(() => (server.off("upgrade", alone), restore())),
      )
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(SWEEP_MS), sweep)))
    }),
  )
