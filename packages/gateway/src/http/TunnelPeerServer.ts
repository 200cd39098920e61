/**
 * Where other gateways of the market ask this one for the devices whose tunnels end here. Both sides show that they have the
 * market's keys.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, Server } from "node:http"
import type { Duplex } from "node:stream"
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DeviceId } from "@guildhall/core/Device"
import { KeyRing } from "@guildhall/core/KeyRing"
import * as TunnelDial from "@guildhall/protocol/provider/TunnelDial"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { TunnelSession, type Wire } from "@guildhall/protocol/provider/TunnelSession"
import { SILENT, type StreamListener, type TunnelStream } from "@guildhall/protocol/provider/TunnelStream"
import * as Ids from "../internal/Ids.ts"
import * as PeerProof from "../internal/PeerProof.ts"
import * as PullHop from "../internal/PullHop.ts"
import { PullJobs } from "../PullJobs.ts"
import { TunnelPeers } from "../TunnelPeers.ts"
import { STREAMS_MAX, Tunnels } from "../Tunnels.ts"
import { intercept } from "./internal/Intercept.ts"

const TICK_MS = 500
const isDevice = Schema.is(DeviceId)

/** The devices that are asked through this gateway. */
interface Here {
  readonly tunnels: Tunnels["Service"]
  readonly pulls: PullJobs["Service"] | undefined
}

/** Passes a request on to the device's own tunnel, and the answer back; each side's pause is the other's. */
const bridge = ({ pulls, tunnels }: Here, stream: TunnelStream, open: TunnelFrame.OpenHead): StreamListener => {
  const { headers, method, path } = open
  const { [PeerProof.DEVICE_HEADER]: device, [PullHop.HEADER]: pulled, ...kept } = headers
  const instance = pulled === undefined ? undefined : PullHop.decode(pulled)
  if (pulls !== undefined && instance !== undefined) {
    return PullHop.serve(pulls, stream, open, { headers: kept, instance })
  }
  const session = isDevice(device) ? tunnels.find(device) : undefined
  const head = TunnelFrame.encodeOpen({ method, path, headers: kept })
  // No other gateway is asked: that would be a second hop.
  if (session?.isAttached !== true || head === undefined) {
    stream.reset("The agent's tunnel has left this gateway.")
    return SILENT
  }
  const onward = session.begin(head, {
    onStart: (start) => stream.begin(TunnelFrame.encodeStart(start) ?? new Uint8Array()),
    onData: (chunk) => stream.write(chunk),
    onEnd: () => stream.finish(),
    onReset: (detail) => stream.reset(detail),
    onDrain: () => stream.resume(),
  })
  return {
    onData: (chunk) => onward.write(chunk),
    onEnd: () => onward.finish(),
    onReset: (detail) => onward.reset(detail),
    onDrain: () => onward.resume(),
  }
}

const wireOf = (socket: NodeWS.WebSocket): Wire => ({
  send: (message) => socket.send(message),
  buffered: () => socket.bufferedAmount,
  close: (code, reason) => {
    socket.close(code, TunnelDial.reasonOf(reason))
    socket.terminate()
  },
})

/** One gateway that asks. The first message is its hello. */
const serve = (here: Here, socket: NodeWS.WebSocket, tcp: Duplex, nowMs: number): TunnelSession => {
  const wire = wireOf(socket)
  const session = new TunnelSession(
    {
      side: "answers",
      resumeMs: 0,
      streamsMax: STREAMS_MAX,
      onOpen: (stream, head) => bridge(here, stream, head),
      onOver: () => socket.terminate(),
    },
    nowMs,
  )
  let hasBegun = false
  socket.on("message", (message: Buffer) => {
    if (hasBegun) return session.receive(message)
    hasBegun = true
    wire.send(TunnelHello.encodeWelcome({ session: Ids.randomHex(16), resumed: false, received: 0, resume_ms: 0 }))
    session.attach(wire, 0)
  })
  socket.on("error", () => undefined)
  socket.on("close", () => session.ended("The gateway that asked is gone."))
  tcp.on("drain", () => session.drained())
  return session
}

const REFUSED = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

/**
 * Takes the gateways' upgrades out of a server's, as long as the layer lives. `server` may be one of its own, on an address
 * that only gateways reach.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (server: Server): Layer.Layer<never, never, TunnelPeers | Tunnels | KeyRing> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { name } = yield* TunnelPeers
      const pulls = Option.getOrUndefined(yield* Effect.serviceOption(PullJobs))
      const here: Here = { tunnels: yield* Tunnels, pulls }
      const ring = yield* KeyRing
      const clock = yield* Clock.Clock
      const fork = Effect.runForkWith(yield* Effect.context<never>())
      const check = PeerProof.makeCheck(ring, name)
      const sessions = new Set<TunnelSession>()
      const sockets = new NodeWS.WebSocketServer({
        noServer: true,
        clientTracking: false,
        perMessageDeflate: false,
        maxPayload: TunnelFrame.MESSAGE_BYTES_MAX,
      })
      const answers = new WeakMap<IncomingMessage, string>()
      sockets.on("headers", (headers, request) => headers.push(answers.get(request) ?? ""))
      const open = (request: IncomingMessage, tcp: Duplex, head: Buffer, answer: string | undefined): void => {
        if (answer === undefined) return void tcp.end(REFUSED)
        answers.set(request, answer)
        sockets.handleUpgrade(request, tcp, head, (socket) => {
          const session = serve(here, socket, tcp, clock.currentTimeMillisUnsafe())
          sessions.add(session)
          socket.on("close", () => sessions.delete(session))
        })
      }
      const take = (request: IncomingMessage, tcp: Duplex, head: Buffer): boolean => {
        if (request.url !== PeerProof.PATH || request.method !== "GET") return false
        tcp.on("error", () => undefined)
        const checked = check(request.headers, clock.currentTimeMillisUnsafe())
        fork(Effect.map(checked, (answer) => open(request, tcp, head, answer)))
        return true
      }
      const ignore = (): undefined => undefined
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          // Without a listener Node upgrades nothing.
          server.on("upgrade", ignore)
          return intercept(server, "upgrade", take)
        }),
        (restore) =>
          Effect.sync(() => {
            server.off("upgrade", ignore)
            restore()
            for (const session of sessions) session.end("The gateway stops.")
          }),
      )
      const tick = Effect.sync(() => {
        for (const session of sessions) session.tick(clock.currentTimeMillisUnsafe())
      })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(TICK_MS), tick)))
    }),
  )
