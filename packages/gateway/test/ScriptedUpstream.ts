/**
 * A provider's server that does what a test tells it to, on a real socket.
 */
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Seen {
  readonly path: string
  readonly body: string
  readonly headers: IncomingMessage["headers"]
  /** When the connection of the request was closed before its answer was complete. */
  closedAt: number | undefined
}

export type Script = (response: ServerResponse, seen: Seen) => void

export const delta = (content: string, extra: object = {}): string =>
  `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content }, finish_reason: null }], ...extra })}\n\n`

export const role =
  'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
export const finish =
  'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
export const usageEvent = (prompt: number, completion: number): string =>
  `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${prompt + completion}}}\n\n`
export const done = "data: [DONE]\n\n"

export const streamHead = (response: ServerResponse) => response.writeHead(200, { "content-type": "text/event-stream" })

/** A good stream of some words. */
export const stream =
  (words: ReadonlyArray<string>, usage: { readonly prompt: number; readonly completion: number }): Script =>
  (response) => {
    streamHead(response)
    response.end(
      [role, ...words.map((word) => delta(word)), finish, usageEvent(usage.prompt, usage.completion), done].join(""),
    )
  }

export const wholeBody = (content: string, usage: { readonly prompt: number; readonly completion: number }): string =>
  JSON.stringify({
    id: "c1",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: usage.prompt, completion_tokens: usage.completion, total_tokens: 0 },
  })

export const whole =
  (content: string, usage: { readonly prompt: number; readonly completion: number }): Script =>
  (response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(wholeBody(content, usage))
  }

export const status =
  (code: number, body: string): Script =>
  (response) => {
    response.writeHead(code, { "content-type": "application/json" })
    response.end(body)
  }

export interface ScriptedUpstream {
  readonly url: string
  readonly seen: Array<Seen>
  script: Script
  readonly close: () => Promise<void>
}

export const start = async (script: Script): Promise<ScriptedUpstream> => {
  const seen: Array<Seen> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const path = request.url ?? ""
      const one: Seen = { path, body: Buffer.concat(chunks).toString(), headers: request.headers, closedAt: undefined }
      seen.push(one)
      response.on("close", () => {
        if (!response.writableFinished) one.closedAt = performance.now()
      })
      upstream.script(response, one)
    })
    request.on("error", () => undefined)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const upstream: ScriptedUpstream = {
    url: `http://127.0.0.1:${port}`,
    seen,
    script,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
  return upstream
}
