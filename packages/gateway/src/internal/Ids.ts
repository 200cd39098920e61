import { randomFillSync } from "node:crypto"
import type { RequestId } from "@guildhall/core/Request"

/** One call to the system's generator serves many requests: it costs as much for 16 bytes as for 8,192. */
const pool = Buffer.alloc(8192)
let at = pool.length

/** Random bytes in hexadecimal. */
export const randomHex = (bytes: number): string => {
  if (at + bytes > pool.length) {
    randomFillSync(pool)
    at = 0
  }
  at += bytes
  return pool.toString("hex", at - bytes, at)
}

/** A random seed of 32 bits. */
export const seed = (): number => Number.parseInt(randomHex(4), 16)

/** A request's id: a UUIDv7 (RFC 9562) of the given millisecond, in hexadecimal. */
export const requestId = (nowMs: number): RequestId => {
  const random = randomHex(10)
  const variant = (8 + (Number.parseInt(random.charAt(3), 16) & 3)).toString(16)
  const time = nowMs.toString(16).padStart(12, "0")
  // Branded without the check, which would run for every request; a test holds the form against the schema.
  return `req_${time}7${random.slice(0, 3)}${variant}${random.slice(4, 19)}` as RequestId
}
