/**
 * A replica's log, walked from its beginning to its end in one pass: every hash and link checked, the directory rebuilt as it
 * goes, and shown at the versions that somebody wants to see. It is what audits are made of.
 *
 * @since 0.1.0
 */
import type * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { DirectorySegment } from "@guildhall/journal/Journal"
import { Directory } from "./Directory.ts"
import * as DirectoryLog from "./DirectoryLog.ts"
import * as DirectoryText from "./DirectoryText.ts"
import { HeadWatch, type ProofSeen } from "./internal/HeadWatch.ts"

export type { ProofSeen } from "./internal/HeadWatch.ts"

/**
 * Somebody who wants to see the directory at a version. It must not be changed, and not be kept: the next version is the
 * same object. `undefined` is seen where the log does not reach.
 *
 * @category models
 * @since 0.1.0
 */
export interface Visit {
  readonly version: number
  readonly see: (directory: Directory | undefined) => void
}

/**
 * What is wrong with a log, or missing in it, from a version to another one.
 *
 * - `Altered`: a segment cannot be read, or does not fit its hash, the segment before it, or the changes before it.
 * - `Missing`: changes are not there, and the log does not say so: they were taken out.
 * - `Gap`: changes are not there, and the log says so: the journal was away for too long when they were made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly kind: "Altered" | "Missing" | "Gap"
  readonly replica: string
  readonly from: number
  readonly to: number
  readonly detail: string
}

/** In the order in which they were chained: a snapshot comes between the changes that it follows and those after it. */
const inOrder = (segments: ReadonlyArray<DirectorySegment>): ReadonlyArray<DirectorySegment> =>
  [...segments].sort((a, b) => a.version - b.version || a.toVersion - b.toVersion)

const nameOf = ({ kind, replica, toVersion, version }: DirectorySegment): string =>
  kind === "snapshot"
    ? `The snapshot at version ${version} of ${replica}`
    : `The changes ${version + 1} to ${toVersion} of ${replica}`

/** One walk. The directory is `undefined` from where the log cannot be followed until the next snapshot. */
class Walk {
  readonly findings: Array<Finding> = []
  readonly #visits: ReadonlyArray<Visit>
  readonly #heads: HeadWatch
  readonly #hashes = new Set<string>()
  #next = 0
  #directory: Directory | undefined
  #before: DirectorySegment | undefined

  constructor(visits: ReadonlyArray<Visit>, proofs: ReadonlyArray<ProofSeen>) {
    this.#visits = [...visits].sort((a, b) => a.version - b.version)
    this.#heads = new HeadWatch(proofs)
  }

  /** Takes in the next segment, whose hash should be this. */
  take(segment: DirectorySegment, hash: string): void {
    const parsed = DirectoryLog.parse(segment)
    if (this.#before === undefined && parsed?.previous === "-" && segment.version === 0) this.#begin()
    if (hash !== segment.hash) this.#note("Altered", segment, "does not fit its hash.")
    if (parsed === undefined) {
      this.#note("Altered", segment, "cannot be read.")
      this.#lose()
    } else {
      this.#link(segment, parsed)
      if (segment.kind === "snapshot") this.#snapshot(segment, parsed.text)
      else this.#changes(segment, parsed.text)
    }
    this.#hashes.add(segment.hash)
    this.#before = segment
    this.#heads.seal(segment)
  }

  /** Nothing more comes: what is beyond the log cannot be seen. */
  end(): void {
    if (this.#directory !== undefined) this.#show(this.#directory)
    for (const { see } of this.#visits.slice(this.#next)) see(undefined)
    this.#next = this.#visits.length
    this.#heads.end()
  }

  #begin(): void {
    this.#directory = new Directory()
    this.#heads.begin()
  }

  #note(kind: Finding["kind"], segment: DirectorySegment, what: string): void {
    const { replica, toVersion: to, version: from } = segment
    this.findings.push({ kind, replica, from, to, detail: `${nameOf(segment)} ${what}` })
  }

  #lose(): void {
    this.#directory = undefined
    this.#heads.lose()
  }

  #link(segment: DirectorySegment, { gapAfter, previous }: { gapAfter: number | undefined; previous: string }): void {
    const before = this.#before
    if (before === undefined) {
      const isBeginning = segment.kind === "snapshot" || this.#directory !== undefined
      return isBeginning
        ? undefined
        : this.#note("Missing", { ...segment, version: 0, toVersion: segment.version }, "are not there.")
    }
    const isOpen = segment.version > before.toVersion
    if (isOpen) {
      const { replica, version: to } = segment
      const from = before.toVersion
      const detail = `The changes ${from + 1} to ${to} of ${replica} are not there.`
      const told = gapAfter === undefined ? detail : `${detail} The journal was away when they were made.`
      this.findings.push({ kind: gapAfter === undefined ? "Missing" : "Gap", replica, from, to, detail: told })
      this.#lose()
    }
    if (segment.version < before.toVersion) this.#note("Altered", segment, "overlaps the segment before it.")
    // After an outage the log goes on from the last segment that the gateway knew to be written.
    const follows = previous === before.hash || (gapAfter !== undefined && this.#hashes.has(previous))
    if (!follows && !isOpen) this.#note("Altered", segment, "does not follow the segment before it.")
  }

  #snapshot(segment: DirectorySegment, text: string): void {
    if (this.#directory?.version === segment.version) {
      if (DirectoryText.encodeSnapshot(this.#directory) === text) return
      this.#note("Altered", segment, "does not show what the changes before it come to.")
    }
    const directory = new Directory()
    const restored = DirectoryText.restore(directory, segment.version, text)
    if (Result.isFailure(restored)) {
      this.#note("Altered", segment, `cannot be read: ${restored.failure}`)
      return this.#lose()
    }
    // Nobody sees what is older than the first snapshot, or lies in a gap.
    for (; (this.#visits[this.#next]?.version ?? Infinity) < segment.version; this.#next++) {
      this.#visits[this.#next]?.see(undefined)
    }
    this.#directory = directory
  }

  #changes(segment: DirectorySegment, text: string): void {
    const lines = text.split("\n")
    this.#heads.changes(segment.version, lines)
    const directory = this.#directory
    if (directory === undefined) return
    if (lines.length !== segment.toVersion - segment.version) {
      this.#note("Altered", segment, `has ${lines.length} lines.`)
    }
    const read = DirectoryText.reader(directory)
    for (const line of lines) {
      this.#show(directory)
      const taken = read(line)
      if (Result.isSuccess(taken)) continue
      this.#note("Altered", segment, `cannot be read: ${taken.failure}`)
      return this.#lose()
    }
    this.#show(directory)
  }

  /** Shows the directory to those who want to see it as it stands, before anything more happens to it. */
  #show(directory: Directory): void {
    for (;;) {
      const visit = this.#visits[this.#next]
      if (visit === undefined || visit.version > directory.version) return
      visit.see(visit.version === directory.version ? directory : undefined)
      this.#next++
    }
  }
}

/**
 * Walks through the segments of one replica, given in any order, and answers what is wrong with them. The walk begins with
 * the first snapshot, or with the beginning of the log. Visits and proofs are told in the order of their versions. Other work
 * of the process goes on between two segments; `progress` is called after each.
 *
 * @category rules
 * @since 0.1.0
 */
export const walk = Effect.fnUntraced(function* (
  segments: ReadonlyArray<DirectorySegment>,
  seen: {
    readonly visits: ReadonlyArray<Visit>
    readonly proofs?: ReadonlyArray<ProofSeen> | undefined
    readonly progress?: ((segment: DirectorySegment) => Effect.Effect<void>) | undefined
  },
): Effect.fn.Return<ReadonlyArray<Finding>, never, Digest.Digest> {
  const one = new Walk(seen.visits, seen.proofs ?? [])
  for (const segment of inOrder(segments)) {
    const hash = yield* Effect.orDie(DirectoryLog.hashOf(segment))
    one.take(segment, hash)
    if (seen.progress !== undefined) yield* seen.progress(segment)
    yield* Effect.yieldNow
  }
  one.end()
  return one.findings
})
