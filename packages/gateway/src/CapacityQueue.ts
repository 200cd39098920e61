/**
 * Who is next where a model's instances are full: premium buyers first, and within a class the members in turn, each with
 * its oldest request. The queue is bounded, and nobody waits who would not be served in time: an early refusal with an
 * honest time is better than a late one. How long that is follows from a member's own turn, however much others have waiting;
 * and where the queue is full, who has most waiting gives way.
 *
 * @since 0.1.0
 */
import type { BuyerClass, MemberId } from "@guildhall/core/Member"
import { Line, type Turn } from "./internal/Line.ts"

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
 * out of the queue. `giveWay` is called when it has to leave for somebody else, with the milliseconds after which it would be
 * worth asking again. Where one request finds no room, neither does another one with the same `needs` and as many `tokens`
 * or more, so it need not be asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiting {
  readonly member: MemberId
  readonly class: BuyerClass
  readonly needs: string
  readonly tokens: number
  readonly start: () => boolean
  readonly giveWay: (retryMs: number) => void
}

/** So many starts say how fast the queue moves. */
const RECENT = 32
/** So many are asked in vain at a time: others have other needs, but each asking costs. The rest is asked a little later. */
const ASKED_MAX = 16
/** Nobody is told to come again sooner. */
const RETRY_MS_MIN = 1_000

/**
 * The queue of one model. After whatever may have made room call `changed`, and then `next` until it says that nobody is left
 * to ask.
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
 *   queue.enter(
 *     {
 *       member: MemberId.make(`mem_${name}`),
 *       class: "standard",
 *       needs: "",
 *       tokens: 1,
 *       start: () => served.push(name) > 0,
 *       giveWay: () => undefined,
 *     },
 *     0,
 *   )
 * for (const name of ["busy", "busy", "busy", "calm"]) wait(name)
 * queue.changed()
 * while (queue.next(1) === "started");
 * served // => ["busy", "calm", "busy", "busy"]
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class CapacityQueue {
  readonly #bounds: Bounds
  readonly #lines: Readonly<Record<BuyerClass, Line>> = { premium: new Line(), standard: new Line() }
  readonly #startedAtMs: Array<number> = []
  /** What was asked in vain since the last change: for each kind of need, the fewest tokens. */
  readonly #inVain = new Map<string, number>()
  #isAsking = false
  #isChanged = false

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** How many requests wait. */
  get size(): number {
    return this.#lines.premium.size + this.#lines.standard.size
  }

  /**
   * Takes a request in, or answers after how many milliseconds it would be worth asking again: when there are too many, or
   * when those before it would take too long. Where the queue is full, the newest request of the member that has most waiting
   * gives way, if that has more than this one, or is of a lower class.
   */
  enter(waiting: Waiting, nowMs: number): "waits" | { readonly retryMs: number } {
    const { memberPercent, requestsMax, waitMs } = this.#bounds
    const line = this.#lines[waiting.class]
    const expectedMs = this.expectedMs(waiting, nowMs)
    const ownMax = Math.max(1, Math.floor((requestsMax * memberPercent) / 100))
    const isTooMany = waitMs === 0 || line.waitingOf(waiting.member) >= ownMax
    const isFull = this.size >= requestsMax
    const inItsPlace = isFull ? this.#longer(waiting)?.waiting.at(-1) : undefined
    if (isTooMany || (expectedMs ?? 0) > waitMs || (isFull && inItsPlace === undefined))
      return { retryMs: this.retryMs(waiting, nowMs) }
    line.add(waiting)
    if (inItsPlace !== undefined) {
      this.leave(inItsPlace)
      inItsPlace.giveWay(this.retryMs(inItsPlace, nowMs))
    }
    return "waits"
  }

  /** Takes a request out that no longer waits. */
  leave(waiting: Waiting): void {
    this.#lines[waiting.class].remove(waiting)
  }

  /** There may be room now, also for those that were asked in vain. */
  changed(): void {
    // What has begun comes to its end first, or those asked last would never be asked.
    if (this.#isAsking) this.#isChanged = true
    else this.#isAsking = true
  }

  /**
   * Starts the first in turn that finds room. `none` says that all were asked since the last change and `more` that enough
   * were asked for now, though not all.
   */
  next(nowMs: number): "started" | "none" | "more" {
    let asked = 0
    while (this.#isAsking) {
      for (const line of [this.#lines.premium, this.#lines.standard]) {
        for (const turn of line.turns) {
          const [first] = turn.waiting
          if (first === undefined || first.tokens >= (this.#inVain.get(first.needs) ?? Infinity)) continue
          if (asked >= ASKED_MAX) return "more"
          asked += 1
          if (!first.start()) {
            this.#inVain.set(first.needs, first.tokens)
            continue
          }
          this.#served(line, turn, nowMs)
          return "started"
        }
      }
      this.#inVain.clear()
      this.#isAsking = this.#isChanged
      this.#isChanged = false
    }
    return "none"
  }

  /**
   * How long the next request of a member would likely wait, in milliseconds: those that come to their turn before it, at the
   * pace of the last starts. Undefined while too little is known.
   */
  expectedMs({ class: buyerClass, member }: Pick<Waiting, "class" | "member">, nowMs: number): number | undefined {
    const [first] = this.#startedAtMs
    if (first === undefined || this.#startedAtMs.length < 2) return undefined
    const { premium, standard } = this.#lines
    const before = buyerClass === "premium" ? premium.before(member) : premium.moving + standard.before(member)
    const eachMs = Math.max(0, nowMs - first) / this.#startedAtMs.length
    return Math.ceil(before * eachMs)
  }

  /** After how many milliseconds it is worth asking again for a member that is refused now. */
  retryMs(who: Pick<Waiting, "class" | "member">, nowMs: number): number {
    return Math.max(RETRY_MS_MIN, this.expectedMs(who, nowMs) ?? this.#bounds.waitMs)
  }

  /** Of whom a request gives way to another one, if of anybody. */
  #longer({ class: buyerClass, member }: Waiting): Turn | undefined {
    const { premium, standard } = this.#lines
    if (buyerClass === "premium" && standard.size > 0) return standard.longest
    const line = buyerClass === "premium" ? premium : standard
    const { longest } = line
    return longest !== undefined && longest.waiting.length > line.waitingOf(member) + 1 ? longest : undefined
  }

  #served(line: Line, served: Turn, nowMs: number): void {
    for (const before of line === this.#lines.premium ? [line] : [this.#lines.premium, line]) {
      for (const turn of before.turns) {
        if (turn === served) break
        turn.passedOver = true
      }
    }
    line.served(served)
    this.#startedAtMs.push(nowMs)
    if (this.#startedAtMs.length > RECENT) this.#startedAtMs.shift()
  }
}
