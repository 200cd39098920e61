/**
 * The change log of one gateway's directory: every event a line, a full snapshot every so often, cut into segments
 * that are chained by hash and handed to the journal. With it a directory can be rebuilt as it was at any version.
 *
 * A segment's body starts with one line, `guildhall-directory-1 <hash before> <gap>`: the hash of the segment before
 * it (`-` for the first), and, where changes were dropped because the journal was away for too long, the version
 * after which they are missing (`-` where none are).
 *
 * @since 0.1.0
 */
import { createHash, type Hash } from "node:crypto"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { DirectorySegment } from "@guildhall/journal/Journal"
import type { Directory } from "./Directory.ts"
import * as DirectoryText from "./DirectoryText.ts"

/**
 * How a log is cut. After `snapshotEvery` changes it writes a snapshot; while the journal is away it holds at most
 * about `bufferChars` characters and then starts afresh from a snapshot, with a gap.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly replica: string
  readonly snapshotEvery?: number | undefined
  readonly bufferChars?: number | undefined
}

/**
 * A segment that is complete but for its place in the chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Draft {
  readonly kind: "snapshot" | "changes"
  readonly version: number
  readonly toVersion: number
  readonly text: string
  readonly gapAfter: number | undefined
}

/**
 * Where a log stands: `hash` covers everything up to `version`. It is made of the hash of the segment that ends at `sealed`,
 * the newest that the journal has, and of the changes since; see {@link startHead}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Head {
  readonly replica: string
  readonly sealed: number
  readonly version: number
  readonly hash: string
}

/**
 * Begins the hash of a {@link Head}: each change after `sealed` is then added as its line with a line feed.
 *
 * @category encoding
 * @since 0.1.0
 */
export const startHead = (replica: string, sealed: number, sealedHash: string): Hash =>
  createHash("sha256").update(`guildhall-head-1 ${replica} ${sealed} ${sealedHash}\n`)

/** The mark that starts each body, with the version of this format. */
const MARK = "guildhall-directory-1"
/** The most changes in one segment: it bounds a row of the journal, and the short strings held before they are joined. */
const CHANGES_MAX = 8_192

/**
 * A log that follows a directory. {@link DirectoryLog.record} is called on each event and costs well below a
 * microsecond; segments are made when they are asked for.
 *
 * @category models
 * @since 0.1.0
 */
export class DirectoryLog {
  readonly replica: string
  readonly #directory: Directory
  readonly #snapshotEvery: number
  readonly #bufferChars: number
  #drafts: Array<Draft> = []
  #draftChars = 0
  #open: Array<string> = []
  #openAfter = 0
  #sinceSnapshot = 0
  #acknowledged = 0
  #hash = "-"
  /** The hash of the head over all but the open lines from `#unhashed` on. */
  #running: Hash
  #unhashed = 0
  #head: Head

  constructor(directory: Directory, options: Options) {
    this.replica = options.replica
    this.#running = startHead(this.replica, 0, this.#hash)
    this.#head = { replica: this.replica, sealed: 0, version: -1, hash: "" }
    this.#directory = directory
    this.#snapshotEvery = options.snapshotEvery ?? 50_000
    this.#bufferChars = options.bufferChars ?? 16_000_000
  }

  /** The version up to which the journal has the log. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** The hash of the last segment that the journal has. */
  get hash(): string {
    return this.#hash
  }

  /** Where the log stands now. It costs a few microseconds, and nothing where no change came since it was last asked for. */
  head(): Head {
    const version = this.#openAfter + this.#open.length
    if (this.#head.version === version && this.#head.sealed === this.#acknowledged) return this.#head
    this.#feed()
    const hash = this.#running.copy().digest("hex")
    this.#head = { replica: this.replica, sealed: this.#acknowledged, version, hash }
    return this.#head
  }

  /** Notes an event that the directory has just taken in; `slot` is what it answered. */
  record(event: DirectoryEvent, slot: number): void {
    this.#open.push(DirectoryText.encodeEvent(event, slot))
    this.#sinceSnapshot++
    if (this.#open.length < CHANGES_MAX && this.#sinceSnapshot < this.#snapshotEvery) return
    this.#close()
    if (this.#sinceSnapshot >= this.#snapshotEvery) this.#snapshot(undefined)
    if (this.#draftChars > this.#bufferChars) this.#drop()
  }

  /** Everything that the journal does not have yet, oldest first. */
  pending(): ReadonlyArray<Draft> {
    this.#close()
    return [...this.#drafts]
  }

  /** Forgets drafts that the journal has, the last of which got this hash. */
  acknowledge(drafts: ReadonlyArray<Draft>, hash: string): void {
    const done = new Set(drafts)
    this.#drafts = this.#drafts.filter((draft) => !done.has(draft))
    this.#draftChars = this.#drafts.reduce((sum, draft) => sum + draft.text.length, 0)
    this.#acknowledged = drafts.reduce((version, draft) => Math.max(version, draft.toVersion), this.#acknowledged)
    this.#hash = hash
    this.#running = startHead(this.replica, this.#acknowledged, hash)
    this.#unhashed = 0
    // What the journal does not have yet came while it was writing: a few lines.
    for (const { kind, text } of this.#drafts) if (kind === "changes") this.#running.update(`${text}\n`)
    this.#head = { ...this.#head, version: -1 }
  }

  #feed(): void {
    if (this.#unhashed === this.#open.length) return
    this.#running.update(`${this.#open.slice(this.#unhashed).join("\n")}\n`)
    this.#unhashed = this.#open.length
  }

  #close(): void {
    if (this.#open.length === 0) return
    this.#feed()
    const version = this.#openAfter
    const toVersion = version + this.#open.length
    this.#add({ kind: "changes", version, toVersion, text: this.#open.join("\n"), gapAfter: undefined })
    this.#open = []
    this.#unhashed = 0
    this.#openAfter = toVersion
  }

  #snapshot(gapAfter: number | undefined): void {
    const { version } = this.#directory
    const text = DirectoryText.encodeSnapshot(this.#directory)
    this.#add({ kind: "snapshot", version, toVersion: version, text, gapAfter })
    this.#sinceSnapshot = 0
  }

  #add(draft: Draft): void {
    this.#drafts.push(draft)
    this.#draftChars += draft.text.length
  }

  #drop(): void {
    this.#drafts = []
    this.#draftChars = 0
    this.#snapshot(this.#acknowledged)
  }
}

/**
 * What a segment's hash covers.
 *
 * @category encoding
 * @since 0.1.0
 */
export const hashOf = Effect.fnUntraced(function* (segment: Omit<DirectorySegment, "hash">) {
  const { replica, kind, version, toVersion, body } = segment
  const digest = yield* Digest.Digest
  const bytes = new TextEncoder().encode(`${replica}\n${kind}\n${version}\n${toVersion}\n${body}`)
  return yield* digest.digestHex(Digest.sha256, bytes)
})

/**
 * Makes segments of drafts, each with the hash of the one before it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const chain = Effect.fnUntraced(function* (replica: string, before: string, drafts: ReadonlyArray<Draft>) {
  const segments: Array<DirectorySegment> = []
  let previous = before
  for (const { kind, version, toVersion, text, gapAfter } of drafts) {
    const body = `${MARK} ${previous} ${gapAfter ?? "-"}\n${text}`
    const segment = { replica, kind, version, toVersion, body }
    previous = yield* hashOf(segment)
    segments.push({ ...segment, hash: previous })
  }
  return segments
})

/**
 * A segment's first line and the rest of its body, or `undefined` where it is not of this format.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (
  segment: DirectorySegment,
): { readonly previous: string; readonly gapAfter: number | undefined; readonly text: string } | undefined => {
  const end = segment.body.indexOf("\n")
  const [mark, previous, gap] = segment.body.slice(0, end).split(" ")
  if (end === -1 || mark !== MARK || previous === undefined || gap === undefined) return undefined
  return { previous, gapAfter: gap === "-" ? undefined : Number(gap), text: segment.body.slice(end + 1) }
}
