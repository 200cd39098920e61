import type { ReasonCode } from "@guildhall/core/Reason"
import type { Seen } from "../AnswerFormat.ts"
import * as EventSplitter from "../EventSplitter.ts"
import * as Bytes from "./Bytes.ts"
import { Endings } from "./Endings.ts"
import { Exchange } from "./Exchange.ts"
import * as Json from "./Json.ts"
import * as MediaType from "./MediaType.ts"
import * as ProviderFault from "./ProviderFault.ts"

/** One event is never longer than this; the longest seen hold an image in base64. */
const EVENT_BYTES_MAX = 8 * 1024 * 1024
/** So much is kept back while no token has come. */
const KEPT_BYTES_MAX = 256 * 1024
const KEPT_EVENTS_MAX = 64
/** So much is kept back while the hold is not durable: a socket that nobody reads keeps all of what goes out at once. */
const UNHELD_BYTES_MAX = 8 * 1024

/** What an event turned out to be: it is dealt with, it is the last one, or the answer fails with it. */
type Verdict = "kept" | "done" | { readonly reason: ReasonCode; readonly detail: string | undefined }

const EMPTY: Verdict = {
  reason: "provider_invalid_response",
  detail: "The provider ended the answer without a token, and without saying why there is none.",
}
const LONE_RETURN: Verdict = {
  reason: "provider_invalid_response",
  detail: "The provider sent a carriage return without a newline, at which clients do not agree where a line ends.",
}
const LATE: Verdict = {
  reason: "provider_invalid_response",
  detail: "The provider went on with an answer of which it had said that it is over.",
}
const NOTHING = Buffer.alloc(0)
const MARK = Buffer.from("\uFEFF")

/**
 * A streamed answer. Events go on as the bytes they came in, or as their rendition. What precedes the first token (the
 * status, the role, empty deltas) is kept back, so that an attempt which fails there can still be made elsewhere.
 */
export class StreamExchange extends Exchange {
  readonly #splitter = EventSplitter.make({ maxEventBytes: EVENT_BYTES_MAX })
  readonly #endings = new Endings()
  readonly #bill = () => this.options.bill(this.options.tally)
  #out: Array<Buffer> = []
  #outBytes = 0
  #opened = false
  #done = false
  #untouched = true
  #begun = false
  #mark: Buffer = NOTHING

  protected accepts(contentType: string): boolean {
    return MediaType.of(contentType) === "text/event-stream"
  }

  protected read(bytes: Buffer): boolean {
    if (this.#done) return true
    const chunk = this.#begun ? bytes : this.#begin(bytes)
    const whole = this.#splitter.rest() === 0 && this.#out.length === 0
    this.#untouched = true
    const events = this.#splitter.push(chunk)
    if (events === undefined) {
      this.fail("provider_invalid_response", { retry: true, detail: "The provider sent an event that is too long." })
      return true
    }
    for (const event of events) {
      const verdict = this.#take(event)
      if (verdict === "done") break
      if (verdict === "kept") continue
      // What came before it in the same chunk was counted, so a buyer who has seen a part must see that too.
      if (this.shown) this.#flush()
      this.fail(verdict.reason, { retry: true, detail: verdict.detail })
      return true
    }
    // The usual case costs no copy: the chunk is whole events, all of them go on, and nothing waits before it.
    if (whole && this.#untouched && this.#splitter.rest() === 0 && this.#out.length > 1 && !this.#done)
      this.#out = [chunk]
    return this.#flush()
  }

  protected get isComplete(): boolean {
    return this.#done
  }

  protected ended(): void {
    if (this.#done) return
    // Some servers leave out the empty line after the last event. Only an end that is there as a whole is one.
    const rest = this.#splitter.rest() === 0 ? undefined : this.#splitter.last()
    if (rest !== undefined && this.#mayEnd(rest) && this.#take(rest) === "done") return void this.#flush()
    this.fail("provider_closed_early", { retry: true })
  }

  protected released(): void {
    this.#flush()
  }

  /** A byte order mark, in however many pieces it comes, is no part of the first event. */
  #begin(bytes: Buffer): Buffer {
    const start = this.#mark.length === 0 ? bytes : Buffer.concat([this.#mark, bytes])
    const isMark = start.compare(MARK, 0, Math.min(start.length, 3), 0, Math.min(start.length, 3)) === 0
    if (start.length < MARK.length && isMark) {
      this.#mark = start
      return NOTHING
    }
    this.#begun = true
    return isMark ? start.subarray(MARK.length) : start
  }

  /** Whether an event that was not completed says the end of the answer. */
  #mayEnd(event: Buffer): boolean {
    const text = EventSplitter.data(event)
    if (text === undefined || text === "[DONE]") return text !== undefined
    return !this.options.format.endsWithDone && Json.isObject(Json.parse(text))
  }

  #take(event: Buffer): Verdict {
    const { format, rendition, tally } = this.options
    if (EventSplitter.hasLoneReturn(event)) return LONE_RETURN
    const text = EventSplitter.data(event)
    if (text === undefined) {
      // A comment means nothing to the answer; before the first token it would only be in the way.
      if (this.#opened && rendition.comments) this.#keep(event)
      else this.#untouched = false
      return "kept"
    }
    if (text === "[DONE]") return this.#opened ? this.#end(format.endsWithDone ? event : undefined) : EMPTY
    const json = Json.parse(text)
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      return { reason: "provider_invalid_response", detail: "The provider sent an event that is not JSON." }
    }
    if (this.#endings.isLate(json)) return LATE
    const seen = format.event?.(json, tally)
    if (seen === undefined) return { reason: "provider_invalid_response", detail: undefined }
    if (seen.error !== undefined) return { reason: "provider_error", detail: ProviderFault.message(seen.error) }
    if (seen.usage !== "none") tally.reported = this.options.readUsage(json, tally.reported)
    if (seen.delivers) {
      this.#opened = true
      this.tokenSeen()
    }
    return this.#render(event, text, json, seen)
  }

  #render(event: Buffer, text: string, json: object, seen: Seen): Verdict {
    const rendered = this.options.rendition.event(event, text, json, seen, this.#bill)
    if (rendered !== event) this.#untouched = false
    if (rendered !== undefined) this.#keep(rendered)
    if (!seen.last) return "kept"
    return this.#opened ? this.#end(undefined) : EMPTY
  }

  #end(mark: Buffer | undefined): Verdict {
    const end = this.options.rendition.end(mark, this.#bill)
    if (end !== undefined) this.#keep(end)
    this.#done = true
    this.#opened = true
    return "done"
  }

  #keep(event: Buffer): void {
    this.#out.push(event)
    this.#outBytes += event.length
  }

  /** Sends what may be sent; false when the provider should wait. */
  #flush(): boolean {
    const { headers, outlet, tally } = this.options
    if (outlet.gate.state !== "open") return this.#outBytes <= UNHELD_BYTES_MAX
    const full = this.#outBytes > KEPT_BYTES_MAX || this.#out.length > KEPT_EVENTS_MAX
    if (!this.#opened && !full) return true
    const [first] = this.#out
    if (first === undefined && !this.#done) return true
    if (!this.covered()) return this.over
    if (!outlet.hold(this)) return true
    this.#opened = true
    outlet.headStream(headers)
    const bytes = this.#out.length === 1 ? first : Bytes.join(this.#out)
    this.#out = []
    this.#outBytes = 0
    tally.sent()
    if (!this.#done) return bytes === undefined || outlet.write(bytes)
    outlet.end(bytes, { "x-guildhall-cost": this.options.bill(tally).cost })
    this.completed()
    return true
  }
}
