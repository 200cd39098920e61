import type { Rating } from "@guildhall/core/Rating"
import * as PeakMean from "@guildhall/core/rules/PeakMean"

/** A mean falls to samples below it by this time constant. */
const FALL_MS = 10_000
/** After so long without a sample what is shown begins to fall by itself, down to a quarter: else a bad moment is for ever. */
const IDLE_MS = 10_000
const IDLE_FALL_MS = 60_000
const IDLE_LEAST = 0.25
/** What changed by a tenth is said at once, but not more often than this; any other change after a second. */
const SOON_MS = 250
const LATER_MS = 1_000
const TENTH = 0.1
const MOST = 1_000_000_000

const shown = (value: number): number => Math.min(MOST, Math.max(0, Math.round(value)))

const movedBy = (said: number, now: number): number => Math.abs(now - said) / Math.max(1, said)

/** How long an instance takes to its first token and for each further one, and what was said of that. */
export class Pace {
  #firstTokenMs: number | undefined
  #tokenUs: number | undefined
  #firstAtMs = 0
  #tokenAtMs = 0
  /** When anything was last heard of. */
  #atMs = 0
  #said: NonNullable<Rating["pace"]> | undefined
  #saidAtMs = 0

  add(
    sample: { readonly firstTokenMs?: number | undefined; readonly tokensPerSecond?: number | undefined },
    nowMs: number,
  ): void {
    const { firstTokenMs, tokensPerSecond } = sample
    if (firstTokenMs === undefined && tokensPerSecond === undefined) return
    const { first, token } = { first: this.#shown(this.#firstTokenMs, nowMs), token: this.#shown(this.#tokenUs, nowMs) }
    if (firstTokenMs !== undefined && firstTokenMs >= 0 && firstTokenMs <= MOST) {
      this.#firstTokenMs = PeakMean.next(first, firstTokenMs, nowMs - this.#firstAtMs, FALL_MS)
      this.#firstAtMs = nowMs
    } else {
      this.#firstTokenMs = first
    }
    if (tokensPerSecond !== undefined && tokensPerSecond > 0) {
      const tokenUs = Math.min(MOST, 1_000_000 / tokensPerSecond)
      this.#tokenUs = PeakMean.next(token, tokenUs, nowMs - this.#tokenAtMs, FALL_MS)
      this.#tokenAtMs = nowMs
    } else {
      this.#tokenUs = token
    }
    this.#atMs = nowMs
  }

  /** A request has waited for its first token for so long, which will be no less when it comes. */
  wait(forMs: number, nowMs: number): void {
    if (forMs > (this.#shown(this.#firstTokenMs, nowMs) ?? 0)) this.add({ firstTokenMs: forMs }, nowMs)
  }

  /** What was said is not known any more. */
  unsaid(): void {
    this.#said = undefined
  }

  /** What is to be said after a sample. */
  changed(nowMs: number): Rating["pace"] {
    const sinceMs = nowMs - this.#saidAtMs
    if (this.#said !== undefined && sinceMs >= 0 && sinceMs < SOON_MS) return undefined
    return this.#say(nowMs, TENTH)
  }

  /** What is to be said as time passes. */
  due(nowMs: number): Rating["pace"] {
    const isIdle = nowMs - this.#atMs >= IDLE_MS
    const sinceMs = nowMs - this.#saidAtMs
    return this.#say(nowMs, isIdle || (sinceMs >= 0 && sinceMs < LATER_MS) ? TENTH : 0)
  }

  #say(nowMs: number, atLeast: number): Rating["pace"] {
    if (this.#firstTokenMs === undefined) return undefined
    const idle = this.#idle(nowMs)
    const pace = { firstTokenMs: shown(this.#firstTokenMs * idle), tokenUs: shown((this.#tokenUs ?? 0) * idle) }
    const said = this.#said
    if (said !== undefined) {
      const moved = Math.max(movedBy(said.firstTokenMs, pace.firstTokenMs), movedBy(said.tokenUs, pace.tokenUs))
      if (moved <= atLeast) return undefined
    }
    this.#said = pace
    this.#saidAtMs = nowMs
    return pace
  }

  #shown(mean: number | undefined, nowMs: number): number | undefined {
    return mean === undefined ? undefined : mean * this.#idle(nowMs)
  }

  #idle(nowMs: number): number {
    const idleMs = nowMs - this.#atMs - IDLE_MS
    return idleMs > 0 ? Math.max(IDLE_LEAST, Math.exp(-idleMs / IDLE_FALL_MS)) : 1
  }
}
