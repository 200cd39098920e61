/**
 * How a device and a wallet say that they belong together: the wallet signs a statement that names the device's key, and the
 * device's key signs the same statement. Neither can be bound without its own word, and neither word is good anywhere else.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ed25519 } from "@noble/curves/ed25519.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Canonical from "@guildhall/core/Canonical"
import { DevicePublicKey } from "@guildhall/core/Device"
import * as EvmKey from "../evm/EvmKey.ts"
import * as TypedData from "../evm/TypedData.ts"

const bytes32 = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-f]{64}$/)))

/**
 * What both sign: for which market and chain, which device, which wallet, when (milliseconds since 1970), and 32 random bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const Statement = Schema.Struct({
  market: Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/))),
  chain_id: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))),
  device: DevicePublicKey,
  wallet: EvmKey.Address,
  issued_at_ms: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8_640_000_000_000_000 }))),
  nonce: bytes32,
})
/** @since 0.1.0 */
export type Statement = typeof Statement.Type

/**
 * The body of `POST /api/devices/:id/wallet`: the statement, the wallet's signature (65 bytes in hexadecimal, over
 * {@link digest}), and the device's (Ed25519 in base64url, over {@link deviceBytes}).
 *
 * @category models
 * @since 0.1.0
 */
export const WalletBinding = Schema.Struct({
  ...Statement.fields,
  wallet_signature: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
  device_signature: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
})
/** @since 0.1.0 */
export type WalletBinding = typeof WalletBinding.Type

/**
 * How long after it was issued a statement is taken, in milliseconds: time enough to carry it to a wallet and back.
 *
 * @category constants
 * @since 0.1.0
 */
export const MAX_AGE_MS = 3_600_000

/**
 * How far in the future it may be issued: as far as clocks may differ.
 *
 * @category constants
 * @since 0.1.0
 */
export const MAX_SKEW_MS = 60_000

const PURPOSE = "Bind this wallet to this device. It moves no money."

const TYPES = {
  EIP712Domain: [
    { name: "name", type: "string" },
    { name: "version", type: "string" },
    { name: "chainId", type: "uint256" },
  ],
  DeviceWallet: [
    { name: "purpose", type: "string" },
    { name: "market", type: "string" },
    { name: "device", type: "bytes32" },
    { name: "wallet", type: "address" },
    { name: "issuedAtMs", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
} as const

const rawOf = (device: DevicePublicKey): Uint8Array =>
  Result.getOrElse(Base64Url.decode(device), () => new Uint8Array())

/**
 * The statement as a wallet shows and signs it (EIP-712).
 *
 * @category encoding
 * @since 0.1.0
 */
export const typedData = (statement: Statement): TypedData.TypedData => ({
  types: TYPES,
  primaryType: "DeviceWallet",
  domain: { name: "Guildhall", version: "1", chainId: BigInt(statement.chain_id) },
  message: {
    purpose: PURPOSE,
    market: statement.market,
    device: `0x${bytesToHex(rawOf(statement.device))}`,
    wallet: statement.wallet,
    issuedAtMs: BigInt(statement.issued_at_ms),
    nonce: statement.nonce,
  },
})

/**
 * The digest that the wallet signs; undefined where the device's key is not 32 bytes.
 *
 * @category encoding
 * @since 0.1.0
 */
export const digest = (statement: Statement): Uint8Array | undefined => TypedData.digest(typedData(statement))

/**
 * The bytes that the device signs: the wallet's digest and address, and what they are for, so they are nothing else that a device
 * signs.
 *
 * @category encoding
 * @since 0.1.0
 */
export const deviceBytes = (statement: Statement, walletDigest: Uint8Array): Uint8Array =>
  Canonical.bytes({
    what: "guildhall-device-wallet-v1",
    device: statement.device,
    wallet: EvmKey.spell(statement.wallet),
    digest: bytesToHex(walletDigest),
  })

/**
 * Why a binding does not hold.
 *
 * @category models
 * @since 0.1.0
 */
export type Refusal =
  | "other_market"
  | "other_chain"
  | "other_device"
  | "expired"
  | "in_the_future"
  | "replayed"
  | "malformed_signature"
  | "high_s"
  | "wallet_signature"
  | "device_signature"

/**
 * What each refusal says, with what to do.
 *
 * @category constants
 * @since 0.1.0
 */
export const REFUSALS: Readonly<Record<Refusal, string>> = {
  other_market: "The statement is for another market. Sign one that names this market.",
  other_chain: "The statement is for another chain. Sign one with the chain id of this market.",
  other_device: "The statement names another device's key. Let the device make the statement itself.",
  expired: "The statement was issued more than an hour ago. Make a new one and sign it.",
  in_the_future: "The statement was issued in the future. Set the clock of the device.",
  replayed: "The device is bound by this statement already, or by a later one. Make a new one and sign it.",
  malformed_signature:
    "The wallet's signature is not 65 bytes of r, s and v in hexadecimal. Copy it as the wallet gave it.",
  high_s: "The wallet's signature has the higher s of two. Let a wallet sign that gives the lower one.",
  wallet_signature: "Another key than that of the wallet signed the statement. Sign it with the wallet that it names.",
  device_signature: "The device's key did not sign for this wallet. Let the device sign the statement.",
}

/**
 * What a binding is checked against. `lastIssuedAtMs` is when the statement was issued by which the device is bound already.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expected {
  readonly market: string
  readonly chainId: number
  readonly device: DevicePublicKey
  readonly nowMs: number
  readonly lastIssuedAtMs?: number | undefined
}

const isSignedByDevice = (device: DevicePublicKey, bytes: Uint8Array, signature: string): boolean => {
  const value = Result.getOrElse(Base64Url.decode(signature), () => new Uint8Array())
  return value.length === 64 && ed25519.verify(value, bytes, rawOf(device), { zip215: false })
}

/**
 * Checks a binding both ways. Pure; undefined where it holds.
 *
 * @category verification
 * @since 0.1.0
 */
export const refusal = (binding: WalletBinding, expected: Expected): Refusal | undefined => {
  if (binding.market !== expected.market) return "other_market"
  if (binding.chain_id !== expected.chainId) return "other_chain"
  if (binding.device !== expected.device) return "other_device"
  if (binding.issued_at_ms > expected.nowMs + MAX_SKEW_MS) return "in_the_future"
  if (binding.issued_at_ms < expected.nowMs - MAX_AGE_MS) return "expired"
  if (expected.lastIssuedAtMs !== undefined && binding.issued_at_ms <= expected.lastIssuedAtMs) return "replayed"
  const walletDigest = digest(binding)
  if (walletDigest === undefined) return "other_device"
  const signer = EvmKey.recover(walletDigest, binding.wallet_signature)
  if (signer === "malformed") return "malformed_signature"
  if (signer === "high_s") return "high_s"
  if (signer !== EvmKey.spell(binding.wallet)) return "wallet_signature"
  const isDevice = isSignedByDevice(binding.device, deviceBytes(binding, walletDigest), binding.device_signature)
  return isDevice ? undefined : "device_signature"
}
