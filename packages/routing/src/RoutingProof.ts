/**
 * What a receipt carries of its routing, and how it is checked. A decision is made before the changes that it saw are in
 * the journal, so the proof does not wait for them: it hashes them as they stand in memory, on top of the newest segment
 * that the journal has. Whoever holds the receipt holds that hash, and the log that is published later must lead to it.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import type { RoutingProof } from "@guildhall/core/Receipt"
import * as Commitment from "@guildhall/journal/Commitment"
import { decisionJson, type RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Head } from "./DirectoryLog.ts"
import * as DirectoryLog from "./DirectoryLog.ts"

export type { RoutingProof } from "@guildhall/core/Receipt"

const encoder = new TextEncoder()

/**
 * The salt of a decision's commitment, made of the salt of the request's own: whoever holds the receipt can make it, and it can
 * be given to an auditor, whom the other one would let guess at the request. Both are 16 bytes in hexadecimal.
 *
 * @category encoding
 * @since 0.1.0
 */
export const saltOf = (requestSalt: string): string =>
  hash("sha256", `guildhall-routing ${requestSalt}`, "hex").slice(0, 32)

/**
 * Commits to a decision, with all of it: the request's features, what the buyer prefers, and each attempt. The salt is that of
 * {@link saltOf}.
 *
 * @category encoding
 * @since 0.1.0
 */
export const commit = (decision: RoutingDecision, salt: string): string =>
  Commitment.commit(salt, encoder.encode(JSON.stringify(decisionJson(decision))))

/**
 * Makes the proof of a decision that was made on this log, once nothing is added to it any more, with the salt of the
 * request's commitment.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (decision: RoutingDecision, head: Head, requestSalt: string): RoutingProof => ({
  replica: head.replica,
  sealed: head.sealed,
  version: head.version,
  log: head.hash,
  policy: decision.policy,
  seed: decision.seed,
  decision: commit(decision, saltOf(requestSalt)),
})

/**
 * Whether a decision is the one that the proof was made of, in all its parts. The salt is that of {@link saltOf}.
 *
 * **Example** (Another seed)
 *
 * ```ts
 * import { RoutingProof } from "@guildhall/routing"
 *
 * const requestSalt = "00".repeat(16)
 * const decision = { replica: "g", version: 1, policy: "P@1", seed: 7, model: "a/b", contextTokens: 9, attempts: [] }
 * const head = { replica: "g", sealed: 0, version: 1, hash: "ab" }
 * const proof = RoutingProof.make(decision, head, requestSalt)
 * const salt = RoutingProof.saltOf(requestSalt)
 * RoutingProof.covers(proof, decision, salt) // => true
 * RoutingProof.covers(proof, { ...decision, seed: 8 }, salt) // => false
 * ```
 *
 * @category verification
 * @since 0.1.0
 */
export const covers = (proof: RoutingProof, decision: RoutingDecision, salt: string): boolean => {
  const versions = [decision.version, ...decision.attempts.map(({ version }) => version)]
  return (
    proof.replica === decision.replica &&
    proof.policy === decision.policy &&
    proof.seed === decision.seed &&
    versions.every((version) => version <= proof.version) &&
    proof.decision === commit(decision, salt)
  )
}

/**
 * Whether a log leads to the proof: `sealedHash` is the hash of a segment that ends at version `sealed` (`-` for the beginning,
 * before any segment), `changes` are the lines after it up to the proof's version.
 *
 * @category verification
 * @since 0.1.0
 */
export const fits = (proof: RoutingProof, sealedHash: string, changes: Iterable<string>): boolean => {
  const hash = DirectoryLog.startHead(proof.replica, proof.sealed, sealedHash)
  for (const line of changes) hash.update(`${line}\n`)
  return hash.digest("hex") === proof.log
}
