/** The first line of an answer and its headers. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** How an answer ended, in the words of whoever hears it go out. */
export type AnswerOutcome = "completed" | "truncated" | "aborted" | "failed"

/** A share of the memory that all answers of a process may take together. */
export class AnswerMemory {
  readonly #max: number
  #used = 0

  constructor(max: number) {
    this.#max = max
  }

  get used(): number {
    return this.#used
  }

  /** Whether there is room for so much. */
  fits(bytes: number): boolean {
    return this.#used + bytes <= this.#max
  }

  /** Takes so much, unless it is not there. */
  take(bytes: number): boolean {
    if (!this.fits(bytes)) return false
    this.#used += bytes
    return true
  }

  give(bytes: number): void {
    this.#used -= bytes
  }
}

export interface AnswerBufferOptions {
  readonly memory: AnswerMemory
  /** So many bytes are remembered; of a longer answer, the last of them. */
  readonly max: number
}

/**
 * The bytes of one answer, for those who follow it at their own pace. Whoever adds to it never waits: a follower for whom
 * it has become too long has lost it.
 */
export class AnswerBuffer {
  head: AnswerHead | undefined
  trailers: Readonly<Record<string, string>> | undefined
  outcome: AnswerOutcome | undefined
  /** It was longer than is remembered. */
  overflowed = false
  readonly #options: AnswerBufferOptions
  readonly #followers = new Set<() => void>()
  /** What is remembered; what was forgotten still counts in `#first`. */
  #chunks: Array<Buffer> = []
  #first = 0
  #bytes = 0
  #isDropped = false

  constructor(options: AnswerBufferOptions) {
    this.#options = options
  }

  /** How many chunks there have been. */
  get end(): number {
    return this.#first + this.#chunks.length
  }

  /** A chunk by its number; undefined where it was forgotten. */
  at(number: number): Buffer | undefined {
    return this.#chunks[number - this.#first]
  }

  /** All of it, where nothing was forgotten. */
  whole(): ReadonlyArray<Buffer> | undefined {
    return this.overflowed || this.#isDropped ? undefined : this.#chunks
  }

  begin(head: AnswerHead): void {
    this.head = head
    this.#tell()
  }

  /** Adds bytes, which the caller must leave as they are. */
  add(bytes: Buffer): void {
    if (bytes.length === 0 || this.outcome !== undefined) return
    if (!this.#options.memory.take(bytes.length)) return this.#lose()
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes > this.#options.max) {
      this.overflowed = true
      // In one go for many chunks to come, for each time costs as much as is left.
      this.#forget((left) => left > this.#options.max * 0.75)
    }
    this.#tell()
  }

  finish(outcome: AnswerOutcome): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.#tell()
  }

  /** Calls back at every change, until the answer is let go of. */
  follow(follower: () => void): () => void {
    this.#followers.add(follower)
    return () => void this.#followers.delete(follower)
  }

  /** Nobody wants it any more. */
  drop(): void {
    this.#isDropped = true
    this.#forget(() => true)
  }

  /** There is no memory for it: it ends for all who follow. */
  #lose(): void {
    this.overflowed = true
    this.#forget(() => true)
    this.#first += 1
    this.#tell()
  }

  #forget(until: (left: number) => boolean): void {
    let gone = 0
    while (gone < this.#chunks.length && until(this.#bytes)) {
      const bytes = this.#chunks[gone]?.length ?? 0
      this.#bytes -= bytes
      this.#options.memory.give(bytes)
      gone += 1
    }
    this.#chunks = this.#chunks.slice(gone)
    this.#first += gone
  }

  #tell(): void {
    for (const follower of [...this.#followers]) follower()
  }
}
