/**
 * What a receipt carries of its routing, and how it is checked. A decision is made before the changes that it saw are in
 * the journal, so the proof does not wait for them: it hashes them as they stand in memory, on top of the newest segment
 * that the journal has. Whoever holds the receipt holds that hash, and the log that is published later must lead to it.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RoutingProof } from "@guildhall/core/Receipt"
import type { RequestId } from "@guildhall/core/Request"
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
 * Whose decision it is: the request, the market, the digest of the definition under which it began, and what the buyer was
 * told, null where it was served. The receipt says the same of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly id: RequestId
  readonly market: string
  readonly definition: string
  readonly reason: ReasonCode | null
}

/**
 * Commits to a decision, with all of it: the request's features, what the buyer prefers, and each attempt; to whose it is; and
 * to where the log stood. The salt is that of {@link saltOf}.
 *
 * @category encoding
 * @since 0.1.0
 */
export const commit = (
  { log, sealed, version }: Pick<RoutingProof, "log" | "sealed" | "version">,
  decision: RoutingDecision,
  salt: string,
  { definition, id, market, reason }: Subject,
): string => {
  const said = [market, definition, id, reason, sealed, version, log, decisionJson(decision)]
  return Commitment.commit(salt, encoder.encode(JSON.stringify(said)))
}

/**
 * Makes the proof of a decision that was made on this log, once nothing is added to it any more, with the salt of the
 * request's commitment.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (decision: RoutingDecision, head: Head, requestSalt: string, subject: Subject): RoutingProof => {
  const { hash: log, replica, sealed, version } = head
  const { policy, seed } = decision
  const commitment = commit({ sealed, version, log }, decision, saltOf(requestSalt), subject)
  return { replica, sealed, version, log, policy, seed, decision: commitment }
}

/** Other spellings would be the same bytes. */
const SALT = /^[0-9a-f]{32}$/

/**
 * Whether a decision is the one that the proof was made of, in all its parts, for this request of this market. The salt is that
 * of {@link saltOf}.
 *
 * **Example** (Another seed, and another request)
 *
 * ```ts
 * import { RequestId } from "@guildhall/core/Request"
 * import { RoutingProof } from "@guildhall/routing"
 *
 * const requestSalt = "00".repeat(16)
 * const decision = { replica: "g", version: 1, policy: "P@1", seed: 7, model: "a/b", contextTokens: 9, attempts: [] }
 * const head = { replica: "g", sealed: 0, version: 1, hash: "ab" }
 * const subject = { id: RequestId.make(`req_${"1".repeat(32)}`), market: "local", definition: "cd", reason: null }
 * const proof = RoutingProof.make(decision, head, requestSalt, subject)
 * const salt = RoutingProof.saltOf(requestSalt)
 * RoutingProof.covers(proof, decision, salt, subject) // => true
 * RoutingProof.covers(proof, { ...decision, seed: 8 }, salt, subject) // => false
 * RoutingProof.covers(proof, decision, salt, { ...subject, market: "another" }) // => false
 * ```
 *
 * @category verification
 * @since 0.1.0
 */
export const covers = (proof: RoutingProof, decision: RoutingDecision, salt: string, subject: Subject): boolean => {
  const versions = [decision.version, ...decision.attempts.map(({ version }) => version)]
  return (
    SALT.test(salt) &&
    proof.replica === decision.replica &&
    proof.policy === decision.policy &&
    proof.seed === decision.seed &&
    proof.sealed >= 0 &&
    proof.sealed <= proof.version &&
    versions.every((version) => version <= proof.version) &&
    proof.decision === commit(proof, decision, salt, subject)
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
