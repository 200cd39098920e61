/**
 * A service that speaks OpenAI's API on this machine, and asks for a token as such services do: what it was asked is kept,
 * and what it answers can be changed. For tests of accounts in a cloud.
 *
 * @since 0.1.0
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** A request as it came in. @category models @since 0.1.0 */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** How a request is answered. @category models @since 0.1.0 */
export type Answer = (asked: Asked, response: ServerResponse) => void

/** The service; its members may be changed between two requests. @category models @since 0.1.0 */
export interface CloudService {
  readonly url: string
  /** Everything that was asked, oldest first. */
  readonly asked: Array<Asked>
  /** The tokens that are taken. */
  readonly tokens: Set<string>
  /** What is answered instead; undefined for what a service answers. */
  answer: Answer | undefined
  /** Whether the list of models is shown to anyone. */
  hasPublicList: boolean
  /** The models by the service's names; undefined where it has no list. */
  models: ReadonlyArray<string> | undefined
  readonly close: () => void
}

/** Answers with JSON. @category constructors @since 0.1.0 */
export const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))

const WORDS = ["Hello", " from", " the", " cloud", "."]

/** What a service says of the account with every answer. */
const TELLTALES = {
  "openai-organization": "org-acme-secret",
  "openai-project": "proj_acme",
  "x-ratelimit-remaining-tokens": "12345",
  "set-cookie": "session=acme",
  "x-account-id": "acme-17",
}

const usage = { prompt_tokens: 7, completion_tokens: WORDS.length, total_tokens: 7 + WORDS.length }

const chat = (asked: Asked, response: ServerResponse): void => {
  const request = JSON.parse(asked.body) as { model: string; stream?: boolean; stream_options?: unknown }
  const base = { id: "chatcmpl-1", created: 1, model: request.model }
  if (request.stream !== true) {
    const message = { role: "assistant", content: WORDS.join("") }
    const choices = [{ index: 0, message, finish_reason: "stop" }]
    json(response, 200, { ...base, object: "chat.completion", choices, usage }, TELLTALES)
    return
  }
  response.writeHead(200, { "content-type": "text/event-stream", ...TELLTALES })
  const send = (value: unknown) => response.write(`data: ${JSON.stringify(value)}\n\n`)
  const chunk = (delta: object, finish: string | null) =>
    send({ ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })
  chunk({ role: "assistant", content: "" }, null)
  for (const word of WORDS) chunk({ content: word }, null)
  chunk({}, "stop")
  if (request.stream_options !== undefined) send({ ...base, object: "chat.completion.chunk", choices: [], usage })
  response.end("data: [DONE]\n\n")
}

const isIn = (asked: Asked, tokens: ReadonlySet<string>): boolean =>
  tokens.has((asked.headers.authorization ?? "").replace(/^Bearer /, ""))

const respond = (service: CloudService, asked: Asked, response: ServerResponse): void => {
  if (service.answer !== undefined) return service.answer(asked, response)
  const isList = asked.method === "GET" && asked.path === "/openai/v1/models"
  if (isList && service.models === undefined) return void json(response, 404, { error: { message: "no such page" } })
  if (!isIn(asked, service.tokens) && !(isList && service.hasPublicList)) {
    return void json(response, 401, {
      error: { message: `Incorrect API key provided: ${asked.headers.authorization}` },
    })
  }
  if (isList) {
    const data = (service.models ?? []).map((id) => ({ id, object: "model" }))
    return void json(response, 200, { object: "list", data })
  }
  if (asked.path !== "/openai/v1/chat/completions")
    return void json(response, 404, { error: { message: "no such page" } })
  const { model } = JSON.parse(asked.body) as { model: string }
  if (service.models !== undefined && !service.models.includes(model) && !model.startsWith("unlisted-")) {
    return void json(response, 404, { error: { message: `The model ${model} does not exist` } })
  }
  chat(asked, response)
}

/** Starts a service on a free port; its base URL ends in `/openai/v1`. @category constructors @since 0.1.0 */
export const start = async (): Promise<CloudService> => {
  const service: { -readonly [Key in keyof CloudService]: CloudService[Key] } = {
    url: "",
    asked: [],
    tokens: new Set(),
    answer: undefined,
    hasPublicList: false,
    models: ["large-2026", "small-2026"],
    close: () => (server.closeAllConnections(), server.close()),
  }
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const asked = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      }
      service.asked.push(asked)
      respond(service, asked, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  service.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/openai/v1`
  return service
}
