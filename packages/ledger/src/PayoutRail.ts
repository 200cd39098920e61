/**
 * PORT. How money goes out: to a bank account, a wallet. A send whose outcome is not known stays `Unknown` until the
 * rail has evidence; only a proven failure may be tried again, under a new key.
 *
 * Guarantees, each proved by `PayoutRailTest.suite`:
 *
 * 1. Sending twice with the same key and the same payout sends once; with another payout it is a `Conflict`.
 * 2. A payout that was sent is found by its key, and its amount and asset are those that were asked for.
 * 3. A state that is `Succeeded` or `Failed` never changes again, and `Failed` means that no money left.
 * 4. Every movement is listed, in a stable order, and a cursor goes on where the last page ended.
 * 5. An amount of zero or less is refused, and nothing is sent.
 * 6. A payout that comes after its `notAfterMs` is refused, and nothing is sent; one that was sent before is answered as ever.
 *
 * `NotFound` proves nothing by itself: what was sent may still be under way. Nor does `Refused`: it speaks of one send, and
 * an earlier one under the same key may have got through. What is not known is asked for again, and sent again under the
 * same key for as long as the rail remembers it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import * as Parts from "@guildhall/core/Parts"
import { type Movement, type MovementState, RailError } from "./Movement.ts"
import * as PaymentRail from "./PaymentRail.ts"

/**
 * A payout to be sent. The key is made from the range of postings that it pays and the number of the attempt. After
 * `notAfterMs`, in Unix milliseconds by the rail's clock, it must not be sent any more; without it, it may be at any time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Payout {
  readonly idempotencyKey: string
  readonly member: MemberId
  readonly asset: AssetCode
  readonly amount: bigint
  readonly notAfterMs?: number
}

/**
 * What a rail can do.
 *
 * - `scale`: how many decimal places it can carry; what is finer stays on the balance.
 * - `cancels`: whether a payout that is pending can be taken back.
 * - `keyLifeMs`: for how long after its first use a key is remembered, and sending again under it is safe; `null` if for
 *   ever. Each payout's `notAfterMs` is set by it.
 * - `absenceMs`: how long after a payout's `notAfterMs` its absence is proof: a `NotFound` asked for later than that says
 *   that no money left and none will. It covers what is under way and how far the rail's lists and clock lag behind. `null`
 *   if absence never proves anything.
 *
 * @category models
 * @since 0.1.0
 */
export interface Capabilities {
  readonly scale: number
  readonly cancels: boolean
  readonly keyLifeMs: number | null
  readonly absenceMs: number | null
}

/**
 * The port.
 *
 * @category models
 * @since 0.1.0
 */
export interface PayoutRail {
  readonly name: string
  readonly capabilities: Capabilities
  readonly send: (payout: Payout) => Effect.Effect<Movement, RailError>
  readonly find: (idempotencyKey: string) => Effect.Effect<Movement, RailError>
  readonly movements: (after: string | null, limit: number) => Effect.Effect<ReadonlyArray<Movement>, RailError>
}

/** The kind under which a definition names a rail for money that goes out. @category parts @since 0.1.0 */
export const PayoutRail: Parts.Kind<PayoutRail> = Parts.kind("payout rail")

/**
 * A rail in memory, which ends each payout in the state that `decide` gives: for tests and simulations.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (options: {
  readonly name: string
  readonly scale: number
  readonly decide: (payout: Payout) => MovementState
}): PayoutRail => {
  // Out or in, a movement is kept the same way: once for each key.
  const { start, find, movements } = PaymentRail.makeMemory({ ...options, fundingSource: options.name })
  return {
    name: options.name,
    capabilities: { scale: options.scale, cancels: false, keyLifeMs: null, absenceMs: null },
    send: (payout) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
        const { notAfterMs } = payout
        if (notAfterMs === undefined || nowMs <= notAfterMs) return start(payout)
        // What is known is answered whenever it is asked for; what comes too late must not become known.
        return Effect.andThen(
          Effect.mapError(find(payout.idempotencyKey), () => tooLate(notAfterMs)),
          start(payout),
        )
      }),
    find,
    movements,
  }
}

/**
 * How a rail refuses a payout that comes after its time.
 *
 * @category errors
 * @since 0.1.0
 */
export const tooLate = (notAfterMs: number): RailError =>
  new RailError({
    reason: "Refused",
    detail: `It had to be sent by ${DateTime.formatIso(DateTime.makeUnsafe(notAfterMs))}.`,
  })
