/**
 * An OpenAI-shaped model server whose answers the last user message scripts, for tests that need a provider to be slow,
 * to lie or to break off at a known place. Words: `tokens=<n>` `gap=<ms>` `lie=<n>` (reported completion tokens) `read=<n>` (reported
 * prompt tokens) `cut` (closes after half of the tokens, or of the answer) `half` (closes inside a frame) `garbage` (half of the
 * tokens, then a frame that is not JSON) `hang` (never answers) `silent` (headers, then nothing) `echo=<text>` (every token is this
 * text) `refuse` and `fail` (400 and 500 with an error that repeats the script) `counts` (reported prompt tokens are its words). Other endpoints have one answer each, or
 * none; what an agent asks at its start, to find out which there are, is not counted.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { setTimeout as pause } from "node:timers/promises"

export interface ScriptedEngine {
  readonly url: string
  /** Requests under way, requests seen, and those whose client left before the end. */
  readonly counts: { active: number; seen: number; aborted: number }
  /** The bodies it was sent, newest last. */
  readonly bodies: Array<string>
  readonly close: () => Promise<void>
}

const word = (script: string, name: string, otherwise: number): number => {
  const found = new RegExp(`${name}=(\\d+)`).exec(script)
  return found === null ? otherwise : Number(found[1])
}

interface Chat {
  readonly model?: string
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean }
  readonly messages?: ReadonlyArray<{ readonly content?: unknown }>
}

const failure = (script: string, response: ServerResponse): void => {
  response.writeHead(/\brefuse\b/.test(script) ? 400 : 500, { "content-type": "application/json" })
  response.end(JSON.stringify({ error: { message: `I was told: ${script}`, type: "server_error", code: null } }))
}

const whole = async (script: string, answer: object, response: ServerResponse): Promise<void> => {
  const body = Buffer.from(JSON.stringify(answer))
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
  if (!/\bcut\b/.test(script)) {
    response.end(body)
    return
  }
  response.write(body.subarray(0, body.length / 2))
  await pause(5)
  response.destroy()
}

const answer = async (chat: Chat, response: ServerResponse, isGone: () => boolean, always: string): Promise<void> => {
  const script = `${always} ${String(chat.messages?.at(-1)?.content ?? "")}`
  const tokens = word(script, "tokens", 5)
  const gapMs = word(script, "gap", 0)
  const echo = /echo=(\S+)/.exec(script)?.[1]
  const token = (index: number): string => `${echo ?? `word${index}`} `
  const read = /\bcounts\b/.test(script) ? script.split(/\s+/).length : word(script, "read", 7)
  const usage = { prompt_tokens: read, completion_tokens: word(script, "lie", tokens), total_tokens: read + tokens }
  if (/\bhang\b/.test(script)) return
  if (/\b(refuse|fail)\b/.test(script)) return failure(script, response)
  const base = { id: "chatcmpl-scripted", object: "chat.completion.chunk", created: 1_700_000_000, model: chat.model }
  if (chat.stream !== true) {
    if (gapMs > 0) await pause(gapMs)
    const message = { role: "assistant", content: Array.from({ length: tokens }, (_, index) => token(index)).join("") }
    const choices = [{ index: 0, message, finish_reason: "stop" }]
    return whole(script, { ...base, object: "chat.completion", choices, usage }, response)
  }
  response.writeHead(200, { "content-type": "text/event-stream" })
  const send = (body: object): void => void response.write(`data: ${JSON.stringify({ ...base, ...body })}\n\n`)
  response.flushHeaders()
  if (/\bsilent\b/.test(script)) return
  send({ choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] })
  for (let index = 0; index < tokens; index++) {
    if (isGone()) return
    if (/\b(cut|half|garbage)\b/.test(script) && index >= tokens / 2) {
      if (/\bhalf\b/.test(script)) response.write(`data: {"choices":[{"index":0,"delta":{"con`)
      if (/\bgarbage\b/.test(script)) response.write("data: {choices: nonsense}\n\n")
      await pause(5)
      response.destroy()
      return
    }
    send({ choices: [{ index: 0, delta: { content: token(index) }, finish_reason: null }] })
    if (gapMs > 0) await pause(gapMs)
  }
  send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })
  if (chat.stream_options?.include_usage === true) send({ choices: [], usage })
  response.end("data: [DONE]\n\n")
}

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/**
 * Starts one on a free port of the loopback interface. `always` is added to every script; `others` are the answers of other
 * endpoints by their path. With a `token` it answers nobody who does not send it.
 */
export const start = async (
  model = "scripted/engine",
  always = "",
  others: Readonly<Record<string, object>> = {},
  token?: string,
): Promise<ScriptedEngine> => {
  const counts = { active: 0, seen: 0, aborted: 0 }
  const bodies: Array<string> = []
  const server = createServer((request, response) => {
    const serve = async (): Promise<void> => {
      if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
        response.writeHead(401, { "content-type": "application/json" })
        response.end('{"error":{"message":"Incorrect API key provided."}}')
        return
      }
      if (request.url === "/v1/models") {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify({ object: "list", data: [{ id: model, object: "model" }] }))
        return
      }
      const body = await read(request)
      const other = others[request.url ?? ""]
      const isThere = request.url === "/v1/chat/completions" || other !== undefined
      if (!isThere || body.includes('"messages":0')) {
        response.writeHead(isThere ? 400 : 404, { "content-type": "application/json" })
        response.end('{"error":{"message":"`messages` must be a list."}}')
        return
      }
      counts.seen += 1
      counts.active += 1
      let isGone = false
      response.once("close", () => {
        counts.active -= 1
        if (!response.writableFinished) {
          isGone = true
          counts.aborted += 1
        }
      })
      bodies.push(body)
      if (other !== undefined) return await whole("", other, response)
      await answer(JSON.parse(body), response, () => isGone, always)
    }
    serve().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    bodies,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
