import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { Usage } from "@guildhall/core/Usage"
import type { ReasonCode } from "@guildhall/core/Reason"
import type {
  Dispatch,
  ProviderRequest,
  ProviderSink,
  ProviderTransport,
  TransportError,
} from "@guildhall/protocol/ProviderTransport"
import type { AnswerFormat } from "../AnswerFormat.ts"
import type { InferenceEndpoint } from "../InferenceEndpoint.ts"
import type { Observer } from "../Recount.ts"
import type { Tally } from "../Tally.ts"
import type { Attached, Outlet } from "./Outlet.ts"
import * as ProviderFault from "./ProviderFault.ts"
import type { Bill, Rendition } from "./Rendition.ts"
import * as Ticks from "./Ticks.ts"

/**
 * How one attempt ended. `Failed` means that nothing went to the buyer; `raw` is then the provider's own refusal, to be
 * passed on.
 */
export type Ending =
  | { readonly _tag: "Completed" }
  | { readonly _tag: "Aborted" }
  | { readonly _tag: "Truncated"; readonly reason: ReasonCode }
  | {
      readonly _tag: "Failed"
      readonly reason: ReasonCode
      readonly retry: boolean
      /** After how many seconds the provider wants to be asked again. */
      readonly retryAfterS?: number | undefined
      readonly detail?: string | undefined
      /** Which member of the request is at fault. */
      readonly param?: string | undefined
      readonly raw?: { readonly status: number; readonly body: string | undefined } | undefined
    }

export interface ExchangeOptions {
  readonly outlet: Outlet
  readonly tally: Tally
  readonly timeouts: MarketDefinition["timeouts"]
  /** A stream that is slower than this for `betweenTokensMs` is given up; 0 for never. */
  readonly tokensPerSecondMin: number
  /** When the whole request must be over, on the scale of `Ticks.now`. */
  readonly deadline: number
  readonly format: AnswerFormat
  readonly rendition: Rendition
  /** The dialect of the provider's errors, where it is the buyer's. */
  readonly spoken: InferenceEndpoint["errors"] | undefined
  /** Reads what a whole answer, or one event, reports; `before` is what came earlier. */
  readonly readUsage: (json: unknown, before: Usage | undefined) => Usage | undefined
  readonly headers: Readonly<Record<string, string>>
  /** What the answer costs as it stands, as the buyer is told. */
  readonly bill: (tally: Tally) => Bill
  readonly observer: Pick<Observer, "onBytes"> | undefined
  /** Hears how many requests the instance says that it has. */
  readonly said: (requests: number) => void
  readonly onFirstToken: (() => void) | undefined
  readonly done: (ending: Ending) => void
}

/** An instance tells with every answer how many requests it has. */
const LOAD_HEADER = "x-guildhall-load"
const LOAD = /^\d{1,6}$/
/** An error's text is read up to here; what comes after is not worth keeping. */
const ERROR_BYTES_MAX = 64 * 1024
/** How long a provider may take to close an answer that is already complete. */
const LINGER_MS = 1000
/** A token of running text is rarely longer; an event may hold more than one. */
const BYTES_A_TOKEN = 4

/** Compressed, although it was asked not to be: nothing of it can be read, counted or passed on. */
const isEncoded = (headers: Readonly<Record<string, string>>): boolean =>
  !/^(?:identity)?$/i.test(headers["content-encoding"]?.trim() ?? "")

/**
 * One attempt on one instance: hears the provider, writes to the buyer, and ends exactly once. Subclasses say what a
 * good answer is.
 */
export abstract class Exchange implements ProviderSink, Attached {
  protected readonly options: ExchangeOptions
  protected over = false
  /** Whether the provider has the whole request. */
  sent = false
  #dispatch: Dispatch | undefined
  #closed = false
  #timer: Ticks.Timer | undefined
  #startedAt = 0
  #heardAt = 0
  /** When the first token came, on the scale of `Ticks.now`. */
  firstTokenAt: number | undefined
  #paused = false
  /** Since when, and at how many tokens, the rate is measured. */
  #rateFrom = 0
  #rateTokens = 0
  #refused: (ProviderFault.Refused & { readonly chunks: Array<Uint8Array>; bytes: number }) | undefined

  constructor(options: ExchangeOptions) {
    this.options = options
  }

  start(transport: ProviderTransport["Service"], request: ProviderRequest): void {
    const { outlet } = this.options
    this.#startedAt = Ticks.now()
    this.#heardAt = this.#startedAt
    // The other attempt may have been faster than this one's ticket.
    if (outlet.shows()) return this.onLost()
    outlet.attach(this)
    this.#dispatch = transport.dispatch(request, this)
    if (outlet.gone) this.onGone()
    else if (outlet.gate.state !== "pending") this.onGate()
    if (!this.over) this.#arm()
  }

  /** Gives the attempt up from outside. */
  stop(reason: ReasonCode): void {
    this.fail(reason, { retry: false })
  }

  onGone(): void {
    this.#end({ _tag: "Aborted" })
  }

  onDrain(): void {
    this.#resume()
  }

  onLost(): void {
    this.#end({ _tag: "Failed", reason: "hedge_lost", retry: false })
  }

  onGate(): void {
    const { gate } = this.options.outlet
    if (this.over) return
    if (gate.state === "refused")
      this.#end({ _tag: "Failed", reason: gate.refusal?.code ?? "internal_error", retry: false })
    else if (gate.state === "expired") this.stop("hold_expired")
    else {
      this.released()
      if (!this.over && this.covered()) this.#resume()
    }
  }

  onSent(): void {
    this.sent = true
  }

  onStart(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.over) return
    this.#heardAt = Ticks.now()
    const load = headers[LOAD_HEADER]
    if (load !== undefined && LOAD.test(load)) this.options.said(Number(load))
    if (status < 200 || status > 299 || isEncoded(headers) || !this.accepts(headers["content-type"] ?? "")) {
      this.#refused = { status, retryAfterS: ProviderFault.retryAfter(headers), chunks: [], bytes: 0 }
    }
  }

  onData(chunk: Uint8Array): boolean {
    if (this.over) return true
    this.#heardAt = Ticks.now()
    const refused = this.#refused
    if (refused === undefined) {
      this.options.observer?.onBytes(chunk)
      // A transport hands over what came from a socket; a view on the same memory makes it searchable.
      const go = this.read(
        Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
      )
      this.#paused = !go && !this.over
      return !this.#paused
    }
    refused.bytes += chunk.byteLength
    if (refused.bytes <= ERROR_BYTES_MAX) refused.chunks.push(Uint8Array.from(chunk))
    else this.#onRefused(refused)
    return true
  }

  onEnd(): void {
    this.#closed = true
    if (this.over) return this.#disarm()
    if (this.#refused !== undefined) return this.#onRefused(this.#refused)
    this.ended()
  }

  onError(error: TransportError): void {
    this.#closed = true
    if (this.over) return this.#disarm()
    this.fail(ProviderFault.ofTransport(error), { retry: true })
  }

  /** Whether an answer of this content type is the kind that was asked for. */
  protected abstract accepts(contentType: string): boolean
  /** Takes bytes of a good answer; false to be fed no more until the buyer has caught up. */
  protected abstract read(chunk: Buffer): boolean
  /** Whether all of the answer has come, so that there is nothing to wait for but the hold. */
  protected abstract get isComplete(): boolean
  /** The provider closed the answer. */
  protected abstract ended(): void
  /** The hold is durable: what was kept back may go. */
  protected abstract released(): void

  /** Starts the limit between tokens. */
  protected tokenSeen(): void {
    if (this.firstTokenAt !== undefined) return
    this.firstTokenAt = Ticks.now()
    this.options.onFirstToken?.()
    this.#measure()
    // The new limit may be nearer than the one that the timer was set for.
    this.#disarm()
    this.#arm()
  }

  /** Whether what was delivered is covered by the hold, so that more may come. Where it cannot be, the answer ends. */
  protected covered(): boolean {
    const { gate } = this.options.outlet
    const reached = gate.reach(this.#tokens)
    if (reached !== "end") return reached === "go"
    const detail = `The balance covers ${gate.reserved.tokens} tokens of this answer and no more. Top it up, or ask for less.`
    this.fail("insufficient_funds", { retry: false, detail })
    return false
  }

  /** Whether content of this attempt has gone to the buyer, so that nothing can be taken back. */
  protected get shown(): boolean {
    return this.options.outlet.shows(this)
  }

  /** The answer is complete and has gone to the buyer. */
  protected completed(): void {
    this.#finish({ _tag: "Completed" })
    if (this.#closed) return
    // The connection may serve the next request, if the provider lets go of it soon.
    this.#timer = Ticks.after(LINGER_MS, () => this.#dispatch?.cancel("the answer was complete"))
  }

  protected fail(reason: ReasonCode, options: { readonly retry: boolean; readonly detail?: string | undefined }): void {
    if (this.over) return
    const { detail, retry } = options
    if (!this.shown) return this.#end({ _tag: "Failed", reason, retry, detail })
    this.options.outlet.breakOff(reason, detail, this.options.rendition.fail?.(reason, detail))
    this.#end({ _tag: "Truncated", reason })
  }

  #onRefused(refused: ProviderFault.Refused & { readonly chunks: ReadonlyArray<Uint8Array> }): void {
    const body = Buffer.concat(refused.chunks).toString("utf8")
    this.#end({ _tag: "Failed", ...ProviderFault.ofAnswer(refused, body, this.options.spoken) })
  }

  #resume(): void {
    if (!this.#paused || this.over) return
    this.#paused = false
    // The time that the buyer took is not the provider's.
    this.#heardAt = Ticks.now()
    this.#measure()
    this.#dispatch?.resume()
  }

  #end(ending: Ending): void {
    if (this.over) return
    this.options.tally.drop()
    this.#finish(ending)
    if (!this.#closed) this.#dispatch?.cancel(ending._tag === "Aborted" ? "the buyer left" : "the request is over")
  }

  #finish(ending: Ending): void {
    this.over = true
    this.#disarm()
    this.options.outlet.detach(this)
    this.options.done(ending)
  }

  #disarm(): void {
    Ticks.stop(this.#timer)
    this.#timer = undefined
  }

  get #tokens(): number {
    const { deltas, outputBytes } = this.options.tally
    return Math.max(deltas, outputBytes / BYTES_A_TOKEN)
  }

  #measure(): void {
    this.#rateFrom = Ticks.now()
    this.#rateTokens = this.#tokens
  }

  /** When the attempt is late as things stand. While the buyer is slow, only the whole request's limit runs. */
  #dueAt(): number {
    const { deadline, timeouts, tokensPerSecondMin } = this.options
    if (this.#paused || this.isComplete) return deadline
    if (this.firstTokenAt === undefined) return Math.min(this.#startedAt + timeouts.firstTokenMs, deadline)
    const window = tokensPerSecondMin === 0 ? Infinity : this.#rateFrom + timeouts.betweenTokensMs
    return Math.min(this.#heardAt + timeouts.betweenTokensMs, window, deadline)
  }

  /** One timer for all limits: when it rings, it looks at what has become of them meanwhile. */
  #arm(): void {
    const waitMs = Math.max(1, Math.ceil(this.#dueAt() - Ticks.now()))
    this.#timer = Ticks.after(waitMs, () => {
      if (this.over) return
      if (Ticks.now() < this.#dueAt() || this.#keepsUp()) return this.#arm()
      this.options.outlet.guard(() => this.#late())
    })
  }

  /** Whether it was only the window of the rate that ended, and enough came in it. */
  #keepsUp(): boolean {
    const { deadline, timeouts, tokensPerSecondMin } = this.options
    const now = Ticks.now()
    if (
      this.firstTokenAt === undefined ||
      this.isComplete ||
      now >= Math.min(this.#heardAt + timeouts.betweenTokensMs, deadline)
    )
      return false
    const enough = this.#tokens - this.#rateTokens >= (tokensPerSecondMin * (now - this.#rateFrom)) / 1_000
    if (enough) this.#measure()
    return enough
  }

  #late(): void {
    const { deadline, outlet, timeouts, tokensPerSecondMin } = this.options
    if (this.#paused && this.shown) {
      outlet.buyer.response.destroy()
      return this.#end({ _tag: "Aborted" })
    }
    // Complete, and the hold still not decided: the store is what did not answer.
    if (this.isComplete) return this.fail("service_unavailable", { retry: false })
    const now = Ticks.now()
    if (now >= deadline) {
      const detail = `The answer took longer than ${timeouts.totalMs} ms altogether.`
      return this.fail("request_timeout", { retry: false, detail })
    }
    if (this.firstTokenAt === undefined) {
      const detail = `The provider sent no token within ${timeouts.firstTokenMs} ms.`
      return this.fail("provider_token_timeout", { retry: true, detail })
    }
    if (now >= this.#heardAt + timeouts.betweenTokensMs) {
      const detail = `The provider sent nothing for ${timeouts.betweenTokensMs} ms.`
      return this.fail("provider_stalled", { retry: true, detail })
    }
    const detail = `The provider sent less than ${tokensPerSecondMin} tokens a second for ${timeouts.betweenTokensMs} ms.`
    this.fail("provider_too_slow", { retry: true, detail })
  }
}
