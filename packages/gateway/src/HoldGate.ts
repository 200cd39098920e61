/**
 * What a request in flight knows of its hold: nothing goes to the buyer before the gate is open.
 *
 * @since 0.1.0
 */
import type { HoldId } from "@guildhall/ledger/Hold"
import type { Refusal } from "./Refusal.ts"

/**
 * Where a gate stands. `pending`: the hold is on its way to the disk. `open`: it is durable. `refused`: there is none.
 * `expired`: there was one, and it can no longer be charged.
 *
 * @category models
 * @since 0.1.0
 */
export type GateState = "pending" | "open" | "refused" | "expired"

/**
 * A gate. Callbacks, because the byte path waits for it; `onChange` is for the relay, `waiters` for whoever waits
 * until the hold is decided.
 *
 * @category models
 * @since 0.1.0
 */
export class HoldGate {
  readonly id: HoldId
  readonly amount: bigint
  state: GateState = "pending"
  refusal: Refusal | undefined
  onChange: (() => void) | undefined
  readonly #waiters: Array<() => void> = []

  constructor(id: HoldId, amount: bigint) {
    this.id = id
    this.amount = amount
  }

  /** The hold is durable. */
  open(): void {
    if (this.state === "pending") this.#become("open")
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

  /** Calls back once the hold is decided, at once where it is. */
  whenDecided(callback: () => void): void {
    if (this.state === "pending") this.#waiters.push(callback)
    else callback()
  }

  #become(state: GateState): void {
    this.state = state
    this.onChange?.()
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}
