/**
 * What passed through the gateway on the way to the buyer, counted by the relay for the meter.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import * as Json from "./internal/Json.ts"
import * as OutputBytes from "./OutputBytes.ts"

/**
 * The counts of one attempt. `outputBytes` are bytes of the model's own output, `deltas` the events or messages that
 * carried some; `images` are pictures; `reported` is the provider's last word on usage.
 *
 * @category models
 * @since 0.1.0
 */
export class Tally {
  outputBytes = 0
  deltas = 0
  toolCalls = 0
  images = 0
  reported: Usage | undefined
  /** The same counts when bytes last went to the buyer. */
  #sentBytes = 0
  #sentDeltas = 0
  #sentToolCalls = 0
  #sentReported: Usage | undefined

  /** What was counted so far has gone to the buyer. */
  sent(): void {
    this.#sentBytes = this.outputBytes
    this.#sentDeltas = this.deltas
    this.#sentToolCalls = this.toolCalls
    this.#sentReported = this.reported
  }

  /** The answer is over: what was counted and kept back never reaches the buyer, who does not pay for it. */
  drop(): void {
    // A last report may follow the last content, and goes to the buyer only where it was asked for.
    if (this.outputBytes === this.#sentBytes && this.toolCalls === this.#sentToolCalls) return
    this.outputBytes = this.#sentBytes
    this.deltas = this.#sentDeltas
    this.toolCalls = this.#sentToolCalls
    this.reported = this.#sentReported
  }

  /** Takes in one choice of an answer, or of one event of it. Answers whether it carried output or an end. */
  add(choice: unknown, output: unknown): boolean {
    const bytes = OutputBytes.count(output)
    this.toolCalls += OutputBytes.toolCalls(output)
    if (bytes > 0) {
      this.outputBytes += bytes
      this.deltas += 1
    }
    return bytes > 0 || typeof Json.get(choice, "finish_reason") === "string"
  }

  /** Takes in a piece of output; what is no text counts nothing. Answers whether it was one, and not empty. */
  deliver(text: unknown): boolean {
    if (typeof text !== "string" || text === "") return false
    this.outputBytes += Buffer.byteLength(text)
    this.deltas += 1
    return true
  }
}
