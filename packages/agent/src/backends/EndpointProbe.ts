/**
 * Finds out which endpoints a model server answers, without making it work: it is sent a request that no endpoint can
 * serve, and one that is not there says so.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { Endpoint } from "@guildhall/core/Endpoint"
import type { ModelId } from "@guildhall/core/Model"

/**
 * Which server, and of which of its models. `url` is its base without `/v1`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: string
  readonly model: ModelId
  readonly apiKey?: Redacted.Redacted<string> | undefined
}

const PROBE_MS = 5_000
/** Servers that answer what they do not know with 200 say so in words. */
const UNKNOWN = /unexpected endpoint|unknown endpoint|not found/i

const Refusal = Schema.fromJsonString(Schema.Struct({ error: Schema.Unknown }))
const decodeRefusal = Schema.decodeUnknownOption(Refusal)

/** Every member that an endpoint needs has a type that none takes, so nothing is generated and no model is loaded. */
const impossible = (model: ModelId): string =>
  JSON.stringify({ model, messages: 0, prompt: 0, input: 0, query: 0, documents: 0, max_tokens: "none" })

/**
 * Whether this answer to the impossible request is an endpoint's, and not a server's that has none there.
 *
 * @category rules
 * @since 0.1.0
 */
export const isThere = (status: number, text: string): boolean => {
  if (status === 404 || status === 405 || status === 501) return false
  // A gateway in front of a server that is down knows nothing of the endpoint.
  if (status === 502 || status === 503 || status === 504) return false
  if (status !== 200) return true
  return Option.match(decodeRefusal(text), {
    onNone: () => true,
    onSome: ({ error }) => !UNKNOWN.test(typeof error === "string" ? error : JSON.stringify(error)),
  })
}

const MODEL_KINDS: ReadonlyArray<readonly [RegExp, ReadonlyArray<Endpoint>]> = [
  [/rerank/i, ["rerank"]],
  [/embed|\bbge\b|\bgte\b|\be5\b|minilm/i, ["embeddings"]],
  [/whisper|transcribe|parakeet|canary/i, ["audio/transcriptions"]],
  [/flux|stable-?diffusion|sdxl|dall-?e|gpt-image/i, ["images/generations"]],
]
const GENERATES: ReadonlyArray<Endpoint> = ["chat/completions", "completions", "responses", "messages"]

/**
 * What a model of this name is for. A server has one set of endpoints for all of its models, so that an answer of
 * `/v1/embeddings` does not say that this model embeds.
 *
 * @category rules
 * @since 0.1.0
 */
export const likely = (model: ModelId): ReadonlyArray<Endpoint> =>
  MODEL_KINDS.find(([name]) => name.test(model))?.[1] ?? GENERATES

/**
 * Asks every endpoint at the same time, and gives those that are there. Takes five seconds at most and never fails: one
 * that does not answer counts as absent.
 *
 * @category getters
 * @since 0.1.0
 */
export const find = Effect.fn("EndpointProbe.find")(function* (options: Options) {
  const http = yield* HttpClient.HttpClient
  const body = new TextEncoder().encode(impossible(options.model))
  const found = yield* Effect.forEach(
    Endpoint.literals,
    (endpoint) =>
      http
        .execute(
          HttpClientRequest.post(`${options.url}/v1/${endpoint}`).pipe(
            options.apiKey === undefined ? (same) => same : HttpClientRequest.bearerToken(options.apiKey),
            HttpClientRequest.bodyUint8Array(body, "application/json"),
          ),
        )
        .pipe(
          Effect.flatMap((response) => Effect.map(response.text, (text) => isThere(response.status, text))),
          Effect.timeout(PROBE_MS),
          Effect.orElseSucceed(() => false),
          Effect.map((answers): ReadonlyArray<Endpoint> => (answers ? [endpoint] : [])),
        ),
    { concurrency: 4 },
  )
  return found.flat()
})
