/** Two sides of a tunnel with a network between them that does what a test says: a message at a time, or a cut. */
import { TunnelFrame, TunnelSession } from "@guildhall/protocol/provider"
import type { StreamListener, TunnelStream } from "@guildhall/protocol/provider/TunnelStream"

export interface Network {
  readonly gateway: TunnelSession.TunnelSession
  readonly agent: TunnelSession.TunnelSession
  /** What a side's connection was closed with, and how its session ended. */
  readonly closes: Array<string>
  readonly overs: Array<string>
  /** Messages under way. */
  readonly toAgent: Array<Uint8Array>
  readonly toGateway: Array<Uint8Array>
  /** What a connection claims not to have passed on. */
  buffered: number
  readonly connect: () => void
  readonly cut: () => void
  readonly deliver: (to: "agent" | "gateway") => boolean
  /** Until nothing is under way. */
  readonly settle: () => Promise<void>
  readonly tick: (ms: number) => void
}

/** The pumps of both sides run in microtasks. */
export const microtasks = async (): Promise<void> => {
  for (let round = 0; round < 4; round += 1) await Promise.resolve()
}

export const make = (
  onOpen: (stream: TunnelStream, head: TunnelFrame.OpenHead) => StreamListener,
  options: { readonly resumeMs?: number; readonly streamsMax?: number } = {},
): Network => {
  const closes: Array<string> = []
  const overs: Array<string> = []
  const common = { resumeMs: options.resumeMs ?? 5_000, streamsMax: options.streamsMax ?? 64 }
  const gateway = new TunnelSession.TunnelSession(
    { ...common, side: "asks", onOver: (detail) => overs.push(`gateway: ${detail}`) },
    0,
  )
  const agent = new TunnelSession.TunnelSession(
    { ...common, side: "answers", onOpen, onOver: (detail) => overs.push(`agent: ${detail}`) },
    0,
  )
  let toAgent: Array<Uint8Array> = []
  let toGateway: Array<Uint8Array> = []
  let wires: ReadonlyArray<TunnelSession.Wire> = []
  let nowMs = 0
  const wire = (side: string, queue: Array<Uint8Array>): TunnelSession.Wire => ({
    // A copy, as a socket makes one: nothing may depend on memory that two sides share.
    send: (message) => void queue.push(Uint8Array.from(message)),
    buffered: () => network.buffered,
    close: (code, reason) => void closes.push(`${side} ${code}: ${reason}`),
  })
  const network: Network = {
    gateway,
    agent,
    closes,
    overs,
    get toAgent() {
      return toAgent
    },
    get toGateway() {
      return toGateway
    },
    buffered: 0,
    connect: () => {
      toAgent = []
      toGateway = []
      const [a, b] = [wire("gateway", toAgent), wire("agent", toGateway)]
      wires = [a, b]
      const { received } = gateway
      gateway.attach(a, agent.received)
      agent.attach(b, received)
    },
    cut: () => {
      const [a, b] = wires
      if (a !== undefined) gateway.lost(a)
      if (b !== undefined) agent.lost(b)
      toAgent = []
      toGateway = []
      wires = []
    },
    deliver: (to) => {
      const message = (to === "agent" ? toAgent : toGateway).shift()
      if (message === undefined) return false
      const side = to === "agent" ? agent : gateway
      side.receive(message)
      return true
    },
    settle: async () => {
      await microtasks()
      while (toAgent.length + toGateway.length > 0) {
        network.deliver("agent")
        network.deliver("gateway")
        await microtasks()
      }
    },
    tick: (ms) => {
      nowMs += ms
      gateway.tick(nowMs)
      agent.tick(nowMs)
    },
  }
  return network
}

/** The payload of a head that fits. */
export const open = (path = "/v1/chat/completions"): Uint8Array =>
  TunnelFrame.encodeOpen({ method: "POST", path, headers: { "content-type": "application/json" } }) ?? new Uint8Array()

export const start = (status = 200): Uint8Array => TunnelFrame.encodeStart({ status, headers: {} }) ?? new Uint8Array()

/** Everything that a stream's listener heard. */
export interface Heard {
  bytes: number
  checksum: number
  paused: boolean
  /** It asked for a pause, and nobody has resumed it since. */
  waits: boolean
  started: number | undefined
  ended: boolean
  reset: string | undefined
  readonly listener: StreamListener
}

export const hear = (isRequest = false): Heard => {
  const heard: Heard = {
    bytes: 0,
    checksum: 0,
    paused: false,
    waits: false,
    started: undefined,
    ended: false,
    reset: undefined,
    listener: {
      onStart: ({ status }) => {
        if (heard.started !== undefined || heard.bytes > 0) throw new Error("It started late or twice.")
        heard.started = status
      },
      onData: (chunk) => {
        if (heard.ended || heard.reset !== undefined) throw new Error("Bytes came after the end.")
        if (heard.waits) throw new Error("Bytes came during a pause.")
        heard.bytes += chunk.length
        heard.waits = heard.paused
        heard.checksum = checksum(heard.checksum, chunk)
        return !heard.paused
      },
      onEnd: () => {
        if (heard.ended || heard.reset !== undefined) throw new Error("It ended twice.")
        heard.ended = true
      },
      onReset: (detail) => {
        if ((heard.ended && !isRequest) || heard.reset !== undefined) throw new Error("It ended twice.")
        heard.reset = detail
      },
    },
  }
  return heard
}

/** Lets it read on. */
export const resume = (heard: Heard, stream: TunnelStream | undefined): void => {
  heard.paused = false
  heard.waits = false
  stream?.resume()
}

/** Goes on with the checksum of what came before. */
export const checksum = (before: number, chunk: Uint8Array): number => {
  let sum = before
  for (const byte of chunk) sum = (Math.imul(sum, 31) + byte + 1) >>> 0
  return sum
}
