/**
 * One request with a ticket, from its first byte to its usage: reads the body, hands it to the backend, passes the answer
 * on with backpressure, and stops the backend where the gateway goes away.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Usage } from "@guildhall/core/Usage"
import type { Dispatch } from "@guildhall/protocol/ProviderTransport"
import type { UsageLine } from "@guildhall/protocol/provider/UsageLog"
import type { Backend } from "./Backend.ts"
import type { OpenAIError } from "./OpenAIError.ts"
import * as UsageReader from "./UsageReader.ts"

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
  readonly backend: Backend["Service"]
  readonly request: IncomingMessage
  readonly response: ServerResponse
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

/**
 * Begins an exchange.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exchange = (options: Options): Exchange => {
  const { backend, request, response } = options
  const chunks: Array<Uint8Array> = []
  let bodyBytes = 0
  let dispatch: Dispatch | undefined
  let reader: UsageReader.UsageReader | undefined
  let counted: Usage | undefined
  let done = false

  const finish = (outcome: UsageLine["outcome"]) => {
    if (done) return
    done = true
    options.onDone(counted ?? reader?.usage() ?? {}, outcome)
  }

  const serve = () => {
    const body = Buffer.concat(chunks)
    chunks.length = 0
    let status = 0
    dispatch = backend.dispatch(
      { path: "/v1/chat/completions", body },
      {
        onUsage: (usage) => {
          counted = usage
        },
        onStart: (code, headers) => {
          status = code
          const stream = headers["content-type"]?.startsWith("text/event-stream") ?? false
          reader = UsageReader.make({ stream, requestBytes: body.length })
          response.writeHead(code, { ...passHeaders(headers), ...options.headers() })
        },
        onData: (chunk) => {
          reader?.read(chunk)
          return response.write(chunk)
        },
        onEnd: () => {
          response.end()
          finish(status < 400 ? "completed" : "failed")
        },
        onError: (error) => {
          if (response.headersSent) response.destroy()
          else options.refuse({ status: 502, code: "provider_error", message: `The backend failed: ${error.detail}` })
          finish(error.reason === "Cancelled" ? "aborted" : "failed")
        },
      },
    )
  }

  const stop = (detail: string) => {
    if (done) return
    // A backend tells its last count before it returns from `cancel`.
    dispatch?.cancel(detail)
    finish("aborted")
  }

  request.on("data", (chunk: Uint8Array) => {
    bodyBytes += chunk.length
    if (bodyBytes > MAX_BODY || Number(request.headers["content-length"] ?? 0) > MAX_BODY) {
      if (!done)
        options.refuse({ status: 413, code: "body_too_large", message: "The body is larger than a provider takes." })
      finish("failed")
    } else chunks.push(chunk)
  })
  request.on("end", () => {
    if (!done) serve()
  })
  request.on("error", () => stop("the request failed"))
  response.on("drain", () => dispatch?.resume())
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
