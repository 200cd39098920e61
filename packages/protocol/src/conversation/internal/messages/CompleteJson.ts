const QUOTE = 34
const BACKSLASH = 92
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93

/** Watches a text that grows and knows when the JSON object in it is complete. It costs one look at each character. */
export class CompleteJson {
  #depth = 0
  #inString = false
  #isEscaped = false
  isComplete = false

  push(text: string): void {
    for (let index = 0; index < text.length && !this.isComplete; index += 1) {
      const code = text.charCodeAt(index)
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (code === BACKSLASH) this.#isEscaped = true
        else if (code === QUOTE) this.#inString = false
      } else if (code === QUOTE) this.#inString = true
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#depth += 1
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        this.#depth -= 1
        this.isComplete = this.#depth === 0
      }
    }
  }
}
