/** Where our types meet viem's. */

/** What viem takes for bytes. Addresses, hashes and bytes of `@guildhall/chain` all are; their brands say it in another way. */
export type Bytes = `0x${string}`

/** The same text for viem. */
export const bytes = (text: string): Bytes => {
  if (!text.startsWith("0x")) throw new RangeError("Bytes begin with 0x.")
  // Just looked at.
  return text as Bytes
}
