import type { MemberId } from "@guildhall/core/Member"
import type { Waiting } from "../CapacityQueue.ts"

/**
 * A member whose requests wait. It is `passedOver` while its oldest request waits although somebody behind it was served: it
 * wants what has not become free.
 */
export interface Turn {
  readonly member: MemberId
  readonly waiting: Array<Waiting>
  passedOver: boolean
}

/** The requests of a class that wait, by member. Members are served in turn; the one whose turn is next is the first. */
export class Line {
  readonly #turns = new Map<MemberId, Turn>()
  #size = 0

  /** How many requests wait. */
  get size(): number {
    return this.#size
  }

  /** The members, in turn. */
  get turns(): Iterable<Turn> {
    return this.#turns.values()
  }

  /** How many requests of a member wait. */
  waitingOf(member: MemberId): number {
    return this.#turns.get(member)?.waiting.length ?? 0
  }

  /** Adds a request after the others of its member; a member that had none comes after the others. */
  add(waiting: Waiting): void {
    const turn = this.#turns.get(waiting.member)
    this.#size += 1
    if (turn === undefined) {
      this.#turns.set(waiting.member, { member: waiting.member, waiting: [waiting], passedOver: false })
    } else turn.waiting.push(waiting)
  }

  /** Takes a request out that no longer waits, and answers whether it did. */
  remove(waiting: Waiting): boolean {
    const turn = this.#turns.get(waiting.member)
    const at = turn?.waiting.indexOf(waiting) ?? -1
    if (turn === undefined || at === -1) return false
    turn.waiting.splice(at, 1)
    if (at === 0) turn.passedOver = false
    if (turn.waiting.length === 0) this.#turns.delete(turn.member)
    this.#size -= 1
    return true
  }

  /** Takes a member's oldest request out, since it was served: its turn comes again after everybody else's. */
  served(turn: Turn): void {
    turn.waiting.shift()
    turn.passedOver = false
    this.#size -= 1
    this.#turns.delete(turn.member)
    if (turn.waiting.length > 0) this.#turns.set(turn.member, turn)
  }

  /**
   * How many requests are served before the next one that a member sends now: its own, and of each other member as many as
   * come to their turn before it. Those that were passed over may wait for something else, and do not count.
   */
  before(member: MemberId): number {
    const own = this.waitingOf(member)
    let isAhead = true
    let count = own
    for (const turn of this.#turns.values()) {
      if (turn.member === member) isAhead = false
      else if (!turn.passedOver) count += Math.min(turn.waiting.length, own > 0 && !isAhead ? own : own + 1)
    }
    return count
  }

  /** How many requests wait of members that were not passed over. */
  get moving(): number {
    let count = 0
    for (const turn of this.#turns.values()) if (!turn.passedOver) count += turn.waiting.length
    return count
  }

  /** The member with the most requests that wait. */
  get longest(): Turn | undefined {
    let longest: Turn | undefined
    for (const turn of this.#turns.values()) {
      if (turn.waiting.length > (longest?.waiting.length ?? 0)) longest = turn
    }
    return longest
  }
}
