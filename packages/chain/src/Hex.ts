/**
 * Bytes as text: `0x` and two lower-case hexadecimal digits for each.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Bytes of any length.
 *
 * @category models
 * @since 0.1.0
 */
export const Hex = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x(?:[0-9a-f]{2})*$/)), Schema.brand("Hex"))
/** @since 0.1.0 */
export type Hex = typeof Hex.Type

/**
 * Thirty-two bytes: a hash, the id of a device, of a request, of a channel.
 *
 * @category models
 * @since 0.1.0
 */
export const Bytes32 = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-f]{64}$/)), Schema.brand("Bytes32"))
/** @since 0.1.0 */
export type Bytes32 = typeof Bytes32.Type

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** The text of bytes. @category constructors @since 0.1.0 */
export const fromBytes = (bytes: Uint8Array): Hex => Hex.make(`0x${Array.from(bytes, (byte) => digits[byte]).join("")}`)

/**
 * The text of thirty-two bytes. Throws where there are more or fewer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bytes32 = (bytes: Uint8Array): Bytes32 => Bytes32.make(fromBytes(bytes))

/**
 * A whole number that is not negative, as thirty-two bytes, the most significant one first. Throws a `RangeError` on any other.
 *
 * @category constructors
 * @since 0.1.0
 */
export const word = (value: bigint): Bytes32 => {
  if (value < 0n || value >= 1n << 256n) throw new RangeError(`${value} does not fit into 32 bytes.`)
  return Bytes32.make(`0x${value.toString(16).padStart(64, "0")}`)
}

/** A shorter value, such as an address, as thirty-two bytes with zeros before it. @category constructors @since 0.1.0 */
export const wordOf = (hex: string): Bytes32 => Bytes32.make(`0x${hex.slice(2).toLowerCase().padStart(64, "0")}`)

/**
 * The bytes of a text that is known to be hexadecimal, in either case.
 *
 * @category destructors
 * @since 0.1.0
 */
export const toBytes = (hex: string): Uint8Array =>
  Uint8Array.from({ length: (hex.length - 2) / 2 }, (_, at) => Number.parseInt(hex.slice(2 + 2 * at, 4 + 2 * at), 16))

/** Texts one after the other. @category constructors @since 0.1.0 */
export const concat = (...parts: ReadonlyArray<string>): Hex =>
  Hex.make(`0x${parts.map((part) => part.slice(2).toLowerCase()).join("")}`)
