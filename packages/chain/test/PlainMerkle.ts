/** A second, slower way to the root of a standard tree, written without looking at the first: level by level, from a complete heap. */
import { keccak_256 } from "@noble/hashes/sha3.js"

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), "hex"))

const pairOf = (a: Uint8Array, b: Uint8Array): Uint8Array =>
  keccak_256(Buffer.concat(Buffer.compare(a, b) <= 0 ? [a, b] : [b, a]))

/** The root of leaves that are hashed already. */
const rootOf = (leaves: ReadonlyArray<string>): string => {
  // The heap has its leaves at its end in falling order; the two last nodes always make the last one that is missing.
  let level = leaves.map(bytesOf).sort((a, b) => Buffer.compare(b, a))
  while (level.length > 1) {
    const [last, before] = [level.at(-1), level.at(-2)]
    if (last === undefined || before === undefined) break
    level = [pairOf(before, last), ...level.slice(0, -2)]
  }
  return `0x${Buffer.from(level[0] ?? new Uint8Array(32)).toString("hex")}`
}

export const MerkleTree = { rootOf }
