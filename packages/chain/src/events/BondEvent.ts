/**
 * What the contract ProviderBond emits.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Address } from "../Address.ts"
import { Bytes32 } from "../Hex.ts"
import { Count, event } from "./Position.ts"

/**
 * Why a slash moved nothing, in the order in which the contract looks, which is also that of its numbers.
 *
 * @category models
 * @since 0.1.0
 */
export const IgnoredReason = Schema.Literals([
  "AlreadyProposed",
  "InFuture",
  "NotActiveThen",
  "TooLate",
  "NothingToTake",
  "NothingLeft",
])
/** @since 0.1.0 */
export type IgnoredReason = typeof IgnoredReason.Type

/**
 * - `ClassAppended`: a class of devices and what its bond must be at least.
 * - `Bonded`, `ToppedUp`, `Activated`, `UnbondRequested`, `Deregistered`, `Withdrawn`: the way of a bond. `Displaced`: a pending
 *   bond went to its provider's credit, for another has shown the verifier's word for the device.
 * - `SlashProposed` moves its amount from the bond into escrow; `SlashIgnored` says why nothing was there to move.
 * - `SlashFinalised` takes the escrow, `SlashOverturned` and `SlashLapsed` bring it back to the bond.
 * - `CreditClaimed`: somebody took their credit. `InsuranceSent`: what was taken went to the insurance pool.
 *
 * @category models
 * @since 0.1.0
 */
export const BondEvent = Schema.Union([
  event("ProviderBond.ClassAppended", { classId: Count, minimum: Amount }),
  event("ProviderBond.Bonded", { device: Bytes32, provider: Address, classId: Count, amount: Amount }),
  event("ProviderBond.ToppedUp", { device: Bytes32, amount: Amount, bonded: Amount }),
  event("ProviderBond.Activated", { device: Bytes32, provider: Address, classId: Count }),
  event("ProviderBond.Displaced", { device: Bytes32, provider: Address, amount: Amount }),
  event("ProviderBond.UnbondRequested", { device: Bytes32, cooldownEnd: Count }),
  event("ProviderBond.Deregistered", { device: Bytes32, cooldownEnd: Count }),
  event("ProviderBond.Withdrawn", { device: Bytes32, provider: Address, amount: Amount }),
  event("ProviderBond.SlashProposed", {
    device: Bytes32,
    offenceId: Bytes32,
    rateBps: Count,
    amount: Amount,
    offenceTime: Count,
    evidenceHash: Bytes32,
    finder: Address,
    appealUntil: Count,
  }),
  event("ProviderBond.SlashIgnored", { device: Bytes32, offenceId: Bytes32, reason: IgnoredReason }),
  event("ProviderBond.Appealed", { device: Bytes32, offenceId: Bytes32, ruleUntil: Count }),
  event("ProviderBond.SlashFinalised", {
    device: Bytes32,
    offenceId: Bytes32,
    insurance: Amount,
    finderShare: Amount,
    finder: Address,
  }),
  event("ProviderBond.SlashOverturned", { device: Bytes32, offenceId: Bytes32, amount: Amount }),
  event("ProviderBond.SlashLapsed", { device: Bytes32, offenceId: Bytes32, amount: Amount }),
  event("ProviderBond.CreditClaimed", { account: Address, amount: Amount }),
  event("ProviderBond.InsuranceSent", { amount: Amount }),
])
/** @since 0.1.0 */
export type BondEvent = typeof BondEvent.Type
