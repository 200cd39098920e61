/**
 * What passed through the gateway on the way to the buyer, counted by the relay for the meter.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import * as Json from "./internal/Json.ts"
import * as OutputBytes from "./OutputBytes.ts"

/** So many tool calls of one choice are told apart; those beyond are counted by their bytes alone. */
const CALLS_MAX = 128
/** So many content blocks may be open at once. */
const BLOCKS_MAX = 1_000
/** An id that is longer than this tells nothing apart. */
const ID_LENGTH_MAX = 128

/**
 * The counts of one attempt. `outputBytes` are bytes of the model's own output, `deltas` the events or messages that
 * carried some; `toolCalls` are the calls that began; `images` are pictures; `reported` is the provider's last word on
 * usage. `choices` is how many answers were asked for: what belongs to no answer of the buyer's counts nothing. `inputs`
 * is how many texts, documents or messages were sent, for answers that have something for each.
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
  readonly choices: number
  readonly inputs: number
  /** The calls that began, by choice and place, with their ids. */
  #calls: Map<string, string> | undefined
  /** The content blocks that are open, with what their pieces are. */
  #blocks: Map<number, string> | undefined
  /** The same counts when bytes last went to the buyer. */
  #sentBytes = 0
  #sentDeltas = 0
  #sentToolCalls = 0
  #sentReported: Usage | undefined

  constructor(choices = 1, inputs = 1) {
    this.choices = choices
    this.inputs = inputs
  }

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
  add(choice: unknown, output: unknown, index = 0): boolean {
    const bytes = OutputBytes.count(output)
    const calls = Json.get(output, "tool_calls")
    if (Array.isArray(calls)) {
      for (const [at, call] of calls.entries()) {
        const place = Json.get(call, "index")
        this.begin(typeof place === "number" ? place : at, Json.get(call, "id"), OutputBytes.nameOf(call), index)
      }
    }
    if (bytes > 0) {
      this.outputBytes += bytes
      this.deltas += 1
    }
    return bytes > 0 || typeof Json.get(choice, "finish_reason") === "string"
  }

  /**
   * Takes in a tool call, or a piece of one. It counts where it begins: with its name, at a place where no call was, or
   * where another one was, for some servers give all of them the same place. Answers whether it began.
   */
  begin(place: number, id: unknown, name: unknown, choice = 0): boolean {
    if (typeof name !== "string" || name === "") return false
    const key = `${choice} ${place}`
    const own = typeof id === "string" && id.length <= ID_LENGTH_MAX ? id : ""
    const calls = (this.#calls ??= new Map())
    const known = calls.get(key)
    if (known !== undefined && (own === "" || own === known)) return false
    if (this.toolCalls >= CALLS_MAX * this.choices) return false
    calls.set(key, own)
    if (known === "") return false
    this.toolCalls += 1
    return true
  }

  /** A content block begins whose pieces are of that kind; without one, it is over. */
  open(block: number, kind: string | undefined): void {
    if (kind === undefined) this.#blocks?.delete(block)
    else if ((this.#blocks?.size ?? 0) < BLOCKS_MAX) (this.#blocks ??= new Map()).set(block, kind)
  }

  /** What the pieces of an open content block are. */
  opened(block: number): string | undefined {
    return this.#blocks?.get(block)
  }

  /** Takes in sound in base64, which counts as few bytes. Answers whether there was some. */
  sound(data: unknown): boolean {
    if (typeof data !== "string" || data === "") return false
    this.outputBytes += OutputBytes.ofSound(data)
    this.deltas += 1
    return true
  }

  /** Takes in a piece of output; what is no text counts nothing. Answers whether it was one, and not empty. */
  deliver(text: unknown): boolean {
    if (typeof text !== "string" || text === "") return false
    this.outputBytes += Buffer.byteLength(text)
    this.deltas += 1
    return true
  }
}
