/**
 * What passed between gateway and instance, kept in memory for as long as it takes to count it, and never longer.
 *
 * @since 0.1.0
 */
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Exchanged } from "./Counting.ts"

/**
 * The memory that all recordings of a process share. `take` answers false where there is no room; what was taken is
 * given back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Room {
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
}

/** A longer answer or body is not counted. */
const BYTES_MAX = 1024 * 1024
/** A view of a buffer that is larger by so much is copied: kept, it would keep the whole buffer. */
const WASTE_MAX = 4

/**
 * The recording of one request. It keeps references to the chunks as they came, and forgets everything as soon as they
 * are too many.
 *
 * @category models
 * @since 0.1.0
 */
export class Recording {
  readonly #room: Room
  #sent: { readonly endpoint: Endpoint; readonly body: Uint8Array } | undefined
  #chunks: Array<Uint8Array> = []
  #taken = 0

  constructor(room: Room) {
    this.#room = room
  }

  /** An attempt begins: what an earlier one brought is forgotten. */
  start(sent: { readonly endpoint: Endpoint; readonly body: Uint8Array }): void {
    this.drop()
    if (this.#take(sent.body.byteLength)) this.#sent = sent
  }

  add(chunk: Uint8Array): void {
    if (this.#sent === undefined) return
    const { buffer, byteLength } = chunk
    if (!this.#take(byteLength)) return this.drop()
    this.#chunks.push(byteLength * WASTE_MAX < buffer.byteLength ? Uint8Array.from(chunk) : chunk)
  }

  /** The exchange in one piece; undefined where it was too long or there was no room. */
  get exchanged(): Omit<Exchanged, "outputBytes"> | undefined {
    const sent = this.#sent
    if (sent === undefined) return undefined
    return { endpoint: sent.endpoint, request: sent.body, answer: Buffer.concat(this.#chunks) }
  }

  drop(): void {
    this.#room.give(this.#taken)
    this.#taken = 0
    this.#chunks = []
    this.#sent = undefined
  }

  #take(bytes: number): boolean {
    if (this.#taken + bytes > BYTES_MAX || !this.#room.take(bytes)) return false
    this.#taken += bytes
    return true
  }
}
