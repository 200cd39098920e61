/**
 * What a request in flight knows of its hold: nothing goes to the buyer before the gate is open.
 *
 * @since 0.1.0
 */
import type { HoldId, Part } from "@guildhall/ledger/Hold"
import type { Listed } from "./internal/Roll.ts"
import type { Refusal } from "./Refusal.ts"
import type { Reserved } from "./Reservation.ts"

/**
 * Where a gate stands. `pending`: the hold is on its way to the disk. `open`: it is durable. `refused`: there is none.
 * `expired`: there was one, and it can no longer be charged.
 *
 * @category models
 * @since 0.1.0
 */
export type GateState = "pending" | "open" | "refused" | "expired"

/**
 * What lets a hold grow to cover so many tokens of answer; it answers by {@link HoldGate.grown}.
 *
 * @category models
 * @since 0.1.0
 */
export type Grow = (gate: HoldGate, tokens: number) => void

/**
 * A gate. Callbacks, because the byte path waits for it; `onChange` is for the relay, `waiters` for whoever waits
 * until the hold is decided. `reserved` is what the hold has and how many tokens of answer that covers; `most` what it
 * may grow to, which is what a provider may claim.
 *
 * @category models
 * @since 0.1.0
 */
export class HoldGate implements Listed {
  readonly id: HoldId
  readonly most: Reserved
  reserved: Reserved
  parts: ReadonlyArray<Part> = []
  state: GateState = "pending"
  refusal: Refusal | undefined
  onChange: (() => void) | undefined
  /** Its place among the holds that are renewed, and until when it lives for certain, by the clock that only grows. */
  at = -1
  livesUntilMs = 0
  readonly #grow: Grow | undefined
  readonly #step: number
  readonly #waiters: Array<() => void> = []
  #growing = false
  #spent = false

  constructor(options: {
    readonly id: HoldId
    readonly reserved: Reserved
    readonly most: Reserved
    /** By how many tokens the hold grows at a time, and how; absent where it stays as it is. */
    readonly growth?: { readonly step: number; readonly grow: Grow } | undefined
  }) {
    this.id = options.id
    this.most = options.most
    this.reserved = options.reserved
    this.#grow = options.growth?.grow
    this.#step = options.growth?.step ?? 0
  }

  /** The hold is durable, with what it has of each account. */
  open(reserved: Reserved, parts: ReadonlyArray<Part>): void {
    if (this.state !== "pending") return
    this.reserved = reserved
    this.parts = parts
    this.#become("open")
  }

  /** The ledger refused the hold, or did not answer. */
  refuse(refusal: Refusal): void {
    if (this.state !== "pending") return
    this.refusal = refusal
    this.#become("refused")
  }

  /** The hold was released to the buyer while the request was still running. */
  expire(): void {
    if (this.state === "open") this.#become("expired")
  }

  /**
   * What a stream may do that has delivered so many tokens: go on, wait for the hold to grow, or end, since it cannot.
   * Asks for growth in time that a stream seldom waits.
   */
  reach(tokens: number): "go" | "wait" | "end" {
    const { reserved, most } = this
    if (this.#grow === undefined || reserved.tokens >= most.tokens || this.state !== "open") return "go"
    if (!this.#growing && !this.#spent && tokens + this.#step / 2 >= reserved.tokens) {
      this.#growing = true
      this.#grow(this, Math.min(most.tokens, reserved.tokens + this.#step))
    }
    if (tokens < reserved.tokens) return "go"
    return this.#spent ? "end" : "wait"
  }

  /** The hold has grown; `undefined` says that it cannot grow any more. */
  grown(to: { readonly reserved: Reserved; readonly parts: ReadonlyArray<Part> } | undefined): void {
    this.#growing = false
    if (to === undefined) this.#spent = true
    else {
      this.reserved = to.reserved
      this.parts = to.parts
    }
    if (this.state === "open") this.onChange?.()
  }

  /** Calls back once the hold is decided, at once where it is. */
  whenDecided(callback: () => void): void {
    if (this.state === "pending") this.#waiters.push(callback)
    else callback()
  }

  #become(state: GateState): void {
    this.state = state
    try {
      this.onChange?.()
    } finally {
      // Whatever became of the bytes, the request goes on.
      for (const waiter of this.#waiters.splice(0)) waiter()
    }
  }
}
