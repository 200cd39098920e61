/**
 * Payments in one list, packed as a contract reads them: for each an address of twenty bytes and an amount of twelve.
 *
 * @since 0.1.0
 */
import * as Address from "./Address.ts"
import * as Hex from "./Hex.ts"
import * as Keccak from "./Keccak.ts"

/**
 * A payment: who, and how much in the token's smallest unit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly account: Address.Address
  readonly amount: bigint
}

/** The largest amount that an entry can have. @category constants @since 0.1.0 */
export const MAX_AMOUNT: bigint = (1n << 96n) - 1n

/**
 * Packs a list. Throws a `RangeError` on an amount below zero or above {@link MAX_AMOUNT}.
 *
 * **Example** (One payment)
 *
 * ```ts
 * import { Address, Entries } from "@guildhall/chain"
 *
 * Entries.pack([{ account: Address.ZERO, amount: 255n }]) // => "0x00000000000000000000000000000000000000000000000000000000000000ff"
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const pack = (entries: ReadonlyArray<Entry>): Hex.Hex =>
  Hex.concat(
    ...entries.flatMap(({ account, amount }) => {
      if (amount < 0n || amount > MAX_AMOUNT) throw new RangeError(`${amount} does not fit into 12 bytes.`)
      return [account, `0x${amount.toString(16).padStart(24, "0")}`]
    }),
  )

/**
 * Reads a packed list; what is left over after the last whole entry is not read.
 *
 * @category decoding
 * @since 0.1.0
 */
export const unpack = (packed: Hex.Hex): ReadonlyArray<Entry> =>
  Array.from({ length: Math.floor((packed.length - 2) / 64) }, (_, at) => {
    const entry = packed.slice(2 + 64 * at, 66 + 64 * at)
    return {
      account: Address.fromBytes(Hex.toBytes(`0x${entry.slice(0, 40)}`)),
      amount: BigInt(`0x${entry.slice(40)}`),
    }
  })

/** What a batch commits to: the hash of its packed list. @category hashing @since 0.1.0 */
export const commitment = (entries: ReadonlyArray<Entry>): Hex.Bytes32 => Keccak.ofHex(pack(entries))
