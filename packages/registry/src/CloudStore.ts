/**
 * What `CloudAccounts` needs of a store. The rules stand in `CloudAccounts`, shared by every store; each method here is one
 * atomic step.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { ReasonCode } from "@guildhall/core/Reason"
import type { RegistryError } from "./RegistryError.ts"

/**
 * The id of an account in a cloud: `cld_…`.
 *
 * @category models
 * @since 0.1.0
 */
export const CloudAccountId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^cld_[A-Za-z0-9_-]{1,64}$/)),
  Schema.brand("CloudAccountId"),
)
/** @since 0.1.0 */
export type CloudAccountId = typeof CloudAccountId.Type

/**
 * A model of an account: its id on the market, and its name at the service, up to 200 characters.
 *
 * @category models
 * @since 0.1.0
 */
export const CloudModel = Schema.Struct({
  model: ModelId,
  serviceModel: Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(200))),
})
/** @since 0.1.0 */
export type CloudModel = typeof CloudModel.Type

/**
 * Why an account is left alone, and for how long. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const Parked = Schema.Struct({ code: ReasonCode, sinceMs: Schema.Int, untilMs: Schema.Int })
/** @since 0.1.0 */
export type Parked = typeof Parked.Type

/**
 * An account as it is stored. `sealed` is its token, sealed with the key `keyId`; `tokenEnd` the last characters of it that
 * are shown. `revision` grows with every change.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloudRow {
  readonly id: CloudAccountId
  readonly memberId: MemberId
  readonly name: string
  readonly baseUrl: string
  readonly models: ReadonlyArray<CloudModel>
  readonly keyId: string
  readonly sealed: Uint8Array
  readonly tokenEnd: string
  readonly parked: Parked | null
  readonly createdAtMs: number
  readonly revision: number
}

/**
 * The store.
 *
 * @category services
 * @since 0.1.0
 */
export class CloudStore extends Context.Service<
  CloudStore,
  {
    /** Keeps a row unless its member has one of this name, or has `most` already. */
    readonly insert: (row: CloudRow, most: number) => Effect.Effect<"kept" | "taken" | "full", RegistryError>
    readonly get: (id: CloudAccountId) => Effect.Effect<CloudRow | undefined, RegistryError>
    /** A member's rows, oldest first. */
    readonly ofMember: (memberId: MemberId) => Effect.Effect<ReadonlyArray<CloudRow>, RegistryError>
    /** Replaces a row if it still has the revision that came before the new one's. */
    readonly replace: (row: CloudRow) => Effect.Effect<boolean, RegistryError>
    readonly remove: (id: CloudAccountId) => Effect.Effect<void, RegistryError>
    /** Rows that were sealed with another key than this one, by id, those after an id: at most `limit`. */
    readonly notUnder: (
      keyId: string,
      after: string,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<CloudRow>, RegistryError>
    /** For each key that sealed a row: its id, and at most three of its rows. */
    readonly samples: Effect.Effect<ReadonlyArray<CloudRow>, RegistryError>
    /** The rows that are parked beyond a time. */
    readonly parkedAt: (nowMs: number) => Effect.Effect<ReadonlyArray<Pick<CloudRow, "id" | "parked">>, RegistryError>
  }
>()("@guildhall/registry/CloudStore") {}

/** So many rows of one key tell whether the key is the right one: one of them may have been changed. */
const SAMPLES = 3

/**
 * A store in this process's memory. Every step runs at once, so nothing needs a lock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<CloudStore["Service"]> = Effect.sync(() => {
  const rows = new Map<CloudAccountId, CloudRow>()
  const ofMember = (memberId: MemberId) => [...rows.values()].filter((row) => row.memberId === memberId)
  return CloudStore.of({
    insert: (row, most) =>
      Effect.sync(() => {
        const others = ofMember(row.memberId)
        if (others.some(({ name }) => name === row.name)) return "taken"
        if (others.length >= most) return "full"
        rows.set(row.id, row)
        return "kept"
      }),
    get: (id) => Effect.sync(() => rows.get(id)),
    ofMember: (memberId) => Effect.sync(() => ofMember(memberId)),
    replace: (row) =>
      Effect.sync(() => {
        if (rows.get(row.id)?.revision !== row.revision - 1) return false
        rows.set(row.id, row)
        return true
      }),
    remove: (id) => Effect.sync(() => void rows.delete(id)),
    notUnder: (keyId, after, limit) =>
      Effect.sync(() =>
        [...rows.values()]
          .filter((row) => row.keyId !== keyId && row.id > after)
          .sort((a, b) => (a.id < b.id ? -1 : 1))
          .slice(0, limit),
      ),
    samples: Effect.sync(() =>
      [...Map.groupBy(rows.values(), ({ keyId }) => keyId).values()].flatMap((some) => some.slice(0, SAMPLES)),
    ),
    parkedAt: (nowMs) =>
      Effect.sync(() => [...rows.values()].filter(({ parked }) => parked !== null && parked.untilMs > nowMs)),
  })
})

/**
 * {@link makeMemory} as a layer: for tests, simulations and small embeddings.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<CloudStore> = Layer.effect(CloudStore, makeMemory)
