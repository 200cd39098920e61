/**
 * Keys on secp256k1 and their addresses, as wallets of EVM chains have them.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { keccak_256 } from "@noble/hashes/sha3.js"
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js"

/** The spelling of EIP-55, where capital letters are a checksum. */
const checksummed = (lower: string): string => {
  const hash = bytesToHex(keccak_256(utf8ToBytes(lower.slice(2))))
  const digits = [...lower.slice(2)].map((digit, at) =>
    parseInt(hash[at] ?? "0", 16) >= 8 ? digit.toUpperCase() : digit,
  )
  return `0x${digits.join("")}`
}

const isAddress = (text: string): boolean => {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) return false
  const digits = text.slice(2)
  const hasOneCase = digits === digits.toLowerCase() || digits === digits.toUpperCase()
  return hasOneCase || text === checksummed(text.toLowerCase())
}

/**
 * An address: `0x` and 40 hexadecimal digits. With letters of both cases it must have the checksum of EIP-55.
 *
 * @category models
 * @since 0.1.0
 */
export const Address = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text) => isAddress(text) || "an address of 0x and 40 digits, with its checksum")),
  Schema.brand("EvmAddress"),
)
/** @since 0.1.0 */
export type Address = typeof Address.Type

/**
 * An address in the spelling of EIP-55.
 *
 * **Example** (The checksum)
 *
 * ```ts
 * import { EvmKey } from "@guildhall/protocol/evm"
 *
 * EvmKey.spell("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed") // => "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const spell = (address: string): Address => Address.make(checksummed(address.toLowerCase()))

const ofPoint = (uncompressed: Uint8Array): Address =>
  spell(`0x${bytesToHex(keccak_256(uncompressed.subarray(1)).subarray(12))}`)

/**
 * Whether 32 bytes are a private key: a number from 1 to below the curve's order.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isKey = (key: Uint8Array): boolean => secp256k1.utils.isValidSecretKey(key)

/**
 * The address of a private key.
 *
 * @category getters
 * @since 0.1.0
 */
export const addressOf = (key: Uint8Array): Address => ofPoint(secp256k1.getPublicKey(key, false))

/**
 * Signs a digest: 65 bytes in hexadecimal, r, s and 27 or 28. The same digest always gives the same signature (RFC 6979), and s is
 * the lower of the two that fit.
 *
 * @category signing
 * @since 0.1.0
 */
export const sign = (key: Uint8Array, digest: Uint8Array): string => {
  const [recovery = 0, ...compact] = secp256k1.sign(digest, key, { prehash: false, lowS: true, format: "recovered" })
  return `0x${bytesToHex(Uint8Array.of(...compact, recovery + 27))}`
}

/**
 * Why a signature tells no signer: it is not 65 bytes that could be one, or its s is the higher of two, with which anybody makes
 * a second signature of a first.
 *
 * @category models
 * @since 0.1.0
 */
export type Malformed = "malformed" | "high_s"

const HALF = secp256k1.Point.Fn.ORDER >> 1n

/**
 * Who signed a digest. Both 0 and 1 and 27 and 28 are taken as the last byte.
 *
 * @category verification
 * @since 0.1.0
 */
export const recover = (digest: Uint8Array, signature: string): Address | Malformed => {
  if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) return "malformed"
  const bytes = hexToBytes(signature.slice(2))
  const last = bytes[64] ?? 255
  const recovery = last >= 27 ? last - 27 : last
  if (recovery > 1) return "malformed"
  if (BigInt(`0x${bytesToHex(bytes.subarray(32, 64))}`) > HALF) return "high_s"
  return Option.getOrElse(
    // The curve throws where r or s is no number of a signature, or no point fits.
    Option.liftThrowable(() => {
      const recovered = Uint8Array.of(recovery, ...bytes.subarray(0, 64))
      const compressed = secp256k1.recoverPublicKey(recovered, digest, { prehash: false })
      return ofPoint(secp256k1.Point.fromBytes(compressed).toBytes(false))
    })(),
    (): Malformed => "malformed",
  )
}
