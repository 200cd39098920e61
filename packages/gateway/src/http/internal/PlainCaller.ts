/** The provider behind a request that no device signed: it sends an API key. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as KeyAccess from "../KeyAccess.ts"

const BEARER = /^Bearer +(.*)$/i

/** The key of a request, as it stands in its header. */
export const keyOf = (authorization: string): Redacted.Redacted =>
  Redacted.make(BEARER.exec(authorization)?.[1]?.trim() ?? "")

/** Makes the look at a request's key. */
export const make = Effect.map(KeyAccess.make, (callerOf) =>
  Effect.fnUntraced(function* ({ headers }: HttpServerRequest.HttpServerRequest) {
    const { authorization } = headers
    if (authorization !== undefined) return yield* callerOf(keyOf(authorization), ["provider"])
    return yield* Problem.of(
      "missing_api_key",
      "Send a provider's API key: `Authorization: Bearer sk-…`. A device that is paired signs instead, as `guildhall-agent` does.",
    )
  }),
)
