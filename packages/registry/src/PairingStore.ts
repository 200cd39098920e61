/**
 * What `Pairing` needs of a store. The rules stand in `Pairing`, shared by every store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { DeviceId, DeviceName, DevicePublicKey, Versions } from "@guildhall/core/Device"
import { Hardware } from "@guildhall/core/Hardware"
import { MemberId } from "@guildhall/core/Member"
import type { RegistryError } from "./RegistryError.ts"

/**
 * The id of a pairing: who knows it may try its code although others have tried too many.
 *
 * @category models
 * @since 0.1.0
 */
export const PairingId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^pair_[0-9a-f]{24}$/)),
  Schema.brand("PairingId"),
)
/** @since 0.1.0 */
export type PairingId = typeof PairingId.Type

/**
 * A device that asks to be paired: its key, what it says of itself, and the address that it asks from.
 *
 * @category models
 * @since 0.1.0
 */
export const Asking = Schema.Struct({
  publicKey: DevicePublicKey,
  name: DeviceName,
  hardware: Hardware,
  versions: Versions,
  address: Schema.String,
})
/** @since 0.1.0 */
export type Asking = typeof Asking.Type

/**
 * A pairing as it is stored. `codeHash` is a keyed hash; `madeFrom` and `askedFrom` are the networks that the member and the
 * device asked from. It is over at `endsAtMs`: an open one can then not be taken, and a waiting one not be approved.
 *
 * @category models
 * @since 0.1.0
 */
export const PairingRow = Schema.Struct({
  id: PairingId,
  memberId: MemberId,
  codeHash: Schema.String,
  madeFrom: Schema.String,
  state: Schema.Literals(["open", "waiting", "approved", "refused"]),
  wrongTries: Schema.Int,
  deviceId: Schema.NullOr(DeviceId),
  askedFrom: Schema.NullOr(Schema.String),
  device: Schema.NullOr(Asking),
  endsAtMs: Schema.Int,
  changedAtMs: Schema.Int,
})
/** @since 0.1.0 */
export type PairingRow = typeof PairingRow.Type

/** How many wrong codes were tried since a time: of all, and from one network. @category models @since 0.1.0 */
export interface Tries {
  readonly all: number
  readonly from: number
}

/** How many pairings are not over: of all, of one member, and of devices that wait in one network. @category models @since 0.1.0 */
export interface Counts {
  readonly all: number
  readonly ofMember: number
  readonly waitingFrom: number
}

/**
 * The store. All but `waiting` runs inside {@link PairingStore.alone}.
 *
 * @category models
 * @since 0.1.0
 */
export interface PairingStore {
  /** Runs an effect while no other runs in it, whatever process they are in; what it wrote is kept only if it succeeds. */
  readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | RegistryError, R>
  readonly byId: (id: PairingId) => Effect.Effect<PairingRow | undefined, RegistryError>
  /** The open pairing with this code that is not over. */
  readonly byCode: (codeHash: string, nowMs: number) => Effect.Effect<PairingRow | undefined, RegistryError>
  /** The last one that this device took. */
  readonly byDevice: (id: DeviceId) => Effect.Effect<PairingRow | undefined, RegistryError>
  /** Whether the code of an open one was made in this network. */
  readonly isHome: (network: string, nowMs: number) => Effect.Effect<boolean, RegistryError>
  readonly count: (
    about: { readonly memberId: MemberId; readonly network: string },
    nowMs: number,
  ) => Effect.Effect<Counts, RegistryError>
  readonly put: (row: PairingRow) => Effect.Effect<void, RegistryError>
  readonly tries: (network: string, sinceMs: number) => Effect.Effect<Tries, RegistryError>
  readonly addTry: (network: string, atMs: number) => Effect.Effect<void, RegistryError>
  /** Forgets tries that are older than one time, and pairings that were over before another. */
  readonly forget: (before: {
    readonly triesMs: number
    readonly pairingsMs: number
  }) => Effect.Effect<void, RegistryError>
  /** The devices that wait for a member, first come first. */
  readonly waiting: (memberId: MemberId, nowMs: number) => Effect.Effect<ReadonlyArray<PairingRow>, RegistryError>
}

/**
 * A store in this process's memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<PairingStore> = Effect.map(Semaphore.make(1), (turn) => {
  let rows = new Map<PairingId, PairingRow>()
  let tried: Array<{ readonly network: string; readonly atMs: number }> = []
  const live = (nowMs: number) =>
    [...rows.values()].filter((row) => row.endsAtMs > nowMs && (row.state === "open" || row.state === "waiting"))
  return {
    alone: (effect) => turn.withPermit(effect),
    byId: (id) => Effect.sync(() => rows.get(id)),
    byCode: (codeHash, nowMs) =>
      Effect.sync(() => live(nowMs).find((row) => row.state === "open" && row.codeHash === codeHash)),
    byDevice: (id) =>
      Effect.sync(() =>
        [...rows.values()]
          .filter(({ deviceId }) => deviceId === id)
          .sort((a, b) => a.changedAtMs - b.changedAtMs)
          .at(-1),
      ),
    isHome: (network, nowMs) =>
      Effect.sync(() => live(nowMs).some((row) => row.state === "open" && row.madeFrom === network)),
    count: ({ memberId, network }, nowMs) =>
      Effect.sync(() => {
        const all = live(nowMs)
        return {
          all: all.length,
          ofMember: all.filter((row) => row.memberId === memberId).length,
          waitingFrom: all.filter((row) => row.askedFrom === network).length,
        }
      }),
    put: (row) =>
      Effect.sync(() => {
        // Put last, so that of two changes in one millisecond the later one is the last.
        rows.delete(row.id)
        rows.set(row.id, row)
      }),
    tries: (network, sinceMs) =>
      Effect.sync(() => {
        const recent = tried.filter(({ atMs }) => atMs > sinceMs)
        return { all: recent.length, from: recent.filter((one) => one.network === network).length }
      }),
    addTry: (network, atMs) => Effect.sync(() => void tried.push({ network, atMs })),
    forget: ({ pairingsMs, triesMs }) =>
      Effect.sync(() => {
        tried = tried.filter(({ atMs }) => atMs > triesMs)
        rows = new Map([...rows].filter(([, { endsAtMs }]) => endsAtMs > pairingsMs))
      }),
    waiting: (memberId, nowMs) =>
      Effect.sync(() => live(nowMs).filter((row) => row.state === "waiting" && row.memberId === memberId)),
  }
})
