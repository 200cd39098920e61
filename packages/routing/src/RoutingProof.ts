/**
 * What a receipt carries of its routing, and how it is checked. A decision is made before the changes that it saw are in
 * the journal, so the proof does not wait for them: it hashes them as they stand in memory, on top of the newest segment
 * that the journal has. Whoever holds the receipt holds that hash, and the log that is published later must lead to it.
 *
 * @since 0.1.0
 */
import type { RoutingProof } from "@guildhall/core/Receipt"
import * as Commitment from "@guildhall/journal/Commitment"
import { decisionJson, type RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Head } from "./DirectoryLog.ts"
import * as DirectoryLog from "./DirectoryLog.ts"

export type { RoutingProof } from "@guildhall/core/Receipt"

const encoder = new TextEncoder()

/**
 * Commits to a decision, with all of it: the request's features, what the buyer prefers, and each attempt. The salt is the one
 * of the request's own commitment, 16 bytes in hexadecimal.
 *
 * @category encoding
 * @since 0.1.0
 */
export const commit = (decision: RoutingDecision, salt: string): string =>
  Commitment.commit(salt, encoder.encode(JSON.stringify(decisionJson(decision))))

/**
 * Makes the proof of a decision that was made on this log, once nothing is added to it any more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (decision: RoutingDecision, head: Head, salt: string): RoutingProof => ({
  replica: head.replica,
  sealed: head.sealed,
  version: head.version,
  log: head.hash,
  policy: decision.policy,
  seed: decision.seed,
  decision: commit(decision, salt),
})

/**
 * Whether a decision is the one that the proof was made of, in all its parts.
 *
 * **Example** (Another seed)
 *
 * ```ts
 * import { RoutingProof } from "@guildhall/routing"
 *
 * const salt = "00".repeat(16)
 * const decision = { replica: "g", version: 1, policy: "P@1", seed: 7, model: "a/b", contextTokens: 9, attempts: [] }
 * const head = { replica: "g", sealed: 0, version: 1, hash: "ab" }
 * const proof = RoutingProof.make(decision, head, salt)
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
