/** The rules of devices: from what a device holds, and what is asked, to what it holds then. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { DeviceFacts, DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { EntryState } from "@guildhall/core/EntryVerification"
import { Instance, type InstanceId, type InstanceState, type Reach } from "@guildhall/core/Instance"
import * as Maintenance from "@guildhall/core/Maintenance"
import type { MemberId } from "@guildhall/core/Member"
import type * as ProviderRails from "@guildhall/core/ProviderRails"
import type { Change, DeviceRow, Holding, InstanceRow } from "../DeviceStore.ts"
import * as Endpoint from "../Endpoint.ts"
import * as EntrySubject from "../EntrySubject.ts"
import type { Registration } from "../Registration.ts"
import { RegistryError } from "../RegistryError.ts"
import * as DeviceRails from "./DeviceRails.ts"
import * as DeviceSignature from "./DeviceSignature.ts"

/** The most instances that one device may have had, whatever the market takes. */
export const INSTANCES_MAX = 64

/** How many devices a member may list, and how many models each. */
export interface Bounds {
  readonly perMember: number
  readonly modelsEach: number
  /** Whether an instance must pass checks before requests go to it. */
  readonly asksEntry?: boolean | undefined
  readonly rails?: ReadonlyArray<ProviderRails.Rail> | undefined
}

type Rule = (holding: Holding) => Result.Result<Change, RegistryError>

const refuse = (code: RegistryError["code"], detail: string) => Result.fail(new RegistryError({ code, detail }))
const decodeInstance = Schema.decodeUnknownResult(Schema.toType(Instance))
const DETAIL_CHARS_MAX = 500
const NAME_CHARS_MAX = 200
const HINT =
  "Context length and concurrency are whole numbers from 1, the model is an id, a provider's name is up to 40 of a-z, 0-9 and -, endpoints, quantization, parameters, inputs and rails are known names, each once, a region is like eu-west and a country like DE."
const nothing: Result.Result<Change, RegistryError> = Result.succeed({ instances: [] })

/** A URL that the market may call, as it is kept; other ways have nothing to check. */
const reachable = (reach: Reach, options: { readonly allowPrivate: boolean }): Result.Result<Reach, string> =>
  reach._tag === "Endpoint"
    ? Result.map(Endpoint.check(reach.url, options), (url): Reach => ({ _tag: "Endpoint", url }))
    : Result.succeed(reach)

/** The device of a registration: by its key, or by its name where it has none. */
const identify = (
  { keyless, memberId, publicKey }: Registration,
  owner: DeviceId | undefined,
): Result.Result<DeviceId, RegistryError> => {
  if ((publicKey === undefined) === (keyless === undefined)) {
    return refuse("invalid_request", "A device has a key, or a name where it has none. Give one of them.")
  }
  if (keyless !== undefined) {
    return keyless.length >= 1 && keyless.length <= NAME_CHARS_MAX
      ? Result.succeed(DeviceSignature.keylessId(memberId, keyless))
      : refuse("invalid_request", `The name of a device has 1 to ${NAME_CHARS_MAX} characters. Give another one.`)
  }
  return owner === undefined
    ? refuse("invalid_request", "The device's key is not 32 bytes in base64url. Send the raw Ed25519 public key.")
    : Result.succeed(owner)
}

/** The instance that a registration describes, online. `owner` is the device that its key is of. */
export const instance = (
  registration: Registration,
  owner: DeviceId | undefined,
  options: { readonly allowPrivate: boolean },
): Result.Result<Instance, RegistryError> => {
  const { keyless: _, publicKey, reach, ...terms } = registration
  const identified = identify(registration, owner)
  if (Result.isFailure(identified)) return Result.fail(identified.failure)
  const deviceId = identified.success
  const checkedReach = reachable(reach, options)
  if (Result.isFailure(checkedReach)) return refuse("invalid_endpoint", checkedReach.failure)
  if (terms.price.length === 0) {
    return refuse(
      "invalid_price",
      "The price sheet is empty, and would be free by mistake. Say what a unit costs: 0 is a price.",
    )
  }
  if (new Set(terms.price.map((line) => line.unit)).size !== terms.price.length) {
    return refuse("invalid_price", "A unit stands twice. Give each unit one line.")
  }
  const made: Instance = {
    ...terms,
    id: DeviceSignature.instanceId(deviceId, terms.model),
    deviceId,
    ...(publicKey === undefined ? {} : { devicePublicKey: publicKey }),
    reach: checkedReach.success,
    state: "online",
  }
  const checked = decodeInstance(made)
  return Result.isSuccess(checked)
    ? Result.succeed(made)
    : refuse("invalid_request", `${HINT} ${checked.failure.message.slice(0, DETAIL_CHARS_MAX)}`)
}

/** What was found of an instance counts for as long as it stays, and what was looked at is the same. */
const entryOf = (known: InstanceRow | undefined, wanted: Instance): Pick<InstanceRow, "entry"> => {
  const isSame = known?.listed === true && EntrySubject.digest(known.instance) === EntrySubject.digest(wanted)
  return { entry: isSame ? (known.entry ?? "pending") : "pending" }
}

/** Lists an instance, new or with new terms. */
export const register =
  (wanted: Instance, nowMs: number, { asksEntry, modelsEach, perMember, rails: marketRails }: Bounds): Rule =>
  ({ device, instances, others, rails: memberRails }) => {
    const { deviceId: id, memberId, devicePublicKey: publicKey } = wanted
    if (device?.state === "revoked") {
      return refuse("device_revoked", `The operator revoked ${id}. Register a device with a new key.`)
    }
    if (device !== undefined && device.memberId !== memberId) {
      return refuse("insufficient_role", `${id} belongs to another member. Register a device with a key of its own.`)
    }
    const known = instances.find((row) => row.instance.id === wanted.id)
    if (known === undefined && instances.length >= INSTANCES_MAX) {
      return refuse("too_many_instances", `${id} has served ${INSTANCES_MAX} models. Use a device for the others.`)
    }
    if (known?.listed !== true) {
      if (instances.filter(({ listed }) => listed).length >= modelsEach) {
        return refuse("too_many_instances", `A device lists ${modelsEach} here. Take one off the market first.`)
      }
      if (others >= perMember) {
        return refuse(
          "too_many_instances",
          `A member lists ${perMember} devices here. Take all instances of one off the market first, or ask the operator to raise \`devices.perMember\`.`,
        )
      }
    }
    const rails = DeviceRails.joined(memberRails, known?.rails)
    const unpaid = DeviceRails.unpaid(wanted, marketRails, rails)
    if (unpaid !== undefined) return Result.fail(unpaid)
    const registeredAtMs = known?.listed === true ? known.registeredAtMs : nowMs
    const { maintenance } = known?.instance ?? {}
    const instance: Instance = {
      ...wanted,
      listedAtMs: registeredAtMs,
      // Nobody serves in the middle of its maintenance by starting again: it is called off, or it ends.
      ...(maintenance === undefined || maintenance.toMs <= nowMs ? {} : { maintenance }),
      state: Maintenance.isOpen(maintenance, nowMs) ? "maintenance" : wanted.state,
    }
    return Result.succeed({
      device: {
        id,
        memberId,
        state: "active",
        facts: device?.facts ?? {},
        ...(publicKey === undefined ? {} : { publicKey }),
      },
      instances: [
        {
          instance,
          listed: true,
          lastBeatAtMs: nowMs,
          registeredAtMs,
          ...(rails === undefined ? {} : { rails }),
          ...(asksEntry === true ? entryOf(known, instance) : {}),
        },
      ],
    })
  }

const withState = (row: InstanceRow, state: InstanceState): InstanceRow => ({
  ...row,
  instance: { ...row.instance, state },
})

/** Gives instances the states that a beat tells. */
export const beat =
  (told: ReadonlyMap<InstanceId, InstanceState>, nowMs: number): Rule =>
  ({ instances }) =>
    Result.succeed({
      instances: instances.flatMap((row) => {
        const said = told.get(row.instance.id)
        if (!row.listed || said === undefined) return []
        const state = Maintenance.isOpen(row.instance.maintenance, nowMs) ? "maintenance" : said
        return [{ ...withState(row, state), lastBeatAtMs: nowMs }]
      }),
    })

/** Sets what was found out about an instance. */
export const setState =
  (id: InstanceId, state: InstanceState): Rule =>
  ({ instances }) => {
    const row = instances.find((one) => one.instance.id === id)
    return row === undefined || !row.listed
      ? refuse("not_found", `${id} is not on the market.`)
      : Result.succeed({ instances: [withState(row, state)] })
  }

/** Sets how the checks of an instance ended. What was found of another subject than it has now is passed over. */
export const setEntry =
  (id: InstanceId, entry: EntryState, subject: string): Rule =>
  ({ instances }) => {
    const row = instances.find((one) => one.instance.id === id)
    if (row === undefined || !row.listed) return refuse("not_found", `${id} is not on the market.`)
    return EntrySubject.digest(row.instance) === subject ? Result.succeed({ instances: [{ ...row, entry }] }) : nothing
  }

/** Whose instances are meant: a member's, of one device, or one alone. */
export interface Owned {
  readonly memberId: MemberId
  readonly deviceId?: DeviceId | undefined
  readonly instance?: InstanceId | undefined
}

/** Sets or calls off the maintenance of a member's instances on the market. */
export const maintain =
  ({ deviceId, instance, memberId }: Owned, window: Maintenance.Maintenance | undefined, nowMs: number): Rule =>
  ({ instances }) => {
    const rows = instances.filter(
      ({ instance: one, listed }) =>
        listed &&
        one.memberId === memberId &&
        (deviceId === undefined || one.deviceId === deviceId) &&
        (instance === undefined || one.id === instance),
    )
    if (rows.length === 0) {
      return refuse("not_found", `You have no ${instance ?? `instance of ${deviceId}`} on the market.`)
    }
    const wrong = window === undefined ? undefined : Maintenance.problem(window, nowMs)
    if (wrong !== undefined) return refuse("invalid_request", wrong)
    return Result.succeed({
      instances: rows.map((row) => {
        const { maintenance: _former, ...rest } = row.instance
        const isOpen = Maintenance.isOpen(window, nowMs)
        // What was under maintenance is looked at as if it had come back: the next beat or check tells.
        const state = isOpen ? "maintenance" : rest.state === "maintenance" ? "online" : rest.state
        return { ...row, instance: { ...rest, state, ...(window === undefined ? {} : { maintenance: window }) } }
      }),
    })
  }

/** Takes an instance off the market, for its member. */
export const deregister =
  (id: InstanceId, memberId: MemberId, deviceId?: DeviceId): Rule =>
  ({ instances }) => {
    const row = instances.find((one) => one.instance.id === id)
    if (row === undefined) return refuse("not_found", `There is no instance ${id}.`)
    if (row.instance.memberId !== memberId || (deviceId !== undefined && row.instance.deviceId !== deviceId)) {
      return refuse("insufficient_role", `${id} belongs to another member. Only its member takes it off the market.`)
    }
    return row.listed ? Result.succeed({ instances: [{ ...row, listed: false }] }) : nothing
  }

/** Takes an instance off the market that has been silent since before a time. */
export const drop =
  (id: InstanceId, beforeMs: number): Rule =>
  ({ instances }) => {
    const row = instances.find((one) => one.instance.id === id)
    return row?.listed === true && row.lastBeatAtMs < beforeMs
      ? Result.succeed({ instances: [{ ...row, listed: false }] })
      : nothing
  }

/** Gives a device to the member who approved it, with what it said of itself. */
export const adopt =
  (wanted: { id: DeviceId; memberId: MemberId; publicKey: DevicePublicKey; facts: DeviceFacts }): Rule =>
  ({ device }) => {
    const { id, memberId, publicKey } = wanted
    if (device?.state === "revoked") return refuse("device_revoked", `${id} was revoked. Pair it with a new key.`)
    if (device !== undefined && device.memberId !== memberId) {
      return refuse("insufficient_role", `${id} belongs to another member. Pair it with a key of its own.`)
    }
    const facts = { ...device?.facts, ...wanted.facts }
    return Result.succeed({ device: { id, memberId, publicKey, state: "active", facts }, instances: [] })
  }

/** Lets the device's member alone; for others it is as if the device were not there. */
const own =
  (id: DeviceId, memberId: MemberId | undefined, rule: (device: DeviceRow, holding: Holding) => Change): Rule =>
  (holding) => {
    const { device } = holding
    return device === undefined || (memberId !== undefined && device.memberId !== memberId)
      ? refuse("not_found", `${memberId === undefined ? "There is" : "You have"} no device ${id}.`)
      : Result.succeed(rule(device, holding))
  }

/** Names a device. */
export const rename = (id: DeviceId, memberId: MemberId, name: string): Rule =>
  own(id, memberId, (device) => ({ device: { ...device, facts: { ...device.facts, name } }, instances: [] }))

/** Gives a device and its instances another key. */
export const rekey = (id: DeviceId, publicKey: DevicePublicKey): Rule =>
  own(id, undefined, (device, { instances }) => ({
    device: { ...device, publicKey },
    instances: instances
      .filter(({ listed }) => listed)
      .map((row) => ({ ...row, instance: { ...row.instance, devicePublicKey: publicKey } })),
  }))

/** Ends a device: for its member, where one is named. */
export const revoke = (id: DeviceId, memberId: MemberId | undefined): Rule =>
  own(id, memberId, (device, { instances }) => ({
    device: { ...device, state: "revoked" },
    instances: instances.filter((row) => row.listed).map((row) => ({ ...row, listed: false })),
  }))

/** What a reader that knows everything up to a version has to be told. */
export const events = (
  after: number,
  rows: ReadonlyArray<InstanceRow>,
  asksEntry = false,
  rails?: ReadonlyArray<ProviderRails.Rail>,
): ReadonlyArray<DirectoryEvent> =>
  rows.flatMap((row): ReadonlyArray<DirectoryEvent> => {
    const { listed, termsVersion } = row
    const instance = DeviceRails.told(row, rails)
    if (!listed) return after === 0 ? [] : [{ _tag: "InstanceUnlisted", instanceId: instance.id }]
    // Told in the place of `online`, so that whoever asks for those that are online gets none that has not passed.
    const isWaiting = asksEntry && row.entry !== "passed" && instance.state === "online"
    const state = isWaiting ? "not_verified" : instance.state
    return termsVersion > after
      ? [{ _tag: "InstanceListed", instance: isWaiting ? { ...instance, state } : instance }]
      : [{ _tag: "StateChanged", instanceId: instance.id, state }]
  })
