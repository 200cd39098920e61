/**
 * How many signed messages of a second are looked up in the database. Anyone can make keys and sign with them, so those of devices
 * that are not known here share a bound of their own, and no flood of theirs keeps a known device out.
 */

/** A worker that pulls signs as often as it asks; nothing else comes near this. */
const PER_KEY_MAX = 500
/** Devices that join, or that this process has not heard since it started. */
const STRANGERS_MAX = 500
const KNOWN_MAX = 100_000

/** The pace of one process. */
export interface SignedPace {
  /** Whether one more message by this key is heard in this second. Its signature was checked before: nobody counts for another. */
  readonly enter: (publicKey: string, nowMs: number) => boolean
  readonly knows: (publicKey: string) => boolean
  /** From now on this key is that of a device. */
  readonly know: (publicKey: string) => void
}

/** Makes the pace. */
export const make = (): SignedPace => {
  const known = new Set<string>()
  const counts = new Map<string, number>()
  let second = 0
  let strangers = 0
  return {
    enter: (publicKey, nowMs) => {
      const now = Math.floor(nowMs / 1000)
      if (now !== second) {
        second = now
        strangers = 0
        counts.clear()
      }
      const count = (counts.get(publicKey) ?? 0) + 1
      if (count > PER_KEY_MAX) return false
      if (!known.has(publicKey)) {
        if (strangers >= STRANGERS_MAX) return false
        strangers += 1
      }
      counts.set(publicKey, count)
      return true
    },
    knows: (publicKey) => known.has(publicKey),
    know: (publicKey) => {
      if (known.size >= KNOWN_MAX) known.clear()
      known.add(publicKey)
    },
  }
}
