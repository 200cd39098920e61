/**
 * Why a transaction was not sent, or did not do what it was sent for.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Address } from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import { RpcReason, toChainError as ofRpc, RpcError } from "./RpcError.ts"
import { SignerReason } from "./SignerError.ts"

/**
 * The contract refuses, and nothing moved. `data` is its error, as bytes. Found before it was sent, nothing was sent; found after,
 * the fee is gone and the key is used up.
 *
 * @category errors
 * @since 0.1.0
 */
export class Reverted extends Schema.TaggedError<Reverted>()("Reverted", {
  data: Schema.NullOr(Schema.String),
  detail: Schema.String,
  isSent: Schema.Boolean,
}) {
  readonly isRetryable = false
  override get message(): string {
    return `The contract refuses: ${this.detail}`
  }
}

/** The key was used for another transaction. @category errors @since 0.1.0 */
export class KeyUsed extends Schema.TaggedError<KeyUsed>()("KeyUsed", { idempotencyKey: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return `The key "${this.idempotencyKey}" was used for another transaction. Use a new key for a new one.`
  }
}

/** The account cannot pay for the gas. Nothing was sent. @category errors @since 0.1.0 */
export class NoGas extends Schema.TaggedError<NoGas>()("NoGas", {
  account: Address,
  symbol: Schema.String,
  hasWei: Schema.BigInt,
  needsWei: Schema.BigInt,
}) {
  readonly isRetryable = true
  override get message(): string {
    return `${this.account} has ${this.hasWei} wei of ${this.symbol} and needs up to ${this.needsWei}. Send it some, and try again with the same key.`
  }
}

/** It was sent and is not included yet. @category errors @since 0.1.0 */
export class NotIncluded extends Schema.TaggedError<NotIncluded>()("NotIncluded", {
  idempotencyKey: Schema.String,
  waitedMs: Schema.Int,
}) {
  readonly isRetryable = true
  override get message(): string {
    return `The transaction of "${this.idempotencyKey}" was sent and is not included after ${this.waitedMs} ms. It is watched on: ask again with the same key.`
  }
}

/** The store of what was sent does not answer. @category errors @since 0.1.0 */
export class StoreAway extends Schema.TaggedError<StoreAway>()("StoreAway", { cause: Schema.Defect() }) {
  readonly isRetryable = true
  override get message(): string {
    return "The store of sent transactions does not answer. Try again with the same key."
  }
}

/** All of them. @category errors @since 0.1.0 */
export const SenderReason = Schema.Union([
  Reverted,
  KeyUsed,
  NoGas,
  NotIncluded,
  StoreAway,
  ...RpcReason.members,
  ...SignerReason.members,
])
/** @since 0.1.0 */
export type SenderReason = typeof SenderReason.Type

/** The error of `Sender`. @category errors @since 0.1.0 */
export class SenderError extends Schema.TaggedError<SenderError>()("SenderError", { reason: SenderReason }) {
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
  override get message(): string {
    return this.reason.message
  }
}

/**
 * The same for the ports of a chain. What a contract refuses is not told here: its error is decoded with the contract's ABI
 * first, with `ContractError`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toChainError = ({ reason }: SenderError): ChainError.ChainError => {
  const is = (chainReason: ChainError.ChainReason) => new ChainError.ChainError({ reason: chainReason })
  switch (reason._tag) {
    case "KeyUsed":
      return is(new ChainError.Conflict({ idempotencyKey: reason.idempotencyKey }))
    case "NotIncluded":
      return is(
        new ChainError.Undecided({
          idempotencyKey: reason.idempotencyKey,
          detail: `it is not after ${reason.waitedMs} ms.`,
        }),
      )
    case "NoKey":
      return is(new ChainError.NoSigner({ account: reason.account }))
    case "Reverted":
      return is(new ChainError.InvalidInput({ detail: reason.message }))
    case "Unreachable":
    case "Disagreement":
    case "WrongChain":
    case "NodeRefused":
      return ofRpc(new RpcError({ reason }))
    default:
      return is(new ChainError.Unavailable({ detail: reason.message }))
  }
}
