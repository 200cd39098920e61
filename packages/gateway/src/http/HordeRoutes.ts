/**
 * The published protocol of AI Horde's workers, under the paths that they call: an existing worker joins by changing its URL, with
 * a provider's API key in the header `apikey`.
 *
 * @since 0.1.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { ImagePop, Submit, TextPop } from "@guildhall/protocol/provider/HordeWorker"
import { Horde, HordeRefusal, PICTURE_BYTES_MAX } from "../Horde.ts"
import * as Json from "../internal/Json.ts"
import * as Problems from "./internal/Problems.ts"
import * as KeyAccess from "./KeyAccess.ts"

const POP_BYTES_MAX = 256 * 1024
const TEXT_BYTES_MAX = 8 * 1024 * 1024
/** A picture in base64. */
const IMAGE_BYTES_MAX = Math.ceil(PICTURE_BYTES_MAX * 1.4) + 64 * 1024
const BODY_MS = 60_000

const bad = (message: string) => new HordeRefusal({ status: 400, rc: "BadRequest", message })

const answer = (body: object, status = 200) => HttpServerResponse.jsonUnsafe(body, { status })

/** The body's bytes, where they come in time and are not too many. */
const bytesOf = Effect.fnUntraced(function* (most: number) {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (Number(request.headers["content-length"] ?? 0) > most) {
    return yield* new HordeRefusal({ status: 413, rc: "BadRequest", message: `The body is larger than ${most} bytes.` })
  }
  const buffer = yield* request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(most)),
    Effect.timeout(BODY_MS),
    Effect.mapError(() => bad("The body broke off, came too slowly, or is too large.")),
  )
  return new Uint8Array(buffer)
})

/** Reads a body as Horde's own server does: members of the wrong kind are named. */
const bodyOf = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, most: number) => {
  const decode = Schema.decodeUnknownResult(schema, { errors: "all" })
  return Effect.flatMap(bytesOf(most), (bytes): Effect.Effect<S["Type"], HordeRefusal> => {
    const decoded = decode(Json.parse(new TextDecoder().decode(bytes)))
    if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
    return Effect.fail(bad(`Input payload validation failed: ${Problems.sentence(decoded.failure)}`))
  })
}

/** Of which member the key is, and what is wrong with it in Horde's words. */
const makeMember = Effect.map(KeyAccess.make, (callerOf) =>
  Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const { memberId } = yield* callerOf(Redacted.make(headers["apikey"] ?? ""), ["provider"])
    return memberId
  }).pipe(
    Effect.mapError(({ detail: message, status }) => {
      if (status === 401) return new HordeRefusal({ status, rc: "InvalidAPIKey", message })
      if (status === 403) return new HordeRefusal({ status, rc: "Forbidden", message })
      return new HordeRefusal({ status: 503, rc: "Maintenance", message })
    }),
  ),
)

/** Under which address the worker came; behind a proxy that ends TLS, as that proxy says. It is told to this worker alone. */
const originOf = ({ headers }: HttpServerRequest.HttpServerRequest): string =>
  `${headers["x-forwarded-proto"] === "https" ? "https" : "http"}://${headers["host"] ?? "localhost"}`

const told = <R>(handled: Effect.Effect<HttpServerResponse.HttpServerResponse, HordeRefusal, R>) =>
  handled.pipe(
    Effect.catch(({ message, rc, status }) => Effect.succeed(answer({ message, rc }, status))),
    Effect.catchDefect((defect) =>
      Effect.as(
        Effect.logError("A worker's request failed inside the gateway.", defect),
        answer({ message: "Something failed inside the market. Try again.", rc: "Maintenance" }, 503),
      ),
    ),
  )

/**
 * The routes: `pop` and `submit` for text and images, `upload` for pictures, and what a worker asks when it starts, `find_user` and
 * `status/heartbeat`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const horde = yield* Horde
    const member = yield* makeMember

    const popText = Effect.gen(function* () {
      const memberId = yield* member
      return answer(yield* horde.popText(memberId, yield* bodyOf(TextPop, POP_BYTES_MAX)))
    })
    const popImage = Effect.gen(function* () {
      const memberId = yield* member
      const origin = originOf(yield* HttpServerRequest.HttpServerRequest)
      return answer(yield* horde.popImage(memberId, yield* bodyOf(ImagePop, POP_BYTES_MAX), origin))
    })
    const submit = (kind: "text" | "image", most: number) =>
      Effect.gen(function* () {
        const memberId = yield* member
        const reward = yield* horde.submit(memberId, kind, yield* bodyOf(Submit, most))
        return answer({ reward })
      })
    const upload = Effect.gen(function* () {
      const { id = "", secret = "" } = yield* HttpRouter.params
      yield* horde.put(id, secret, yield* bytesOf(PICTURE_BYTES_MAX))
      return HttpServerResponse.empty({ status: 200 })
    })
    const findUser = Effect.map(member, (memberId) =>
      answer({ username: `${memberId}#0`, id: 0, kudos: 0, concurrency: 0, trusted: false, pseudonymous: true }),
    )
    const heartbeat = Effect.sync(() => answer({ message: "OK", version: "guildhall" }))

    yield* router.add("POST", "/api/v2/generate/text/pop", told(popText))
    yield* router.add("POST", "/api/v2/generate/text/submit", told(submit("text", TEXT_BYTES_MAX)))
    yield* router.add("POST", "/api/v2/generate/pop", told(popImage))
    yield* router.add("POST", "/api/v2/generate/submit", told(submit("image", IMAGE_BYTES_MAX)))
    yield* router.add("PUT", "/api/v2/generate/upload/:id/:secret", told(upload))
    yield* router.add("GET", "/api/v2/find_user", told(findUser))
    yield* router.add("GET", "/api/v2/status/heartbeat", heartbeat)
  }),
)
