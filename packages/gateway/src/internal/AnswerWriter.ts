import * as Effect from "effect/Effect"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { AnswerBuffer } from "./AnswerBuffer.ts"
import type { Buyer } from "./Buyer.ts"
import * as Ticks from "./Ticks.ts"

/** What the writer uses of a response. */
interface Response {
  readonly writeHead: (status: number, headers: Readonly<Record<string, string>>) => unknown
  readonly write: (bytes: Buffer) => boolean
  readonly addTrailers: (trailers: Readonly<Record<string, string>>) => void
  readonly end: (last?: string) => unknown
  readonly destroy: () => unknown
}

export interface WriteOptions {
  readonly buyer: Pick<Buyer, "gone" | "onGone" | "onDrain" | "takesTrailers"> & { readonly response: Response }
  /** What this asker is told besides. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** A stream's last bytes where it cannot be told to the end. */
  readonly frame: (reason: ReasonCode) => string
  /** A reader who is slower than this for the whole answer is cut off. */
  readonly totalMs: number
  /** Hands out a function that ends it, in-band where that can be done. */
  readonly onStop?: ((stop: (reason: ReasonCode) => void) => void) | undefined
}

/** How the header is called by which a buyer knows an answer that was given before. */
export const REPLAYED = "idempotent-replayed"

const isStream = (headers: Readonly<Record<string, string>>): boolean =>
  headers["content-type"]?.startsWith("text/event-stream") === true

/** Writes one answer to one buyer, as fast as the buyer reads and the answer comes. */
class Writer {
  readonly #buffer: AnswerBuffer
  readonly #options: WriteOptions
  readonly #done: () => void
  #next = 0
  #headed = false
  #paused = false
  #over = false
  #unfollow: (() => void) | undefined
  #timer: Ticks.Timer | undefined

  constructor(buffer: AnswerBuffer, options: WriteOptions, done: () => void) {
    this.#buffer = buffer
    this.#options = options
    this.#done = done
  }

  start(): void {
    const { buyer, totalMs } = this.#options
    buyer.onGone = () => this.#finish()
    buyer.onDrain = () => {
      this.#paused = false
      this.#pump()
    }
    this.#unfollow = this.#buffer.follow(() => this.#pump())
    this.#timer = Ticks.after(totalMs, () => {
      buyer.response.destroy()
      this.#finish()
    })
    if (buyer.gone) this.#finish()
    else this.#pump()
    // Last, so that one that is stopped at once has written what it could.
    this.#options.onStop?.((reason) => this.#breakOff(reason))
  }

  #pump(): void {
    const { buyer } = this.#options
    const { head } = this.#buffer
    if (this.#over || this.#paused || head === undefined) return
    if (!this.#headed) {
      this.#headed = true
      const headers: Record<string, string> = { ...head.headers, ...this.#options.headers, [REPLAYED]: "true" }
      if (!buyer.takesTrailers) delete headers["trailer"]
      buyer.response.writeHead(head.status, headers)
    }
    while (this.#next < this.#buffer.end) {
      const bytes = this.#buffer.at(this.#next)
      if (bytes === undefined) return this.#breakOff("answer_not_kept")
      this.#next += 1
      if (buyer.response.write(bytes)) continue
      this.#paused = true
      return
    }
    if (this.#buffer.outcome !== undefined) this.#end()
  }

  /** All bytes are written: what is left is how the answer ended. */
  #end(): void {
    const { outcome, trailers } = this.#buffer
    const { response } = this.#options.buyer
    // A stream that failed has said so in its last event; a whole answer, or one that nobody went on with, can only be cut off.
    const hasSaidSo = outcome !== "aborted" && isStream(this.#buffer.head?.headers ?? {})
    if (outcome === "completed" || hasSaidSo) {
      if (trailers !== undefined) response.addTrailers(trailers)
      response.end()
      this.#finish()
    } else this.#breakOff("provider_closed_early")
  }

  #breakOff(reason: ReasonCode): void {
    if (this.#over) return
    const { buyer, frame } = this.#options
    if (this.#headed && isStream(this.#buffer.head?.headers ?? {})) buyer.response.end(frame(reason))
    else buyer.response.destroy()
    this.#finish()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    Ticks.stop(this.#timer)
    this.#unfollow?.()
    this.#options.buyer.onGone = undefined
    this.#options.buyer.onDrain = undefined
    this.#done()
  }
}

/** Writes an answer, whether it is complete or still comes. Ends when there is no more to write, or nobody to write to. */
export const write = (buffer: AnswerBuffer, options: WriteOptions): Effect.Effect<void> =>
  Effect.callback<void>((resume) => new Writer(buffer, options, () => resume(Effect.void)).start())
