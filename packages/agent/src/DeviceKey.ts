/**
 * The Ed25519 key of this device. It is made on the first start, stays in the agent's home, signs what the agent sends
 * and the head of its usage log, and can do nothing else.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DeviceId, DevicePublicKey, fingerprint } from "@guildhall/core/Device"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import * as DeviceProof from "@guildhall/protocol/provider/DeviceProof"
import type { KeyedHead } from "@guildhall/protocol/provider/Attested"
import * as SignedCommitment from "@guildhall/protocol/provider/SignedCommitment"
import * as WalletBinding from "@guildhall/protocol/provider/WalletBinding"
import { headBytes, type UsageHead } from "@guildhall/protocol/provider/UsageLog"
import { AgentError } from "./AgentError.ts"
import { AgentHome } from "./AgentHome.ts"

/**
 * The key. `signRequest` gives the headers of a signed message; each call raises the sequence, so messages must be sent in the order
 * in which they were signed. `skipAhead` raises it by a lot, for a market that has seen a higher one.
 *
 * @category services
 * @since 0.1.0
 */
export class DeviceKey extends Context.Service<
  DeviceKey,
  {
    readonly id: DeviceId
    readonly publicKey: DevicePublicKey
    /** What a person compares with what the market shows. */
    readonly fingerprint: string
    readonly signRequest: (request: {
      readonly method: string
      readonly path: string
      readonly body: Uint8Array
    }) => Effect.Effect<Readonly<Record<string, string>>, AgentError>
    readonly signHead: (head: { readonly number: number; readonly hash: string }) => UsageHead
    /** Whether this key signed a head. */
    readonly hasSigned: (head: KeyedHead) => boolean
    /** Signs what this device serves, under a number that it has not used. */
    readonly signCommitment: (
      number: number,
      serves: ReadonlyArray<DeviceProof.Commitment>,
    ) => SignedCommitment.SignedCommitment
    /** Signs that this device belongs to a wallet. */
    readonly signWallet: (statement: WalletBinding.Statement) => string
    /** Signs a market's nonce, with what this device serves. */
    readonly signProof: (nonce: string, serves: ReadonlyArray<DeviceProof.Commitment>) => DeviceProof.DeviceProof
    readonly skipAhead: Effect.Effect<void>
  }
>()("@guildhall/agent/DeviceKey") {}

/** Where a home keeps the key: a home without it holds no device. @category constants @since 0.1.0 */
export const KEY_FILE = "device-key.json"
const NEXT_FILE = "device-key.next.json"
const SEQUENCE_FILE = "device-sequence.json"
/** How many numbers one write to disk reserves: at one a millisecond, ten minutes. */
const RESERVE = 600_000

const StoredKey = Schema.fromJsonString(
  Schema.Struct({
    algorithm: Schema.Literal("ed25519"),
    publicKey: DevicePublicKey,
    privateKey: Schema.String,
    /** The device's id, where this is not its first key: it comes from that one. */
    deviceId: Schema.optionalKey(DeviceId),
  }),
)
type StoredKey = typeof StoredKey.Type
const StoredSequence = Schema.fromJsonString(Schema.Struct({ reserved: Schema.Int }))

const damaged = (file: string) =>
  new AgentError({
    reason: "HomeUnusable",
    detail: `${file} is not a device key of an agent. Restore it from a copy, or delete it: the agent then becomes a new device.`,
  })

const save = (home: AgentHome["Service"], file: string, key: StoredKey) =>
  home.write(file, new TextEncoder().encode(Schema.encodeSync(StoredKey)(key)), { mode: 0o600 })

const create = Effect.fnUntraced(function* (home: AgentHome["Service"], file: string, deviceId?: DeviceId) {
  const { privateKey } = Crypto.generateKeyPairSync("ed25519")
  const jwk = privateKey.export({ format: "jwk" })
  const stored = {
    algorithm: "ed25519",
    publicKey: DevicePublicKey.make(jwk.x ?? ""),
    privateKey: jwk.d ?? "",
    ...(deviceId === undefined ? {} : { deviceId }),
  } as const
  yield* save(home, file, stored)
  return stored
})

const read = Effect.fnUntraced(function* (home: AgentHome["Service"], file: string) {
  const bytes = yield* home.read(file)
  if (Option.isNone(bytes)) return undefined
  return yield* Schema.decodeUnknownEffect(StoredKey)(new TextDecoder().decode(bytes.value)).pipe(
    Effect.mapError(() => damaged(home.path(file))),
  )
})

const privateOf = (stored: StoredKey, file: string) =>
  Effect.try({
    try: () =>
      Crypto.createPrivateKey({
        format: "jwk",
        key: { kty: "OKP", crv: "Ed25519", x: stored.publicKey, d: stored.privateKey },
      }),
    catch: () => damaged(file),
  })

/**
 * A key that is to take the place of the one in the home. `isOld` where an earlier run made it and did not come to its end.
 * `take` puts it there.
 *
 * @category models
 * @since 0.1.0
 */
export interface NextKey {
  readonly publicKey: DevicePublicKey
  readonly isOld: boolean
  readonly sign: (bytes: Uint8Array) => string
  readonly take: Effect.Effect<void, AgentError>
}

/**
 * Makes the next key of a device, or finds the one that was made before. It is on disk before anyone hears of it, so that no
 * crash leaves a device whose key nobody has.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeNext = Effect.fnUntraced(function* (home: AgentHome["Service"], deviceId: DeviceId) {
  const found = yield* read(home, NEXT_FILE)
  const stored = found ?? (yield* create(home, NEXT_FILE, deviceId))
  const privateKey = yield* privateOf(stored, home.path(NEXT_FILE))
  const fs = yield* FileSystem.FileSystem
  const next: NextKey = {
    publicKey: stored.publicKey,
    isOld: found !== undefined,
    sign: (bytes) => Crypto.sign(null, bytes, privateKey).toString("base64url"),
    take: Effect.andThen(save(home, KEY_FILE, stored), Effect.ignore(fs.remove(home.path(NEXT_FILE)))),
  }
  return next
})

/**
 * What a person compares a key by.
 *
 * @category getters
 * @since 0.1.0
 */
export const fingerprintOf = (publicKey: DevicePublicKey): string =>
  fingerprint(Crypto.createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex"))

/**
 * Reads the device's key from the home, or makes it. Numbers of messages follow the clock and never fall: a
 * reservation on disk, written once in ten minutes, keeps that true over a restart and over a clock that is set back.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const home = yield* AgentHome
  const stored = (yield* read(home, KEY_FILE)) ?? (yield* create(home, KEY_FILE))
  const privateKey = yield* privateOf(stored, home.path(KEY_FILE))
  const publicKey = Crypto.createPublicKey(privateKey)
  const publicBytes = Buffer.from(stored.publicKey, "base64url")
  const hash = Crypto.createHash("sha256").update(publicBytes).digest("hex")
  const id = stored.deviceId ?? DeviceId.make(`dev_${hash.slice(0, 32)}`)
  const sign = (bytes: Uint8Array) => Crypto.sign(null, bytes, privateKey).toString("base64url")

  const onDisk = Option.flatMap(yield* home.read(SEQUENCE_FILE), (bytes) =>
    Schema.decodeUnknownOption(StoredSequence)(new TextDecoder().decode(bytes)),
  )
  // What was reserved may have been used before a crash, so this run begins above it.
  let reserved = Option.match(onDisk, { onNone: () => 0, onSome: (stored) => stored.reserved })
  let last = reserved

  const next = Effect.fnUntraced(function* (nowMs: number) {
    const sequence = Math.max(last + 1, nowMs)
    last = sequence
    if (sequence > reserved) {
      reserved = sequence + RESERVE
      yield* home.write(SEQUENCE_FILE, new TextEncoder().encode(JSON.stringify({ reserved })))
    }
    return sequence
  })

  return DeviceKey.of({
    id,
    publicKey: stored.publicKey,
    fingerprint: fingerprint(hash),
    signRequest: Effect.fn("DeviceKey.signRequest")(function* (request) {
      const issuedAtMs = yield* Clock.currentTimeMillis
      const sequence = yield* next(issuedAtMs)
      return {
        [SignedRequest.HEADERS.device]: stored.publicKey,
        [SignedRequest.HEADERS.signature]: sign(SignedRequest.bytes({ ...request, issuedAtMs, sequence })),
        [SignedRequest.HEADERS.issuedAt]: String(issuedAtMs),
        [SignedRequest.HEADERS.sequence]: String(sequence),
      }
    }),
    signHead: (head) => ({ ...head, signature: sign(headBytes(stored.publicKey, head)) }),
    hasSigned: ({ device, signature, ...head }) =>
      device === stored.publicKey &&
      Crypto.verify(null, headBytes(device, head), publicKey, Buffer.from(signature, "base64url")),
    signCommitment: (number, serves) => {
      const statement = { device: stored.publicKey, number, serves }
      return { ...statement, signature: sign(SignedCommitment.bytes(statement)) }
    },
    signWallet: (statement) =>
      sign(WalletBinding.deviceBytes(statement, WalletBinding.digest(statement) ?? new Uint8Array())),
    signProof: (nonce, serves) => {
      const proof = { device: stored.publicKey, nonce, serves }
      return { ...proof, signature: sign(DeviceProof.bytes(proof)) }
    },
    skipAhead: Effect.sync(() => {
      last += RESERVE
    }),
  })
})

/**
 * The key as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<DeviceKey, AgentError, AgentHome> = Layer.effect(DeviceKey, make)
