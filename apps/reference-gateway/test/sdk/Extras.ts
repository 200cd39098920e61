/** Answers to what is no conversation: completions, embeddings, images, transcriptions, rankings. */
import type OpenAI from "openai"
import type { ServerResponse } from "node:http"
import type { Endpoint } from "@guildhall/core/Endpoint"
import { PROMPT } from "./Speaker.ts"

/** What the server offers. */
export const endpoints: ReadonlyArray<Endpoint> = [
  "completions",
  "embeddings",
  "images/generations",
  "audio/transcriptions",
  "rerank",
]

const WORDS = ["Once ", "upon ", "a time"]
export const TEXT = WORDS.join("")
/** Exact in 32 bits, so that they come back as they were whichever way a client asked for them. */
export const VECTOR = [0.5, -0.25, 0.125]
export const PICTURE = "aW1hZ2U="

const usage = { prompt_tokens: PROMPT, completion_tokens: WORDS.length, total_tokens: PROMPT + WORDS.length }

const completion = (body: OpenAI.CompletionCreateParams, response: ServerResponse): void => {
  const same = { id: "cmpl-1", object: "text_completion" as const, created: 1_700_000_000, model: String(body.model) }
  const choice = (text: string, isLast: boolean): OpenAI.CompletionChoice => ({
    index: 0,
    text,
    logprobs: null,
    // The type has no word for an answer that goes on; the servers say null.
    finish_reason: (isLast ? "stop" : null) as "stop",
  })
  const made = (choices: Array<OpenAI.CompletionChoice>, more: Partial<OpenAI.Completion> = {}): OpenAI.Completion => ({
    ...same,
    choices,
    ...more,
  })
  if (body.stream !== true) return send(response, made([choice(TEXT, true)], { usage }))
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (const [at, word] of WORDS.entries()) write(response, made([choice(word, at === WORDS.length - 1)]))
  if (body.stream_options?.include_usage === true) write(response, made([], { usage }))
  response.end("data: [DONE]\n\n")
}

const write = (response: ServerResponse, json: object): void => void response.write(`data: ${JSON.stringify(json)}\n\n`)

const send = (response: ServerResponse, json: object): void => {
  const body = Buffer.from(JSON.stringify(json))
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
  response.end(body)
}

const embeddings = (body: OpenAI.EmbeddingCreateParams, response: ServerResponse): void => {
  const inputs = Array.isArray(body.input) ? body.input.length : 1
  const packed = Buffer.from(new Float32Array(VECTOR).buffer).toString("base64")
  const embedding = body.encoding_format === "base64" ? packed : VECTOR
  send(response, {
    object: "list",
    model: body.model,
    data: Array.from({ length: inputs }, (_, index) => ({ object: "embedding", index, embedding })),
    usage: { prompt_tokens: PROMPT, total_tokens: PROMPT },
  })
}

/** Answers a request to one of the endpoints. */
export const answer = (path: string, body: Buffer, response: ServerResponse): void => {
  if (path === "audio/transcriptions") return send(response, { text: TEXT, usage: { type: "duration", seconds: 3 } })
  const json: unknown = JSON.parse(body.toString())
  // Which request it is, the path says.
  if (path === "completions") return completion(json as OpenAI.CompletionCreateParams, response)
  if (path === "embeddings") return embeddings(json as OpenAI.EmbeddingCreateParams, response)
  if (path === "images/generations") return send(response, { created: 1_700_000_000, data: [{ b64_json: PICTURE }] })
  if (path === "rerank")
    return send(response, { results: [{ index: 0, relevance_score: 0.9 }], usage: { total_tokens: PROMPT } })
  response.writeHead(404)
  response.end()
}
