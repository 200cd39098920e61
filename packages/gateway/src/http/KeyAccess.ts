/**
 * Access to the control lane by the API keys of the registry.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { Role } from "@guildhall/core/Member"
import { Access, ByDevice, Caller, Roles } from "@guildhall/protocol/api/Access"
import { Problem } from "@guildhall/protocol/api/Problem"
import type { Devices } from "@guildhall/registry/Devices"
import { Members } from "@guildhall/registry/Members"
import * as ClientAddress from "../ClientAddress.ts"
import * as KeyGuard from "../KeyGuard.ts"
import * as DeviceAccess from "./internal/DeviceAccess.ts"
import * as Problems from "./internal/Problems.ts"

/**
 * Makes the look at a key: whether its role is one of some, and whether its terms allow it now and from there. An unknown
 * key and a revoked one get the same answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const members = yield* Members
  const addressOf = ClientAddress.make(yield* ClientAddress.TrustedProxies)
  return Effect.fnUntraced(function* (credential: Redacted.Redacted, roles: ReadonlyArray<Role>) {
    if (Redacted.value(credential) === "") {
      return yield* Problem.of("missing_api_key", "Send an API key: `Authorization: Bearer sk-…`.")
    }
    const key = yield* Problems.answer(members.authenticate(credential))
    if (key === undefined) return yield* Problem.of("invalid_api_key")
    if (!roles.includes(key.role)) {
      return yield* Problem.of(
        "insufficient_role",
        `This needs a key of the role ${roles.join(" or ")}, and this one has the role ${key.role}.`,
      )
    }
    const { remoteAddress, headers } = yield* HttpServerRequest.HttpServerRequest
    const barred = KeyGuard.entering(key.terms, {
      atMs: yield* Clock.currentTimeMillis,
      address: addressOf(Option.getOrUndefined(remoteAddress), headers["x-forwarded-for"]),
    })
    if (barred !== undefined) return yield* Problem.of(barred.code, barred.detail)
    const { id: keyId, memberId, role, terms } = key
    return Caller.of({ memberId, keyId, role, terms })
  })
})

/**
 * Looks a request's key up, and asks for the roles that its endpoint is open to; where the endpoint takes it, a device's signature
 * stands for a key.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Access, never, Members | Devices> = Layer.effect(
  Access,
  Effect.gen(function* () {
    const callerOf = yield* make
    const signerOf = yield* DeviceAccess.make
    return Access.of({
      bearer: Effect.fnUntraced(function* (handle, { credential, endpoint, group }) {
        const annotations = Context.merge(group.annotations, endpoint.annotations)
        const request = yield* HttpServerRequest.HttpServerRequest
        const isByDevice = Context.get(annotations, ByDevice) && DeviceAccess.isSigned(request)
        const caller = yield* isByDevice ? signerOf() : callerOf(credential, Context.get(annotations, Roles))
        return yield* Effect.provideService(handle, Caller, caller)
      }),
    })
  }),
)
