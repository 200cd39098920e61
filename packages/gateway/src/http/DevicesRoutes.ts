/**
 * Members' machines: they are paired, named, given other keys, and ended.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { DeviceId } from "@guildhall/core/Device"
import type { MemberId } from "@guildhall/core/Member"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { SIGNED_PATHS } from "@guildhall/protocol/api/DevicesApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { KeyChange } from "@guildhall/protocol/provider/KeyChange"
import { type PairAnswer, PairRequest } from "@guildhall/protocol/provider/PairRequest"
import { WalletBinding } from "@guildhall/protocol/provider/WalletBinding"
import { Attestations } from "@guildhall/registry/Attestations"
import { Devices } from "@guildhall/registry/Devices"
import { DeviceWallets } from "@guildhall/registry/DeviceWallets"
import * as Pairing from "@guildhall/registry/Pairing"
import { PairingId } from "@guildhall/registry/PairingStore"
import { Market } from "../Market.ts"
import * as Acts from "./internal/Acts.ts"
import * as AddressRate from "./internal/AddressRate.ts"
import * as Beats from "./internal/Beats.ts"
import * as DeviceViews from "./internal/DeviceViews.ts"
import * as Gone from "./internal/Gone.ts"
import * as Problems from "./internal/Problems.ts"
import * as Signed from "./internal/Signed.ts"

/** So often a network may send codes and keys: an agent that waits asks every two seconds. */
const ASKS_PER_MINUTE = 120
/** So often it may ask for what is gone, which costs nothing. */
const ASK_AGAIN_MS = 2_000
/** A machine with 128 GPUs says so in less. */
const BODY_BYTES_MAX = 65_536

const decodePair = Signed.decode(PairRequest)
const decodeKeyChange = Signed.decode(KeyChange)
const decodeBinding = Signed.decode(WalletBinding)

const makePair = Effect.gen(function* () {
  const authenticate = yield* Signed.makeAuthenticate
  const pairing = yield* Pairing.Pairing
  const addressed = yield* AddressRate.make(ASKS_PER_MINUTE)
  return Effect.fn("DevicesRoutes.pair")(function* (signed: Signed.Signed) {
    const address = yield* addressed
    const { body, publicKey } = yield* authenticate(SIGNED_PATHS.pair, signed, BODY_BYTES_MAX)
    const { code, ...said } = yield* decodePair(body)
    const [digits = "", name] = code.split("-")
    const pairingId = name === undefined ? undefined : PairingId.make(`pair_${name}`)
    const { deviceId, state } = yield* pairing.ask({ ...said, publicKey, address }, Redacted.make(digits), pairingId)
    const answer: PairAnswer = {
      state,
      device_id: deviceId,
      fingerprint: Pairing.fingerprint(publicKey),
      ask_again_ms: ASK_AGAIN_MS,
    }
    return HttpServerResponse.jsonUnsafe(answer, { status: state === "waiting" ? 202 : 200 })
  })
})

const makeChangeKey = Effect.gen(function* () {
  const authenticate = yield* Signed.makeAuthenticate
  const devices = yield* Devices
  const note = yield* Acts.make
  const addressed = yield* AddressRate.make(ASKS_PER_MINUTE)
  return Effect.fn("DevicesRoutes.changeKey")(function* (id: DeviceId, signed: Signed.Signed) {
    yield* addressed
    const { body, id: signer, publicKey: former } = yield* authenticate(SIGNED_PATHS.key(id), signed, BODY_BYTES_MAX)
    if (signer !== id) {
      return yield* Problem.of("insufficient_role", `The key that signed is ${signer}'s. A device changes its own key.`)
    }
    const { proof, public_key: publicKey } = yield* decodeKeyChange(body)
    const { memberId } = yield* devices.replaceKey({ id, former, publicKey, proof })
    yield* note(memberId, "device.key_replaced", id)
    return { device_id: id, fingerprint: Pairing.fingerprint(publicKey) }
  })
})

const makeBindWallet = Effect.gen(function* () {
  const { definition } = yield* Market
  const authenticate = yield* Signed.makeAuthenticate
  const devices = yield* Devices
  const note = yield* Acts.make
  const addressed = yield* AddressRate.make(ASKS_PER_MINUTE)
  const wallets = Option.getOrUndefined(yield* Effect.serviceOption(DeviceWallets))
  return Effect.fn("DevicesRoutes.bindWallet")(function* (id: DeviceId, signed: Signed.Signed) {
    yield* addressed
    if (definition.wallets === undefined || wallets === undefined) {
      return yield* Problem.of("wallet_not_used", "Nothing here is bonded or voted on with a wallet. Leave it out.")
    }
    const { body, id: signer, publicKey } = yield* authenticate(SIGNED_PATHS.wallet(id), signed, BODY_BYTES_MAX)
    if (signer !== id) {
      return yield* Problem.of("insufficient_role", `The key that signed is ${signer}'s. A device binds itself.`)
    }
    const device = yield* devices.find(id)
    if (device === undefined) return yield* Problem.of("not_found", `${id} is not registered. Pair it first.`)
    const { chainId } = definition.wallets
    const expected = { market: definition.name, chainId, device: publicKey }
    const { address, boundAtMs } = yield* wallets.bind(id, yield* decodeBinding(body), expected)
    yield* note(device.memberId, "device.wallet_bound", `${id} ${address}`)
    return { device_id: id, wallet: address, bound_at_ms: boundAtMs }
  })
})

/** What members do with their devices. */
const makeOwning = Effect.gen(function* () {
  const { definition } = yield* Market
  const devices = yield* Devices
  const pairing = yield* Pairing.Pairing
  const note = yield* Acts.make
  const show = DeviceViews.make(definition.deviceClasses)
  const wallets = Option.getOrUndefined(yield* Effect.serviceOption(DeviceWallets))
  const attestations = Option.getOrUndefined(yield* Effect.serviceOption(Attestations))
  const besideOf = Effect.fnUntraced(function* (memberId: MemberId, ids: ReadonlyArray<DeviceId>) {
    return {
      listed: yield* devices.instancesOf(memberId),
      wallets: wallets === undefined ? new Map() : yield* wallets.of(ids),
      equivocated: attestations === undefined ? new Map() : yield* attestations.forked(ids),
    }
  })
  return {
    list: Effect.fn("DevicesRoutes.list")(function* () {
      const { memberId } = yield* Caller
      const [waiting, own] = [yield* pairing.waiting(memberId), yield* devices.devicesOf(memberId)]
      const beside = yield* besideOf(
        memberId,
        own.map(({ id }) => id),
      )
      return { data: [...waiting.map(show.waiting), ...own.map((device) => show.device(device, beside))] }
    }, Problems.answer),
    approve: Effect.fn("DevicesRoutes.approve")(function* (id: DeviceId) {
      const { memberId } = yield* Caller
      const device = yield* pairing.approve(memberId, id)
      yield* note(memberId, "device.paired", id)
      return show.device(device, yield* besideOf(memberId, [id]))
    }, Problems.answer),
    refuse: Effect.fn("DevicesRoutes.refuse")(function* (id: DeviceId) {
      const { memberId } = yield* Caller
      yield* pairing.refuse(memberId, id)
      yield* note(memberId, "device.refused", id)
    }, Problems.answer),
    rename: Effect.fn("DevicesRoutes.rename")(function* (id: DeviceId, name: string) {
      const { memberId } = yield* Caller
      return show.device(yield* devices.rename(id, memberId, name), yield* besideOf(memberId, [id]))
    }, Problems.answer),
    revoke: Effect.fn("DevicesRoutes.revoke")(function* (id: DeviceId) {
      const { memberId, role } = yield* Caller
      yield* role === "operator" ? devices.revoke(id) : devices.revoke(id, memberId)
      yield* note(memberId, "device.revoked", id)
    }, Problems.answer),
  }
})

/**
 * The handlers. A code is told to nobody but who made it; what a device says of itself is shown as it came.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "devices",
  Effect.fnUntraced(function* (handlers) {
    const pairing = yield* Pairing.Pairing
    const addressed = yield* AddressRate.make(ASKS_PER_MINUTE)
    const pair = yield* makePair
    const changeKey = yield* makeChangeKey
    const bindWallet = yield* makeBindWallet
    const beat = yield* Beats.make(SIGNED_PATHS.heartbeat)
    const own = yield* makeOwning

    return handlers
      .handle(
        "pairCode",
        Effect.fn("DevicesRoutes.pairCode")(function* ({ request }) {
          const { memberId } = yield* Caller
          const { code, endsAtMs, id } = yield* pairing.makeCode(memberId, yield* addressed)
          const longCode = `${Redacted.value(code)}-${id.slice("pair_".length)}`
          // The member reached the market there, so its machine will in most cases.
          const at = Option.match(HttpServerRequest.toURL(request), {
            onNone: () => "",
            onSome: ({ origin }) => ` --market ${origin}`,
          })
          return { code: Redacted.value(code), longCode, command: `guildhall-agent pair ${longCode}${at}`, endsAtMs }
        }, Problems.answer),
      )
      .handleRaw(
        "pair",
        Effect.fnUntraced(function* (signed) {
          return yield* pair(signed)
        }, Problems.answer),
      )
      .handle("list", () => own.list())
      .handle("approve", ({ params }) => own.approve(params.id))
      .handle("refuse", ({ params }) => own.refuse(params.id))
      .handle("rename", ({ params, payload }) => own.rename(params.id, payload.name))
      .handle("revoke", ({ params }) => own.revoke(params.id))
      .handleRaw(
        "changeKey",
        Effect.fnUntraced(function* (signed) {
          return yield* changeKey(signed.params.id, signed)
        }, Problems.answer),
      )
      .handleRaw(
        "bindWallet",
        Effect.fnUntraced(function* (signed) {
          return yield* bindWallet(signed.params.id, signed)
        }, Problems.answer),
      )
      .handleRaw(
        "heartbeat",
        Effect.fnUntraced(function* (signed) {
          return yield* beat(signed)
        }, Problems.answer),
      )
      .handle("registerGpu", () => Effect.fail(Gone.registerGpu))
  }),
)
