/** Access to the control lane by a device's signature, where an endpoint takes one in place of an API key. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { NONE } from "@guildhall/core/KeyTerms"
import { KeyId } from "@guildhall/core/Member"
import { Caller } from "@guildhall/protocol/api/Access"
import { Problem } from "@guildhall/protocol/api/Problem"
import { SignatureHeaders } from "@guildhall/protocol/api/ProvidersApi"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import { Devices } from "@guildhall/registry/Devices"
import * as Problems from "./Problems.ts"
import * as Signed from "./Signed.ts"

const decodeHeaders = Schema.decodeUnknownEffect(SignatureHeaders)

/** What a device says to this API is small. */
const BODY_BYTES_MAX = 65_536

/** What was signed begins with `/v1/`, whatever the API is mounted under; the query is a part of it. */
const signedPath = (url: string): string => {
  const at = url.indexOf("/v1/")
  return at === -1 ? url : url.slice(at)
}

/** Whether a request has a signature and no API key. */
export const isSigned = ({ headers }: HttpServerRequest.HttpServerRequest): boolean =>
  headers["authorization"] === undefined && headers[HEADERS.signature] !== undefined

/** Makes the look at a signature: whose device it is. One that is nobody's yet may do nothing here. */
export const make = Effect.gen(function* () {
  const devices = yield* Devices
  const authenticate = yield* Signed.makeAuthenticate
  return Effect.fnUntraced(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const headers = yield* Effect.mapError(decodeHeaders(request.headers), () =>
      Problem.of("invalid_signature", "The headers of the signature cannot be read. Send all four, as an agent does."),
    )
    const { id } = yield* Problems.answer(
      authenticate(signedPath(request.originalUrl), { headers, request }, BODY_BYTES_MAX),
    )
    const device = Option.fromUndefinedOr(yield* Problems.answer(devices.find(id)))
    if (Option.isNone(device)) {
      return yield* Problem.of(
        "device_not_paired",
        "Pair it with `guildhall-agent pair <code>`, or send a provider's API key: `Authorization: Bearer sk-…`.",
      )
    }
    return Caller.of({
      memberId: device.value.memberId,
      // A key's id has this form, and the id of a device cannot be that of a key.
      keyId: KeyId.make(`key_${id}`),
      role: "provider",
      terms: NONE,
      deviceId: id,
    })
  })
})
