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
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import * as PublicLookup from "@guildhall/verification/PublicLookup"
import * as Tunnel from "./serving/Tunnel.ts"
import { AgentServer } from "./AgentServer.ts"
import { DeviceKey } from "./DeviceKey.ts"
import * as MarketAddress from "./MarketAddress.ts"
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

const dial =
  (reach: MarketAddress.Reach): Tunnel.Options<unknown>["dial"] =>
  (address, headers, hooks) => {
    const socket = new NodeWS.WebSocket(address, TunnelHello.PROTOCOL, {
      headers,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: TunnelFrame.MESSAGE_BYTES_MAX,
      // A tunnel goes to the address that was given and nowhere else.
      followRedirects: false,
      // What a name means is looked at when it is connected to.
      ...(reach === "public" ? { lookup: PublicLookup.lookup } : {}),
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
 * first time. It never fails: what goes wrong is logged once, and tried again. Where `reach` is `public`, no private address is
 * connected to, whatever the name means.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keep = Effect.fnUntraced(function* (
  url: string,
  reach: MarketAddress.Reach,
  opened: Deferred.Deferred<void>,
) {
  const { handle } = yield* AgentServer
  const { sign } = yield* MarketClient
  const { skipAhead } = yield* DeviceKey
  return yield* Tunnel.keep({ url, handle, sign, skipAhead, dial: dial(reach) }, opened)
})

/** An agent holds tunnels to so many gateways, where the market names more: one may die without anybody noticing. */
const GATEWAYS_MAX = 3
const LOOK_MS = 1_000
/** So many addresses that are not dialed are told; a market may name others without end. */
const TOLD_MAX = 16
/** A gateway that is no longer named keeps its tunnel for so many looks: it may be the table that is away. */
const UNNAMED_MAX = 60

/** Those of the named gateways that may be dialed. What may not is said once, some of it where it is much. */
const makeChoice = (market: string) => {
  const told = new Set<string>()
  return Effect.fnUntraced(function* (named: ReadonlyArray<string>) {
    const wanted = new Map<string, MarketAddress.Reach>()
    for (const url of named) {
      const reach = MarketAddress.gateway(market, url)
      if (Result.isSuccess(reach)) wanted.set(url, reach.success)
      else if (!told.has(url) && told.size < TOLD_MAX) {
        told.add(url)
        yield* Effect.logWarning(`The market names a gateway at ${url}, which is not dialed: ${reach.failure}.`)
      }
    }
    return wanted.size === 0 ? new Map([[market, "anywhere" as const]]) : wanted
  })
}

/**
 * Keeps tunnels to the gateways that the market names and {@link MarketAddress.gateway} lets through, to three at most, or to the
 * market's own address where there are none. Those that are up stay, so that nothing breaks off when the list changes; together
 * they are six at most. `opened` succeeds when the first one is open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keepAll = Effect.fnUntraced(function* (marketUrl: string, opened: Deferred.Deferred<void>) {
  const market = yield* MarketClient
  const fibers = yield* FiberMap.make<string>()
  const unnamed = new Map<string, number>()
  const choose = makeChoice(marketUrl)
  while (true) {
    const wanted = yield* choose(market.tunnels())
    for (const url of unnamed.keys()) {
      const looks = wanted.has(url) ? 0 : (unnamed.get(url) ?? 0) + 1
      unnamed.set(url, looks)
      if (looks < UNNAMED_MAX) continue
      unnamed.delete(url)
      yield* FiberMap.remove(fibers, url)
    }
    const free = [...wanted].filter(([url]) => !unnamed.has(url))
    const held = wanted.size - free.length
    // A market that names others with every beat has its agents knock at no more doors than this.
    const room = Math.max(0, Math.min(GATEWAYS_MAX - held, 2 * GATEWAYS_MAX - unnamed.size))
    for (const [url, reach] of (yield* Random.shuffle(free)).slice(0, room)) {
      unnamed.set(url, 0)
      yield* FiberMap.run(fibers, url, Effect.scoped(keep(url, reach, opened)))
    }
    yield* Effect.sleep(LOOK_MS)
  }
})
