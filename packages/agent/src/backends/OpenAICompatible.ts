/**
 * The backend that hands requests to a server which speaks OpenAI's API: Ollama, llama.cpp's server, vLLM, LM Studio or any
 * other. Bytes pass as they are.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { ModelId } from "@guildhall/core/Model"
import { Backend, BackendError, type ServedModel } from "../Backend.ts"
import * as EndpointProbe from "./EndpointProbe.ts"
import * as ServerRelay from "./ServerRelay.ts"

/**
 * Which server. `url` is its base, with or without `/v1`. `model` serves only that one of its models. `contextLength` (tokens) holds
 * where the server does not tell; `concurrency` is how many requests the server takes at a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: string
  readonly name?: string
  readonly model?: string | undefined
  readonly contextLength?: number | undefined
  readonly concurrency?: number
  readonly apiKey?: Redacted.Redacted<string> | undefined
}

const DEFAULT_CONTEXT = 4096
const DEFAULT_CONCURRENCY = 4
const DESCRIBE_MS = 5_000
/** Models that make sounds, for which a market has no endpoint. */
const SPEAKS = /tts/i

const isChat = (model: ModelId): boolean => EndpointProbe.likely(model).includes("chat/completions")

const Length = Schema.optional(Schema.NullOr(Schema.Int))
const Listing = Schema.fromJsonString(
  Schema.Struct({
    data: Schema.Array(
      Schema.Struct({
        id: Schema.String,
        max_model_len: Length,
        context_length: Length,
        meta: Schema.optional(Schema.NullOr(Schema.Struct({ n_ctx: Length, n_ctx_train: Length }))),
      }),
    ),
  }),
)
type Listed = (typeof Listing.Type)["data"][number]

const baseOf = (url: string): string => url.replace(/\/+$/, "").replace(/\/v1$/, "")

const unreachable = (url: string, what: string) =>
  new BackendError({
    reason: "Unreachable",
    detail: `The model server at ${url} ${what}. Start it, or correct --backend.`,
  })

const toServed = (listed: Listed, fallback: number): Option.Option<ServedModel> => {
  const told = listed.max_model_len ?? listed.meta?.n_ctx ?? listed.context_length ?? listed.meta?.n_ctx_train
  return Option.map(Schema.decodeUnknownOption(ModelId)(listed.id), (id) => ({ id, contextLength: told ?? fallback }))
}

/**
 * Asks a server for its models. Unless one is named, those that do not chat are left out. Fails with `Unreachable`.
 *
 * @category getters
 * @since 0.1.0
 */
export const list = Effect.fnUntraced(function* (options: Options) {
  const http = yield* HttpClient.HttpClient
  const url = baseOf(options.url)
  const request = HttpClientRequest.get(`${url}/v1/models`).pipe(
    options.apiKey === undefined ? (same) => same : HttpClientRequest.bearerToken(options.apiKey),
  )
  const response = yield* http.execute(request).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (text) => ({ status: response.status, text }))),
    Effect.timeout(DESCRIBE_MS),
    Effect.mapError(() => unreachable(url, "does not answer")),
  )
  if (response.status >= 400) return yield* unreachable(url, `answers with status ${response.status}`)
  const { data } = yield* Schema.decodeUnknownEffect(Listing)(response.text).pipe(
    Effect.mapError(() => unreachable(url, "does not speak OpenAI's API")),
  )
  return data
    .flatMap((listed) => Option.toArray(toServed(listed, options.contextLength ?? DEFAULT_CONTEXT)))
    .filter(({ id }) => !SPEAKS.test(id) && (id === options.model || isChat(id)))
    .map((model) => ({
      ...model,
      // A shorter context may be asked for, a longer one than the server has may not.
      contextLength: Math.min(model.contextLength, options.contextLength ?? model.contextLength),
    }))
})

/**
 * Makes the backend. Fails with `Unreachable` where the URL is none; whether the server is up is asked by `describe`, each
 * time anew.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const http = yield* HttpClient.HttpClient
  const base = yield* Effect.try({
    try: () => new URL(options.url),
    catch: () => unreachable(options.url, "has no valid address (write it like http://127.0.0.1:11434)"),
  })
  const headers: Readonly<Record<string, string>> =
    options.apiKey === undefined ? {} : { authorization: `Bearer ${Redacted.value(options.apiKey)}` }
  const relay = yield* Effect.acquireRelease(
    Effect.sync(() => ServerRelay.make(base, headers)),
    (made) => Effect.sync(made.close),
  )
  const describe = Effect.gen(function* () {
    const models = yield* list(options)
    const chosen = options.model === undefined ? models : models.filter((model) => model.id === options.model)
    if (chosen.length > 0) return chosen
    const names = models.map((model) => model.id).join(", ")
    return yield* new BackendError({
      reason: "NoModel",
      detail:
        options.model === undefined
          ? `The model server at ${options.url} has no chat model. Load one there first.`
          : `The model server at ${options.url} has no model "${options.model}". It has: ${names === "" ? "none" : names}.`,
    })
  }).pipe(Effect.provideService(HttpClient.HttpClient, http))

  return Backend.of({
    name: options.name ?? `server at ${base.host}`,
    capabilities: { tools: true, concurrency: options.concurrency ?? DEFAULT_CONCURRENCY },
    describe,
    endpoints: (model) =>
      EndpointProbe.find({ url: baseOf(options.url), model, apiKey: options.apiKey }).pipe(
        Effect.provideService(HttpClient.HttpClient, http),
      ),
    dispatch: relay.dispatch,
  })
})

/**
 * The backend as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Backend, BackendError, HttpClient.HttpClient> =>
  Layer.effect(Backend, make(options))
