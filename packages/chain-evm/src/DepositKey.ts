/**
 * Addresses to pay to, one after another, from an extended public key (BIP-32): the market can make them and nobody can spend from
 * them with what it has. The key that can is kept elsewhere.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { HDKey } from "viem/accounts"
import * as Address from "@guildhall/chain/Address"
import * as Hex from "@guildhall/chain/Hex"
import * as Keccak from "@guildhall/chain/Keccak"

/** The text is no extended public key. @category errors @since 0.1.0 */
export class InvalidKey extends Schema.TaggedError<InvalidKey>()("InvalidKey", { detail: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return `This cannot be the key of deposit addresses. ${this.detail} Give the extended public key, xpub…, of an account.`
  }
}

/** The prime of the curve secp256k1. */
const PRIME = 2n ** 256n - 2n ** 32n - 977n

const power = (base: bigint, exponent: bigint): bigint => {
  let result = 1n
  let square = base % PRIME
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % PRIME
    square = (square * square) % PRIME
  }
  return result
}

/** The address of a compressed public key: of the hash of both its coordinates. */
const addressOf = (key: Uint8Array): Address.Address => {
  const x = BigInt(Hex.fromBytes(key.subarray(1)))
  // y² = x³ + 7; of the two roots, the one that is as odd as the first byte says.
  const root = power(x ** 3n + 7n, (PRIME + 1n) / 4n)
  const y = (root & 1n) === BigInt((key[0] ?? 0) & 1) ? root : PRIME - root
  const point = Hex.concat(Hex.word(x), Hex.word(y))
  return Address.fromBytes(Keccak.keccak256(Hex.toBytes(point)).subarray(12))
}

/** The address of a place, from 0. @category models @since 0.1.0 */
export type Addresses = (place: number) => Address.Address

/**
 * Reads the key. Refuses one that could spend: it does not belong on a server that answers requests.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromExtendedKey = Effect.fnUntraced(function* (text: string): Effect.fn.Return<Addresses, InvalidKey> {
  const key = yield* Effect.try({
    try: () => HDKey.fromExtendedKey(text),
    catch: () => new InvalidKey({ detail: "It cannot be read." }),
  })
  if (key.privateKey !== null) return yield* new InvalidKey({ detail: "It is a private key, which can spend." })
  return (place) => {
    const { publicKey } = key.deriveChild(place)
    if (publicKey === null) throw new RangeError(`There is no address ${place}.`)
    return addressOf(publicKey)
  }
})
