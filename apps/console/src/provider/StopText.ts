/** Looks for texts at which an answer is to stop, also where one comes in pieces, and keeps back what may be the start of one. */
export class StopText {
  isFound = false
  readonly #stops: ReadonlyArray<string>
  readonly #longest: number
  #held = ""

  constructor(stops: ReadonlyArray<string>) {
    this.#stops = stops
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length))
  }

  /** What of the next piece may be said now. */
  take(text: string): string {
    if (this.isFound) return ""
    if (this.#longest === 0) return text
    const all = this.#held + text
    const at = Math.min(...this.#stops.map((stop) => all.indexOf(stop)).map((found) => (found < 0 ? Infinity : found)))
    if (at !== Infinity) {
      this.isFound = true
      this.#held = ""
      return all.slice(0, at)
    }
    const keep = this.#startOf(all)
    this.#held = all.slice(all.length - keep)
    return all.slice(0, all.length - keep)
  }

  /** What was kept back, once nothing more comes. */
  rest(): string {
    const held = this.#held
    this.#held = ""
    return held
  }

  /** How many of the last characters may begin a stop. */
  #startOf(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length -= 1) {
      const tail = text.slice(text.length - length)
      if (this.#stops.some((stop) => stop.startsWith(tail))) return length
    }
    return 0
  }
}
