import type { Hash } from "node:crypto"
import type { RoutingProof } from "@guildhall/core/Receipt"
import type { DirectorySegment } from "@guildhall/journal/Journal"
import { startHead } from "../DirectoryLog.ts"

/**
 * A proof that a log should lead to. `tell` is called once: with `undefined` where the log has no such stretch, and with false also
 * where it has that stretch, and no segment ends where the proof begins.
 */
export interface ProofSeen {
  readonly proof: RoutingProof
  readonly tell: (fits: boolean | undefined) => void
}

/** The proofs on one segment, being followed: one hash for each segment that ends where they begin. */
interface Followed {
  readonly proofs: ReadonlyArray<ProofSeen>
  readonly hashes: Array<Hash>
  next: number
  version: number
}

/**
 * Follows the hashes of all proofs of a replica through its log, in one pass. Most proofs begin at the newest segment, so
 * few are followed at a time.
 */
export class HeadWatch {
  /** By the version at which the segment ends that they begin with. */
  readonly #waiting = new Map<number, ReadonlyArray<ProofSeen>>()
  #followed = new Map<number, Followed>()
  /** The stretches of the log that are there without a gap. */
  readonly #known: Array<{ from: number; to: number }> = []

  constructor(proofs: ReadonlyArray<ProofSeen>) {
    const waiting = new Map<number, Array<ProofSeen>>()
    for (const one of proofs) {
      const { sealed } = one.proof
      const others = waiting.get(sealed)
      if (others === undefined) waiting.set(sealed, [one])
      else others.push(one)
    }
    for (const [sealed, ones] of waiting) {
      this.#waiting.set(
        sealed,
        ones.sort((a, b) => a.proof.version - b.proof.version),
      )
    }
  }

  /** The log begins, before any segment. */
  begin(): void {
    this.#follow(0, "-")
  }

  /** A segment was read, and its changes were told: proofs may begin at its end. */
  seal({ hash, toVersion, version }: DirectorySegment): void {
    this.#follow(toVersion, hash)
    const last = this.#known.at(-1)
    if (last === undefined || version !== last.to) this.#known.push({ from: version, to: toVersion })
    else last.to = toVersion
  }

  /** The changes after a version. */
  changes(version: number, lines: ReadonlyArray<string>): void {
    for (const followed of this.#followed.values()) {
      if (followed.version !== version) continue
      let at = 0
      while (at < lines.length && followed.next < followed.proofs.length) {
        const wanted = (followed.proofs[followed.next]?.proof.version ?? version) - version
        const upTo = Math.min(lines.length, Math.max(at, wanted))
        if (upTo > at) {
          const text = `${lines.slice(at, upTo).join("\n")}\n`
          for (const hash of followed.hashes) hash.update(text)
        }
        at = upTo
        followed.version = version + at
        this.#tell(followed)
      }
    }
    this.#forget()
  }

  /** The log cannot be followed from here on: what was not told by now is not known. */
  lose(): void {
    for (const followed of this.#followed.values()) {
      this.#tell(followed)
      for (const { tell } of followed.proofs.slice(followed.next)) tell(undefined)
    }
    this.#followed = new Map()
  }

  /** The log is over. */
  end(): void {
    this.lose()
    for (const [sealed, proofs] of this.#waiting) {
      // Whatever a proof begins with was written by then: a segment that ends there.
      const isInside = this.#known.some(({ from, to }) => from < sealed && sealed < to)
      for (const { tell } of proofs) tell(isInside ? false : undefined)
    }
    this.#waiting.clear()
  }

  #follow(sealed: number, hash: string): void {
    const known = this.#followed.get(sealed)
    const proofs = known?.proofs ?? this.#waiting.get(sealed)
    const [first] = proofs ?? []
    if (proofs === undefined || first === undefined) return
    this.#waiting.delete(sealed)
    const started = startHead(first.proof.replica, sealed, hash)
    if (known === undefined) this.#followed.set(sealed, { proofs, hashes: [started], next: 0, version: sealed })
    else if (known.version === sealed) known.hashes.push(started)
  }

  #tell(followed: Followed): void {
    for (;;) {
      const one = followed.proofs[followed.next]
      if (one === undefined || one.proof.version > followed.version) return
      const made = followed.hashes.map((hash) => hash.copy().digest("hex"))
      one.tell(made.includes(one.proof.log))
      followed.next++
    }
  }

  #forget(): void {
    for (const [sealed, { next, proofs }] of this.#followed) {
      if (next >= proofs.length) this.#followed.delete(sealed)
    }
  }
}
