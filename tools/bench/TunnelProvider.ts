/**
 * A provider that costs next to nothing, to be called and to be asked by tunnels: what it answers is the same by both ways.
 * A request's body says how many chunks it wants and how many milliseconds lie between two: `{"chunks":50,"paceMs":20}`.
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import * as TunnelDial from "@guildhall/protocol/provider/TunnelDial"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { TunnelSession } from "@guildhall/protocol/provider/TunnelSession"

/** What is asked of it. */
export interface Wish {
  readonly chunks: number
  readonly paceMs: number
}

const chunk = Buffer.from(
  `data: ${JSON.stringify({ id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1_700_000_000, model: "bench/mock", choices: [{ index: 0, delta: { content: " word" }, finish_reason: null }] })}\n\n`,
)

const answer = (body: Buffer, write: (chunk: Buffer) => void, end: () => void): void => {
  const wish: Wish = JSON.parse(body.toString())
  let sent = 1
  write(chunk)
  const timer = setInterval(() => {
    sent += 1
    write(chunk)
    if (sent < wish.chunks) return
    clearInterval(timer)
    end()
  }, wish.paceMs)
}

const TYPE = { "content-type": "text/event-stream" }

/** Listens on a free port. */
export const listen = async () => {
  const server = createServer({ noDelay: true }, (request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => {
      response.writeHead(200, TYPE)
      answer(
        Buffer.concat(parts),
        (bytes) => response.write(bytes),
        () => response.end(),
      )
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { origin: `http://127.0.0.1:${port}`, close: () => (server.closeAllConnections(), server.close()) }
}

/** A device's key. */
export interface Key {
  readonly publicKey: string
  readonly privateKey: KeyObject
}

/** Makes keys for devices. */
export const keys = (count: number): ReadonlyArray<Key> =>
  Array.from({ length: count }, () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519")
    return { publicKey: publicKey.export({ format: "jwk" }).x ?? "", privateKey }
  })

const START = TunnelFrame.encodeStart({ status: 200, headers: TYPE }) ?? new Uint8Array()

const sessionOf = (): TunnelSession =>
  new TunnelSession(
    {
      side: "answers",
      resumeMs: 5_000,
      streamsMax: 10_000,
      onOver: () => undefined,
      onOpen: (stream) => {
        const parts: Array<Uint8Array> = []
        return {
          onData: (part) => parts.push(part.slice()) > 0,
          onEnd: () => {
            stream.begin(START)
            answer(
              Buffer.concat(parts),
              (bytes) => stream.write(bytes),
              () => stream.finish(),
            )
          },
          onReset: () => undefined,
        }
      },
    },
    Date.now(),
  )

const headersOf = ({ privateKey, publicKey }: Key): Record<string, string> => {
  const [issuedAtMs, sequence] = [Date.now(), Date.now()]
  const message = { method: "GET", path: TunnelHello.PATH, issuedAtMs, sequence, body: new Uint8Array() }
  return {
    [SignedRequest.HEADERS.device]: publicKey,
    [SignedRequest.HEADERS.signature]: sign(null, SignedRequest.bytes(message), privateKey).toString("base64url"),
    [SignedRequest.HEADERS.issuedAt]: String(issuedAtMs),
    [SignedRequest.HEADERS.sequence]: String(sequence),
  }
}

/** Opens a tunnel; answers what closes it. */
export const dial = (port: number, key: Key): Promise<() => void> =>
  new Promise((resolve, reject) => {
    const session = sessionOf()
    const socket = new NodeWS.WebSocket(`ws://127.0.0.1:${port}${TunnelHello.PATH}`, TunnelHello.PROTOCOL, {
      headers: headersOf(key),
      perMessageDeflate: false,
    })
    const timer = setInterval(() => session.tick(Date.now()), 500)
    socket.on("error", reject)
    TunnelDial.begin(
      socket,
      { received: 0 },
      {
        onWelcome: (welcome, wire) => {
          session.attach(wire, welcome.received)
          resolve(() => (session.end("The bench is over."), clearInterval(timer)))
        },
        onMessage: (message) => session.receive(message),
        onClosed: () => clearInterval(timer),
      },
    )
  })
