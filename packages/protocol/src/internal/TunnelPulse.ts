/** A connection with streams is asked for a sign of life after the first time of silence, an idle one after the second. */
const SILENT_MS = { busy: 2_000, idle: 15_000 } as const
/** Then it has so long to give one. */
const ANSWER_MS = 4_000
/** The other side has so long to acknowledge what came. */
const OWED_MS = 30_000
/** So many signs of life may be asked for between two ticks. */
const PINGS_MAX = 16

/** Whether a tunnel's connection lives: what was heard and acknowledged when, on the clock of the ticks. */
export class TunnelPulse {
  nowMs: number
  #heard = false
  #heardAtMs: number
  #askedAtMs: number | undefined
  #ackedAtMs: number
  #pings = 0

  constructor(nowMs: number) {
    this.nowMs = nowMs
    this.#heardAtMs = nowMs
    this.#ackedAtMs = nowMs
  }

  /** A connection begins. */
  begin(): void {
    this.#heardAtMs = this.nowMs
    this.#ackedAtMs = this.nowMs
    this.#askedAtMs = undefined
  }

  hear(): void {
    this.#heard = true
  }

  acknowledged(): void {
    this.#ackedAtMs = this.nowMs
  }

  /** It is asked for a sign of life. Answers whether it was asked too often. */
  asked(): boolean {
    this.#pings += 1
    return this.#pings > PINGS_MAX
  }

  /** Whether something this old is owed too long. */
  isOwed(sinceMs: number | undefined): boolean {
    return sinceMs !== undefined && this.nowMs - sinceMs > OWED_MS
  }

  /** What is to be done now. */
  tick(keeps: boolean, isBusy: boolean): "nothing" | "ask" | "lost" | "unacknowledged" {
    this.#pings = 0
    if (this.#heard) {
      this.#heard = false
      this.#heardAtMs = this.nowMs
      this.#askedAtMs = undefined
    }
    if (!keeps) this.#ackedAtMs = this.nowMs
    else if (this.isOwed(this.#ackedAtMs)) return "unacknowledged"
    if (this.#askedAtMs !== undefined) return this.nowMs - this.#askedAtMs < ANSWER_MS ? "nothing" : "lost"
    if (this.nowMs - this.#heardAtMs < (isBusy ? SILENT_MS.busy : SILENT_MS.idle)) return "nothing"
    this.#askedAtMs = this.nowMs
    return "ask"
  }
}
