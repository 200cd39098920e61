/**
 * What a provider says to its market: JSON over HTTP, signed by the device; under a provider's API key where the device is paired
 * with nobody.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { DeviceId } from "@guildhall/core/Device"
import { Heartbeat, HeartbeatAnswer } from "@guildhall/protocol/provider/Heartbeat"
import { KeyChange } from "@guildhall/protocol/provider/KeyChange"
import { PairAnswer, PairRequest } from "@guildhall/protocol/provider/PairRequest"
import { Registered, Registration } from "@guildhall/protocol/provider/Registration"
import * as BoundedText from "./BoundedText.ts"
import * as PlainJson from "./PlainJson.ts"

/**
 * A request of the control lane: `path` with its query, `body` the JSON text.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  readonly method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE"
  readonly path: string
  readonly body?: string | undefined
}

/**
 * The client. `sign` signs a request, without a body where none is given, and sends it before any other message is signed.
 * `pair` asks to be paired, or what became of it; the answer of `changeKey` is the fingerprint that the market knows the device
 * by then; `ask` sends anything else that a device may ask, and answers the text of the answer; `tunnels` are the addresses at which the market last said that tunnels are opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface MarketClient<E> {
  readonly url: string
  readonly register: (body: Registration) => Effect.Effect<Registered, E>
  readonly pair: (body: PairRequest) => Effect.Effect<PairAnswer, E>
  readonly changeKey: (id: DeviceId, body: KeyChange) => Effect.Effect<string, E>
  readonly heartbeat: (body: Heartbeat) => Effect.Effect<HeartbeatAnswer, E>
  readonly ask: (question: Question) => Effect.Effect<string, E>
  readonly tunnels: () => ReadonlyArray<string>
  readonly sign: <A, F, R>(
    request: { readonly method: string; readonly path: string; readonly body?: Uint8Array },
    send: (headers: Readonly<Record<string, string>>) => Effect.Effect<A, F, R>,
  ) => Effect.Effect<A, E | F, R>
}

/**
 * Which market, under which key, if any, and who signs. `url` is its base, such as `http://127.0.0.1:8787`. `away` makes the error
 * of a market that cannot be heard, and `refused` that of an answer which says no: status, code and a sentence.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E> {
  readonly url: string
  readonly apiKey: Redacted.Redacted<string> | undefined
  readonly signRequest: (request: {
    readonly method: string
    readonly path: string
    readonly body: Uint8Array
  }) => Effect.Effect<Readonly<Record<string, string>>, E>
  readonly away: (detail: string) => E
  readonly refused: (refusal: { readonly status: number; readonly code: string; readonly detail: string }) => E
}

const TIMEOUT_MS = 10_000
/** An answer is a few keys; nothing longer is read into memory. */
const MAX_ANSWER_BYTES = 1024 * 1024

/** What a market says of a refusal is shown as it came, as far as it is a letter. */
const DETAIL_CHARS_MAX = 2_000

const NO_BODY = new Uint8Array()

const Problem = Schema.fromJsonString(
  Schema.Struct({
    code: Schema.optional(Schema.String),
    detail: Schema.optional(Schema.String),
    title: Schema.optional(Schema.String),
  }),
)

/** Refusals that do not pass while the provider tries again. */
const locks = new Set(["pairing_locked", "too_many_pairings"])

const toRegistration = Schema.encodeSync(Schema.fromJsonString(Registration))
const toPair = Schema.encodeSync(Schema.fromJsonString(PairRequest))
const toKeyChange = Schema.encodeSync(Schema.fromJsonString(KeyChange))
const toHeartbeat = Schema.encodeSync(Schema.fromJsonString(Heartbeat))
const Changed = Schema.fromJsonString(Schema.Struct({ fingerprint: Schema.String }))

/**
 * Makes the client. Messages leave one at a time, so that their sequence numbers arrive rising.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E>(options: Options<E>) {
  const http = yield* HttpClient.HttpClient
  const oneAtATime = yield* Semaphore.make(1)
  const url = options.url.replace(/\/+$/, "")

  const away = (what: string) => options.away(`The market at ${url} ${what}.`)

  const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
    const said = yield* BoundedText.read(response, MAX_ANSWER_BYTES)
    const { status } = response
    if (said === undefined) return yield* Effect.fail(away("answered with more than any market says"))
    // What is signed for one address is signed for no other, and a key goes nowhere else either.
    if (status >= 300 && status < 400) return yield* Effect.fail(away("redirects, which is not followed"))
    const text = PlainJson.of(said)
    if (status < 400) return text
    const problem = Option.getOrElse(Schema.decodeUnknownOption(Problem)(text), () => ({}) as typeof Problem.Type)
    const code = problem.code ?? (status === 404 ? "not_found" : "invalid_request")
    const mayPass = status >= 500 || (status === 429 && !locks.has(code))
    if (mayPass) return yield* Effect.fail(away(`failed with status ${status}`))
    const detail = (problem.detail ?? problem.title ?? "it gave no reason").slice(0, DETAIL_CHARS_MAX)
    return yield* Effect.fail(options.refused({ status, code, detail }))
  })

  const ask = Effect.fnUntraced(function* ({ body: text, method, path }: Question) {
    const body = text === undefined ? NO_BODY : new TextEncoder().encode(text)
    const headers = yield* options.signRequest({ method, path, body })
    const request = HttpClientRequest.make(method)(`${url}${path}`).pipe(
      HttpClientRequest.setHeaders(headers),
      options.apiKey === undefined ? (same) => same : HttpClientRequest.bearerToken(options.apiKey),
      text === undefined ? (same) => same : HttpClientRequest.bodyUint8Array(body, "application/json"),
    )
    return yield* http.execute(request).pipe(
      Effect.flatMap(read),
      Effect.timeout(TIMEOUT_MS),
      Effect.catchTag(["HttpClientError", "TimeoutError"], () => Effect.fail(away("does not answer"))),
    )
  }, oneAtATime.withPermit)

  const post = (path: string, body: string) => ask({ method: "POST", path, body })

  const answer =
    <S extends Schema.Codec<unknown, string>>(schema: S) =>
    (text: string) =>
      Schema.decodeUnknownEffect(schema)(text).pipe(
        Effect.mapError(() => away("answered with something that is not the provider protocol's")),
      )

  let tunnels: ReadonlyArray<string> = []
  const learn = <A extends { readonly tunnels?: ReadonlyArray<string> }>(said: A): A => {
    tunnels = said.tunnels ?? []
    return said
  }
  const made: MarketClient<E> = {
    url,
    register: Effect.fn("MarketClient.register")(function* (body) {
      const text = yield* post("/v1/providers/register", toRegistration(body))
      return learn(yield* answer(Schema.fromJsonString(Registered))(text))
    }),
    pair: Effect.fn("MarketClient.pair")(function* (body) {
      const text = yield* post("/api/devices/pair", toPair(body))
      return yield* answer(Schema.fromJsonString(PairAnswer))(text)
    }),
    changeKey: Effect.fn("MarketClient.changeKey")(function* (id, body) {
      const text = yield* post(`/api/devices/${id}/key`, toKeyChange(body))
      return (yield* answer(Changed)(text)).fingerprint
    }),
    heartbeat: Effect.fn("MarketClient.heartbeat")(function* (body) {
      const text = yield* post("/v1/providers/heartbeat", toHeartbeat(body))
      return learn(yield* answer(Schema.fromJsonString(HeartbeatAnswer))(text))
    }),
    ask,
    tunnels: () => tunnels,
    sign: (request, send) =>
      oneAtATime.withPermit(Effect.flatMap(options.signRequest({ body: NO_BODY, ...request }), send)),
  }
  return made
})
