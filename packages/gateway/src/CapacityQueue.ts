/**
 * Who is next where a model's instances are full: premium buyers first, and within a class the members in turn, each with
 * its oldest request. The queue is bounded, and nobody waits who would not be served in time: an early refusal with an
 * honest time is better than a late one.
 *
 * @since 0.1.0
 */
import type { BuyerClass, MemberId } from "@guildhall/core/Member"

/**
 * The bounds. Nobody waits longer than `waitMs`; 0 lets nobody wait. At most `requestsMax` wait, and of one member at most
 * `memberPercent` of those.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bounds {
  readonly waitMs: number
  readonly requestsMax: number
  readonly memberPercent: number
}

/**
 * A request that waits. `start` is called when there may be room, and answers whether it found some; then the request is
 * out of the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiting {
  readonly member: MemberId
  readonly class: BuyerClass
  readonly start: () => boolean
}

/** The requests of a class that wait, by member; the member whose turn is next is the first. */
type Line = Map<MemberId, Array<Waiting>>

/** So many starts say how fast the queue moves. */
const RECENT = 32
/** Of so many requests one change asks whether it makes room for them: others have other needs, but each asking costs. */
const ASKED_MAX = 16

/**
 * The queue of one model.
 *
 * **Example** (A member with many requests does not hold up one with one)
 *
 * ```ts
 * import { MemberId } from "@guildhall/core/Member"
 * import { CapacityQueue } from "@guildhall/gateway"
 *
 * const queue = new CapacityQueue.CapacityQueue({ waitMs: 5_000, requestsMax: 100, memberPercent: 50 })
 * const served: Array<string> = []
 * const wait = (name: string) =>
 *   queue.enter({ member: MemberId.make(`mem_${name}`), class: "standard", start: () => served.push(name) > 0 }, 0)
 * for (const name of ["busy", "busy", "busy", "calm"]) wait(name)
 * for (const nowMs of [1, 2, 3, 4]) queue.room(nowMs)
 * served // => ["busy", "calm", "busy", "busy"]
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class CapacityQueue {
  readonly #bounds: Bounds
  readonly #lines: Readonly<Record<BuyerClass, Line>> = { premium: new Map(), standard: new Map() }
  readonly #startedAtMs: Array<number> = []
  #size = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** How many requests wait. */
  get size(): number {
    return this.#size
  }

  /**
   * Takes a request in, or answers after how many milliseconds it would be worth asking again: when there are too many, or
   * when those before it would take too long.
   */
  enter(waiting: Waiting, nowMs: number): "waits" | { readonly retryMs: number } {
    const { memberPercent, requestsMax, waitMs } = this.#bounds
    const expectedMs = this.expectedMs(waiting.class, nowMs)
    const own = this.#lines[waiting.class].get(waiting.member) ?? []
    const ownMax = Math.max(1, Math.floor((requestsMax * memberPercent) / 100))
    if (waitMs === 0 || this.#size >= requestsMax || own.length >= ownMax || (expectedMs ?? 0) > waitMs)
      return { retryMs: Math.max(1_000, expectedMs ?? waitMs) }
    own.push(waiting)
    this.#lines[waiting.class].set(waiting.member, own)
    this.#size += 1
    return "waits"
  }

  /** Takes a request out that no longer waits. */
  leave(waiting: Waiting): void {
    const line = this.#lines[waiting.class]
    const own = line.get(waiting.member)
    const at = own?.indexOf(waiting) ?? -1
    if (own === undefined || at === -1) return
    own.splice(at, 1)
    if (own.length === 0) line.delete(waiting.member)
    this.#size -= 1
  }

  /** There may be room for one more: starts the first in turn that finds it. Answers whether one did. */
  room(nowMs: number): boolean {
    let asked = 0
    for (const line of [this.#lines.premium, this.#lines.standard]) {
      for (const [member, [first]] of line) {
        if (first === undefined || asked >= ASKED_MAX) return false
        asked += 1
        if (!first.start()) continue
        this.leave(first)
        const rest = line.get(member)
        if (rest !== undefined) {
          // Its turn comes again after everybody else's.
          line.delete(member)
          line.set(member, rest)
        }
        this.#started(nowMs)
        return true
      }
    }
    return false
  }

  /**
   * How long a request of a class that comes now would likely wait, in milliseconds: those before it, at the pace of the
   * last starts. Undefined while too little is known.
   */
  expectedMs(buyerClass: BuyerClass, nowMs: number): number | undefined {
    const [first] = this.#startedAtMs
    if (first === undefined || this.#startedAtMs.length < 2) return undefined
    let before = buyerClass === "premium" ? 0 : this.#size
    if (buyerClass === "premium") for (const own of this.#lines.premium.values()) before += own.length
    const eachMs = Math.max(0, nowMs - first) / this.#startedAtMs.length
    return Math.ceil(before * eachMs)
  }

  #started(nowMs: number): void {
    this.#startedAtMs.push(nowMs)
    if (this.#startedAtMs.length > RECENT) this.#startedAtMs.shift()
  }
}
