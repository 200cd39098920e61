/** The filter in a block's header: what it does not have, the block did not log. */
import * as Hex from "@guildhall/chain/Hex"
import * as Keccak from "@guildhall/chain/Keccak"

/** Three places in the 2,048 bits, each as the index of its hexadecimal digit and the bit in it. */
export type Bits = ReadonlyArray<readonly [digit: number, bit: number]>

/** Where an address or a topic sets its bits. */
export const bitsOf = (item: string): Bits => {
  const hash = Keccak.keccak256(Hex.toBytes(item))
  return [0, 2, 4].map((at) => {
    const bit = (((hash[at] ?? 0) << 8) | (hash[at + 1] ?? 0)) & 2047
    return [511 - (bit >> 2), 1 << (bit & 3)]
  })
}

/** Whether a block with this filter may have logged the item. */
export const mayHave = (bloom: string, bits: Bits): boolean =>
  bits.every(([digit, bit]) => (Number.parseInt(bloom[digit + 2] ?? "0", 16) & bit) !== 0)
