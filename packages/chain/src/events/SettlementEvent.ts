/**
 * What the contract Settlement emits, and the RootVault that it makes.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Address } from "../Address.ts"
import { Bytes32, Hex } from "../Hex.ts"
import { Count, event } from "./Position.ts"

/**
 * How an epoch is paid: by a root of cumulative leaves, or by one batch of entries.
 *
 * @category models
 * @since 0.1.0
 */
export const EpochKind = Schema.Literals(["None", "Root", "Batch"])
/** @since 0.1.0 */
export type EpochKind = typeof EpochKind.Type

/**
 * - `TermsAppended`: how a charge is shared, from an epoch on.
 * - `Funded`, `BoostFunded`, `UnfundRequested`, `UnfundCancelled`, `Unfunded`: the operator's money and the boost pool.
 * - `Settled`, `SettledFrom`, `VoucherRedeemed`: what was credited of one request, of a voucher. `Claimed`: what was paid of
 *   what was credited.
 * - `EpochProposed` sets money aside for an epoch, `EpochCancelled` puts it back, `BatchApplied` credits it. `RootApplied` sends it
 *   to the vault of roots, where `RootPublished` makes it claimable by proofs and `RootClaimed` pays by one.
 * - `ManyPaid`: direct transfers, as packed entries; `PayoutCredited`: one that failed and is credited instead.
 *
 * @category models
 * @since 0.1.0
 */
export const SettlementEvent = Schema.Union([
  event("Settlement.TermsAppended", {
    fromEpoch: Count,
    providerBps: Count,
    treasury: Address,
    voucherSigner: Address,
    shares: Schema.Array(Schema.Struct({ party: Address, bps: Count })),
  }),
  event("Settlement.Funded", { token: Address, from: Address, amount: Amount }),
  event("Settlement.BoostFunded", { token: Address, from: Address, amount: Amount }),
  event("Settlement.UnfundRequested", {
    token: Address,
    funded: Amount,
    boost: Amount,
    readyAt: Count,
    expiresAt: Count,
  }),
  event("Settlement.UnfundCancelled", { token: Address }),
  event("Settlement.Unfunded", { token: Address, to: Address, funded: Amount, boost: Amount }),
  event("Settlement.Settled", {
    requestId: Bytes32,
    provider: Address,
    token: Address,
    amount: Amount,
    providerShare: Amount,
  }),
  event("Settlement.SettledFrom", {
    requestId: Bytes32,
    provider: Address,
    token: Address,
    payer: Address,
    amount: Amount,
    providerShare: Amount,
  }),
  event("Settlement.VoucherRedeemed", {
    provider: Address,
    token: Address,
    epoch: Count,
    amount: Amount,
    providerShare: Amount,
    redeemed: Amount,
  }),
  event("Settlement.EpochProposed", {
    token: Address,
    epoch: Count,
    kind: EpochKind,
    commitment: Bytes32,
    gross: Amount,
    boost: Amount,
  }),
  event("Settlement.EpochCancelled", { token: Address, epoch: Count, gross: Amount, boost: Amount }),
  event("Settlement.RootApplied", { token: Address, epoch: Count, root: Bytes32, providers: Amount, fees: Amount }),
  event("Settlement.BatchApplied", { token: Address, epoch: Count, providers: Amount, fees: Amount, packed: Hex }),
  event("Settlement.Claimed", { token: Address, account: Address, amount: Amount }),
  event("RootVault.RootPublished", { token: Address, root: Bytes32 }),
  event("RootVault.RootClaimed", { token: Address, account: Address, amount: Amount, claimed: Amount }),
  event("Settlement.ManyPaid", { token: Address, batchId: Bytes32, paid: Amount, credited: Amount, packed: Hex }),
  event("Settlement.PayoutCredited", { token: Address, batchId: Bytes32, account: Address, amount: Amount }),
])
/** @since 0.1.0 */
export type SettlementEvent = typeof SettlementEvent.Type
