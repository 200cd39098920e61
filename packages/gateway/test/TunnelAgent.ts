/** The agent's end of a tunnel, as small as it can be: it dials, answers by a script, and comes back where it is told to. */
import * as NodeWS from "@effect/platform-node/NodeWS"
import type { ProviderExchange } from "@guildhall/protocol/ProviderExchange"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import * as TunnelDial from "@guildhall/protocol/provider/TunnelDial"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { TunnelSession, type Wire } from "@guildhall/protocol/provider/TunnelSession"
import type { StreamListener, TunnelStream } from "@guildhall/protocol/provider/TunnelStream"
import type { SampleDevice } from "@guildhall/registry/testing/SampleDevice"

export type Script = (exchange: ProviderExchange) => void

/** What an agent of a test says of itself; a browser has no headers. */
export interface Options {
  readonly url: string
  readonly device: SampleDevice
  readonly script: Script
  readonly isBrowser?: boolean
  readonly headers?: Record<string, string>
}

let sequence = Date.now()

const listenerOf = (stream: TunnelStream, head: TunnelFrame.OpenHead, script: Script): StreamListener => {
  const chunks: Array<Uint8Array> = []
  const closed: Array<() => void> = []
  const drained: Array<() => void> = []
  return {
    onData: (chunk) => {
      chunks.push(Uint8Array.from(chunk))
      return true
    },
    onEnd: () =>
      script({
        ...head,
        body: Buffer.concat(chunks),
        start: (status, headers) => stream.begin(TunnelFrame.encodeStart({ status, headers }) ?? new Uint8Array()),
        data: (chunk) => stream.write(chunk),
        end: () => stream.finish(),
        close: () => stream.reset("The provider broke off."),
        onDrain: (listener) => void drained.push(listener),
        onClosed: (listener) => void closed.push(listener),
      }),
    onReset: () => closed.forEach((listener) => listener()),
    onDrain: () => drained.forEach((listener) => listener()),
  }
}

/** How a dial ended. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface Agent {
  readonly session: TunnelSession
  readonly socket: NodeWS.WebSocket
  readonly welcome: TunnelHello.Welcome
  readonly closed: Promise<Closed>
  /** Dials again and goes on with the session. */
  readonly resume: (url?: string) => Promise<Agent>
  /** Leaves without a word. */
  readonly vanish: () => void
}

const dial = (options: Options, former: Pick<Agent, "session" | "welcome"> | undefined): Promise<Agent> =>
  new Promise((resolve, reject) => {
    sequence += 1
    const issuedAtMs = Date.now()
    const message = options.device.sign({
      method: "GET",
      path: TunnelHello.PATH,
      issuedAtMs,
      sequence,
      body: new Uint8Array(),
    })
    const headers = {
      [HEADERS.device]: message.publicKey,
      [HEADERS.signature]: message.signature,
      [HEADERS.issuedAt]: String(issuedAtMs),
      [HEADERS.sequence]: String(sequence),
    }
    const proof = {
      device: message.publicKey,
      signature: message.signature,
      issued_at: issuedAtMs,
      sequence,
    }
    const socket = new NodeWS.WebSocket(
      `${options.url.replace(/^http/, "ws")}${TunnelHello.PATH}`,
      TunnelHello.PROTOCOL,
      {
        perMessageDeflate: false,
        headers: options.isBrowser === true ? {} : { ...headers, ...options.headers },
      },
    )
    const closed = new Promise<Closed>((tell) => {
      socket.on("close", (code, reason) => tell({ code, reason: String(reason) }))
    })
    socket.on("unexpected-response", (_, response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += String(chunk)))
      response.on("end", () => reject(new Error(`${response.statusCode} ${text}`)))
    })
    socket.on("error", (error) => reject(error))
    void closed.then(({ code, reason }) => reject(new Error(`${code} ${reason}`)))
    let session = former?.session
    let timer: NodeJS.Timeout | undefined
    let wire: Wire | undefined
    TunnelDial.begin(
      socket,
      {
        received: session?.received ?? 0,
        ...(former === undefined ? {} : { session: former.welcome.session }),
        ...(options.isBrowser === true ? { proof } : {}),
      },
      {
        onWelcome: (welcome, dialed) => {
          wire = dialed
          if (!welcome.resumed) {
            session?.ended("The gateway knows the session no more.")
            session = new TunnelSession(
              {
                side: "answers",
                resumeMs: welcome.resume_ms,
                streamsMax: 10_000,
                onOpen: (stream, head) => listenerOf(stream, head, options.script),
                onOver: () => undefined,
              },
              Date.now(),
            )
          }
          const live = session
          if (live === undefined) return reject(new Error("There is no session."))
          live.attach(dialed, welcome.received)
          timer = setInterval(() => live.tick(Date.now()), 100)
          const agent: Agent = {
            session: live,
            socket,
            welcome,
            closed,
            resume: (url) => dial({ ...options, url: url ?? options.url }, agent),
            vanish: () => socket.terminate(),
          }
          resolve(agent)
        },
        onMessage: (bytes) => session?.receive(bytes),
        onClosed: (code, reason) => {
          clearInterval(timer)
          if (session === undefined || wire === undefined) return
          if (TunnelDial.endsSession(code)) session.endedOn(wire, reason)
          else session.lost(wire)
        },
      },
    )
  })

/** Opens a tunnel; fails with the status and text of the refusal. */
export const open = (options: Options): Promise<Agent> => dial(options, undefined)
