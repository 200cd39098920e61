/**
 * The guard of the control lane: bodies are read once, within limits, and whatever goes wrong is answered with a problem.
 *
 * @since 0.1.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { unhandled } from "effect/Types"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import { HttpApiSchemaError } from "effect/http-api/HttpApiError"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { BODY_BYTES_MAX, Guard } from "@guildhall/protocol/api/Guard"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as Json from "../internal/Json.ts"
import { Market } from "../Market.ts"
import * as Problems from "./internal/Problems.ts"

const maxBytes = ByteSize.fromInputUnsafe(BODY_BYTES_MAX)
const tooLarge = Problem.of("body_too_large", `The body is larger than ${BODY_BYTES_MAX} bytes. Send less.`)

/** How long a connection whose body came too slowly stays open for the answer. */
const PARTING_MS = 1_000

/** Reads the body, which the request keeps: later readers get the same bytes. */
const read = Effect.fnUntraced(function* (timeoutMs: number) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const type = request.headers["content-type"]
  if (type !== undefined && !/^application\/json\s*(;|$)/i.test(type)) {
    return yield* Problem.of("unsupported_media_type", `The body is "${type.slice(0, 100)}". Send application/json.`)
  }
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) return yield* tooLarge
  // Detached: interrupting a read closes the connection, and the caller would never hear why.
  const reading = yield* request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBytes),
    Effect.mapError((error) =>
      error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
        ? tooLarge
        : Problem.of("invalid_request", "The body broke off. Send it again."),
    ),
    Effect.forkDetach,
  )
  yield* Fiber.join(reading).pipe(
    Effect.timeoutOrElse({
      duration: timeoutMs,
      orElse: () =>
        Effect.andThen(
          Effect.forkDetach(Effect.delay(Fiber.interrupt(reading), PARTING_MS)),
          Effect.fail(Problem.of("body_timeout", `The body did not arrive within ${timeoutMs} ms. Send it faster.`)),
        ),
    }),
  )
})

const ofSchemaError = Effect.fnUntraced(function* (error: HttpApiSchemaError, endpoint: HttpApiEndpoint.Top) {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") {
    yield* Effect.logError(`The answer of ${endpoint.identifier} does not fit its schema.`, error.cause)
    return Problem.of("internal_error")
  }
  if (error.kind === "Payload") {
    const request = yield* HttpServerRequest.HttpServerRequest
    const text = yield* Effect.orElseSucceed(request.text, () => "")
    if (Json.parse(text) === undefined) return Problem.of("invalid_json")
  }
  if (error.kind === "Params") {
    return Problem.of("not_found", `There is nothing at this address. ${Problems.sentence(error.cause)}.`)
  }
  return Problem.of("invalid_request", `${error.kind}: ${Problems.sentence(error.cause)}`)
})

/** A problem as an answer, with the headers that go with it. */
const respond = Effect.fnUntraced(function* (problem: Problem) {
  const response = yield* HttpServerRespondable.toResponse(problem)
  return HttpServerResponse.setHeaders(response, {
    ...(problem.status === 401 ? { "www-authenticate": 'Bearer realm="guildhall"' } : {}),
    ...(problem.isRetryable ? { "retry-after": "1" } : {}),
    // What is left of the body would have to be read before the connection could serve another request.
    ...(problem.status === 413 || problem.status === 408 ? { connection: "close" } : {}),
  })
})

/**
 * The guard. A body takes at most the definition's `limits.requestBodyMs`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Guard, never, Market> = Layer.effect(
  Guard,
  Effect.gen(function* () {
    const { definition } = yield* Market
    const guarded = <R>(
      handle: Effect.Effect<HttpServerResponse.HttpServerResponse, unhandled, R>,
      endpoint: HttpApiEndpoint.Top,
    ) =>
      (endpoint.payload.size > 0 ? read(definition.limits.requestBodyMs) : Effect.void).pipe(
        Effect.andThen(handle),
        Effect.catch((error: unknown) => {
          if (error instanceof Problem) return respond(error)
          if (HttpApiSchemaError.is(error)) return Effect.flatMap(ofSchemaError(error, endpoint), respond)
          return Effect.die(error)
        }),
        Effect.catchDefect((defect) =>
          Effect.andThen(
            Effect.logError(`${endpoint.identifier} failed inside the gateway.`, defect),
            respond(Problem.of("internal_error", "Something failed inside the market. Try again.")),
          ),
        ),
      )
    return Guard.of((handle, { endpoint }) => guarded(handle, endpoint))
  }),
)
