/**
 * The other gateways of a market, as far as tunnels go: which of them holds a device's, and a connection to each over which a
 * request can be passed on. Over one hop only: who is asked by a gateway asks no further one.
 *
 * @since 0.1.0
 */
import type { IncomingHttpHeaders } from "node:http"
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DeviceId } from "@guildhall/core/Device"
import { KeyRing } from "@guildhall/core/KeyRing"
import * as TunnelDial from "@guildhall/protocol/provider/TunnelDial"
import { MESSAGE_BYTES_MAX } from "@guildhall/protocol/provider/TunnelFrame"
import type * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { TunnelSession, type Wire } from "@guildhall/protocol/provider/TunnelSession"
import { type Holder, TunnelHolders } from "@guildhall/registry/TunnelHolders"
import * as PeerProof from "./internal/PeerProof.ts"
import { PullJobs } from "./PullJobs.ts"
import { STREAMS_MAX, Tunnels } from "./Tunnels.ts"

/**
 * Who this gateway is: a `name` that is new at every start, the address at which others reach it and the one at which agents
 * do, where it has them. Without the first no other gateway asks it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly name: string
  readonly peerUrl?: string | undefined
  readonly publicUrl?: string | undefined
}

/**
 * The service. `find` answers the session of a gateway that holds a tunnel of the device, if one does. `publicUrls` are the
 * addresses of gateways at which agents open tunnels, this one's first.
 *
 * @category services
 * @since 0.1.0
 */
export class TunnelPeers extends Context.Service<
  TunnelPeers,
  {
    readonly name: string
    readonly find: (device: DeviceId) => TunnelSession | undefined
    readonly publicUrls: () => ReadonlyArray<string>
  }
>()("@guildhall/gateway/TunnelPeers") {}

const EXCHANGE_MS = 500
const HANDSHAKE_MS = 2_000
/** More addresses than this no agent needs. */
const PUBLIC_MAX = 8

/** The connection to one other gateway. */
interface Link {
  session: TunnelSession | undefined
  readonly close: () => void
  isOver: boolean
}

interface Dial {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Whether the other side is a gateway of this market: asked once, before anything is passed on to it. */
  readonly isPeer: (headers: IncomingHttpHeaders, tell: (isPeer: boolean) => void) => void
  readonly nowMs: number
}

const dial = ({ headers, isPeer, nowMs, url }: Dial): Link => {
  // The address comes from the market's own table, and no redirect leads away from it.
  const socket = new NodeWS.WebSocket(`${url.replace(/^http/, "ws").replace(/\/+$/, "")}${PeerProof.PATH}`, {
    headers,
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_MS,
    maxPayload: MESSAGE_BYTES_MAX,
    followRedirects: false,
  })
  let answered: IncomingHttpHeaders = {}
  const link: Link = {
    session: undefined,
    isOver: false,
    close: () => {
      link.isOver = true
      link.session?.end("The gateway asks no more.")
      socket.terminate()
    },
  }
  const enter = (welcome: TunnelHello.Welcome, wire: Wire): void => {
    const session = new TunnelSession(
      { side: "asks", resumeMs: welcome.resume_ms, streamsMax: STREAMS_MAX, onOver: () => link.close() },
      nowMs,
    )
    session.attach(wire, welcome.received)
    link.session = session
  }
  socket.on("upgrade", (response) => {
    answered = response.headers
    response.socket.on("drain", () => link.session?.drained())
  })
  socket.on("error", () => undefined)
  TunnelDial.begin(
    socket,
    { received: 0 },
    {
      onWelcome: (welcome, wire) =>
        isPeer(answered, (isOurs) => (isOurs && !link.isOver ? enter(welcome, wire) : link.close())),
      onMessage: (message) => link.session?.receive(message),
      // A connection between gateways is made anew and not resumed: what was under way breaks off.
      onClosed: () => link.close(),
    },
  )
  return link
}

/**
 * Makes the service: it exchanges with the others twice a second, and keeps a connection to each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const tunnels = yield* Tunnels
  const holders = yield* TunnelHolders
  // Workers that ask for requests here are asked from elsewhere in the same way.
  const pulls = Option.getOrUndefined(yield* Effect.serviceOption(PullJobs))
  const ring = yield* KeyRing
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const links = new Map<string, Link>()
  let byDevice: ReadonlyMap<DeviceId, ReadonlyArray<string>> = new Map()
  let heard: ReadonlyArray<Holder> = []

  const connect = Effect.fnUntraced(function* ({ gateway, peerUrl: url }: Holder, nowMs: number) {
    if (url === undefined || links.get(gateway)?.isOver === false) return
    const { headers, made } = yield* PeerProof.claim(ring, { from: options.name, to: gateway, nowMs })
    const isPeer: Dial["isPeer"] = (answered, tell) =>
      void fork(Effect.map(PeerProof.isAnswer(ring, made, answered), tell))
    links.set(gateway, dial({ url, headers, isPeer, nowMs }))
  })

  const take = (next: ReadonlyArray<Holder>): void => {
    heard = next
    const found = new Map<DeviceId, Array<string>>()
    for (const { devices, gateway } of next) {
      for (const device of devices) found.set(device, [...(found.get(device) ?? []), gateway])
    }
    byDevice = found
    const names = new Set(next.map(({ gateway }) => gateway))
    for (const [gateway, link] of links) {
      if (names.has(gateway)) continue
      link.close()
      links.delete(gateway)
    }
  }

  const round = Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    for (const link of links.values()) link.session?.tick(nowMs)
    const attached = [...tunnels.devices()].filter((device) => tunnels.find(device)?.isAttached === true)
    const devices = pulls === undefined ? attached : [...new Set([...attached, ...pulls.devices()])]
    const { name: gateway, peerUrl, publicUrl } = options
    take(yield* holders.exchange({ gateway, peerUrl, publicUrl, devices }))
    yield* Effect.forEach(heard, (holder) => connect(holder, nowMs), { discard: true })
  })
  // While the registry is away, what was heard last stands; connections that break then stay broken.
  const careful = Effect.catchCause(round, (cause) => Effect.logDebug("The other gateways were not heard.", cause))
  yield* careful
  yield* Effect.addFinalizer(() => Effect.sync(() => links.forEach((link) => link.close())))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(EXCHANGE_MS), careful)))

  return TunnelPeers.of({
    name: options.name,
    find: (device) => {
      let best: TunnelSession | undefined
      for (const gateway of byDevice.get(device) ?? []) {
        const session = links.get(gateway)?.session
        if (session?.isAttached === true && (best === undefined || session.size < best.size)) best = session
      }
      return best
    },
    publicUrls: () =>
      [options.publicUrl, ...heard.map(({ publicUrl }) => publicUrl)]
        .filter((url) => url !== undefined)
        .slice(0, PUBLIC_MAX),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<TunnelPeers, never, Tunnels | TunnelHolders | KeyRing> =>
  Layer.effect(TunnelPeers, make(options))
