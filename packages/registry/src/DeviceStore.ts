/**
 * What `Devices` needs of a store. The rules of devices stand in `Devices`, shared by every store; each method here
 * is one atomic step.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Canonical from "@guildhall/core/Canonical"
import { Device, type DeviceId, type DevicePublicKey, type DeviceStatus } from "@guildhall/core/Device"
import type { EntryState } from "@guildhall/core/EntryVerification"
import { Instance, type InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import * as ProviderRails from "@guildhall/core/ProviderRails"
import type { RegistryError } from "./RegistryError.ts"

/**
 * A device as it is stored; its sequence is kept apart, because it is used up before the device is registered.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceRow = Schema.Struct({
  id: Device.fields.id,
  memberId: Device.fields.memberId,
  publicKey: Device.fields.publicKey,
  state: Device.fields.state,
  facts: Device.fields.facts,
})
/** @since 0.1.0 */
export type DeviceRow = typeof DeviceRow.Type

/**
 * An instance as it is stored. `version` numbers its last change, `termsVersion` the last one of anything but its
 * state. One that left the market stays, with `listed` false, so that readers can be told. `entry` is how its checks ended,
 * where the market asks for some; `rails` is by what it is paid, as far as somebody set anything.
 *
 * @category models
 * @since 0.1.0
 */
export interface InstanceRow {
  readonly instance: Instance
  readonly listed: boolean
  readonly version: number
  readonly termsVersion: number
  readonly lastBeatAtMs: number
  readonly registeredAtMs: number
  readonly entry?: EntryState | undefined
  readonly rails?: ProviderRails.Settings | undefined
}

/**
 * What a member set of its rails: those that it turned off, and what it has set up, with the target that payouts go to.
 *
 * @category models
 * @since 0.1.0
 */
export const MemberRails = Schema.Struct({
  off: ProviderRails.Settings.fields.off,
  done: Schema.Array(Schema.Struct({ kind: ProviderRails.Onboarding, target: Schema.String, atMs: Schema.Int })),
})
/** @since 0.1.0 */
export type MemberRails = typeof MemberRails.Type

/**
 * A member's rails with its instances that are on the market.
 *
 * @category models
 * @since 0.1.0
 */
export interface RailHolding {
  readonly rails: MemberRails
  readonly instances: ReadonlyArray<InstanceRow>
}

/**
 * A device with its instances, the unlisted ones included. `others` is how many other devices of the member that asks have
 * an instance on the market, and `rails` what that member set.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holding {
  readonly device: DeviceRow | undefined
  readonly instances: ReadonlyArray<InstanceRow>
  readonly others: number
  readonly rails?: MemberRails | undefined
}

/**
 * What a rule makes of a holding: rows to write. The store gives the versions, see {@link number}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly device?: DeviceRow
  readonly instances: ReadonlyArray<Omit<InstanceRow, "version" | "termsVersion">>
}

/**
 * What a rule makes of a member's rails: what is kept of the member, and the instances whose rails are other ones then.
 *
 * @category models
 * @since 0.1.0
 */
export interface RailChange {
  readonly rails: MemberRails
  readonly instances: ReadonlyArray<Omit<InstanceRow, "version" | "termsVersion">>
}

/**
 * The store.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeviceStore {
  /** Uses the sequence up if it is higher than every one before, and the device is not revoked. */
  readonly useSequence: (
    id: DeviceId,
    sequence: number,
    atMs: number,
  ) => Effect.Effect<"used" | "replayed" | "revoked", RegistryError>
  /** Forgets the sequences that were last raised before a time by devices that are not registered. */
  readonly forgetSequences: (beforeMs: number) => Effect.Effect<void, RegistryError>
  /**
   * Gives a provider's name to a member for ever, if nobody has it and the member has fewer than `most`. It stays the
   * member's where the registration that asked for it then fails.
   */
  readonly claimName: (
    name: string,
    memberId: MemberId,
    most: number,
  ) => Effect.Effect<"own" | "taken" | "full", RegistryError>
  readonly device: (id: DeviceId) => Effect.Effect<Device | undefined, RegistryError>
  /** Those of these devices that there are. */
  readonly devices: (ids: ReadonlyArray<DeviceId>) => Effect.Effect<ReadonlyMap<DeviceId, Device>, RegistryError>
  /** A member's devices, in the order of their ids, at most `most`. */
  readonly devicesOf: (member: MemberId, most: number) => Effect.Effect<ReadonlyArray<Device>, RegistryError>
  /** What the devices said last of how they are doing. */
  readonly statuses: Effect.Effect<ReadonlyMap<DeviceId, DeviceStatus>, RegistryError>
  /** The device that a key was given to by {@link DeviceStore.replaceKey}, and whether it still has it. */
  readonly keyOwner: (
    key: DevicePublicKey,
  ) => Effect.Effect<{ readonly id: DeviceId; readonly isCurrent: boolean } | undefined, RegistryError>
  /**
   * Notes that a device has another key in place of `former`. Answers false, and changes nothing, where it has not the former
   * one now, or where the new one is or was a device's.
   */
  readonly replaceKey: (
    id: DeviceId,
    former: DevicePublicKey,
    key: DevicePublicKey,
    derived: DeviceId,
  ) => Effect.Effect<boolean, RegistryError>
  /** Gives a device a nonce that only its next beat may carry. */
  readonly giveNonce: (id: DeviceId, nonce: string) => Effect.Effect<void, RegistryError>
  /**
   * Takes the nonce that a device was given last, or once the one before it, and gives it the next. A device that was never
   * given one needs none. Answers whether it was taken; then the status is kept.
   */
  readonly takeNonce: (
    id: DeviceId,
    nonce: string | undefined,
    next: string,
    status: DeviceStatus | undefined,
  ) => Effect.Effect<boolean, RegistryError>
  /**
   * Runs the rule on what a device (named by itself or by an instance) holds, and keeps what it answers. Nothing
   * changes these rows in between, and changes become visible in the order of their versions. Others are counted where a
   * member is named, for a device that has nothing on the market; else they are 0.
   */
  readonly change: (
    about: { readonly device: DeviceId; readonly member?: MemberId | undefined } | { readonly instance: InstanceId },
    rule: (holding: Holding) => Result.Result<Change, RegistryError>,
  ) => Effect.Effect<void, RegistryError>
  /** What a member set of its rails, with its instances on the market. */
  readonly rails: (member: MemberId) => Effect.Effect<RailHolding, RegistryError>
  /** Runs the rule on a member's rails and instances, as {@link DeviceStore.change} does on a device's. */
  readonly changeRails: (
    member: MemberId,
    rule: (holding: RailHolding) => Result.Result<RailChange, RegistryError>,
  ) => Effect.Effect<void, RegistryError>
  /** Sets the last beat of those of the instances that the device has on the market, and answers them. */
  readonly touch: (
    device: DeviceId,
    ids: ReadonlyArray<InstanceId>,
    atMs: number,
  ) => Effect.Effect<ReadonlyArray<Pick<Instance, "id" | "state" | "maintenance">>, RegistryError>
  /** Every instance on the market, in the order of their last changes. */
  readonly listed: Effect.Effect<ReadonlyArray<InstanceRow>, RegistryError>
  /** The rows with a higher version, in the order of their versions, and the newest version there is. */
  readonly since: (
    version: number,
  ) => Effect.Effect<{ readonly version: number; readonly rows: ReadonlyArray<InstanceRow> }, RegistryError>
}

const InstanceJson = Schema.toCodecJson(Instance)

/** The JSON of an instance: what a store keeps. @since 0.1.0 */
export const encodeInstance = Schema.encodeEffect(InstanceJson)

/** Reads what {@link encodeInstance} wrote. @since 0.1.0 */
export const decodeInstance = Schema.decodeUnknownEffect(InstanceJson)

const terms = ({ instance, rails }: Pick<InstanceRow, "instance" | "rails">): string =>
  Canonical.stringify({
    // What the codec for JSON writes is JSON; its type only says that it is a struct.
    ...(Schema.encodeSync(InstanceJson)(instance) as Canonical.Json & object),
    state: "online",
    railSettings: rails === undefined ? null : { off: [...rails.off], done: [...rails.done], own: [...rails.own] },
  })

/**
 * Numbers the instances of a change. `last` is the newest version there is; a row that is as before but for its beat
 * keeps its versions, so beats that change nothing are not told to anyone.
 *
 * @category rules
 * @since 0.1.0
 */
export const number = (
  last: number,
  before: ReadonlyArray<InstanceRow>,
  change: Pick<Change, "instances">,
): { readonly last: number; readonly rows: ReadonlyArray<InstanceRow> } => {
  let next = last
  const rows = change.instances.map((row): InstanceRow => {
    const known = before.find(({ instance }) => instance.id === row.instance.id)
    const newTerms = known === undefined || known.listed !== row.listed || terms(known) !== terms(row)
    if (!newTerms && known.instance.state === row.instance.state && known.entry === row.entry) {
      return { ...row, version: known.version, termsVersion: known.termsVersion }
    }
    next += 1
    return { ...row, version: next, termsVersion: newTerms ? next : known.termsVersion }
  })
  return { last: next, rows }
}

interface Sequence {
  readonly sequence: number
  readonly atMs: number
  readonly nonce?: string | undefined
  readonly formerNonce?: string | undefined
  readonly status?: DeviceStatus | undefined
}

/** The rails of a member that has set nothing. @category constants @since 0.1.0 */
export const NO_RAILS: MemberRails = { off: [], done: [] }

const UNUSED: Sequence = { sequence: -1, atMs: 0 }

const makeNames = (): DeviceStore["claimName"] => {
  const names = new Map<string, MemberId>()
  return (name, memberId, most) =>
    Effect.sync(() => {
      const owner = names.get(name)
      if (owner !== undefined) return owner === memberId ? "own" : "taken"
      if ([...names.values()].filter((one) => one === memberId).length >= most) return "full"
      names.set(name, memberId)
      return "own"
    })
}

/**
 * A store in this process's memory. Every step runs at once, so nothing needs a lock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<DeviceStore> = Effect.sync(() => {
  const devices = new Map<DeviceId, DeviceRow>()
  const sequences = new Map<DeviceId, Sequence>()
  const rows = new Map<InstanceId, InstanceRow>()
  const keys = new Map<DevicePublicKey, { readonly id: DeviceId; readonly isCurrent: boolean }>()
  const rails = new Map<MemberId, MemberRails>()
  let version = 0

  const railsOf = (member: MemberId): RailHolding => ({
    rails: rails.get(member) ?? NO_RAILS,
    instances: byVersion().filter(({ instance, listed }) => listed && instance.memberId === member),
  })
  const write = (before: ReadonlyArray<InstanceRow>, change: Pick<Change, "instances">) => {
    const numbered = number(version, before, change)
    for (const row of numbered.rows) rows.set(row.instance.id, row)
    version = numbered.last
  }
  const show = (row: DeviceRow): Device => {
    const { atMs, sequence, status } = sequences.get(row.id) ?? UNUSED
    return { ...row, sequence: Math.max(0, sequence), lastSeenAtMs: atMs, status: status ?? null }
  }
  const shown = (ids: ReadonlyArray<DeviceId>) =>
    new Map(ids.flatMap((id) => devices.get(id) ?? []).map((row) => [row.id, show(row)]))

  const byVersion = () => [...rows.values()].sort((a, b) => a.version - b.version)
  const othersOf = (member: MemberId, id: DeviceId): number =>
    new Set(
      [...rows.values()].flatMap(({ instance, listed }) =>
        listed && instance.memberId === member && instance.deviceId !== id ? [instance.deviceId] : [],
      ),
    ).size
  const holding = (id: DeviceId | undefined, member?: MemberId): Holding => {
    const instances = [...rows.values()].filter(({ instance }) => instance.deviceId === id)
    const isNew = id !== undefined && member !== undefined && !instances.some(({ listed }) => listed)
    return {
      device: id === undefined ? undefined : devices.get(id),
      instances,
      others: isNew ? othersOf(member, id) : 0,
      ...(member === undefined ? {} : { rails: rails.get(member) ?? NO_RAILS }),
    }
  }

  return {
    useSequence: (id, sequence, atMs) =>
      Effect.sync(() => {
        if (devices.get(id)?.state === "revoked") return "revoked"
        if ((sequences.get(id)?.sequence ?? -1) >= sequence) return "replayed"
        sequences.set(id, { ...sequences.get(id), sequence, atMs })
        return "used"
      }),
    forgetSequences: (beforeMs) =>
      Effect.sync(() => {
        for (const [id, { atMs }] of sequences) if (atMs < beforeMs && !devices.has(id)) sequences.delete(id)
      }),
    claimName: makeNames(),
    device: (id) => Effect.sync(() => shown([id]).get(id)),
    devices: (ids) => Effect.sync(() => shown(ids)),
    devicesOf: (member, most) =>
      Effect.sync(() =>
        [...devices.values()]
          .filter(({ memberId }) => memberId === member)
          .sort((a, b) => (a.id < b.id ? -1 : 1))
          .slice(0, most)
          .map(show),
      ),
    statuses: Effect.sync(
      () =>
        new Map([...sequences].flatMap(([id, { status }]) => (status === undefined ? [] : [[id, status] as const]))),
    ),
    keyOwner: (key) => Effect.sync(() => keys.get(key)),
    replaceKey: (id, former, key, derived) =>
      Effect.sync(() => {
        const row = devices.get(id)
        if (row?.publicKey !== former || keys.has(key) || devices.has(derived)) return false
        keys.set(former, { id, isCurrent: false })
        keys.set(key, { id, isCurrent: true })
        return true
      }),
    giveNonce: (id, nonce) =>
      Effect.sync(() => {
        sequences.set(id, { ...(sequences.get(id) ?? UNUSED), nonce, formerNonce: undefined })
      }),
    takeNonce: (id, given, next, status) =>
      Effect.sync(() => {
        const known = sequences.get(id) ?? UNUSED
        const isLast = known.nonce === undefined || known.nonce === given
        if (!isLast && (given === undefined || known.formerNonce !== given)) return false
        sequences.set(id, { ...known, nonce: next, formerNonce: isLast ? given : undefined, status })
        return true
      }),
    change: (about, rule) =>
      Effect.suspend(() => {
        const held =
          "device" in about ? holding(about.device, about.member) : holding(rows.get(about.instance)?.instance.deviceId)
        return Effect.map(Effect.fromResult(rule(held)), (change) => {
          if (change.device !== undefined) devices.set(change.device.id, change.device)
          write(held.instances, change)
        })
      }),
    rails: (member) => Effect.sync(() => railsOf(member)),
    changeRails: (member, rule) =>
      Effect.suspend(() => {
        const held = railsOf(member)
        return Effect.map(Effect.fromResult(rule(held)), (change) => {
          rails.set(member, change.rails)
          write(held.instances, change)
        })
      }),
    touch: (device, ids, atMs) =>
      Effect.sync(() =>
        ids.flatMap((id) => {
          const row = rows.get(id)
          if (row === undefined || !row.listed || row.instance.deviceId !== device) return []
          rows.set(id, { ...row, lastBeatAtMs: atMs })
          const { maintenance, state } = row.instance
          return [{ id, state, ...(maintenance === undefined ? {} : { maintenance }) }]
        }),
      ),
    listed: Effect.sync(() => byVersion().filter((row) => row.listed)),
    since: (after) => Effect.sync(() => ({ version, rows: byVersion().filter((row) => row.version > after) })),
  }
})
