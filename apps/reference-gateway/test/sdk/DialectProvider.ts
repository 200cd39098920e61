/**
 * A model server that speaks one dialect and no other. The user's last words script it: `tokens=<n>` `gap=<ms>` `cut`
 * (the connection breaks after half of the words) `fail` (500).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import * as Asked from "./Asked.ts"
import * as Extras from "./Extras.ts"
import * as Speaker from "./Speaker.ts"

/** What came in: the bytes as they were sent. */
interface Seen {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
  /** How many words went out. */
  words: number
  /** Whether the market left before the end. */
  left: boolean
}

export interface DialectProvider {
  readonly url: string
  readonly model: string
  readonly seen: Array<Seen>
  /** The last request, as it was understood. */
  readonly asked: () => Asked.Asked
  readonly close: () => Promise<void>
}

/** What is answered to a request for JSON. */
export const DATA = { city: "Rome", degrees: 21 }
export const ARGUMENTS = '{"city":"Rome"}'

const number = (script: string, name: string, otherwise: number): number =>
  Number(new RegExp(`\\b${name}=(\\d+)`).exec(script)?.[1] ?? otherwise)

/** Text in pieces of about five letters. */
const pieces = (text: string): ReadonlyArray<string> => text.match(/.{1,5}/gs) ?? []

export const words = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, at) => `word${at} `)

const turnOf = (asked: Asked.Asked): Speaker.Turn => {
  if (asked.results.length > 0) return { words: ["It is ", ...asked.results, "."] }
  const [tool] = asked.tools
  if (tool !== undefined) return { words: [], call: { name: tool, arguments: ARGUMENTS } }
  if (asked.wantsJson) return { words: pieces(JSON.stringify(DATA)) }
  if (asked.images.length > 0) return { words: ["I see ", ...asked.images.map((url) => `${url} `)] }
  return { words: words(number(asked.text, "tokens", 3)) }
}

const fail = (response: ServerResponse, status: number): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify({ error: { type: "server_error", message: "The engine is not well.", code: null } }))
}

const stream = async (spoken: Speaker.Spoken, script: string, response: ServerResponse, seen: Seen): Promise<void> => {
  const gapMs = number(script, "gap", 0)
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(spoken.opening.join(""))
  for (const [at, piece] of spoken.pieces.entries()) {
    if (response.destroyed) return
    if (/\bcut\b/.test(script) && at >= spoken.pieces.length / 2) return void response.destroy()
    response.write(piece)
    if (piece.includes("word")) seen.words += 1
    if (gapMs > 0) await pause(gapMs)
  }
  response.end(spoken.closing.join(""))
}

const answer = async (dialect: Asked.Dialect, seen: Seen, response: ServerResponse): Promise<void> => {
  const asked = Asked.read(dialect, seen.body.toString())
  const spoken = Speaker.speak(dialect, asked.model, turnOf(asked), asked.includeUsage)
  if (/\bfail\b/.test(asked.text)) return fail(response, 500)
  if (asked.stream) return stream(spoken, asked.text, response, seen)
  const gapMs = number(asked.text, "gap", 0)
  if (gapMs > 0) await pause(gapMs)
  const body = Buffer.from(spoken.whole)
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
  if (!/\bcut\b/.test(asked.text)) return void response.end(body)
  response.write(body.subarray(0, body.length / 2))
  await pause(5)
  response.destroy()
}

const read = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Starts one on a free port of the loopback interface: of a dialect, or of all that is no conversation. */
export const start = async (speaks: Asked.Dialect | "extras", model: string): Promise<DialectProvider> => {
  const seen: Array<Seen> = []
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method === "GET") {
      response.writeHead(200, { "content-type": "application/json" })
      response.end(JSON.stringify({ object: "list", data: [{ id: model, object: "model" }] }))
      return
    }
    const path = (request.url ?? "").replace(/^\/v1\//, "")
    const one: Seen = { path, headers: request.headers, body: await read(request), words: 0, left: false }
    response.once("close", () => (one.left = !response.writableFinished))
    seen.push(one)
    if (speaks === "extras") return Extras.answer(path, one.body, response)
    // A server that does not know a path says so: nothing may come to it in another's dialect.
    if (path !== speaks) return fail(response, 404)
    return answer(speaks, one, response)
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    model,
    seen,
    asked: () => {
      const last = seen.at(-1)
      if (last === undefined || speaks === "extras") throw new Error("Nothing was asked.")
      return Asked.read(speaks, last.body.toString())
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
