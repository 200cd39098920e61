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
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import * as Parts from "@guildhall/core/Parts"
import type { Movement, MovementState, RailError } from "./Movement.ts"
import * as PaymentRail from "./PaymentRail.ts"

/**
 * A payout to be sent. The key is made from the range of postings that it pays and the number of the attempt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Payout {
  readonly idempotencyKey: string
  readonly member: MemberId
  readonly asset: AssetCode
  readonly amount: bigint
}

/**
 * The port. `capabilities.scale` is how many decimal places the rail can carry; what is finer stays on the balance.
 *
 * @category models
 * @since 0.1.0
 */
export interface PayoutRail {
  readonly name: string
  readonly capabilities: { readonly scale: number; readonly cancels: boolean }
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
  return { name: options.name, capabilities: { scale: options.scale, cancels: false }, send: start, find, movements }
}
