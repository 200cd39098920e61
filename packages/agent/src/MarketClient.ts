/**
 * What the agent says to its market: JSON over HTTP, signed by the device; under a provider's API key where the device is paired
 * with nobody.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Heartbeat, HeartbeatAnswer } from "@guildhall/protocol/provider/Heartbeat"
import type { DeviceId } from "@guildhall/core/Device"
import { KeyChange } from "@guildhall/protocol/provider/KeyChange"
import { PairAnswer, PairRequest } from "@guildhall/protocol/provider/PairRequest"
import { Registered, Registration } from "@guildhall/protocol/provider/Registration"
import { AgentError } from "./AgentError.ts"
import { DeviceKey } from "./DeviceKey.ts"

/**
 * The client. All fail with `MarketAway` (worth another try) or `MarketRefused` (with the market's code).
 *
 * @category services
 * @since 0.1.0
 */
export class MarketClient extends Context.Service<
  MarketClient,
  {
    readonly url: string
    readonly register: (body: Registration) => Effect.Effect<Registered, AgentError>
    /** Asks to be paired, or what became of it. */
    readonly pair: (body: PairRequest) => Effect.Effect<PairAnswer, AgentError>
    /** Gives the device another key. The answer is the fingerprint that the market knows it by then. */
    readonly changeKey: (id: DeviceId, body: KeyChange) => Effect.Effect<string, AgentError>
    readonly heartbeat: (body: Heartbeat) => Effect.Effect<HeartbeatAnswer, AgentError>
    /** The addresses at which the market last said that tunnels are opened. */
    readonly tunnels: () => ReadonlyArray<string>
    /** Signs a request, without a body where none is given, and sends it before any other message is signed. */
    readonly sign: <A, E, R>(
      request: { readonly method: string; readonly path: string; readonly body?: Uint8Array },
      send: (headers: Readonly<Record<string, string>>) => Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, E | AgentError, R>
  }
>()("@guildhall/agent/MarketClient") {}

/**
 * Which market, and under which key, if any. `url` is its base, such as `http://127.0.0.1:8787`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: string
  readonly apiKey: Redacted.Redacted<string> | undefined
}

const TIMEOUT_MS = 10_000
/** An answer is a few keys; nothing longer is read into memory. */
const MAX_ANSWER_BYTES = 1024 * 1024

const NO_BODY = new Uint8Array()

const Problem = Schema.fromJsonString(
  Schema.Struct({
    code: Schema.optional(Schema.String),
    detail: Schema.optional(Schema.String),
    title: Schema.optional(Schema.String),
  }),
)

const away = (url: string, what: string) =>
  new AgentError({
    reason: "MarketAway",
    detail: `The market at ${url} ${what}. The agent keeps trying; check the address if this lasts.`,
  })

/** What to do about a refusal, where the agent's side can do something. */
const advice: Readonly<Record<string, string>> = {
  invalid_api_key: "Check --key (GUILDHALL_PROVIDER_KEY): it must be a provider's key of this market.",
  missing_api_key: "Pass a provider's key with --key or GUILDHALL_PROVIDER_KEY.",
  insufficient_role: "Pass a provider's key: this one is of another role.",
  stale_message: "Set this machine's clock: it differs from the market's by more than a minute.",
  device_not_paired: "Or pass a provider's key with --key or GUILDHALL_PROVIDER_KEY.",
  device_revoked: "Delete device-key.json in the agent's home to join as a new device, if the market allows it.",
  provider_name_taken: "Give a name of your own with --provider, or none.",
  too_many_instances: "Take off the market what is not served any more, or ask the operator for more.",
  invalid_price: "Give prices in whole cents for a million tokens with --input-price and --output-price.",
  invalid_endpoint: "Give the address under which the market reaches this agent with --public-url.",
}

/** Refusals that do not pass while the agent tries again. */
const locks = new Set(["pairing_locked", "too_many_pairings"])

const refused = (status: number, text: string) => {
  const problem = Option.getOrElse(Schema.decodeUnknownOption(Problem)(text), () => ({}) as typeof Problem.Type)
  const code = problem.code ?? (status === 404 ? "not_found" : "invalid_request")
  const detail = `The market refused (${status} ${code}): ${problem.detail ?? problem.title ?? "it gave no reason"}`
  const what = advice[code]
  return new AgentError({
    reason: "MarketRefused",
    detail: what === undefined ? detail : `${detail} ${what}`,
    code,
    status,
  })
}

/**
 * Makes the client. Messages leave one at a time, so that their sequence numbers arrive rising.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const key = yield* DeviceKey
  const http = yield* HttpClient.HttpClient
  const oneAtATime = yield* Semaphore.make(1)
  const url = options.url.replace(/\/+$/, "")

  const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
    const declared = Number(response.headers["content-length"] ?? 0)
    const text = declared > MAX_ANSWER_BYTES ? "" : yield* response.text
    if (response.status < 400) return text
    const refusal = refused(response.status, text)
    const mayPass = response.status >= 500 || (response.status === 429 && !locks.has(refusal.code ?? ""))
    return yield* mayPass ? away(url, `failed with status ${response.status}`) : refusal
  })

  const post = Effect.fnUntraced(function* (path: string, text: string) {
    const body = new TextEncoder().encode(text)
    const headers = yield* key.signRequest({ method: "POST", path, body })
    const request = HttpClientRequest.post(`${url}${path}`).pipe(
      HttpClientRequest.setHeaders(headers),
      options.apiKey === undefined ? (same) => same : HttpClientRequest.bearerToken(options.apiKey),
      HttpClientRequest.bodyUint8Array(body, "application/json"),
    )
    return yield* http.execute(request).pipe(
      Effect.flatMap(read),
      Effect.timeout(TIMEOUT_MS),
      Effect.catchTag(["HttpClientError", "TimeoutError"], () => Effect.fail(away(url, "does not answer"))),
    )
  }, oneAtATime.withPermit)

  const answer =
    <S extends Schema.Codec<unknown, string>>(schema: S) =>
    (text: string) =>
      Schema.decodeUnknownEffect(schema)(text).pipe(
        Effect.mapError(() => away(url, "answered with something that is not the provider protocol's")),
      )

  const toRegistration = Schema.encodeSync(Schema.fromJsonString(Registration))
  const toPair = Schema.encodeSync(Schema.fromJsonString(PairRequest))
  const toKeyChange = Schema.encodeSync(Schema.fromJsonString(KeyChange))
  const Changed = Schema.fromJsonString(Schema.Struct({ fingerprint: Schema.String }))
  const toHeartbeat = Schema.encodeSync(Schema.fromJsonString(Heartbeat))
  let tunnels: ReadonlyArray<string> = []
  const learn = <A extends { readonly tunnels?: ReadonlyArray<string> }>(said: A): A => {
    tunnels = said.tunnels ?? []
    return said
  }
  return MarketClient.of({
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
    tunnels: () => tunnels,
    sign: (request, send) =>
      oneAtATime.withPermit(Effect.flatMap(key.signRequest({ body: NO_BODY, ...request }), send)),
  })
})

/**
 * The client as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<MarketClient, never, DeviceKey | HttpClient.HttpClient> =>
  Layer.effect(MarketClient, make(options))
