/**
 * The agent's tunnels: that of `serving/Tunnel` over Node's WebSocket, to each of the gateways that the
 * market names.
 *
 * @since 0.1.0
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import * as Tunnel from "./serving/Tunnel.ts"
import { AgentServer } from "./AgentServer.ts"
import { DeviceKey } from "./DeviceKey.ts"
import { MarketClient } from "./MarketClient.ts"

/** Signed messages leave one after another, so one that hangs holds up the heartbeat. */
const HANDSHAKE_MS = 3_000
const GOODBYE_MS = 300
const PROBLEM_BYTES_MAX = 4_096

const Refused = Schema.fromJsonString(Schema.Struct({ code: Schema.String, detail: Schema.String }))
const decodeRefused = Schema.decodeUnknownOption(Refused)

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

/** Lets a goodbye leave, where there is one, and ends the connection. */
const hangUp = (socket: NodeWS.WebSocket) =>
  Effect.callback<void>((resume) => {
    if (socket.readyState !== socket.CLOSING) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  }).pipe(Effect.timeoutOption(GOODBYE_MS), Effect.ensuring(Effect.sync(() => socket.terminate())))

const dial: Tunnel.Options<unknown>["dial"] = (address, headers, hooks) => {
  const socket = new NodeWS.WebSocket(address, TunnelHello.PROTOCOL, {
    headers,
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_MS,
    maxPayload: TunnelFrame.MESSAGE_BYTES_MAX,
    // A tunnel goes to the address that was given and nowhere else.
    followRedirects: false,
  })
  let refusal: string | undefined
  onRefusal(socket, (reason) => (refusal = reason))
  onRoom(socket, hooks.drained)
  socket.on("error", (error) => {
    refusal ??= error.message
    // What a session hears of its socket's error is that the other side does not keep to the protocol.
    if ("code" in error && String(error.code).startsWith("WS_ERR")) hooks.wrong(error.message)
  })
  return { socket, refusal: () => refusal, hangUp: hangUp(socket) }
}

/**
 * Keeps a tunnel to one gateway until it is interrupted, and then ends it. `opened` succeeds when it is open for the
 * first time. It never fails: what goes wrong is logged once, and tried again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keep = Effect.fnUntraced(function* (url: string, opened: Deferred.Deferred<void>) {
  const { handle } = yield* AgentServer
  const { sign } = yield* MarketClient
  const { skipAhead } = yield* DeviceKey
  return yield* Tunnel.keep({ url, handle, sign, skipAhead, dial }, opened)
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
