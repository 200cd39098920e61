/**
 * Clients that cost next to nothing: raw TCP with keep-alive, one request at a time on each connection.
 */
import { once } from "node:events"
import { connect } from "node:net"
import type { Socket } from "node:net"
import { performance } from "node:perf_hooks"
import { setTimeout as pause } from "node:timers/promises"

/** What to send, and how much of it. It ends after `durationMs` or `requests` for each connection, whichever is given. */
export interface Load {
  readonly port: number
  readonly apiKey: string
  readonly body: string
  /** Beside the usual ones. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly connections: number
  /** Over how long the connections' first requests are spread, evenly; without it all begin at once. */
  readonly spreadMs?: number
  readonly durationMs?: number
  readonly requestsEach?: number
}

/**
 * What came of it. Times are in milliseconds; `firstMs` is until the first byte of the answer's body. `frames` are the events
 * of all streams together.
 */
export interface Outcome {
  readonly requests: number
  readonly frames: number
  readonly durationMs: number
  readonly totalMs: ReadonlyArray<number>
  readonly firstMs: ReadonlyArray<number>
}

/** The value below which the share lies, such as 0.99. */
export const quantile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** The last chunk; trailers may stand between it and the empty line. */
const LAST = "\r\n0\r\n"
const TAIL_MAX = 512
const FRAME = Buffer.from("data: ")

const framesIn = (bytes: Buffer): number => {
  let count = 0
  for (let at = bytes.indexOf(FRAME); at !== -1; at = bytes.indexOf(FRAME, at + FRAME.length)) count += 1
  return count
}

interface Answered {
  readonly firstAt: number
  readonly frames: number
}

/** Reads one answer; resolves with the time of the first byte of its body, and how many events it had. */
const answer = (socket: Socket): Promise<Answered> =>
  new Promise((resolve, reject) => {
    let head = ""
    let length: number | undefined
    let received = 0
    let firstAt = 0
    let frames = 0
    let tail = "\r\n"
    const ends = (body: Buffer): boolean => {
      tail = (tail + body.subarray(-TAIL_MAX).toString("latin1")).slice(-TAIL_MAX)
      return tail.endsWith("\r\n\r\n") && tail.includes(LAST)
    }
    const stop = (): void => {
      socket.off("data", onData)
      socket.off("close", onClose)
    }
    const onClose = (): void => {
      stop()
      reject(new Error(`The connection was closed in the middle of an answer. It began: ${head.slice(0, 500)}`))
    }
    const onBody = (body: Buffer): void => {
      if (body.length === 0) return
      if (firstAt === 0) firstAt = performance.now()
      received += body.length
      // Every event of the upstream is written at once and is small: none arrives in two pieces.
      frames += framesIn(body)
      const isWhole = length === undefined ? ends(body) : received >= length
      if (!isWhole) return
      stop()
      resolve({ firstAt, frames })
    }
    const onData = (bytes: Buffer): void => {
      if (received > 0) return onBody(bytes)
      head += bytes.toString("latin1")
      const end = head.indexOf("\r\n\r\n")
      if (end === -1) return
      const fields = head.slice(0, end)
      if (!fields.startsWith("HTTP/1.1 200")) {
        stop()
        return reject(new Error(`The answer was not 200: ${head.slice(0, 1_000)}`))
      }
      const declared = /\r\ncontent-length: *(\d+)/i.exec(fields)?.[1]
      length = declared === undefined ? undefined : Number(declared)
      onBody(Buffer.from(head.slice(end + 4), "latin1"))
    }
    socket.on("data", onData)
    socket.on("close", onClose)
  })

/** Runs the load to its end. Any answer but 200 ends it with an error. */
export const run = async (load: Load): Promise<Outcome> => {
  const { apiKey, body, connections, durationMs, headers = {}, port, requestsEach, spreadMs = 0 } = load
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const request = Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${apiKey}\r\n` +
      more.join("") +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const totalMs: Array<number> = []
  const firstMs: Array<number> = []
  let frames = 0
  const sockets = Array.from({ length: connections }, () => connect({ port, host: "127.0.0.1", noDelay: true }))
  try {
    await Promise.all(sockets.map((socket) => once(socket, "connect")))
    const began = performance.now()
    const client = async (socket: Socket, index: number): Promise<void> => {
      socket.on("error", () => socket.destroy())
      if (spreadMs > 0) await pause((index * spreadMs) / connections)
      for (let sent = 0; sent < (requestsEach ?? Infinity); sent++) {
        const sentAt = performance.now()
        if (durationMs !== undefined && sentAt - began >= durationMs) return
        const answered = answer(socket)
        socket.write(request)
        const { firstAt, frames: found } = await answered
        frames += found
        totalMs.push(performance.now() - sentAt)
        firstMs.push(firstAt - sentAt)
      }
    }
    await Promise.all(sockets.map(client))
    return { requests: totalMs.length, frames, durationMs: performance.now() - began, totalMs, firstMs }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}
