/**
 * Virtual time: what happens next, in order. Nothing in a simulation reads a clock; the hour is that of the event in hand.
 *
 * @since 0.1.0
 */

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly act: () => void
}

const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/**
 * A heap of things to do. What is due at the same moment is done in the order in which it was entered.
 *
 * **Example** (Two things to do)
 *
 * ```ts
 * import { Agenda } from "@guildhall/simulator"
 *
 * const agenda = new Agenda.Agenda()
 * const done: Array<string> = []
 * agenda.in(20, () => done.push("later"))
 * agenda.in(10, () => done.push("sooner"))
 * agenda.run()
 * done // => ["sooner", "later"]
 * agenda.nowMs // => 20
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Agenda {
  readonly #heap: Array<Entry> = []
  #nowMs = 0
  #order = 0

  /** The hour, in milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Enters something to do at an hour; what is past is done at once. */
  at(atMs: number, act: () => void): void {
    const entry = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, act }
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !isBefore(entry, parent)) break
      heap[at] = parent
      at = above
    }
    heap[at] = entry
  }

  /** Enters something to do after so long. */
  in(afterMs: number, act: () => void): void {
    this.at(this.#nowMs + afterMs, act)
  }

  /** Does everything there is, until nothing is left or the hour is `untilMs`. */
  run(untilMs = Number.POSITIVE_INFINITY): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#take()
      this.#nowMs = next.atMs
      next.act()
    }
  }

  #take(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [one, other] = [heap[left], heap[left + 1]]
      if (one === undefined) break
      const isOther = other !== undefined && isBefore(other, one)
      const smaller = isOther ? other : one
      if (!isBefore(smaller, last)) break
      heap[at] = smaller
      at = isOther ? left + 1 : left
    }
    heap[at] = last
  }
}
