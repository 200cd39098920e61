/**
 * GPUs that members offer by name: what each is, where it stands, what an hour of it is to cost, and by which strategy its price
 * moves. It is a record of what a provider says; what serves is an instance.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { DeviceId } from "@guildhall/core/Device"
import { Region } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { RegistryError } from "./RegistryError.ts"

/**
 * The id of a GPU: `gpu_` and 24 hexadecimal digits.
 *
 * @category models
 * @since 0.1.0
 */
export const GpuId = Schema.String.pipe(Schema.check(Schema.isPattern(/^gpu_[0-9a-f]{24}$/)), Schema.brand("GpuId"))
/** @since 0.1.0 */
export type GpuId = typeof GpuId.Type

/**
 * A GPU. `memoryMib` is its own memory in MiB; `basePrice` is for an hour, in the smallest unit of the market's price asset;
 * `strategy` is the name of one that the market knows; `deviceId` is the device that it was registered from, if it was one. Times
 * are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const Gpu = Schema.Struct({
  id: GpuId,
  memberId: MemberId,
  deviceId: Schema.NullOr(DeviceId),
  name: Schema.String.pipe(Schema.check(Schema.isPattern(/^[!-~](?:[ -~]{0,98}[!-~])?$/))),
  memoryMib: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 16_777_216 }))),
  cudaVersion: Schema.NullOr(Schema.String.pipe(Schema.check(Schema.isPattern(/^\d{1,3}(?:\.\d{1,4}){0,2}$/)))),
  basePrice: NonNegativeAmount,
  region: Region,
  strategy: Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9-]{0,59}$/))),
  createdAtMs: Schema.Int,
  changedAtMs: Schema.Int,
})
/** @since 0.1.0 */
export type Gpu = typeof Gpu.Type

/**
 * What a member registers.
 *
 * @category models
 * @since 0.1.0
 */
export type NewGpu = Omit<Gpu, "id" | "createdAtMs" | "changedAtMs">

/**
 * What may be changed later. What is left out stays.
 *
 * @category models
 * @since 0.1.0
 */
export type GpuChange = Partial<Pick<Gpu, "basePrice" | "region" | "strategy">>

/**
 * Whose GPUs are meant: a member's or, where a device is named, those that it registered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Owner {
  readonly memberId: MemberId
  readonly deviceId?: DeviceId | undefined
}

/**
 * How many GPUs a member may have.
 *
 * @category constants
 * @since 0.1.0
 */
export const PER_MEMBER_MAX = 1_000

/**
 * How many GPUs a list has at most.
 *
 * @category constants
 * @since 0.1.0
 */
export const LISTED_MAX = 1_000

/**
 * What `Gpus` needs of a store; each method is one atomic step. `insert` answers false where the member has `most` already, `change`
 * and `remove` undefined and false where the owner has no such GPU.
 *
 * @category models
 * @since 0.1.0
 */
export interface GpuStore {
  readonly insert: (gpu: Gpu, most: number) => Effect.Effect<boolean, RegistryError>
  readonly change: (
    id: GpuId,
    owner: Owner,
    change: GpuChange,
    atMs: number,
  ) => Effect.Effect<Gpu | undefined, RegistryError>
  readonly remove: (id: GpuId, owner: Owner) => Effect.Effect<boolean, RegistryError>
  readonly find: (id: GpuId) => Effect.Effect<Gpu | undefined, RegistryError>
  readonly list: (
    query: { readonly owner?: Owner | undefined; readonly region?: string | undefined },
    most: number,
  ) => Effect.Effect<ReadonlyArray<Gpu>, RegistryError>
}

/**
 * The service.
 *
 * Guarantees, each proved by `GpusTest.suite`:
 *
 * 1. A GPU is found as it was registered, under an id of its own.
 * 2. A list has the GPUs of a region, of an owner, or of both, oldest first.
 * 3. Only its owner changes or removes a GPU: `not_found` for everybody else.
 * 4. A change changes what it names, and nothing else.
 * 5. A member has at most as many GPUs as the market takes, however many it registers at once: `too_many_instances`.
 *
 * @category services
 * @since 0.1.0
 */
export class Gpus extends Context.Service<
  Gpus,
  {
    readonly register: (gpu: NewGpu) => Effect.Effect<Gpu, RegistryError>
    readonly change: (id: GpuId, owner: Owner, change: GpuChange) => Effect.Effect<Gpu, RegistryError>
    readonly remove: (id: GpuId, owner: Owner) => Effect.Effect<void, RegistryError>
    readonly find: (id: GpuId) => Effect.Effect<Gpu | undefined, RegistryError>
    /** At most {@link LISTED_MAX}, oldest first. */
    readonly list: (query: {
      readonly owner?: Owner | undefined
      readonly region?: string | undefined
    }) => Effect.Effect<ReadonlyArray<Gpu>, RegistryError>
  }
>()("@guildhall/registry/Gpus") {}

const notYours = (id: GpuId) =>
  new RegistryError({ code: "not_found", detail: `You have no GPU ${id}. List yours, and use an id from there.` })

/**
 * The rules over a store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (store: GpuStore, options?: { readonly perMember?: number | undefined }): Gpus["Service"] => {
  const most = options?.perMember ?? PER_MEMBER_MAX
  return Gpus.of({
    register: Effect.fn("Gpus.register")(function* (wanted) {
      const nowMs = yield* Clock.currentTimeMillis
      const id = GpuId.make(`gpu_${randomBytes(12).toString("hex")}`)
      const gpu: Gpu = { ...wanted, id, createdAtMs: nowMs, changedAtMs: nowMs }
      if (yield* store.insert(gpu, most)) return gpu
      return yield* new RegistryError({
        code: "too_many_instances",
        detail: `You have ${most} GPUs here, as many as a member may. Remove one first.`,
      })
    }),
    change: Effect.fn("Gpus.change")(function* (id, owner, change) {
      const changed = yield* store.change(id, owner, change, yield* Clock.currentTimeMillis)
      return changed ?? (yield* notYours(id))
    }),
    remove: Effect.fn("Gpus.remove")(function* (id, owner) {
      if (!(yield* store.remove(id, owner))) return yield* notYours(id)
    }),
    find: (id) => store.find(id),
    list: (query) => store.list(query, LISTED_MAX),
  })
}

const isOf = ({ deviceId, memberId }: Owner, gpu: Gpu): boolean =>
  gpu.memberId === memberId && (deviceId === undefined || gpu.deviceId === deviceId)

/**
 * A store in this process's memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<GpuStore> = Effect.sync(() => {
  const gpus = new Map<GpuId, Gpu>()
  const own = (id: GpuId, owner: Owner): Gpu | undefined => {
    const gpu = gpus.get(id)
    return gpu !== undefined && isOf(owner, gpu) ? gpu : undefined
  }
  return {
    insert: (gpu, most) =>
      Effect.sync(() => {
        if ([...gpus.values()].filter(({ memberId }) => memberId === gpu.memberId).length >= most) return false
        gpus.set(gpu.id, gpu)
        return true
      }),
    change: (id, owner, change, atMs) =>
      Effect.sync(() => {
        const gpu = own(id, owner)
        if (gpu === undefined) return undefined
        const changed = { ...gpu, ...change, changedAtMs: atMs }
        gpus.set(id, changed)
        return changed
      }),
    remove: (id, owner) => Effect.sync(() => own(id, owner) !== undefined && gpus.delete(id)),
    find: (id) => Effect.sync(() => gpus.get(id)),
    list: ({ owner, region }, most) =>
      Effect.sync(() =>
        [...gpus.values()]
          .filter((gpu) => (region === undefined || gpu.region === region) && (owner === undefined || isOf(owner, gpu)))
          .slice(0, most),
      ),
  }
})

/**
 * GPUs in this process's memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options?: { readonly perMember?: number | undefined }): Layer.Layer<Gpus> =>
  Layer.effect(
    Gpus,
    Effect.map(makeMemory, (store) => make(store, options)),
  )
