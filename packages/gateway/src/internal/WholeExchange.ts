import { Exchange } from "./Exchange.ts"
import * as Json from "./Json.ts"
import * as MediaType from "./MediaType.ts"

const JSON_TYPE = "application/json"
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

/**
 * An answer in one piece. It is read as a whole before the first byte of it goes on, so any failure can be tried elsewhere.
 */
export class WholeExchange extends Exchange {
  #chunks: Array<Buffer> = []
  #bytes = 0
  #answer: Buffer | undefined
  #contentType = JSON_TYPE

  protected accepts(contentType: string): boolean {
    const type = MediaType.of(contentType)
    if (type !== JSON_TYPE && !this.options.format.textTypes.includes(type)) return false
    this.#contentType = contentType
    return true
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
    const { bill, format, rendition, tally } = this.options
    const [only] = this.#chunks
    const answer = only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks)
    this.#chunks = []
    const text = answer.toString("utf8")
    const json = MediaType.of(this.#contentType) === JSON_TYPE ? Json.parse(text) : text
    if (!format.whole(json, tally, text)) {
      const isError = (Json.get(json, "error") ?? undefined) !== undefined
      return this.fail(isError ? "provider_error" : "provider_invalid_response", { retry: true })
    }
    tally.reported = this.options.readUsage(json, undefined)
    this.#answer = typeof json === "string" ? answer : rendition.whole(answer, json, () => bill(tally))
    if (this.#answer === undefined) return this.fail("provider_invalid_response", { retry: true })
    this.released()
  }

  protected released(): void {
    const { bill, headers, outlet, tally } = this.options
    const answer = this.#answer
    if (answer === undefined || !outlet.hold(this)) return
    this.#answer = undefined
    outlet.headWhole({
      ...headers,
      "x-guildhall-cost": bill(tally).cost,
      "content-type": this.#contentType,
      "content-length": String(answer.length),
    })
    outlet.end(answer)
    this.completed()
  }
}
