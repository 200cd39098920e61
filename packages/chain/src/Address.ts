/**
 * Who stands on a chain: an account or a contract, by its twenty bytes.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Hex from "./Hex.ts"
import * as Keccak from "./Keccak.ts"

/**
 * Twenty bytes as `0x` and forty hexadecimal digits, whose upper and lower case is their checksum (EIP-55). Make one from any
 * spelling with {@link fromText}.
 *
 * @category models
 * @since 0.1.0
 */
export const Address = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text) =>
      Option.contains(checksummed(text), text)
        ? undefined
        : "an address is 0x and 40 hexadecimal digits in the case of EIP-55. Copy it from where it was shown.",
    ),
  ),
  Schema.brand("Address"),
)
/** @since 0.1.0 */
export type Address = typeof Address.Type

/**
 * Reads an address. All digits in one case are taken as they are; mixed case must be the right checksum, for a mistyped
 * address is one that nobody owns.
 *
 * **Example** (From lower case)
 *
 * ```ts
 * import { Address } from "@guildhall/chain"
 * import { Option } from "effect"
 *
 * Address.fromText("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed") // => Option.some("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
 * Address.fromText("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed") // => Option.none()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromText = (text: string): Option.Option<Address> =>
  Option.map(
    Option.filter(checksummed(text), (right) => right === text || !isMixed(text)),
    Address.make,
  )

/**
 * The address of twenty bytes. Throws a `RangeError` on any other number of bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromBytes = (bytes: Uint8Array): Address => {
  if (bytes.length !== 20) throw new RangeError(`An address has 20 bytes, not ${bytes.length}.`)
  return Address.make(Option.getOrThrow(checksummed(Hex.fromBytes(bytes))))
}

/** The twenty bytes of an address. @category destructors @since 0.1.0 */
export const toBytes = (address: Address): Uint8Array => Hex.toBytes(address)

/** The address that nobody owns. Contracts refuse it where money would go there. @category constants @since 0.1.0 */
export const ZERO: Address = fromBytes(new Uint8Array(20))

function isMixed(text: string): boolean {
  return /[a-f]/.test(text) && /[A-F]/.test(text)
}

function checksummed(text: string): Option.Option<string> {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) return Option.none()
  const digits = text.slice(2).toLowerCase()
  const hash = Keccak.keccak256(new TextEncoder().encode(digits))
  const cased = Array.from(digits, (digit, at) => {
    const byte = hash[at >> 1] ?? 0
    const nibble = at % 2 === 0 ? byte >> 4 : byte & 15
    return nibble > 7 ? digit.toUpperCase() : digit
  })
  return Option.some(`0x${cased.join("")}`)
}
