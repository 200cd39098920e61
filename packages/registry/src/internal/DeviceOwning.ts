/** What a member does with its devices, whose key is whose, and the nonces of beats. */
import * as Effect from "effect/Effect"
import type { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import * as KeyChange from "@guildhall/protocol/provider/KeyChange"
import type { Devices } from "../Devices.ts"
import type { DeviceStore } from "../DeviceStore.ts"
import { RegistryError } from "../RegistryError.ts"
import * as DeviceRules from "./DeviceRules.ts"
import * as DeviceSignature from "./DeviceSignature.ts"
import * as KeySecret from "./KeySecret.ts"

type Service = Devices["Service"]

export const SHOWN_MAX = 2_000

const refuse = (code: RegistryError["code"], detail: string) => new RegistryError({ code, detail })

const unreadable = refuse(
  "invalid_request",
  "The device's key is not 32 bytes in base64url. Send the raw Ed25519 public key.",
)

/** The device that a key is of: of its own, unless it was given to another or is one's no more. */
export const makeOwner = (store: DeviceStore) =>
  Effect.fnUntraced(function* (publicKey: DevicePublicKey) {
    const derived = DeviceSignature.deviceId(publicKey)
    if (derived === undefined) return yield* unreadable
    const owner = yield* store.keyOwner(publicKey)
    if (owner === undefined) return derived
    if (owner.isCurrent) return owner.id
    return yield* refuse("key_replaced", `${owner.id} has another key by now. Sign with that one.`)
  })

/** What a member does with its devices. */
export const make = (
  store: DeviceStore,
  perMember: number,
): Pick<Service, "find" | "findAll" | "devicesOf" | "statuses" | "adopt" | "rename" | "replaceKey" | "revoke"> => {
  const owner = makeOwner(store)
  const changed = Effect.fnUntraced(function* (id: DeviceId, rule: Parameters<typeof store.change>[1]) {
    yield* store.change({ device: id }, rule)
    return (yield* store.device(id)) ?? (yield* refuse("not_found", `${id} is not registered.`))
  })
  return {
    find: Effect.fn("Devices.find")((id) => store.device(id)),
    findAll: Effect.fn("Devices.findAll")(store.devices),
    devicesOf: Effect.fn("Devices.devicesOf")((memberId) => store.devicesOf(memberId, SHOWN_MAX)),
    statuses: store.statuses.pipe(Effect.withSpan("Devices.statuses")),
    adopt: Effect.fn("Devices.adopt")(function* ({ facts, memberId, publicKey }) {
      const id = yield* owner(publicKey)
      const others = (yield* store.devicesOf(memberId, SHOWN_MAX)).filter((one) => one.id !== id)
      const isFull = others.filter(({ state }) => state === "active").length >= perMember
      if (isFull || others.length >= SHOWN_MAX) {
        return yield* refuse("too_many_instances", `A member has at most ${perMember} devices here. Revoke one first.`)
      }
      return yield* changed(id, DeviceRules.adopt({ id, memberId, publicKey, facts }))
    }),
    rename: Effect.fn("Devices.rename")((id, memberId, name) => changed(id, DeviceRules.rename(id, memberId, name))),
    revoke: Effect.fn("Devices.revoke")((id, memberId) => changed(id, DeviceRules.revoke(id, memberId))),
    replaceKey: Effect.fn("Devices.replaceKey")(function* ({ former, id, proof, publicKey }) {
      const derived = DeviceSignature.deviceId(publicKey)
      if (derived === undefined) return yield* unreadable
      if (!DeviceSignature.verify(publicKey, KeyChange.proofBytes(id, former, publicKey), proof)) {
        return yield* refuse("invalid_signature", "The new key did not sign for this device. Prove that you have it.")
      }
      if (!(yield* store.replaceKey(id, former, publicKey, derived))) {
        const detail = `${id} is not registered with the key that signs, or the new key is or was a device's. Make a new one.`
        return yield* refuse("invalid_request", detail)
      }
      return yield* changed(id, DeviceRules.rekey(id, publicKey))
    }),
  }
}

/** Beats are bound to each other: each carries what the market answered to the one before. */
export const makeNonces = (store: DeviceStore): Pick<Service, "giveNonce" | "takeNonce"> => ({
  giveNonce: Effect.fn("Devices.giveNonce")(function* (id) {
    const nonce = KeySecret.randomId("nonce_")
    yield* store.giveNonce(id, nonce)
    return nonce
  }),
  takeNonce: Effect.fn("Devices.takeNonce")(function* (id, nonce, status) {
    const next = KeySecret.randomId("nonce_")
    if (yield* store.takeNonce(id, nonce, next, status)) return next
    return yield* refuse(
      "stale_nonce",
      "The beat carries another nonce than the market gave last. Register again to get one. Where this comes again and again, a second agent works with a copy of this device's key: stop one of them, or pair it as a device of its own.",
    )
  }),
})
