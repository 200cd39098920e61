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
  #atMs = 0
  #said: NonNullable<Rating["pace"]> | undefined
  #saidAtMs = 0

  add(
    sample: { readonly firstTokenMs?: number | undefined; readonly tokensPerSecond?: number | undefined },
    nowMs: number,
  ): void {
    const { firstTokenMs, tokensPerSecond } = sample
    if (firstTokenMs === undefined || !(firstTokenMs >= 0 && firstTokenMs <= MOST)) return
    const sinceMs = nowMs - this.#atMs
    const idle = this.#idle(nowMs)
    const before = this.#firstTokenMs === undefined ? undefined : this.#firstTokenMs * idle
    this.#firstTokenMs = PeakMean.next(before, firstTokenMs, sinceMs, FALL_MS)
    if (tokensPerSecond !== undefined && tokensPerSecond > 0) {
      const tokenBefore = this.#tokenUs === undefined ? undefined : this.#tokenUs * idle
      this.#tokenUs = PeakMean.next(tokenBefore, Math.min(MOST, 1_000_000 / tokensPerSecond), sinceMs, FALL_MS)
    }
    this.#atMs = nowMs
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
    if (this.#said === undefined) return undefined
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

  #idle(nowMs: number): number {
    const idleMs = nowMs - this.#atMs - IDLE_MS
    return idleMs > 0 ? Math.max(IDLE_LEAST, Math.exp(-idleMs / IDLE_FALL_MS)) : 1
  }
}
