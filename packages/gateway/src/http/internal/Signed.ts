/** Requests that a device signed: their exact bytes, whose they are, and what they say. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { Problem } from "@guildhall/protocol/api/Problem"
import { type OptionalSignature, SignatureHeaders } from "@guildhall/protocol/api/ProvidersApi"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import { Devices } from "@guildhall/registry/Devices"
import * as Json from "../../internal/Json.ts"
import * as Problems from "./Problems.ts"

/** A request as a device signed it; the headers' shape is checked already. */
export interface Signed {
  readonly headers: SignatureHeaders
  readonly request: HttpServerRequest.HttpServerRequest
}

const isWhole = Schema.is(Schema.toType(SignatureHeaders))

/** The signature of a request that may have one: undefined where there is none, and refused where a part of it is missing. */
export const of = (headers: OptionalSignature): Effect.Effect<SignatureHeaders | undefined, Problem> => {
  if (isWhole(headers)) return Effect.succeed(headers)
  const missing = Object.values(HEADERS).filter((name) => headers[name] === undefined)
  if (missing.length === Object.values(HEADERS).length) return Effect.undefined
  const detail = `Headers: ${missing.join(", ")}: missing. Send all headers of a signature, or none and an API key.`
  return Effect.fail(Problem.of("invalid_request", detail))
}

/** The exact bytes that the device signed. The guard has read them, within its limits. */
export const bytesOf = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.map(Effect.orDie(request.arrayBuffer), (buffer) => new Uint8Array(buffer))

/** Reads a body as a schema has it. A device's program may be newer than the market, so members without a name here are read past. */
export const decode = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, onExcessProperty?: "error") => {
  const decodeValue = Schema.decodeUnknownResult(schema, {
    errors: "all",
    ...(onExcessProperty && { onExcessProperty }),
  })
  return (body: Uint8Array): Effect.Effect<S["Type"], Problem> => {
    const value = Json.parse(new TextDecoder().decode(body))
    if (value === undefined) return Effect.fail(Problem.of("invalid_json"))
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return Effect.fail(
        Problem.of("invalid_request", "The body is no JSON object. Send one, with its members by name."),
      )
    }
    const decoded = decodeValue(value)
    if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
    const isPrice = Problems.paths(decoded.failure).every((path) => path.includes("_price_per_"))
    return Effect.fail(Problem.of(isPrice ? "invalid_price" : "invalid_request", Problems.sentence(decoded.failure)))
  }
}

/** Answers the device and the exact bytes that it signed, at most so many. */
export const makeAuthenticate = Effect.map(Devices, (devices) =>
  Effect.fnUntraced(function* (path: string, { headers, request }: Signed, bytesMax = Infinity) {
    const body = yield* bytesOf(request)
    if (body.length > bytesMax) {
      return yield* Problem.of("body_too_large", `The body is larger than ${bytesMax} bytes. Send less.`)
    }
    const publicKey = headers[HEADERS.device]
    const id = yield* devices.authenticate({
      method: request.method,
      path,
      publicKey,
      signature: headers[HEADERS.signature],
      issuedAtMs: headers[HEADERS.issuedAt],
      sequence: headers[HEADERS.sequence],
      body,
    })
    return { id, publicKey, body }
  }),
)
