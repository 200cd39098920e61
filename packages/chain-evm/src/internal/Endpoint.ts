/** One endpoint: asks it one thing, and says what is wrong with the answer. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { Fault } from "../RpcError.ts"

export interface Settings {
  readonly name: string
  readonly url: Redacted.Redacted<string>
  readonly token?: Redacted.Redacted<string> | undefined
  readonly timeoutMs: number
  readonly maxAnswerBytes: number
}

/** The endpoint is at fault: another one is asked. */
export interface Faulty {
  readonly _tag: "Faulty"
  readonly fault: Fault
  readonly detail: string
}

/** The node refuses: another one would too. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly code: number
  readonly detail: string
  readonly data: string | null
}

export const faulty = (fault: Fault, detail: string): Faulty => ({ _tag: "Faulty", fault, detail })

const Answer = Schema.Union([
  Schema.Struct({
    error: Schema.Struct({ code: Schema.Finite, message: Schema.String, data: Schema.optional(Schema.Unknown) }),
  }),
  Schema.Struct({ id: Schema.Literal(1), result: Schema.Unknown }),
])

const decodeAnswer = Schema.decodeUnknownResult(Schema.fromJsonString(Answer))

/** What a node says is shown to people, and it may say anything. */
const quoted = (text: string): string => text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 300)

/** Where a revert's bytes are: nodes wrap them in different ways. */
const bytesOf = (data: unknown): string | null => {
  if (typeof data === "string" && /^0x(?:[0-9a-f]{2})*$/i.test(data)) return data.toLowerCase()
  if (typeof data === "object" && data !== null && "data" in data) return bytesOf(data.data)
  return null
}

/**
 * A code that speaks of the endpoint and not of what was asked: no such method here, its own failure, a limit, a block that
 * it does not have yet. Another endpoint may answer.
 */
const faultOf = (code: number, message: string): Fault | undefined => {
  if (code === -32005 || code === 429 || /rate limit|too many requests|exceeded.*limit/i.test(message)) return "limited"
  if (/header not found|unknown block|block not found|missing trie node|BlockOutOfRange/i.test(message))
    return "lagging"
  return code === -32603 || code === -32601 || code === -32004 ? "failing" : undefined
}

const read = (response: HttpClientResponse.HttpClientResponse, maxBytes: number) =>
  Effect.suspend(() => {
    let bytes = 0
    return response.stream.pipe(
      Stream.mapError(() => faulty("cut", `it ended after ${bytes} bytes.`)),
      Stream.mapEffect((chunk) => {
        bytes += chunk.byteLength
        return bytes > maxBytes
          ? Effect.fail(faulty("too_large", `it is longer than ${maxBytes} bytes.`))
          : Effect.succeed(chunk)
      }),
      Stream.decodeText,
      Stream.mkString,
    )
  })

const understand = (text: string): Effect.Effect<unknown, Faulty | Refusal> => {
  const decoded = decodeAnswer(text)
  if (Result.isFailure(decoded)) {
    // A body that ends in the middle is JSON cut short; one that does not is something else.
    const isCut = /^\s*[{[]/.test(text) && !/[}\]]\s*$/.test(text)
    return Effect.fail(
      isCut ? faulty("cut", `it ended after ${text.length} characters.`) : faulty("malformed", "it is no JSON-RPC."),
    )
  }
  if (!("error" in decoded.success)) return Effect.succeed(decoded.success.result)
  const { code, data: said, message } = decoded.success.error
  const data = bytesOf(said)
  // What reverted gives its bytes: that is the contract's word, whatever code it comes under.
  const fault = data === null && code !== 3 ? faultOf(code, message) : undefined
  return Effect.fail(
    fault === undefined
      ? { _tag: "Refusal", code: Math.trunc(code), detail: quoted(message), data }
      : faulty(fault, quoted(message)),
  )
}

export type Ask = (method: string, params: ReadonlyArray<unknown>) => Effect.Effect<unknown, Faulty | Refusal>

export const make = (client: HttpClient.HttpClient, settings: Settings): Ask => {
  const { maxAnswerBytes, timeoutMs, token, url } = settings
  const once = Effect.fnUntraced(function* (method: string, params: ReadonlyArray<unknown>) {
    const request = HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(Redacted.value(url)), {
      jsonrpc: "2.0",
      id: 1,
      method,
      params,
    })
    const authorized = token === undefined ? request : HttpClientRequest.bearerToken(request, token)
    const response = yield* Effect.mapError(client.execute(authorized), () => faulty("unreachable", "no connection."))
    if (response.status === 429) return yield* Effect.fail(faulty("limited", "it answered 429."))
    const text = yield* read(response, maxAnswerBytes)
    // Some nodes answer a refusal with an error status and a JSON-RPC body.
    if (response.status !== 200 && !text.startsWith("{")) {
      return yield* Effect.fail(faulty("failing", `it answered ${response.status}.`))
    }
    return yield* understand(text)
  })
  return (method, params) =>
    once(method, params).pipe(
      Effect.timeoutOrElse({
        duration: timeoutMs,
        orElse: () => Effect.fail(faulty("timeout", `no answer in ${timeoutMs} ms.`)),
      }),
      // The address has the operator's key in it: spans do not get it.
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
    )
}
