/**
 * What rails have in common: how a movement of money outside stands, and the movements that a rail knows of, which
 * reconciliation compares with the ledger.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import { Amount } from "@guildhall/core/Money"

/**
 * How a movement stands. `Failed` says that it is proven that no money moved and none will; a rail that does not know
 * says `Unknown`, never `Failed`.
 *
 * @category models
 * @since 0.1.0
 */
export const MovementState = Schema.TaggedUnion({
  Pending: { next: Schema.NullOr(Schema.String) },
  Succeeded: {},
  Failed: { detail: Schema.String },
  Unknown: { detail: Schema.String },
})
/** @since 0.1.0 */
export type MovementState = typeof MovementState.Type

/**
 * A movement as the rail lists it: the caller's key, the rail's own id, and a cursor to go on from.
 *
 * @category models
 * @since 0.1.0
 */
export const Movement = Schema.Struct({
  cursor: Schema.String,
  idempotencyKey: Schema.String,
  externalId: Schema.String,
  asset: AssetCode,
  amount: Amount,
  state: MovementState,
})
/** @since 0.1.0 */
export type Movement = typeof Movement.Type

/**
 * Why a rail could not do what it was asked to. After `Unavailable` the outcome is not known: ask again with the same
 * key.
 *
 * @category errors
 * @since 0.1.0
 */
export class RailError extends Schema.TaggedError<RailError>()("RailError", {
  reason: Schema.Literals(["Unavailable", "Conflict", "Refused", "NotFound"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    switch (this.reason) {
      case "Unavailable":
        return `The rail did not answer. ${this.detail} Ask again with the same key.`
      case "Conflict":
        return `The key was used before for another movement. ${this.detail} Use a new key for a new movement.`
      case "Refused":
        return `The rail refuses this movement. ${this.detail}`
      case "NotFound":
        return `The rail knows no movement with this key. ${this.detail}`
    }
  }
}
