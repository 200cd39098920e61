/** What stands in a stream where a secret stood: as many of these, so that lengths stay as they were told. */
const MASK = "*".charCodeAt(0)

/** The secret as it may stand in an answer: as it is, and as JSON may write it. */
const spellings = (secret: string): ReadonlyArray<string> =>
  secret.includes("/") ? [secret, secret.replaceAll("/", "\\/")] : [secret]

/**
 * Masks a secret in bytes that come in pieces, however they are cut. Bytes at the end of a piece that could be the secret's
 * beginning are kept back until the next one; all others go on at once. The pieces may be written to.
 */
export class Scrubber {
  readonly #secrets: ReadonlyArray<Buffer>
  #kept: Buffer | undefined

  constructor(secret: string) {
    this.#secrets = spellings(secret).map((text) => Buffer.from(text, "latin1"))
  }

  /** The bytes that may go on. */
  push(piece: Buffer): Buffer {
    const bytes = this.#kept === undefined ? piece : Buffer.concat([this.#kept, piece])
    let keep = 0
    for (const secret of this.#secrets) {
      for (let at = bytes.indexOf(secret); at !== -1; at = bytes.indexOf(secret, at + secret.length)) {
        bytes.fill(MASK, at, at + secret.length)
      }
      keep = Math.max(keep, begun(bytes, secret))
    }
    this.#kept = keep === 0 ? undefined : Buffer.from(bytes.subarray(bytes.length - keep))
    return keep === 0 ? bytes : bytes.subarray(0, bytes.length - keep)
  }

  /** What was kept back, once nothing more comes: it was not the secret after all. */
  rest(): Buffer | undefined {
    const kept = this.#kept
    this.#kept = undefined
    return kept
  }
}

/** How many bytes at the end could be the beginning of the secret. */
const begun = (bytes: Buffer, secret: Buffer): number => {
  const first = secret[0] ?? 0
  let at = bytes.indexOf(first, Math.max(0, bytes.length - secret.length + 1))
  while (at !== -1) {
    if (bytes.compare(secret, 0, bytes.length - at, at) === 0) return bytes.length - at
    at = bytes.indexOf(first, at + 1)
  }
  return 0
}
