import { timingSafeEqual } from "node:crypto"
import * as Effect from "effect/Effect"
import type { RequestId } from "@guildhall/core/Request"
import type { Refusal } from "../Refusal.ts"
import { AnswerBuffer, type AnswerMemory, type AnswerOutcome } from "./AnswerBuffer.ts"
import type { Buyer } from "./Buyer.ts"
import * as KeptAnswer from "./KeptAnswer.ts"

/** Compares two fingerprints in the same time wherever they differ. */
export const isSame = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

/** Smaller pieces are copied: each would keep the whole read of the socket alive that it came with. */
const COPIED_BYTES = 4096

/**
 * What a twin meets in a flight: `answer` goes out and can be followed, `again` nobody answers here any more, `gone` the
 * twin has left, `other` it is another request that is answered here; or the request was refused.
 */
export type Met = "answer" | "again" | "gone" | "other" | Refusal

/**
 * A request with an idempotency key that is being answered in this process: hears what goes to its buyer, and lets twins
 * have the same. Twins take seats; while one is taken the answer is wanted, whoever else leaves.
 */
export class AnswerFlight {
  readonly request: RequestId
  readonly fingerprint: string
  readonly buffer: AnswerBuffer
  /** Called once the answer is complete. */
  onCompleted: (() => void) | undefined
  /** Called when the last seat is left. */
  onUnwanted: (() => void) | undefined
  #refusal: Refusal | undefined
  #isClaimed = false
  #isClosed = false
  #seats = 0
  readonly #waiters = new Set<() => void>()

  constructor(options: {
    readonly request: RequestId
    readonly fingerprint: string
    readonly memory: AnswerMemory
    readonly max: number
  }) {
    this.request = options.request
    this.fingerprint = options.fingerprint
    this.buffer = new AnswerBuffer(options)
  }

  get wanted(): boolean {
    return this.#seats > 0
  }

  /** The slot is this request's: whoever asks for another one is no twin. */
  claimed(): void {
    this.#isClaimed = true
    this.#wake()
  }

  onHead(status: number, headers: Readonly<Record<string, string>>): void {
    this.buffer.begin({ status, headers: KeptAnswer.lasting(headers) })
    this.#wake()
  }

  onBytes(bytes: Buffer): void {
    this.buffer.add(bytes.length < COPIED_BYTES ? Buffer.from(bytes) : bytes)
  }

  onTrailers(trailers: Readonly<Record<string, string>>): void {
    this.buffer.trailers = KeptAnswer.lasting(trailers)
  }

  onEnd(outcome: AnswerOutcome): void {
    if (this.buffer.outcome !== undefined || this.buffer.head === undefined) return
    this.buffer.finish(outcome)
    if (outcome === "completed") this.onCompleted?.()
  }

  onRefused(refusal: Refusal): void {
    this.#refusal ??= refusal
    this.#wake()
  }

  /** Nobody answers here any more. Who has a seat reads on to the end. */
  close(): void {
    this.#isClosed = true
    this.onEnd("aborted")
    this.#wake()
    if (this.#seats === 0) this.buffer.drop()
  }

  /** Waits until there is something to be had. Where that is an answer, the twin has a seat, and must leave it. */
  meet(twin: Pick<Buyer, "gone" | "onGone">, fingerprint: string): Effect.Effect<Met> {
    return Effect.callback<Met>((resume) => {
      this.#seats += 1
      const end = (met: Met): void => {
        this.#waiters.delete(look)
        twin.onGone = undefined
        if (met !== "answer") this.leave()
        resume(Effect.succeed(met))
      }
      const look = (): void => {
        const met = this.#met(fingerprint)
        if (met !== undefined) end(met)
      }
      this.#waiters.add(look)
      twin.onGone = () => end("gone")
      if (twin.gone) end("gone")
      else look()
    })
  }

  leave(): void {
    this.#seats -= 1
    if (this.#seats > 0) return
    if (this.#isClosed) this.buffer.drop()
    this.onUnwanted?.()
  }

  #met(fingerprint: string): Met | undefined {
    if (!isSame(fingerprint, this.fingerprint)) return this.#isClosed ? "again" : this.#isClaimed ? "other" : undefined
    if (this.buffer.head !== undefined) return this.#isClosed ? "again" : "answer"
    if (this.#refusal !== undefined) return this.#refusal
    return this.#isClosed ? "again" : undefined
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter()
  }
}
