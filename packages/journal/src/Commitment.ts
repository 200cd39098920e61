/**
 * What a receipt says of a body: a hash with salt. Whoever has the body and the salt can check it; the hash alone
 * shows nothing, not even whether two bodies are the same.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"

/**
 * SHA-256 over the salt's bytes and then the body's, in hexadecimal. The salt is 16 random bytes in hexadecimal.
 *
 * **Example** (Committing to a body)
 *
 * ```ts
 * import { Commitment } from "@guildhall/journal"
 *
 * const body = new TextEncoder().encode("hello")
 * Commitment.commit("00".repeat(16), body) // => "e10febfd3467f6eb5684c0fd4716ab7db506b3b1828ac3a814339a800c73f466"
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const commit = (saltHex: string, body: Uint8Array): string =>
  createHash("sha256").update(Buffer.from(saltHex, "hex")).update(body).digest("hex")
