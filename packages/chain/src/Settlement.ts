/**
 * PORT. How a market pays its providers on a chain: request by request, by signed vouchers, or netted by epoch; every way from
 * what the operator has funded, and never more.
 *
 * Guarantees, each proved by `SettlementTest.suite`:
 *
 * 1. The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.
 * 2. A request is settled once: provider and parties have the floor of their shares, the treasury the rest, and all can claim it.
 * 3. Nothing is settled, proposed or paid beyond what is funded, nor boosted beyond the boost pool.
 * 4. A voucher pays what is new in it, of one provider, token and epoch: its provider's part is the floor of its share of the
 *    whole, however often it is redeemed; where the funds fall short it pays a part now and the rest later.
 * 5. A voucher that another signed, of another provider, token or epoch, or that comes too late, is refused.
 * 6. An epoch that is over is proposed once, after all before it, and counts after the challenge delay; cancelled before, its
 *    money is where it was.
 * 7. A root pays each account up to its cumulative amount, by a proof, once, whoever asks; a wrong proof is refused.
 * 8. A batch credits what its commitment names, once; fees and what is left of the division are the parties' and the treasury's.
 * 9. Terms count from their epoch on and are never changed: epochs before keep theirs, also when they are settled later.
 * 10. What is funded and not used leaves to the funder only, after a delay that was announced, and within as long again.
 * 11. Many are paid in one act, once; who cannot be paid is credited.
 * 12. While paused nothing comes in, and every claim of what was earned still pays.
 * 13. What was refused moved nothing, and the totals sum to what went in less what went out.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Act, Asked } from "./Act.ts"
import type { Address } from "./Address.ts"
import type { ChainError } from "./ChainError.ts"
import type { Entry } from "./Entries.ts"
import type { EpochKind } from "./events/SettlementEvent.ts"
import type { Bytes32 } from "./Hex.ts"
import type { Domain, Signature, Voucher } from "./Message.ts"

/** A party's share of a charge, in basis points. @category models @since 0.1.0 */
export interface Share {
  readonly party: Address
  readonly bps: number
}

/**
 * How a charge is shared from an epoch on, until later terms: the floor of the provider's part, the floor of each party's, and the
 * rest to the treasury. `voucherSigner` signs the vouchers of these epochs; the zero address where there are none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Terms {
  readonly fromEpoch: number
  readonly providerBps: number
  readonly treasury: Address
  readonly voucherSigner: Address
  readonly shares: ReadonlyArray<Share>
}

/**
 * What can be done.
 *
 * - `AppendTerms` is the curator's.
 * - `Fund` and `FundBoost` are anyone's. `RequestUnfund`, `CancelUnfund` and `Unfund` are the funder's.
 * - `Settle`, `SettleFrom`, `ProposeEpoch`, `PayMany` are the operator's; `SettleFrom` takes the amount from a payer who allowed it.
 * - `CancelEpoch` is the challenger's, and the operator's once nobody applied the epoch for a week. `ApplyRoot` and `ApplyBatch` are anyone's.
 * - `Claim` pays what is credited to who asks, `ClaimFor` to another. `Redeem` and `ClaimRoot` are anyone's. To claim nothing is
 *   no error, and pays nothing.
 * - `Pause` and `Unpause` are the pauser's.
 *
 * @category models
 * @since 0.1.0
 */
export type SettlementAct = Asked &
  (
    | { readonly _tag: "Fund"; readonly token: Address; readonly amount: bigint }
    | { readonly _tag: "FundBoost"; readonly token: Address; readonly amount: bigint }
    | { readonly _tag: "RequestUnfund"; readonly token: Address; readonly funded: bigint; readonly boost: bigint }
    | { readonly _tag: "CancelUnfund"; readonly token: Address }
    | { readonly _tag: "Unfund"; readonly token: Address }
    | { readonly _tag: "AppendTerms"; readonly terms: Terms }
    | {
        readonly _tag: "Settle"
        readonly provider: Address
        readonly token: Address
        readonly amount: bigint
        readonly requestId: Bytes32
      }
    | {
        readonly _tag: "SettleFrom"
        readonly payer: Address
        readonly provider: Address
        readonly token: Address
        readonly amount: bigint
        readonly requestId: Bytes32
      }
    | { readonly _tag: "Claim"; readonly token: Address }
    | { readonly _tag: "ClaimFor"; readonly account: Address; readonly token: Address }
    | { readonly _tag: "Redeem"; readonly voucher: Voucher; readonly signature: Signature }
    | {
        readonly _tag: "ProposeEpoch"
        readonly token: Address
        readonly epoch: number
        readonly kind: "Root" | "Batch"
        readonly commitment: Bytes32
        readonly gross: bigint
        readonly boost: bigint
      }
    | { readonly _tag: "CancelEpoch"; readonly token: Address; readonly epoch: number }
    | {
        readonly _tag: "ClaimRoot"
        readonly token: Address
        readonly account: Address
        readonly cumulative: bigint
        readonly proof: ReadonlyArray<Bytes32>
      }
    | { readonly _tag: "ApplyRoot"; readonly token: Address; readonly epoch: number }
    | {
        readonly _tag: "ApplyBatch"
        readonly token: Address
        readonly epoch: number
        readonly entries: ReadonlyArray<Entry>
      }
    | {
        readonly _tag: "PayMany"
        readonly token: Address
        readonly batchId: Bytes32
        readonly entries: ReadonlyArray<Entry>
      }
    | { readonly _tag: "Pause" }
    | { readonly _tag: "Unpause" }
  )

/**
 * The epoch of a token that waits for its delay: `None` when none does. A new one must be later than `epoch`, which is the waiting
 * one or the last applied, or, after a cancelled one, the one before that.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proposal {
  readonly kind: EpochKind
  readonly epoch: number
  readonly appliesAtS: number
  readonly gross: bigint
  readonly boost: bigint
  readonly commitment: Bytes32
}

/**
 * Where an epoch stands: it waits, it is over (applied, or passed over by a later one that was), or it can be proposed.
 *
 * @category destructors
 * @since 0.1.0
 */
export const stateOf = (proposal: Proposal, epoch: number): "Waiting" | "Over" | "Open" => {
  if (proposal.kind !== "None" && proposal.epoch === epoch) return "Waiting"
  return epoch <= proposal.epoch ? "Over" : "Open"
}

/**
 * What waits to leave: `readyAtS` is 0 where nothing does.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnfundRequest {
  readonly funded: bigint
  readonly boost: bigint
  readonly readyAtS: number
  readonly expiresAtS: number
}

/**
 * A token as the contract stands in it: the five buckets, the waiting epoch and request, and the root that claims are proved
 * against (zero before the first).
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenState {
  readonly proposal: Proposal
  readonly unfund: UnfundRequest
  readonly root: Bytes32
}

/**
 * An account in a token: `owed` it can claim; `rootClaimed` is all that roots paid it so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Credit {
  readonly owed: bigint
  readonly rootClaimed: bigint
}

/**
 * What the contract owes in a token: `funded` to the operator, `boostPool` for boosts, `pending` by the epoch
 * that waits, `rootPool` to those of the root, `owed` to accounts. Together they are what it must hold at least.
 *
 * @category models
 * @since 0.1.0
 */
export interface SettlementTotals {
  readonly funded: bigint
  readonly boostPool: bigint
  readonly pending: bigint
  readonly rootPool: bigint
  readonly owed: bigint
}

/**
 * The terms under which it stands, for good. Seconds; an epoch begins at its number times its length. Terms are published at least
 * `termsDelayS` ahead. A voucher is redeemed up to
 * `voucherEpochs` epochs after its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface SettlementTerms {
  readonly epochLengthS: number
  readonly challengeDelayS: number
  readonly termsDelayS: number
  readonly unfundDelayS: number
  readonly voucherEpochs: number
}

/**
 * What an adapter can do: `pulls`, whether it has `SettleFrom`; `atomicGrant` as that of `StakeBook`; `maxEntries`, how many
 * entries one `ApplyBatch` or `PayMany` takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface SettlementCapabilities {
  readonly pulls: boolean
  readonly atomicGrant: boolean
  readonly maxEntries: number
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class Settlement extends Context.Service<
  Settlement,
  {
    readonly capabilities: SettlementCapabilities
    readonly terms: SettlementTerms
    readonly act: (act: SettlementAct) => Effect.Effect<Act, ChainError>
    readonly token: (token: Address) => Effect.Effect<TokenState, ChainError>
    readonly credit: (token: Address, account: Address) => Effect.Effect<Credit, ChainError>
    /** The gross of a provider's vouchers that was redeemed of an epoch. */
    readonly redeemed: (token: Address, provider: Address, epoch: number) => Effect.Effect<bigint, ChainError>
    /** The terms of an epoch; undefined before the first. */
    readonly termsAt: (epoch: number) => Effect.Effect<Terms | undefined, ChainError>
    /** What makes the leaves of roots this market's: the chain, and the contract that pays by roots. */
    readonly domain: Domain
    readonly totals: (token: Address) => Effect.Effect<SettlementTotals, ChainError>
  }
>()("@guildhall/chain/Settlement") {}
