/** A model server that answers every endpoint in its own shape, and keeps what it was sent. */
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import type { Endpoint } from "@guildhall/core/Endpoint"
import * as Loopback from "./Loopback.ts"

interface Seen {
  readonly path: string
  readonly contentType: string | undefined
  readonly body: Buffer
}

const frame = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const event = (value: { readonly type: string; readonly [member: string]: unknown }) =>
  `event: ${value.type}\n${frame(value)}`

/** Whole answers, by endpoint. */
export const wholes: Readonly<Record<Endpoint, object>> = {
  "chat/completions": { choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } },
  completions: {
    object: "text_completion",
    choices: [{ text: "b" }],
    usage: { prompt_tokens: 4, completion_tokens: 1 },
  },
  embeddings: { object: "list", data: [{ index: 0, embedding: [0.5] }], usage: { prompt_tokens: 3, total_tokens: 3 } },
  responses: { object: "response", output: [], usage: { input_tokens: 6, output_tokens: 7, total_tokens: 13 } },
  messages: { type: "message", content: [], usage: { input_tokens: 8, output_tokens: 9 } },
  "images/generations": { created: 1, data: [{ b64_json: "QQ==" }, { b64_json: "Qg==" }] },
  "audio/transcriptions": { text: "Hello", usage: { type: "duration", seconds: 9.5 } },
  rerank: { results: [{ index: 1, relevance_score: 0.9 }], usage: { total_tokens: 11 } },
}

/** Streams, by endpoint, in pieces; the last piece tells the usage. */
export const streams: Partial<Readonly<Record<Endpoint, ReadonlyArray<string>>>> = {
  completions: [
    frame({ choices: [{ text: "a" }] }),
    frame({ choices: [{ text: "b" }] }),
    frame({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 2 } }) + "data: [DONE]\n\n",
  ],
  responses: [
    event({ type: "response.output_text.delta", delta: "a" }),
    event({ type: "response.output_text.delta", delta: "b" }),
    event({ type: "response.completed", response: { usage: { input_tokens: 6, output_tokens: 2, total_tokens: 8 } } }),
  ],
  messages: [
    event({ type: "message_start", message: { usage: { input_tokens: 8, output_tokens: 1 } } }),
    event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "a" } }),
    event({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 5 } }) +
      event({ type: "message_stop" }),
  ],
  "images/generations": [
    event({ type: "image_generation.partial_image", b64_json: "QQ==" }),
    event({ type: "image_generation.completed", b64_json: "QUE=" }),
  ],
  "audio/transcriptions": [
    event({ type: "transcript.text.delta", delta: "Hel" }),
    event({ type: "transcript.text.done", text: "Hello", usage: { input_tokens: 14, output_tokens: 2 } }),
  ],
}

const wantsStream = (body: Buffer): boolean =>
  /"stream":\s?true/.test(body.toString("latin1")) || /name="stream"\r\n\r\ntrue/.test(body.toString("latin1"))

/**
 * Starts one. Endpoints that are not named answer 404. A request that says `hang` gets all pieces of its stream but the last,
 * and nothing more.
 */
export const make = Effect.fnUntraced(function* (
  options: {
    readonly models?: ReadonlyArray<string>
    readonly endpoints?: ReadonlyArray<Endpoint>
    readonly unknown?: { readonly status: number; readonly body: string }
  } = {},
) {
  const seen: Array<Seen> = []
  const open = new Set<Http.ServerResponse>()
  const endpoints = new Set<string>(options.endpoints ?? Object.keys(wholes))
  const unknown = options.unknown ?? { status: 404, body: "404 page not found" }
  const json = (response: Http.ServerResponse, status: number, body: string) => {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(body)
  }
  const answer = (endpoint: Endpoint, body: Buffer, response: Http.ServerResponse) => {
    const pieces = wantsStream(body) ? streams[endpoint] : undefined
    if (pieces === undefined) return json(response, 200, JSON.stringify(wholes[endpoint]))
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
    if (!body.includes("hang")) return response.end(pieces.join(""))
    response.write(pieces.slice(0, -1).join(""))
    open.add(response)
    return response.once("close", () => open.delete(response))
  }
  const server = Http.createServer((request, response) => {
    if (request.url === "/v1/models") {
      const data = (options.models ?? ["scripted-model"]).map((id) => ({ id, object: "model" }))
      return json(response, 200, JSON.stringify({ object: "list", data }))
    }
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const body = Buffer.concat(chunks)
      const endpoint = (request.url ?? "").replace("/v1/", "")
      if (!endpoints.has(endpoint)) return json(response, unknown.status, unknown.body)
      if (body.includes('"messages":0')) return json(response, 400, '{"error":{"message":"messages must be a list"}}')
      seen.push({ path: request.url ?? "", contentType: request.headers["content-type"], body })
      return answer(endpoint as Endpoint, body, response)
    })
    return response
  })
  const url = yield* Loopback.listen(server)
  return { url, seen, open }
})
