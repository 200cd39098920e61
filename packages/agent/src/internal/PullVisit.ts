import * as Http from "node:http"
import * as Https from "node:https"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as PullJob from "@guildhall/protocol/provider/PullJob"
import type { Incoming, Outgoing } from "../serving/Exchange.ts"

type Listener = () => void

/** Headers about a connection, of which an uploaded answer has none. */
const HOP = new Set(["connection", "keep-alive", "transfer-encoding", "content-length"])
/** So much of an answer is kept to be sent again, where the market did not get it. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024
const ANSWER_BYTES_MAX = 16 * 1024
const IDLE_MS = 60_000

const decodeStanding = Schema.decodeUnknownOption(Schema.fromJsonString(PullJob.Standing))

/** What the market says to an upload, or that the connection broke off. */
export type Reply = { readonly status: number; readonly standing: PullJob.Standing | undefined } | "lost"

/** One request to the market, as plain as it can be. It goes to the address that was given and nowhere else. */
export const call = (
  url: string,
  headers: Readonly<Record<string, string>>,
  reply: (reply: Reply) => void,
): Http.ClientRequest => {
  const request = (url.startsWith("https:") ? Https : Http).request(url, { method: "POST", headers, timeout: IDLE_MS })
  let isOver = false
  const end = (said: Reply): void => {
    if (!isOver) reply(said)
    isOver = true
  }
  request.on("response", (response) => {
    let text = ""
    response.on("data", (chunk: Buffer) => {
      text = `${text}${String(chunk)}`.slice(0, ANSWER_BYTES_MAX)
    })
    response.on("error", () => end("lost"))
    response.on("end", () =>
      end({ status: response.statusCode ?? 0, standing: Option.getOrUndefined(decodeStanding(text)) }),
    )
  })
  request.on("timeout", () => request.destroy())
  request.on("error", () => end("lost"))
  request.on("close", () => end("lost"))
  return request
}

/** The answer to a job that was taken: kept, and uploaded as it comes; what was lost is uploaded again. */
export class PullAnswer implements Outgoing {
  headersSent = false
  writableFinished = false
  readonly #url: string
  readonly #job: PullJob.Job
  #request: Http.ClientRequest | undefined
  #kept: Array<Uint8Array> = []
  #keptFrom = 0
  #size = 0
  #isEnded = false
  #isOver = false
  #drained: Listener = () => undefined
  #closed: Listener = () => undefined

  constructor(url: string, job: PullJob.Job) {
    this.#url = url
    this.#job = job
  }

  get isOver(): boolean {
    return this.#isOver
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    const kept = Object.entries(headers).filter(([name]) => !HOP.has(name.toLowerCase()))
    const named = kept.map(([name, value]) => [name.toLowerCase(), String(value)])
    this.headersSent = true
    this.write(PullJob.encodeHead({ status, headers: Object.fromEntries(named) }))
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isOver) return true
    this.#kept.push(chunk)
    this.#size += chunk.byteLength
    for (let first = this.#kept[0]; first !== undefined; first = this.#kept[0]) {
      if (this.#size - this.#keptFrom - first.byteLength < KEPT_BYTES_MAX) break
      this.#keptFrom += first.byteLength
      this.#kept.shift()
    }
    // Until it goes on, no more is made than is kept.
    return this.#request?.write(chunk) ?? false
  }

  end(body?: string): void {
    if (body !== undefined) this.write(new TextEncoder().encode(body))
    this.writableFinished = true
    this.#isEnded = true
    this.#request?.end()
  }

  /** The answer breaks off: the job is handed back. */
  destroy(): void {
    if (this.#isOver || this.#isEnded) return
    this.close()
    call(`${this.#url}${PullJob.jobPath(this.#job.job_id, "return")}`, this.#headers(), () => undefined).end()
  }

  on(event: "drain" | "close" | "error", listener: Listener): unknown {
    if (event === "drain") this.#drained = listener
    if (event === "close") this.#closed = listener
    return this
  }

  /** Nobody wants it any more. */
  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#kept = []
    this.#request?.destroy()
    this.#closed()
  }

  /** Uploads from a byte on, and tells how that ended. A byte that is not kept any more cannot be sent again: `undefined`. */
  upload(from: number): Effect.Effect<Reply | undefined> {
    return Effect.callback((resume) => {
      if (from < this.#keptFrom || from > this.#size) return resume(Effect.undefined)
      const url = `${this.#url}${PullJob.jobPath(this.#job.job_id, "answer")}?offset=${from}`
      const request = call(url, { ...this.#headers(), "content-type": "application/octet-stream" }, (reply) => {
        if (this.#request === request) this.#request = undefined
        resume(Effect.succeed(reply))
      })
      request.on("drain", () => this.#drained())
      request.flushHeaders()
      this.#request = request
      let at = this.#keptFrom
      for (const chunk of this.#kept) {
        if (at + chunk.byteLength > from) request.write(chunk.subarray(Math.max(0, from - at)))
        at += chunk.byteLength
      }
      if (this.#isEnded) request.end()
      else this.#drained()
      return Effect.sync(() => void request.destroy())
    })
  }

  /** Renews the lease, and asks how the job stands. */
  renew(): Effect.Effect<Reply> {
    return Effect.callback((resume) => {
      const url = `${this.#url}${PullJob.jobPath(this.#job.job_id, "renew")}`
      const request = call(url, this.#headers(), (reply) => resume(Effect.succeed(reply)))
      request.end()
      return Effect.sync(() => void request.destroy())
    })
  }

  #headers(): Record<string, string> {
    return { [PullJob.LEASE_HEADER]: this.#job.lease }
  }
}

/** A job's request, which came as a whole. */
export class PullRequest implements Incoming {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly #body: Uint8Array
  #onChunk: (chunk: Uint8Array) => void = () => undefined
  #onDone: Listener = () => undefined

  constructor({ body, headers, method, path }: PullJob.Job) {
    this.method = method
    this.url = path
    this.headers = headers
    this.#body = Buffer.from(body, "base64")
  }

  on(event: "data", listener: (chunk: Uint8Array) => void): unknown
  on(event: "end" | "error", listener: Listener): unknown
  on(event: "data" | "end" | "error", listener: (chunk: Uint8Array) => void): unknown {
    if (event === "data") this.#onChunk = listener
    if (event === "end") this.#onDone = () => listener(this.#body)
    return this
  }

  /** Tells the body, once whoever answers listens. */
  tell(): void {
    if (this.#body.byteLength > 0) this.#onChunk(this.#body)
    this.#onDone()
  }
}
