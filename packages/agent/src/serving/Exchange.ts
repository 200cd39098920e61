/**
 * One request with a ticket, from its first byte to its usage: reads the body, hands it to the backend, passes the answer
 * on with backpressure, and stops the backend where the gateway goes away.
 *
 * @since 0.1.0
 */
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Usage } from "@guildhall/core/Usage"
import type { Dispatch, ProviderSink } from "@guildhall/protocol/ProviderTransport"
import type { UsageLine } from "@guildhall/protocol/provider/UsageLog"
import type { OpenAIError } from "./OpenAIError.ts"
import * as UsageReader from "./UsageReader.ts"

/**
 * A request as an exchange reads it: Node's, or what comes by a tunnel.
 *
 * @category models
 * @since 0.1.0
 */
export interface Incoming {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown
  on(event: "end" | "error", listener: () => void): unknown
}

/**
 * An answer as an exchange writes it: Node's, or what goes by a tunnel.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outgoing {
  readonly headersSent: boolean
  readonly writableFinished: boolean
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown
  write(chunk: Uint8Array): boolean
  end(body?: string): unknown
  destroy(): unknown
  on(event: "drain" | "close" | "error", listener: () => void): unknown
}

/**
 * A request as an engine gets it: `path` is the endpoint's, such as `/v1/embeddings`. A body without `contentType` is JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface EngineRequest {
  readonly path: string
  readonly body: Uint8Array
  readonly contentType?: string | undefined
}

/**
 * What hears an engine's answer. An engine that counts tokens itself tells its count with `onUsage` as it goes; the last one
 * holds, also for an answer that was cancelled. Where it does not, the counts are read from the answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface EngineSink extends ProviderSink {
  readonly onUsage?: (usage: Usage) => void
}

/**
 * What produces the tokens: it answers the requests of an endpoint in that endpoint's shape.
 *
 * @category models
 * @since 0.1.0
 */
export interface Engine {
  readonly dispatch: (request: EngineRequest, sink: EngineSink) => Dispatch
}

/**
 * An exchange under way. `end` stops it: the gateway sees its connection closed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchange {
  readonly end: () => void
}

/**
 * What an exchange needs. `onDone` comes exactly once, never before {@link exchange} has returned.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly backend: Engine
  readonly endpoint: Endpoint
  readonly request: Incoming
  readonly response: Outgoing
  readonly headers: () => Readonly<Record<string, string>>
  readonly refuse: (error: OpenAIError) => void
  readonly onDone: (usage: Usage, outcome: UsageLine["outcome"]) => void
}

/** What a body may hold at most: a long context with pictures. The gateway's own limit is lower. */
const MAX_BODY = 64 * 1024 * 1024

/** Headers of a backend's answer that describe its own connection. */
const HOP = new Set(["connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"])

const passHeaders = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP.has(name)))

const single = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0]

/** What an exchange has come to know. */
interface State {
  isDone: boolean
  dispatch: Dispatch | undefined
  reader: UsageReader.UsageReader | undefined
  /** What a backend that counts by itself has counted. */
  counted: Usage | undefined
}

const finish = (state: State, options: Options, outcome: UsageLine["outcome"]): void => {
  if (state.isDone) return
  state.isDone = true
  options.onDone(state.counted ?? state.reader?.usage() ?? {}, outcome)
}

/** What the backend tells goes to the gateway, and past the reader of usage. */
const sinkOf = (state: State, options: Options, requestBytes: number): EngineSink => {
  const { response } = options
  let status = 0
  return {
    onUsage: (usage) => {
      state.counted = usage
    },
    onStart: (code, headers) => {
      status = code
      const stream = headers["content-type"]?.toLowerCase().startsWith("text/event-stream") ?? false
      state.reader = UsageReader.make({ endpoint: options.endpoint, stream, requestBytes })
      response.writeHead(code, { ...passHeaders(headers), ...options.headers() })
    },
    onData: (chunk) => {
      state.reader?.read(chunk)
      return response.write(chunk)
    },
    onEnd: () => {
      response.end()
      finish(state, options, status < 400 ? "completed" : "failed")
    },
    onError: (error) => {
      if (response.headersSent) response.destroy()
      else options.refuse({ status: 502, code: "provider_error", message: `The backend failed: ${error.detail}` })
      finish(state, options, error.reason === "Cancelled" ? "aborted" : "failed")
    },
  }
}

const joined = (chunks: ReadonlyArray<Uint8Array>, bytes: number): Uint8Array => {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const all = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/** Reads the body and hands it on; one that is too large is refused before it has come. */
const receive = (state: State, options: Options): void => {
  const { backend, request } = options
  const declared = Number(request.headers["content-length"] ?? 0)
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  request.on("data", (chunk: Uint8Array) => {
    if (state.isDone) return
    bytes += chunk.length
    if (Math.max(bytes, declared) <= MAX_BODY) return void chunks.push(chunk)
    options.refuse({ status: 413, code: "body_too_large", message: "The body is larger than a provider takes." })
    return finish(state, options, "failed")
  })
  request.on("end", () => {
    if (state.isDone) return
    const body = joined(chunks, bytes)
    chunks.length = 0
    state.dispatch = backend.dispatch(
      { path: `/v1/${options.endpoint}`, body, contentType: single(request.headers["content-type"]) },
      sinkOf(state, options, body.length),
    )
  })
}

/**
 * Begins an exchange.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exchange = (options: Options): Exchange => {
  const { request, response } = options
  const state: State = { isDone: false, dispatch: undefined, reader: undefined, counted: undefined }
  const stop = (detail: string) => {
    if (state.isDone) return
    state.dispatch?.cancel(detail)
    finish(state, options, "aborted")
  }
  receive(state, options)
  request.on("error", () => stop("the request failed"))
  response.on("drain", () => state.dispatch?.resume())
  response.on("error", () => stop("the response failed"))
  response.on("close", () => {
    if (!response.writableFinished) stop("the gateway went away")
  })
  return {
    end: () => {
      stop("the provider is stopping")
      response.destroy()
    },
  }
}
