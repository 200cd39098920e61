/**
 * The hash of Ethereum: Keccak-256 with its first padding, which is not the one that became SHA3-256.
 *
 * @since 0.1.0
 */
import { keccak_256 } from "@noble/hashes/sha3.js"
import * as Hex from "./Hex.ts"

/** The hash of bytes. @category hashing @since 0.1.0 */
export const keccak256 = (bytes: Uint8Array): Uint8Array => keccak_256(bytes)

/**
 * The hash of hexadecimal text's bytes.
 *
 * **Example** (Of nothing)
 *
 * ```ts
 * import { Keccak } from "@guildhall/chain"
 *
 * Keccak.ofHex("0x") // => "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
 * ```
 *
 * @category hashing
 * @since 0.1.0
 */
export const ofHex = (hex: string): Hex.Bytes32 => Hex.bytes32(keccak256(Hex.toBytes(hex)))

/** The hash of bytes, as text. @category hashing @since 0.1.0 */
export const ofBytes = (bytes: Uint8Array): Hex.Bytes32 => Hex.bytes32(keccak256(bytes))
