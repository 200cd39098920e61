/**
 * What a gateway finds out about an instance from the answers it gets: the parts of a `Rating` that it can know itself. It
 * is told the hour, and says what is new when it is asked.
 *
 * @since 0.1.0
 */
import type { Instance } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Breaker, Rating } from "@guildhall/core/Rating"
import type { Usage } from "@guildhall/core/Usage"

/** Failures within this time park an instance, for this long. */
const FAILURES_MAX = 3
const FAILURES_WITHIN_MS = 60_000
const PARKED_MS = 15_000
/** How slowly a pace falls, and how fast what was seen of costs and errors is forgotten. */
const PACE_TAU_MS = 10_000
const OFFER_TAU_MS = 30 * 60_000
/** What is not known of errors counts as so many requests without one; of costs, as so many tokens at the declared price. */
const TYPICAL_REQUESTS = 50
const TYPICAL_TOKENS = 100_000
/** What an instance said of its load is believed for so long. */
const LOAD_MS = 1_000

const MILLION_IN = { inputToken: 1_000_000 }
const MILLION_OUT = { outputToken: 1_000_000 }

/** Rises at once, falls slowly. */
class PeakAverage {
  #value = 0
  #atMs = 0

  see(sample: number, nowMs: number): void {
    const weight = Math.exp((this.#atMs - nowMs) / PACE_TAU_MS)
    this.#value = sample > this.#value ? sample : this.#value * weight + sample * (1 - weight)
    this.#atMs = nowMs
  }

  get value(): number {
    return Math.round(this.#value)
  }
}

/**
 * The watch over one instance: it is told what happened and when, and says what is new as a part of a `Rating`.
 *
 * @category models
 * @since 0.1.0
 */
export class Watch {
  readonly #declared: { readonly inputPerMillion: number; readonly outputPerMillion: number }
  readonly #firstToken = new PeakAverage()
  readonly #token = new PeakAverage()
  readonly #price: PriceSheet.PriceSheet
  #failures: Array<number> = []
  #breaker: Breaker = "closed"
  #parkedUntilMs = 0
  #load: { readonly running: number; readonly queued: number } | undefined
  #loadAtMs = 0
  /** Sums that fade: requests, errors, refusals; tokens and what they cost. */
  #sums = { requests: 0, errors: 0, limited: 0, input: 0, inputCost: 0 }
  #sumsAtMs = 0
  #news: Rating = {}

  constructor({ price }: Instance) {
    this.#price = price
    this.#declared = {
      inputPerMillion: Number(PriceSheet.cost(price, MILLION_IN)),
      outputPerMillion: Number(PriceSheet.cost(price, MILLION_OUT)),
    }
  }

  /** A first token came, or a request waits for one for so long already. */
  firstToken(afterMs: number, nowMs: number): void {
    this.#firstToken.see(afterMs, nowMs)
    this.#news = { ...this.#news, pace: this.#pace() }
  }

  /** A request waits for its first token for longer than was usual: that much is known already. */
  overdue(forMs: number, nowMs: number): void {
    if (forMs > this.#firstToken.value) this.firstToken(forMs, nowMs)
  }

  /** An answer is complete. */
  ended(tokenMs: number, usage: Usage, nowMs: number): void {
    this.#token.see(tokenMs * 1_000, nowMs)
    this.#fade(nowMs)
    const { cachedInputToken = 0, inputToken = 0 } = usage
    this.#sums.requests++
    this.#sums.input += inputToken + cachedInputToken
    this.#sums.inputCost += Number(PriceSheet.cost(this.#price, { inputToken, cachedInputToken }))
    this.#news = { ...this.#news, pace: this.#pace() }
    if (this.#breaker === "closed") return
    this.#failures = []
    this.#turn("closed")
  }

  /** A request failed, or was refused as one too many. */
  failed(isRefusal: boolean, nowMs: number): void {
    this.#fade(nowMs)
    this.#sums.requests++
    if (isRefusal) {
      this.#sums.limited++
      return
    }
    this.#sums.errors++
    this.#failures = [...this.#failures.filter((atMs) => atMs > nowMs - FAILURES_WITHIN_MS), nowMs]
    if (this.#breaker === "closed" && this.#failures.length < FAILURES_MAX) return
    // Extending, never shortening.
    this.#parkedUntilMs = Math.max(this.#parkedUntilMs, nowMs + PARKED_MS)
    this.#turn("parked")
  }

  /** What the instance says of its load, with an answer. */
  said(load: { readonly running: number; readonly queued: number }, nowMs: number): void {
    this.#load = load
    this.#loadAtMs = nowMs
    this.#news = { ...this.#news, load }
  }

  /** What the other gateways have in flight. */
  peers(inFlight: number): void {
    this.#news = { ...this.#news, peersInFlight: inFlight }
  }

  /** What is new since it was last asked, or undefined. */
  news(nowMs: number, withOffer: boolean): Rating | undefined {
    if (this.#breaker === "parked" && nowMs >= this.#parkedUntilMs) this.#turn("probing")
    if (this.#load !== undefined && nowMs - this.#loadAtMs > LOAD_MS) {
      this.#load = undefined
      this.#news = { ...this.#news, load: { running: 0, queued: 0 } }
    }
    if (withOffer) {
      this.#fade(nowMs)
      this.#news = { ...this.#news, offer: this.#offer() }
    }
    const news = this.#news
    this.#news = {}
    return Object.keys(news).length === 0 ? undefined : news
  }

  #turn(breaker: Breaker): void {
    this.#breaker = breaker
    this.#news = { ...this.#news, breaker }
  }

  #pace() {
    return { firstTokenMs: this.#firstToken.value, tokenUs: this.#token.value }
  }

  #fade(nowMs: number): void {
    const weight = Math.exp((this.#sumsAtMs - nowMs) / OFFER_TAU_MS)
    this.#sumsAtMs = nowMs
    const { errors, input, inputCost, limited, requests } = this.#sums
    this.#sums = {
      requests: requests * weight,
      errors: errors * weight,
      limited: limited * weight,
      input: input * weight,
      inputCost: inputCost * weight,
    }
  }

  #offer() {
    const { errors, input, inputCost, limited, requests } = this.#sums
    const { inputPerMillion, outputPerMillion } = this.#declared
    const typical = (inputPerMillion * TYPICAL_TOKENS) / 1_000_000
    const bps = (count: number) => Math.round((10_000 * count) / (requests + TYPICAL_REQUESTS))
    return {
      inputPerMillion: ((inputCost + typical) * 1_000_000) / (input + TYPICAL_TOKENS),
      outputPerMillion,
      errorBps: bps(errors),
      limitedBps: bps(limited),
      weight: 1_000,
    }
  }
}
