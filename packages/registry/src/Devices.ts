/**
 * Devices, their instances and their heartbeats. Every change is numbered, so a gateway follows the market by asking
 * for what changed since the number it has seen.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import type { Device, DeviceFacts, DeviceId, DevicePublicKey, DeviceStatus } from "@guildhall/core/Device"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { EntryState } from "@guildhall/core/EntryVerification"
import type { Instance, InstanceId, InstanceState } from "@guildhall/core/Instance"
import * as Maintenance from "@guildhall/core/Maintenance"
import type { MemberId } from "@guildhall/core/Member"
import type { Onboarding, Rail } from "@guildhall/core/ProviderRails"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import * as DeviceOwning from "./internal/DeviceOwning.ts"
import * as DeviceRails from "./internal/DeviceRails.ts"
import * as DeviceRules from "./internal/DeviceRules.ts"
import * as DeviceSignature from "./internal/DeviceSignature.ts"
import * as SignedPace from "./internal/SignedPace.ts"
import * as DeviceStore from "./DeviceStore.ts"
import type { MemberRailsView, RailToggle } from "./ProviderRails.ts"
import type { Registration } from "./Registration.ts"
import { RegistryError } from "./RegistryError.ts"

/**
 * A message that a device signed, as it came in: the headers' values and the exact body.
 *
 * @category models
 * @since 0.1.0
 */
export interface SignedMessage {
  readonly method: string
  readonly path: string
  readonly publicKey: DevicePublicKey
  readonly signature: string
  readonly issuedAtMs: number
  readonly sequence: number
  readonly body: Uint8Array
}

/**
 * An instance with what only the registry knows of it. Times are milliseconds since 1970; `entry` is how its checks ended, where
 * the market asks for some.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListedInstance {
  readonly instance: Instance
  readonly lastBeatAtMs: number
  readonly registeredAtMs: number
  readonly entry?: EntryState | undefined
}

/**
 * The service.
 *
 * Guarantees, each proved by `DevicesTest.suite`:
 *
 * 1. A message is accepted where the device signed exactly it, and answers the device's id.
 * 2. A message that was changed, or signed by another key, is refused with `invalid_signature`.
 * 3. A message signed longer ago than a minute, or as far in the future, is refused with `stale_message`.
 * 4. A sequence is used up once and in rising order, registered or not, however many arrive at once: `replayed_message`.
 * 5. A device keeps its id and the id of each instance; registering again gives new terms.
 * 6. A device belongs to the member that registered it first, for ever.
 * 7. An endpoint that the market may not call is refused with `invalid_endpoint`.
 * 8. A beat brings an offline instance back and tells of draining; one that changes nothing makes no version.
 * 9. A beat speaks only for the device's own instances on the market: `not_found`.
 * 10. The events after any version, folded over that version's directory, give the instances of now.
 * 11. Changes made at once are told in order: who follows by version misses none.
 * 12. An instance leaves the market by its member's word only.
 * 13. A revoked device is off the market and every message of it is refused with `device_revoked`.
 * 14. What a registration declares is the instance's, as it stands; what the next one leaves out is declared no longer.
 * 15. A provider's name belongs to the member that registered with it first: `provider_name_taken`.
 * 16. A device lists a model once, and no more models, nor a member more devices, than the market takes: `too_many_instances`.
 * 17. A beat carries the nonce that the market gave last, or once the one before it; any other is refused with `stale_nonce`.
 * 18. A device that was paired belongs to the member who approved it, before it has anything on the market.
 * 19. A key is replaced only by one that proves itself: the device keeps its id and its instances, and the former key is refused with `key_replaced`.
 * 20. A member sees, names and revokes its own devices only.
 * 21. An instance that was silent for as long as the market waits leaves it, and one that beat since does not.
 * 22. A device without a key is one of its member by its name, and its instances have no key; nobody signs for it.
 * 23. An instance that is heard of in the window of its maintenance is told as under it, whatever it says or registers, until that is over or called off.
 * 24. A rail that a member turns off is off for its instances, those that it registers later too, and one rail stays on: `last_rail`.
 * 25. A rail that needs something is off, and cannot be turned on, until that is set up: `onboarding_needed`.
 *
 * @category services
 * @since 0.1.0
 */
export class Devices extends Context.Service<
  Devices,
  {
    /**
     * Checks a device's signature, clock (`stale_message`) and sequence (`replayed_message`), and uses the sequence
     * up. Answers the device's id; the device need not be registered yet, but must not be revoked.
     */
    readonly authenticate: (message: SignedMessage) => Effect.Effect<DeviceId, RegistryError>
    /** Registers a device of a member with one instance, or gives a registered one new terms. */
    readonly register: (
      registration: Registration,
    ) => Effect.Effect<{ readonly device: Device; readonly instance: Instance }, RegistryError>
    /**
     * Notes a beat: the instances are alive, `serving` or `draining`. Fails with `not_found` after noting the rest
     * where the device has one of them not on the market: it registers that one again.
     */
    readonly beat: (
      deviceId: DeviceId,
      instances: ReadonlyArray<{ readonly id: InstanceId; readonly state: "serving" | "draining" }>,
    ) => Effect.Effect<void, RegistryError>
    /** Sets what the steward found out about an instance. */
    readonly setState: (id: InstanceId, state: InstanceState) => Effect.Effect<void, RegistryError>
    /**
     * Sets how the checks of an instance ended; `subject` is the digest of what they were about (`EntrySubject`). What is
     * about another subject than the instance has now is passed over.
     */
    readonly setEntry: (id: InstanceId, entry: EntryState, subject: string) => Effect.Effect<void, RegistryError>
    /** Takes an instance off the market; only its member may. Where a device is named, only one of that device. */
    readonly deregister: (id: InstanceId, memberId: MemberId, deviceId?: DeviceId) => Effect.Effect<void, RegistryError>
    /**
     * Announces maintenance of a member's instances, those of one device or one alone, or calls it off where there is no window; it
     * replaces what was announced before. Answers the instances. Fails with `invalid_request` where the window cannot be.
     */
    readonly maintain: (
      owned: { readonly memberId: MemberId } & (
        | { readonly deviceId: DeviceId; readonly instance?: InstanceId | undefined }
        | { readonly instance: InstanceId; readonly deviceId?: undefined }
      ),
      window: Maintenance.Maintenance | undefined,
    ) => Effect.Effect<ReadonlyArray<Instance>, RegistryError>
    /**
     * Ends a device for ever: its instances leave the market and nothing it signs is accepted again. Where a member is named,
     * only its own.
     */
    readonly revoke: (id: DeviceId, memberId?: MemberId) => Effect.Effect<Device, RegistryError>
    /** A device that is registered or paired. */
    readonly find: (id: DeviceId) => Effect.Effect<Device | undefined, RegistryError>
    /** Those of these devices that are registered or paired, in one question. */
    readonly findAll: (ids: ReadonlyArray<DeviceId>) => Effect.Effect<ReadonlyMap<DeviceId, Device>, RegistryError>
    /** A member's devices, revoked ones too: at most {@link DEVICES_SHOWN_MAX}. */
    readonly devicesOf: (memberId: MemberId) => Effect.Effect<ReadonlyArray<Device>, RegistryError>
    /** What the devices said last of how they are doing, of all that have said it. */
    readonly statuses: Effect.Effect<ReadonlyMap<DeviceId, DeviceStatus>, RegistryError>
    /** Gives a device to a member, who has seen and approved it. */
    readonly adopt: (device: {
      readonly memberId: MemberId
      readonly publicKey: DevicePublicKey
      readonly facts: DeviceFacts
    }) => Effect.Effect<Device, RegistryError>
    /** Names a device of a member. */
    readonly rename: (id: DeviceId, memberId: MemberId, name: string) => Effect.Effect<Device, RegistryError>
    /**
     * Gives a device another key. `proof` is the new key's signature over `KeyChange.proofBytes`; the device signed the request
     * with the former one, which is worth nothing from then on.
     */
    readonly replaceKey: (change: {
      readonly id: DeviceId
      readonly former: DevicePublicKey
      readonly publicKey: DevicePublicKey
      readonly proof: string
    }) => Effect.Effect<Device, RegistryError>
    /** Gives a device the nonce that its next beat must carry. What it was given before is worth nothing from then on. */
    readonly giveNonce: (id: DeviceId) => Effect.Effect<string, RegistryError>
    /** Takes the nonce of a beat with what the device says of itself, and gives it the next. */
    readonly takeNonce: (
      id: DeviceId,
      nonce: string | undefined,
      status?: DeviceStatus,
    ) => Effect.Effect<string, RegistryError>
    /** Takes an instance off the market if it has not beaten since a time; answers whether it did. */
    readonly drop: (id: InstanceId, silentSinceMs: number) => Effect.Effect<boolean, RegistryError>
    /** By which rails a member is paid, with its instances on the market. */
    readonly railsOf: (memberId: MemberId) => Effect.Effect<MemberRailsView, RegistryError>
    /** Turns rails on or off. What is off for a member is off for all of its instances. */
    readonly setRails: (toggle: RailToggle) => Effect.Effect<void, RegistryError>
    /** Notes where a member is paid to, or without a target that it is not any more: who calls has checked that it is the member's. */
    readonly setPayoutTarget: (
      memberId: MemberId,
      kind: Onboarding,
      target: string | undefined,
    ) => Effect.Effect<void, RegistryError>
    /** Every instance that is on the market, with the rails that it is paid by: for loops and operators. */
    readonly instances: Effect.Effect<ReadonlyArray<ListedInstance>, RegistryError>
    /** The same of one member, without reading the others'. */
    readonly instancesOf: (memberId: MemberId) => Effect.Effect<ReadonlyArray<ListedInstance>, RegistryError>
    /**
     * The changes after a version, oldest first, with the version that they lead to. After version 0: everything.
     * Changes of one instance since then are told as one.
     */
    readonly changes: (
      after: number,
    ) => Effect.Effect<{ readonly version: number; readonly events: ReadonlyArray<DirectoryEvent> }, RegistryError>
  }
>()("@guildhall/registry/Devices") {}

/**
 * How a market takes devices. `allowPrivate` lets endpoints be private addresses and local names: for one machine,
 * or a network of one's own. `devices` is how many devices a member may list, and how many models each of them: without it
 * 1,000 and 64. With `asksEntry` an instance must pass checks before requests go to it: while its last entry (see `setEntry`) is
 * not `passed`, it is told as `not_verified` where it would be `online`. It begins anew when it is listed, and when what was
 * checked has changed. `rails` are those of the market; without them none can be turned off.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly allowPrivate: boolean
  readonly devices?: { readonly perMember: number; readonly modelsEach: number } | undefined
  readonly asksEntry?: boolean | undefined
  readonly rails?: ReadonlyArray<Rail> | undefined
}

const DEVICES_USUAL = { perMember: 1_000, modelsEach: DeviceRules.INSTANCES_MAX }

/** A message is fresh for at most twice the skew after it came in; no sequence is needed for longer. */
const FORGET_MS = 3 * SignedRequest.MAX_SKEW_MS

/** The most public names that one member may have. */
const NAMES_MAX = 16

const refuse = (code: RegistryError["code"], detail: string) => new RegistryError({ code, detail })

/** The most devices of a member that are listed. @category constants @since 0.1.0 */
export const DEVICES_SHOWN_MAX = DeviceOwning.SHOWN_MAX

const revoked = (id: DeviceId) => refuse("device_revoked", `${id} was revoked. Pair a device with a new key.`)

const makeAuthenticate = Effect.fnUntraced(function* (store: DeviceStore.DeviceStore) {
  const forgottenAtMs = yield* Ref.make(0)
  const owner = DeviceOwning.makeOwner(store)
  const pace = SignedPace.make()
  return Effect.fn("Devices.authenticate")(function* (message: SignedMessage) {
    const nowMs = yield* Clock.currentTimeMillis
    if (!Number.isSafeInteger(message.sequence) || message.sequence < 0 || !Number.isSafeInteger(message.issuedAtMs)) {
      return yield* refuse("invalid_request", "Time and sequence of a message are whole numbers. Send them in digits.")
    }
    if (Math.abs(nowMs - message.issuedAtMs) > SignedRequest.MAX_SKEW_MS) {
      return yield* refuse(
        "stale_message",
        `It was signed at ${message.issuedAtMs}, here it is ${nowMs}. Set the clock.`,
      )
    }
    if (!DeviceSignature.verify(message.publicKey, SignedRequest.bytes(message), message.signature)) {
      return yield* refuse(
        "invalid_signature",
        "Sign method, path, time, sequence and the exact body with the device's key.",
      )
    }
    if (!pace.enter(message.publicKey, nowMs)) {
      return yield* refuse(
        "rate_limited",
        "More signed messages came than are heard in a second. Send it again in the next.",
      )
    }
    const id = yield* owner(message.publicKey)
    // Anyone can sign with a fresh key, so what unregistered keys leave behind is cleared away.
    const last = yield* Ref.get(forgottenAtMs)
    if (nowMs - last > FORGET_MS) {
      yield* Ref.set(forgottenAtMs, nowMs)
      yield* store.forgetSequences(nowMs - FORGET_MS)
    }
    const used = yield* store.useSequence(id, message.sequence, nowMs)
    if (used === "revoked") return yield* revoked(id)
    if (used === "replayed") {
      return yield* refuse("replayed_message", `Sequence ${message.sequence} is not above the last one. Raise it.`)
    }
    if (!pace.knows(message.publicKey) && (yield* store.device(id)) !== undefined) pace.know(message.publicKey)
    return id
  })
})

const makeBeat = (store: DeviceStore.DeviceStore): Devices["Service"]["beat"] =>
  Effect.fn("Devices.beat")(function* (deviceId, instances) {
    if (instances.length > DeviceRules.INSTANCES_MAX) {
      return yield* refuse("invalid_request", `A device has at most ${DeviceRules.INSTANCES_MAX} instances.`)
    }
    const told = new Map(instances.map(({ id, state }) => [id, state === "serving" ? "online" : "draining"] as const))
    const nowMs = yield* Clock.currentTimeMillis
    const known = yield* store.touch(deviceId, [...told.keys()], nowMs)
    const isNew = ({ id, maintenance, state }: (typeof known)[number]): boolean =>
      (Maintenance.isOpen(maintenance, nowMs) ? "maintenance" : told.get(id)) !== state
    if (known.some(isNew)) {
      yield* store.change({ device: deviceId }, DeviceRules.beat(told, nowMs))
    }
    if (known.length > 0 && known.length === told.size) return
    const device = yield* store.device(deviceId)
    if (device?.state === "revoked") return yield* revoked(deviceId)
    if (device === undefined) return yield* refuse("not_found", `${deviceId} is not registered. Register it first.`)
    const missing = [...told.keys()].filter((id) => known.every((one) => one.id !== id))
    if (missing.length > 0) {
      return yield* refuse("not_found", `${deviceId} has no ${missing.join(", ")} on the market. Register it again.`)
    }
  })

/**
 * The service over a store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (store: DeviceStore.DeviceStore, options: Options) {
  const { asksEntry = false, devices = DEVICES_USUAL, rails } = options
  const owner = DeviceOwning.makeOwner(store)
  const theDevice = Effect.fnUntraced(function* (id: DeviceId) {
    const device = yield* store.device(id)
    return device ?? (yield* refuse("not_found", `${id} is not registered.`))
  })
  const claimName = Effect.fnUntraced(function* (name: string, memberId: MemberId) {
    const claimed = yield* store.claimName(name, memberId, NAMES_MAX)
    if (claimed === "taken") {
      return yield* refuse("provider_name_taken", `"${name}" is another member's. Register with a name of your own.`)
    }
    if (claimed === "full") {
      return yield* refuse("invalid_request", `A member has at most ${NAMES_MAX} names. Use one of those it has.`)
    }
  })
  const listed = (row: DeviceStore.InstanceRow): ListedInstance => ({
    instance: DeviceRails.told(row, rails),
    lastBeatAtMs: row.lastBeatAtMs,
    registeredAtMs: row.registeredAtMs,
    ...(row.entry === undefined ? {} : { entry: row.entry }),
  })
  return Devices.of({
    ...DeviceOwning.make(store, devices.perMember),
    ...DeviceOwning.makeNonces(store),
    ...DeviceRails.make(store, rails ?? []),
    authenticate: yield* makeAuthenticate(store),
    register: Effect.fn("Devices.register")(function* (registration) {
      const id = registration.publicKey === undefined ? undefined : yield* owner(registration.publicKey)
      const instance = yield* Effect.fromResult(DeviceRules.instance(registration, id, options))
      if (instance.provider !== undefined) yield* claimName(instance.provider, instance.memberId)
      const nowMs = yield* Clock.currentTimeMillis
      const register = DeviceRules.register(instance, nowMs, { ...devices, asksEntry, rails })
      // A store may run the rule again where another change came between: what it wrote is what the last run answered.
      let written = instance
      const about = { device: instance.deviceId, member: instance.memberId }
      yield* store.change(about, (holding) =>
        Result.map(register(holding), (change) => {
          for (const row of change.instances) written = DeviceRails.told(row, rails)
          return change
        }),
      )
      return { device: yield* theDevice(instance.deviceId), instance: written }
    }),
    beat: makeBeat(store),
    setState: Effect.fn("Devices.setState")((id, state) =>
      store.change({ instance: id }, DeviceRules.setState(id, state)),
    ),
    setEntry: Effect.fn("Devices.setEntry")((id, entry, subject) =>
      store.change({ instance: id }, DeviceRules.setEntry(id, entry, subject)),
    ),
    deregister: Effect.fn("Devices.deregister")((id, memberId, deviceId) =>
      store.change({ instance: id }, DeviceRules.deregister(id, memberId, deviceId)),
    ),
    maintain: Effect.fn("Devices.maintain")(function* (owned, window) {
      const nowMs = yield* Clock.currentTimeMillis
      const about = owned.deviceId === undefined ? { instance: owned.instance } : { device: owned.deviceId }
      let changed: ReadonlyArray<Instance> = []
      yield* store.change(about, (holding) =>
        Result.map(DeviceRules.maintain(owned, window, nowMs)(holding), (change) => {
          changed = change.instances.map(({ instance }) => instance)
          return change
        }),
      )
      return changed
    }),
    drop: Effect.fn("Devices.drop")(function* (id, silentSinceMs) {
      let isDropped = false
      const rule = DeviceRules.drop(id, silentSinceMs)
      yield* store.change({ instance: id }, (holding) =>
        Result.map(rule(holding), (change) => {
          isDropped = change.instances.length > 0
          return change
        }),
      )
      return isDropped
    }),
    instances: Effect.map(store.listed, (rows) => rows.map(listed)).pipe(Effect.withSpan("Devices.instances")),
    instancesOf: Effect.fn("Devices.instancesOf")(function* (memberId) {
      return (yield* store.rails(memberId)).instances.map(listed)
    }),
    changes: Effect.fn("Devices.changes")(function* (after) {
      const { version, rows } = yield* store.since(after)
      // A reader that is ahead followed another database; it starts again.
      if (version < after)
        return { version, events: DeviceRules.events(0, (yield* store.since(0)).rows, asksEntry, rails) }
      return { version, events: DeviceRules.events(after, rows, asksEntry, rails) }
    }),
  })
})

/**
 * Devices in this process's memory, gone with it: for tests, simulations and small embeddings.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options): Layer.Layer<Devices> =>
  Layer.effect(
    Devices,
    Effect.flatMap(DeviceStore.makeMemory, (store) => make(store, options)),
  )
