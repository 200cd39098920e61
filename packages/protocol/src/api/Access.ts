/**
 * Who calls: an API key as a bearer token, and which roles an endpoint is open to.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { DeviceId } from "@guildhall/core/Device"
import type { KeyTerms } from "@guildhall/core/KeyTerms"
import { type KeyId, type MemberId, Role } from "@guildhall/core/Member"
import { errors } from "./Problem.ts"

/**
 * The member behind a request, and the key that it used, with its terms. `deviceId` is there where no key was used, and one of
 * the member's devices signed the request (see {@link ByDevice}): then it is about that device alone, and `keyId` is the
 * device's.
 *
 * @category services
 * @since 0.1.0
 */
export class Caller extends Context.Service<
  Caller,
  {
    readonly memberId: MemberId
    readonly keyId: KeyId
    readonly role: Role
    readonly terms: KeyTerms
    readonly deviceId?: DeviceId | undefined
  }
>()("@guildhall/protocol/api/Caller") {}

/**
 * The roles that an endpoint is open to, as an annotation of the endpoint or of its group. Every role by default.
 *
 * @category annotations
 * @since 0.1.0
 */
export const Roles = Context.Reference<ReadonlyArray<Role>>("@guildhall/protocol/api/Roles", {
  defaultValue: () => Role.literals,
})

/**
 * Whether an endpoint also takes the signature of a device in place of an API key, as an annotation of the endpoint or of its
 * group. Its handler then looks at `Caller.deviceId`, and shows and changes what is that device's alone. Without it, no.
 *
 * @category annotations
 * @since 0.1.0
 */
export const ByDevice = Context.Reference<boolean>("@guildhall/protocol/api/ByDevice", { defaultValue: () => false })

/**
 * Asks for an API key, `Authorization: Bearer sk-…`, of a role that the endpoint is open to.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Access extends HttpApiMiddleware.Service<Access, { provides: Caller }>()(
  "@guildhall/protocol/api/Access",
  {
    requiredForClient: true,
    security: { bearer: HttpApiSecurity.bearer },
    error: errors(401, 403, 503),
  },
) {}

/**
 * Lets a client made by `HttpApiClient` send its API key.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (apiKey: Redacted.Redacted): Layer.Layer<HttpApiMiddleware.ForClient<Access>> =>
  HttpApiMiddleware.layerClient(Access, ({ next, request }) => next(HttpClientRequest.bearerToken(request, apiKey)))
