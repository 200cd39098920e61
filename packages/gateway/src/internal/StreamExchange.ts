import type { ReasonCode } from "@guildhall/core/Reason"
import * as ErrorBody from "@guildhall/protocol/openai/ErrorBody"
import * as EventSplitter from "../EventSplitter.ts"
import * as JsonSplice from "../JsonSplice.ts"
import { Exchange, type ExchangeOptions } from "./Exchange.ts"
import * as Json from "./Json.ts"
import * as ProviderFault from "./ProviderFault.ts"

/** One event is never longer than this; the longest seen hold an image in base64. */
const EVENT_BYTES_MAX = 8 * 1024 * 1024
/** So much is kept back while no token has come, or the hold is not durable. */
const KEPT_BYTES_MAX = 256 * 1024
const KEPT_EVENTS_MAX = 64

const EVENT_STREAM = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
}

/** What an event turned out to be: it is dealt with, it is the last one, or the answer fails with it. */
type Verdict = "kept" | "done" | { readonly reason: ReasonCode; readonly detail: string | undefined }

/**
 * A streamed answer. Events go on as the bytes they came in. What precedes the first token (the status, the role, empty
 * deltas) is kept back, so that an attempt which fails there can still be made elsewhere.
 */
export class StreamExchange extends Exchange {
  readonly #splitter = EventSplitter.make({ maxEventBytes: EVENT_BYTES_MAX })
  readonly #showUsage: boolean
  #out: Array<Buffer> = []
  #outBytes = 0
  #opened = false
  #done = false
  #untouched = true

  constructor(options: ExchangeOptions, stream: { readonly showUsage: boolean }) {
    super(options)
    this.#showUsage = stream.showUsage
  }

  protected accepts(contentType: string): boolean {
    return contentType.startsWith("text/event-stream")
  }

  protected read(chunk: Buffer): boolean {
    if (this.#done) return true
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
      if (this.committed) this.#flush()
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
    this.fail("provider_closed_early", { retry: true })
  }

  protected released(): void {
    this.#flush()
  }

  protected breakOff(reason: ReasonCode, detail: string | undefined): void {
    const body = JSON.stringify(ErrorBody.make(reason, { message: detail }))
    const frame = Buffer.from(`data: ${body}\n\n`)
    this.options.hash.update(frame)
    // No [DONE]: a client that takes the end of the bytes for the end of the answer has been told otherwise just before.
    this.options.buyer.response.end(frame)
  }

  #take(event: Buffer): Verdict {
    const text = EventSplitter.data(event)
    if (text === undefined) {
      // A comment means nothing to the answer; before the first token it would only be in the way.
      if (this.#opened) this.#keep(event)
      else this.#untouched = false
      return "kept"
    }
    if (text === "[DONE]") {
      this.#keep(event)
      this.#done = true
      this.#opened = true
      return "done"
    }
    const json = Json.parse(text)
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      return { reason: "provider_invalid_response", detail: "The provider sent an event that is not JSON." }
    }
    const error = Json.get(json, "error")
    if (error !== undefined && error !== null) {
      return { reason: "provider_error", detail: ProviderFault.message(error) }
    }
    this.#count(json, event, text)
    return "kept"
  }

  #count(json: object, event: Buffer, text: string): void {
    const { tally } = this.options
    const choices = Json.get(json, "choices")
    const listed = Array.isArray(choices) ? choices : []
    for (const choice of listed) {
      if (tally.add(choice, Json.get(choice, "delta"))) {
        this.#opened = true
        this.tokenSeen()
      }
    }
    const usage = Json.get(json, "usage")
    if (usage === undefined) return this.#keep(event)
    tally.report(usage)
    if (this.#showUsage) return this.#keep(event)
    this.#untouched = false
    // The event that exists only for the usage goes; elsewhere only the member does.
    if (usage !== null && listed.length === 0) return
    const edit = JsonSplice.remove(JsonSplice.members(text), "usage")
    this.#keep(edit === undefined ? event : Buffer.from(`data: ${JsonSplice.apply(text, [edit])}\n\n`))
  }

  #keep(event: Buffer): void {
    this.#out.push(event)
    this.#outBytes += event.length
  }

  /** Sends what may be sent. Answers false where the provider should pause. */
  #flush(): boolean {
    const full = this.#outBytes > KEPT_BYTES_MAX || this.#out.length > KEPT_EVENTS_MAX
    if (!this.mayWrite) return !full
    if (!this.#opened && !full) return true
    this.#opened = true
    const [first] = this.#out
    if (first === undefined) return true
    if (!this.committed) this.commit(EVENT_STREAM)
    const bytes = this.#out.length === 1 ? first : Buffer.concat(this.#out)
    this.#out = []
    this.#outBytes = 0
    if (!this.#done) return this.write(bytes)
    this.complete(bytes)
    return true
  }
}
