/**
 * A request that came by a tunnel, as an exchange reads and answers it.
 *
 * @since 0.1.0
 */
import { encodeStart, type OpenHead } from "@guildhall/protocol/provider/TunnelFrame"
import type { StreamListener, TunnelStream } from "@guildhall/protocol/provider/TunnelStream"
import type { Incoming, Outgoing } from "./Exchange.ts"

type Listener<A extends ReadonlyArray<never> = []> = (...values: A) => void

/** Headers about a connection, of which a stream has none. */
const HOP = new Set(["connection", "keep-alive", "transfer-encoding"])

class Visitor implements Incoming {
  readonly method: string
  readonly url: string
  readonly headers: OpenHead["headers"]
  onChunk: (chunk: Uint8Array) => void = () => undefined
  onDone: Listener = () => undefined

  constructor({ headers, method, path }: OpenHead) {
    this.method = method
    this.url = path
    this.headers = headers
  }

  on(event: "data", listener: (chunk: Uint8Array) => void): unknown
  on(event: "end" | "error", listener: Listener): unknown
  on(event: "data" | "end" | "error", listener: (chunk: Uint8Array) => void): unknown {
    if (event === "data") this.onChunk = listener
    // A request that breaks off is told by its answer's close.
    if (event === "end") this.onDone = () => listener(NOTHING)
    return this
  }
}

const NOTHING = new Uint8Array()

class Answer implements Outgoing {
  readonly #stream: TunnelStream
  headersSent = false
  writableFinished = false
  onDrained: Listener = () => undefined
  onClosed: Listener = () => undefined

  constructor(stream: TunnelStream) {
    this.#stream = stream
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    const kept = Object.entries(headers).filter(([name]) => !HOP.has(name))
    const head = encodeStart({
      status,
      headers: Object.fromEntries(kept.map(([name, value]) => [name.toLowerCase(), String(value)])),
    })
    this.headersSent = true
    if (head === undefined) this.#stream.reset("The answer's headers are larger than a tunnel carries.")
    else this.#stream.begin(head)
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.write(chunk)
  }

  end(body?: string): void {
    if (body !== undefined) this.#stream.write(new TextEncoder().encode(body))
    this.writableFinished = true
    this.#stream.finish()
  }

  destroy(): void {
    this.#stream.reset("The provider broke off.")
  }

  on(event: "drain" | "close" | "error", listener: Listener): unknown {
    if (event === "drain") this.onDrained = listener
    if (event === "close") this.onClosed = listener
    return this
  }
}

/**
 * Hands a request that came by a tunnel to what answers those that come to a server, and gives who hears the rest of it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const visit = (
  stream: TunnelStream,
  head: OpenHead,
  handle: (request: Incoming, response: Outgoing) => void,
): StreamListener => {
  const request = new Visitor(head)
  const response = new Answer(stream)
  // What is refused at once is refused before its body has come, as on a socket.
  handle(request, response)
  return {
    onData: (chunk) => {
      // Its memory may be part of a message that is long gone when the body is complete.
      request.onChunk(chunk.slice())
      return true
    },
    onEnd: () => request.onDone(),
    onReset: () => response.onClosed(),
    onDrain: () => response.onDrained(),
  }
}
