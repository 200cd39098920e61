import type { Hash } from "node:crypto"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { ReasonCode } from "@guildhall/core/Reason"
import type {
  Dispatch,
  ProviderRequest,
  ProviderSink,
  ProviderTransport,
  TransportError,
} from "@guildhall/protocol/ProviderTransport"
import type { HoldGate } from "../HoldGate.ts"
import type { Tally } from "../Tally.ts"
import type { Buyer } from "./Buyer.ts"
import * as ProviderFault from "./ProviderFault.ts"
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
      readonly raw?: { readonly status: number; readonly body: string } | undefined
    }

export interface ExchangeOptions {
  readonly buyer: Buyer
  readonly gate: HoldGate
  readonly tally: Tally
  /** Commits to what the buyer was sent. */
  readonly hash: Hash
  readonly timeouts: MarketDefinition["timeouts"]
  /** When the whole request must be over, on the scale of `Ticks.now`. */
  readonly deadline: number
  readonly headers: Readonly<Record<string, string>>
  readonly now: () => number
  readonly done: (ending: Ending) => void
}

/** An error's text is read up to here; what comes after is not worth keeping. */
const ERROR_BYTES_MAX = 64 * 1024
/** How long a provider may take to close an answer that is already complete. */
const LINGER_MS = 1000

/**
 * One attempt on one instance: hears the provider, writes to the buyer, and ends exactly once. Subclasses say what a
 * good answer is.
 */
export abstract class Exchange implements ProviderSink {
  protected readonly options: ExchangeOptions
  /** Bytes have gone to the buyer, so nothing can be taken back. */
  protected committed = false
  protected over = false
  #dispatch: Dispatch | undefined
  #closed = false
  #timer: Ticks.Timer | undefined
  #startedAt = 0
  #heardAt = 0
  #token = false
  #paused = false
  #refused: { readonly status: number; readonly chunks: Array<Uint8Array>; bytes: number } | undefined

  constructor(options: ExchangeOptions) {
    this.options = options
  }

  start(transport: ProviderTransport["Service"], request: ProviderRequest): void {
    const { buyer, gate } = this.options
    this.#startedAt = Ticks.now()
    this.#heardAt = this.#startedAt
    this.#dispatch = transport.dispatch(request, this)
    buyer.onGone = () => this.#end({ _tag: "Aborted" })
    buyer.onDrain = () => this.#resume()
    gate.onChange = () => this.#onGate()
    if (buyer.gone) this.#end({ _tag: "Aborted" })
    else if (gate.state !== "pending") this.#onGate()
    if (!this.over) this.#arm()
  }

  /** Ends the attempt from outside: the gateway is stopping, or the hold is lost. */
  stop(reason: ReasonCode): void {
    this.fail(reason, { retry: false })
  }

  onStart(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.over) return
    this.#heardAt = Ticks.now()
    if (status < 200 || status > 299 || !this.accepts(headers["content-type"] ?? "")) {
      this.#refused = { status, chunks: [], bytes: 0 }
    }
  }

  onData(chunk: Uint8Array): boolean {
    if (this.over) return true
    this.#heardAt = Ticks.now()
    const refused = this.#refused
    if (refused === undefined) {
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

  protected abstract accepts(contentType: string): boolean
  /** Takes in a piece of a good answer; false asks for a pause. */
  protected abstract read(chunk: Buffer): boolean
  /** The provider has said all that was asked of it: what is still waited for is the hold. */
  protected abstract get isComplete(): boolean
  /** The provider ended its answer. */
  protected abstract ended(): void
  /** The hold became durable: what was kept back may go. */
  protected abstract released(): void
  /** The last thing that a buyer hears of an answer that was begun and cannot be completed. */
  protected abstract breakOff(reason: ReasonCode, detail: string | undefined): void

  protected get mayWrite(): boolean {
    return this.options.gate.state === "open"
  }

  /** The first token has come: from now on pauses between tokens are what is limited. */
  protected tokenSeen(): void {
    if (this.#token) return
    this.#token = true
    // The new limit may be nearer than the one that the timer was set for.
    this.#disarm()
    this.#arm()
  }

  protected commit(extra: Readonly<Record<string, string>>): void {
    const { buyer, headers, now, tally } = this.options
    this.committed = true
    tally.firstByteAtMs = now()
    buyer.response.writeHead(200, { ...headers, ...extra })
  }

  protected write(bytes: Buffer): boolean {
    this.options.hash.update(bytes)
    return this.options.buyer.response.write(bytes)
  }

  /** Sends the last bytes. The answer is complete, whatever the provider still does with its connection. */
  protected complete(bytes: Buffer | undefined): void {
    const { buyer, hash } = this.options
    if (bytes === undefined) buyer.response.end()
    else {
      hash.update(bytes)
      buyer.response.end(bytes)
    }
    this.#finish({ _tag: "Completed" })
    if (this.#closed) return
    // The connection may serve the next request, if the provider lets go of it soon.
    this.#timer = Ticks.after(LINGER_MS, () => this.#dispatch?.cancel("the answer was complete"))
  }

  protected fail(reason: ReasonCode, options: { readonly retry: boolean; readonly detail?: string | undefined }): void {
    if (this.over) return
    if (!this.committed) return this.#end({ _tag: "Failed", reason, retry: options.retry })
    this.breakOff(reason, options.detail)
    this.#end({ _tag: "Truncated", reason })
  }

  #onRefused(refused: { readonly status: number; readonly chunks: ReadonlyArray<Uint8Array> }): void {
    const body = Buffer.concat(refused.chunks).toString("utf8")
    this.#end({ _tag: "Failed", ...ProviderFault.ofAnswer(refused.status, body) })
  }

  #onGate(): void {
    const { gate } = this.options
    if (this.over) return
    if (gate.state === "refused")
      this.#end({ _tag: "Failed", reason: gate.refusal?.code ?? "internal_error", retry: false })
    else if (gate.state === "expired") this.stop("hold_expired")
    else {
      this.released()
      this.#resume()
    }
  }

  #resume(): void {
    if (!this.#paused || this.over) return
    this.#paused = false
    // The time that the buyer took is not the provider's.
    this.#heardAt = Ticks.now()
    this.#dispatch?.resume()
  }

  /** Ends with the provider still talking, or silent: it is told to stop. */
  #end(ending: Ending): void {
    this.#finish(ending)
    if (!this.#closed) this.#dispatch?.cancel(ending._tag === "Aborted" ? "the buyer left" : "the request is over")
  }

  #finish(ending: Ending): void {
    const { buyer, gate, done } = this.options
    this.over = true
    this.#disarm()
    buyer.onGone = undefined
    buyer.onDrain = undefined
    gate.onChange = undefined
    done(ending)
  }

  #disarm(): void {
    Ticks.stop(this.#timer)
    this.#timer = undefined
  }

  /** When the present phase is over: first token, pause between tokens, everything. */
  #dueAt(): number {
    const { deadline, timeouts } = this.options
    if (this.#paused || this.isComplete) return deadline
    const phase = this.#token ? this.#heardAt + timeouts.betweenTokensMs : this.#startedAt + timeouts.firstTokenMs
    return Math.min(phase, deadline)
  }

  /** One timer for each attempt, which looks at the clock when it rings; hearing something only moves a number. */
  #arm(): void {
    const waitMs = Math.max(1, Math.ceil(this.#dueAt() - Ticks.now()))
    this.#timer = Ticks.after(waitMs, () => {
      if (this.over) return
      if (Ticks.now() < this.#dueAt()) return this.#arm()
      this.#late()
    })
  }

  /** Time is up. Whose fault it is depends on who was waited for: the buyer, the ledger or the provider. */
  #late(): void {
    if (this.#paused && this.committed) {
      this.options.buyer.response.destroy()
      return this.#end({ _tag: "Aborted" })
    }
    if (this.isComplete) return this.fail("service_unavailable", { retry: false })
    this.fail("provider_timeout", { retry: true, detail: this.#phase() })
  }

  #phase(): string {
    const { deadline, timeouts } = this.options
    if (Ticks.now() >= deadline) return `The answer took longer than ${timeouts.totalMs} ms altogether.`
    return this.#token
      ? `The provider sent nothing for ${timeouts.betweenTokensMs} ms.`
      : `The provider sent no token within ${timeouts.firstTokenMs} ms.`
  }
}
