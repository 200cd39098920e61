import { Exchange } from "./Exchange.ts"
import * as Json from "./Json.ts"

/** A whole answer is kept in memory until it is complete; longer ones are refused. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

/** An answer in one piece. It is checked, counted and then sent as the bytes it came in. */
export class WholeExchange extends Exchange {
  #chunks: Array<Buffer> = []
  #bytes = 0
  #answer: Buffer | undefined

  protected accepts(contentType: string): boolean {
    return contentType.startsWith("application/json")
  }

  protected read(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    // Any byte counts as progress: a whole answer has no tokens that could be told apart.
    this.tokenSeen()
    if (this.#bytes > ANSWER_BYTES_MAX) this.fail("provider_invalid_response", { retry: false })
    return true
  }

  protected get isComplete(): boolean {
    return this.#answer !== undefined
  }

  protected ended(): void {
    const { tally } = this.options
    const [only] = this.#chunks
    const answer = only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks)
    this.#chunks = []
    const json = Json.parse(answer.toString("utf8"))
    const choices = Json.get(json, "choices")
    if (!Array.isArray(choices)) {
      const isError = Json.get(json, "error") !== undefined
      return this.fail(isError ? "provider_error" : "provider_invalid_response", { retry: true })
    }
    for (const choice of choices) tally.add(choice, Json.get(choice, "message"))
    tally.report(Json.get(json, "usage"))
    this.#answer = answer
    this.#send()
  }

  protected released(): void {
    this.#send()
  }

  protected breakOff(): void {
    this.options.buyer.response.destroy()
  }

  #send(): void {
    const answer = this.#answer
    if (answer === undefined || !this.mayWrite) return
    this.#answer = undefined
    this.commit({ "content-type": "application/json", "content-length": String(answer.length) })
    this.complete(answer)
  }
}
