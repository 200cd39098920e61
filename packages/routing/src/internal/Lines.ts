/** Cuts a text that comes in pieces into its lines, none of which may be longer than so many characters. */
export class Lines {
  readonly #max: number
  #open: Array<string> = []
  #length = 0
  #isTooLong = false

  constructor(max: number) {
    this.#max = max
  }

  /** Whether the line that is open is longer than may be: nothing more is kept of it. */
  get isTooLong(): boolean {
    return this.#isTooLong
  }

  /** What stands after the last line feed. */
  get rest(): string {
    return this.#open.join("")
  }

  /** The lines that end in a piece, without their line feeds. */
  add(piece: string): ReadonlyArray<string> {
    const found: Array<string> = []
    let from = 0
    while (!this.#isTooLong) {
      const end = piece.indexOf("\n", from)
      this.#keep(piece.slice(from, end === -1 ? piece.length : end))
      if (end === -1 || this.#isTooLong) break
      const line = this.rest
      found.push(line.endsWith("\r") ? line.slice(0, -1) : line)
      this.#open = []
      this.#length = 0
      from = end + 1
    }
    return found
  }

  #keep(text: string): void {
    this.#length += text.length
    if (this.#length > this.#max) {
      this.#isTooLong = true
      this.#open = []
    } else if (text !== "") this.#open.push(text)
  }
}
