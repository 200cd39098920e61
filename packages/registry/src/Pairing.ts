/**
 * PORT. Pairs machines with members: a member makes a code of six digits, an agent sends it with its key's signature and says
 * what its machine is, and the device waits until the member has seen it and approves it. Then it is the member's.
 *
 * A code of six digits is found by trying, so tries are few. A wrong code names nobody, so what is counted is the network that
 * it came from, and all of them. A member's own agent can do without that count: it names the pairing as well, which nobody
 * guesses, or it asks from where the code was made. So who uses up the market's tries keeps nobody out.
 *
 * Guarantees, each proved by `PairingTest.suite`:
 *
 * 1. A device that sends a member's code waits for that member, who sees what it said and the fingerprint of its key.
 * 2. A code is good once and for ten minutes; whatever is wrong with it, it is refused with `invalid_pairing_code`.
 * 3. A device that its member approves is the member's, one that is refused is nobody's, and each hears so when it asks again.
 * 4. Nobody but the member whose code it was sees, approves or refuses a device: `not_found`.
 * 5. Five wrong codes from a network lock it out for ten minutes, whatever it then sends: `pairing_locked`.
 * 6. Five wrong codes that name a pairing end it, and lock no network.
 * 7. Of all networks together, {@link TRIES_MAX} wrong codes in ten minutes are heard; then a code is taken from where it was made, or with its pairing's name.
 * 8. A member, a network and the market have no more pairings under way than {@link BOUNDS}: `too_many_pairings`.
 * 9. Of many that send one code at once, one gets it, and wrong codes sent at once all count.
 * 10. What waits for a member for an hour is over.
 *
 * @since 0.1.0
 */
import { randomInt, timingSafeEqual } from "node:crypto"
import { isIPv6 } from "node:net"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { Device, DeviceId } from "@guildhall/core/Device"
import type { MemberId } from "@guildhall/core/Member"
import { Devices } from "./Devices.ts"
import * as DeviceSignature from "./internal/DeviceSignature.ts"
import * as KeySecret from "./internal/KeySecret.ts"
import { type Asking, makeMemory, PairingId, type PairingRow, type PairingStore } from "./PairingStore.ts"
import { RegistryError } from "./RegistryError.ts"

/** How long a code can be sent, and how long wrong ones count. @category constants @since 0.1.0 */
export const CODE_MS = 600_000

/** How long a device waits for its member. @category constants @since 0.1.0 */
export const WAIT_MS = 3_600_000

/** Wrong codes that are heard in {@link CODE_MS} from one network, and for one pairing that is named. @category constants @since 0.1.0 */
export const TRIES_EACH_MAX = 5

/**
 * Wrong codes that are heard in {@link CODE_MS} from all networks. With those from where the code was made, and those that name
 * its pairing, at most 60 of a million codes are tried in the life of one.
 *
 * @category constants
 * @since 0.1.0
 */
export const TRIES_MAX = 50

/** Pairings under way: of a member, of devices that wait in one network, and in all. @category constants @since 0.1.0 */
export const BOUNDS = { perMember: 8, waitingPerNetwork: 16, all: 1_000 } as const

/** What was decided can be asked for so long. */
const REMEMBER_MS = 86_400_000

/**
 * What became of a device that asked.
 *
 * @category models
 * @since 0.1.0
 */
export type PairingState = "waiting" | "approved" | "refused" | "over"

/**
 * What a member sees of a device that waits. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiting extends Asking {
  readonly deviceId: DeviceId
  readonly fingerprint: string
  readonly askedAtMs: number
  readonly endsAtMs: number
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Pairing extends Context.Service<
  Pairing,
  {
    /** Makes a code for a member who asks from an address. It is shown once. */
    readonly makeCode: (
      memberId: MemberId,
      address: string,
    ) => Effect.Effect<
      { readonly id: PairingId; readonly code: Redacted.Redacted; readonly endsAtMs: number },
      RegistryError
    >
    /**
     * Sends a code for a device, whose signature was checked; or asks again what became of it, with the same code. `pairingId`
     * is the code's pairing, where the agent was told it.
     */
    readonly ask: (
      device: Asking,
      code: Redacted.Redacted,
      pairingId?: PairingId,
    ) => Effect.Effect<{ readonly state: PairingState; readonly deviceId: DeviceId }, RegistryError>
    /** The devices that wait for a member, first come first. */
    readonly waiting: (memberId: MemberId) => Effect.Effect<ReadonlyArray<Waiting>, RegistryError>
    readonly approve: (memberId: MemberId, id: DeviceId) => Effect.Effect<Device, RegistryError>
    readonly refuse: (memberId: MemberId, id: DeviceId) => Effect.Effect<void, RegistryError>
  }
>()("@guildhall/registry/Pairing") {}

/**
 * `mac` is a keyed hash of 64 hexadecimal digits, such as HMAC-SHA256 under a secret of the market: of a plain hash, all million
 * codes are tried in a second. Replicas share it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly mac: (text: Redacted.Redacted) => string
}

/**
 * The network of an address: itself, or of IPv6 the first 64 bits, since who has one such address has all of them.
 *
 * **Example** (Two addresses of one home)
 *
 * ```ts
 * import { Pairing } from "@guildhall/registry"
 *
 * Pairing.networkOf("2001:db8:1:2::7") === Pairing.networkOf("2001:db8:1:2:3:4:5:6") // => true
 * Pairing.networkOf("192.0.2.7") // => "192.0.2.7"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const networkOf = (address: string): string => {
  const [plain = ""] = address.split("%")
  if (!isIPv6(plain)) return address.slice(0, 64)
  const [head = "", tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split("::")
  const [first, last] = [head, tail ?? ""].map((part) => part.split(":").filter((group) => group !== ""))
  const missing = tail === undefined ? 0 : 8 - (first?.length ?? 0) - (last?.length ?? 0)
  const groups = [...(first ?? []), ...Array.from({ length: missing }, () => "0"), ...(last ?? [])]
  return `${groups.slice(0, 4).join(":")}::/64`
}

const refusal = (code: RegistryError["code"], detail: string) => new RegistryError({ code, detail })

const wrong = refusal(
  "invalid_pairing_code",
  "The code is wrong, was used before, or is over. Make a new one and send it within ten minutes. Each pairs one device, and whoever tries a few wrong ones has to wait.",
)
const lockedOut = refusal(
  "pairing_locked",
  "Wrong codes came from this network. It is heard again ten minutes after them. The command that the code was shown with works at once.",
)
const marketBusy = refusal(
  "pairing_locked",
  "Too many wrong codes came from everywhere in the last ten minutes. Use the command that the code was shown with, which names its pairing: it works at once.",
)

const FORM = /^[0-9]{6}$/
const equal = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"))

/** What a look at a code came to. Refusals are values inside, or what was counted would be taken back with them. */
type Looked = PairingRow | RegistryError

const makeLook = (store: PairingStore) => {
  /** A code that came with its pairing's name counts for that one alone. */
  const named = Effect.fnUntraced(function* (id: PairingId, codeHash: string, nowMs: number) {
    const row = yield* store.byId(id)
    if (row?.state !== "open" || row.endsAtMs <= nowMs || row.wrongTries >= TRIES_EACH_MAX) return wrong
    if (equal(row.codeHash, codeHash)) return row
    yield* store.put({ ...row, wrongTries: row.wrongTries + 1 })
    return wrong
  })
  /** Any other counts for its network and for all. */
  const unnamed = Effect.fnUntraced(function* (network: string, codeHash: string, nowMs: number) {
    const tries = yield* store.tries(network, nowMs - CODE_MS)
    if (tries.from >= TRIES_EACH_MAX) return lockedOut
    const isBusy = tries.all >= TRIES_MAX
    if (isBusy && !(yield* store.isHome(network, nowMs))) return marketBusy
    const row = yield* store.byCode(codeHash, nowMs)
    const isGood =
      row !== undefined &&
      equal(row.codeHash, codeHash) &&
      row.wrongTries < TRIES_EACH_MAX &&
      (!isBusy || row.madeFrom === network)
    if (isGood) return row
    yield* store.addTry(network, nowMs)
    return isBusy ? marketBusy : wrong
  })
  return (
    network: string,
    id: PairingId | undefined,
    codeHash: string,
    nowMs: number,
  ): Effect.Effect<Looked, RegistryError> =>
    id === undefined ? unnamed(network, codeHash, nowMs) : named(id, codeHash, nowMs)
}

const stateOf = (row: PairingRow, nowMs: number): PairingState =>
  row.state === "approved" || row.state === "refused" ? row.state : row.endsAtMs <= nowMs ? "over" : "waiting"

const makeAsk = (store: PairingStore, devices: Devices["Service"], { mac }: Options): Pairing["Service"]["ask"] => {
  const look = makeLook(store)
  const asking = Effect.fnUntraced(function* (device: Asking, codeHash: string, pairingId: PairingId | undefined) {
    const nowMs = yield* Clock.currentTimeMillis
    const deviceId = DeviceSignature.deviceId(device.publicKey)
    if (deviceId === undefined) return refusal("invalid_request", "The device's key is not 32 bytes in base64url.")
    const last = yield* store.byDevice(deviceId)
    if (last !== undefined && equal(last.codeHash, codeHash)) return { state: stateOf(last, nowMs), deviceId }
    yield* store.forget({ triesMs: nowMs - CODE_MS, pairingsMs: nowMs - REMEMBER_MS })
    const askedFrom = networkOf(device.address)
    const row = yield* look(askedFrom, pairingId, codeHash, nowMs)
    if (row instanceof RegistryError) return row
    const known = yield* devices.find(deviceId)
    if (known !== undefined && known.memberId !== row.memberId) {
      return refusal(
        "insufficient_role",
        "This device is another member's. Pair one with a key of its own: choose another home.",
      )
    }
    const { waitingFrom } = yield* store.count({ memberId: row.memberId, network: askedFrom }, nowMs)
    if (waitingFrom >= BOUNDS.waitingPerNetwork) {
      return refusal("too_many_pairings", "Many devices of this network wait already. Approve or refuse some of them.")
    }
    // A device waits for one member at a time: it has left the one that it asked before.
    if (last?.state === "waiting") yield* store.put({ ...last, state: "refused", changedAtMs: nowMs })
    const taken = {
      state: "waiting",
      deviceId,
      askedFrom,
      device,
      endsAtMs: nowMs + WAIT_MS,
      changedAtMs: nowMs,
    } as const
    yield* store.put({ ...row, ...taken })
    return { state: "waiting" as const, deviceId }
  })
  return Effect.fn("Pairing.ask")(function* (device, code, pairingId) {
    if (!FORM.test(Redacted.value(code))) return yield* refusal("invalid_request", "A code has six digits.")
    const answer = yield* store.alone(asking(device, mac(code), pairingId))
    return answer instanceof RegistryError ? yield* answer : answer
  })
}

const makeMakeCode = (store: PairingStore, { mac }: Options): Pairing["Service"]["makeCode"] => {
  const making = Effect.fnUntraced(function* (memberId: MemberId, madeFrom: string) {
    const nowMs = yield* Clock.currentTimeMillis
    yield* store.forget({ triesMs: nowMs - CODE_MS, pairingsMs: nowMs - REMEMBER_MS })
    const { all, ofMember } = yield* store.count({ memberId, network: madeFrom }, nowMs)
    if (ofMember >= BOUNDS.perMember) {
      const detail = `You have ${ofMember} codes and waiting devices. Use or refuse some, or wait until codes are over.`
      return yield* refusal("too_many_pairings", detail)
    }
    if (all >= BOUNDS.all)
      return yield* refusal("too_many_pairings", "The market is busy pairing. Try again in a minute.")
    for (;;) {
      // Among at most a thousand open ones of a million, a free one is found at once.
      const code = Redacted.make(`${randomInt(1_000_000)}`.padStart(6, "0"))
      const codeHash = mac(code)
      if ((yield* store.byCode(codeHash, nowMs)) !== undefined) continue
      const id = PairingId.make(KeySecret.randomId("pair_"))
      const endsAtMs = nowMs + CODE_MS
      const nobody = { deviceId: null, askedFrom: null, device: null }
      yield* store.put({
        id,
        memberId,
        codeHash,
        madeFrom,
        state: "open",
        wrongTries: 0,
        ...nobody,
        endsAtMs,
        changedAtMs: nowMs,
      })
      return { id, code, endsAtMs }
    }
  })
  return Effect.fn("Pairing.makeCode")((memberId, address) => store.alone(making(memberId, networkOf(address))))
}

/**
 * The service over a store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (store: PairingStore, options: Options) {
  const devices = yield* Devices
  const waitingFor = Effect.fnUntraced(function* (memberId: MemberId, id: DeviceId, nowMs: number) {
    const row = yield* store.byDevice(id)
    if (row?.state === "waiting" && row.memberId === memberId && row.endsAtMs > nowMs && row.device !== null) {
      return { row, device: row.device }
    }
    return yield* refusal("not_found", `No device ${id} waits for you. Look at those that do, or make a new code.`)
  })
  return Pairing.of({
    makeCode: makeMakeCode(store, options),
    ask: makeAsk(store, devices, options),
    waiting: Effect.fn("Pairing.waiting")(function* (memberId) {
      const rows = yield* store.waiting(memberId, yield* Clock.currentTimeMillis)
      return rows.flatMap(({ changedAtMs, device, deviceId, endsAtMs }): ReadonlyArray<Waiting> => {
        if (device === null || deviceId === null) return []
        const fingerprint = DeviceSignature.fingerprint(device.publicKey)
        return [{ ...device, deviceId, fingerprint, askedAtMs: changedAtMs, endsAtMs }]
      })
    }),
    approve: Effect.fn("Pairing.approve")(function* (memberId, id) {
      return yield* store.alone(
        Effect.gen(function* () {
          const nowMs = yield* Clock.currentTimeMillis
          const { device, row } = yield* waitingFor(memberId, id, nowMs)
          const { publicKey, ...said } = device
          const adopted = yield* devices.adopt({ memberId, publicKey, facts: { ...said, pairedAtMs: nowMs } })
          yield* store.put({ ...row, state: "approved", changedAtMs: nowMs })
          return adopted
        }),
      )
    }),
    refuse: Effect.fn("Pairing.refuse")(function* (memberId, id) {
      yield* store.alone(
        Effect.gen(function* () {
          const nowMs = yield* Clock.currentTimeMillis
          const { row } = yield* waitingFor(memberId, id, nowMs)
          yield* store.put({ ...row, state: "refused", changedAtMs: nowMs })
        }),
      )
    }),
  })
})

/**
 * Pairings in this process's memory, gone with it: for tests and small embeddings.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options): Layer.Layer<Pairing, never, Devices> =>
  Layer.effect(
    Pairing,
    Effect.flatMap(makeMemory, (store) => make(store, options)),
  )

/**
 * The fingerprint of a device's key, as its agent prints it.
 *
 * @category getters
 * @since 0.1.0
 */
export const fingerprint: (publicKey: Asking["publicKey"]) => string = DeviceSignature.fingerprint
