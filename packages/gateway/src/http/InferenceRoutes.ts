/**
 * Mounts the inference lane on an Effect `HttpRouter`: its endpoints and the list of models.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Endpoint } from "@guildhall/core/Endpoint"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import * as ErrorBody from "@guildhall/protocol/openai/ErrorBody"
import * as ModelList from "@guildhall/protocol/openai/ModelList"
import * as ProviderControls from "@guildhall/protocol/openai/ProviderControls"
import { Router } from "@guildhall/routing/Router"
import * as InferenceEndpoint from "../InferenceEndpoint.ts"
import { InferenceLane } from "../InferenceLane.ts"
import { Market } from "../Market.ts"
import * as Models from "../Models.ts"

const encodeList = Schema.encodeSync(Schema.fromJsonString(ModelList.ModelListJson))
const encodeModel = Schema.encodeSync(Schema.fromJsonString(ModelList.ModelJson))

const json = (body: string, status: number) =>
  HttpServerResponse.text(body, { status, contentType: "application/json" })

/** Effect's server writes an answer of its own where it finds none that has ended. */
const ended = (response: ServerResponse): Effect.Effect<void> =>
  response.writableEnded || response.destroyed
    ? Effect.void
    : Effect.callback((resume) => void response.once("close", () => resume(Effect.void)))

/** Another method than the one that an endpoint has, told as its clients read errors. */
const notAllowed = (endpoint: Endpoint) => {
  const { errors } = InferenceEndpoint.of(endpoint)
  return (method: string) =>
    HttpServerResponse.text(
      errors.errorBody("method_not_allowed", { message: `/v1/${endpoint} takes POST, and not ${method}.` }),
      { status: 405, contentType: "application/json", headers: { allow: "POST" } },
    )
}

const endpoints = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const lane = yield* InferenceLane
    for (const endpoint of Endpoint.literals) {
      const handle = lane.handle(endpoint)
      const refusal = notAllowed(endpoint)
      yield* router.add(
        "*",
        `/v1/${endpoint}`,
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
          if (request.method !== "POST") return Effect.succeed(refusal(request.method))
          // The lane speaks HTTP/1.1 over Node's own objects; the server that it is mounted on is one of those.
          const incoming = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
          const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
          return handle(incoming, response).pipe(
            Effect.andThen(Effect.suspend(() => ended(response))),
            Effect.as(HttpServerResponse.empty()),
          )
        }),
      )
    }
  }),
)

const noModel = json(JSON.stringify(ErrorBody.make("model_not_found", { param: "model" })), 404)

const MODELS = "/v1/models/"

const isUnescapable = (path: string): boolean => Result.isFailure(Result.try(() => decodeURIComponent(path)))

/** A router has no route for a path that cannot be unescaped; no model has such a name. */
const badEscapes = HttpRouter.middleware(
  (handled) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
      const [path = ""] = url.split("?", 1)
      return method === "GET" && path.startsWith(MODELS) && isUnescapable(path) ? Effect.succeed(noModel) : handled
    }),
  { global: true },
)

const models = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const { definition } = yield* Market
    const router = yield* Router
    const createdS = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const options = { asset: chargeAssetOf(definition), createdS, owner: definition.name }
    yield* http.add(
      "GET",
      "/v1/models",
      Effect.sync(() => json(encodeList(Models.list(router.instances(), options)), 200)),
    )
    const one = Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
      // Whatever a request may name: an ending only says how the model's instances are sorted.
      const named = ProviderControls.withoutEnding(Models.nameIn(request.url))
      const id = definition.aliases[named] ?? named
      const model = Models.list(router.instances(), options).data.find((model) => model.id === id)
      return model === undefined ? noModel : json(encodeModel(model), 200)
    })
    // Most ids are `org/name`, which clients send escaped and people do not.
    yield* http.add("GET", "/v1/models/:id", one)
    yield* http.add("GET", "/v1/models/:org/:name", one)
  }),
)

/**
 * The routes of the inference lane: `POST /v1/chat/completions`, `GET /v1/models`, `GET /v1/models/{id}`. The list is
 * public: what is offered at which price is no secret of a market.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, InferenceLane | Market | Router | HttpRouter.HttpRouter> = Layer.mergeAll(
  endpoints,
  models,
  badEscapes,
)
