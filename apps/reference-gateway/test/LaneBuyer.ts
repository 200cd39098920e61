/**
 * A buyer on a bare connection, who sees what a client may see of an answer that something happens to: how far it came, and
 * whether it ended, broke off, or never began.
 */
import { request } from "node:http"

/** What is asked. A body that is `held` lacks its last byte until it is told to go on. */
export interface Question {
  readonly url: string
  readonly key: string
  readonly model: string
  readonly stream: boolean
  readonly script: string
  readonly maxTokens?: number
  readonly idempotencyKey?: string
  readonly held?: boolean
}

/**
 * What came of it. `clean`: a whole answer that says that it is one. `error`: the code of the error that the buyer was told, as
 * a response or in the stream. `cut`: the connection broke.
 */
export interface Answer {
  readonly status: number | undefined
  readonly id: string | undefined
  readonly text: string
  readonly end: "clean" | "error" | "cut"
  readonly code: string | undefined
  /** How many parts of content were read. */
  readonly parts: number
}

export interface Asked {
  readonly question: Question
  readonly answer: Promise<Answer>
  readonly text: () => string
  /** Sends what was held back of the body. */
  readonly goOn: () => void
  readonly leave: () => void
}

const partsIn = (text: string): number => text.split('"content":"word').length - 1

const codeIn = (text: string): string | undefined => /"code":\s*"([a-z_]+)"/.exec(text)?.[1]

const read = (
  stream: boolean,
  isComplete: boolean,
  of: { readonly status: number | undefined; readonly id: string | undefined; readonly text: string },
): Answer => {
  const { status, text } = of
  const isGood = stream ? text.includes("data: [DONE]") : isComplete && status === 200
  const code = isGood ? undefined : codeIn(text)
  const end = isGood ? "clean" : code === undefined || !isComplete ? "cut" : "error"
  return { ...of, end, code, parts: partsIn(text) }
}

/** Asks on a connection of its own. */
export const ask = (question: Question): Asked => {
  const { held = false, idempotencyKey, key, maxTokens = 500, model, script, stream, url } = question
  const body = JSON.stringify({
    model,
    stream,
    max_tokens: maxTokens,
    messages: [{ role: "user", content: script }],
  })
  let text = ""
  let status: number | undefined
  let id: string | undefined
  const asked = request(`${url}/v1/chat/completions`, {
    method: "POST",
    agent: false,
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
    },
  })
  const answer = new Promise<Answer>((resolve) => {
    const done = (isComplete: boolean) => resolve(read(stream, isComplete, { status, id, text }))
    asked.on("response", (response) => {
      status = response.statusCode
      id = String(response.headers["x-request-id"])
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => (text += chunk))
      response.on("close", () => done(response.complete))
      response.on("error", () => undefined)
    })
    asked.on("error", () => done(false))
  })
  asked.write(body.slice(0, -1))
  const goOn = () => void asked.end(body.slice(-1))
  if (!held) goOn()
  return { question, answer, text: () => text, goOn, leave: () => void asked.destroy() }
}
