/**
 * Members and their API keys. A key's secret is shown once and stored as SHA-256; looking one up is one read of a
 * short-lived cache.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { DataCollection, KeyId, MemberId, Role, type Member } from "@guildhall/core/Member"
import type { RegistryError } from "./RegistryError.ts"

/**
 * A key, without its secret.
 *
 * @category models
 * @since 0.1.0
 */
export const ApiKey = Schema.Struct({
  id: KeyId,
  memberId: MemberId,
  name: Schema.String,
  role: Role,
  dataCollection: DataCollection,
  createdAtMs: Schema.Int,
  revokedAtMs: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type ApiKey = typeof ApiKey.Type

/**
 * The service. A secret looks like `sk-` and 43 characters of base64url (32 random bytes).
 *
 * @category services
 * @since 0.1.0
 */
export class Members extends Context.Service<
  Members,
  {
    readonly create: (member: {
      readonly id?: MemberId | undefined
      readonly name: string
    }) => Effect.Effect<Member, RegistryError>
    readonly find: (id: MemberId) => Effect.Effect<Member | undefined, RegistryError>
    /** Makes a key. The secret is in this answer and nowhere else. */
    readonly issueKey: (key: {
      readonly memberId: MemberId
      readonly name: string
      readonly role: Role
      readonly dataCollection: DataCollection
      /** A secret made elsewhere, such as the one that development keeps in a file; otherwise a random one. */
      readonly secret?: Redacted.Redacted | undefined
    }) => Effect.Effect<{ readonly key: ApiKey; readonly secret: Redacted.Redacted }, RegistryError>
    /** Ends a key. This process refuses it at once, the others within a second. */
    readonly revokeKey: (id: KeyId) => Effect.Effect<ApiKey, RegistryError>
    /** The live key with this secret, or undefined where it is unknown or revoked. */
    readonly authenticate: (secret: Redacted.Redacted) => Effect.Effect<ApiKey | undefined, RegistryError>
    readonly keys: (memberId: MemberId) => Effect.Effect<ReadonlyArray<ApiKey>, RegistryError>
  }
>()("@guildhall/registry/Members") {}
