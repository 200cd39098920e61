/**
 * What the contract ValidatorRegistry emits.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Address } from "../Address.ts"
import { Bytes32, Hex } from "../Hex.ts"
import { Count, event } from "./Position.ts"

/**
 * - `Registered`, `ToppedUp`, `ExitStarted`, `Withdrawn`: the way of a validator's bond.
 * - `RewardsFunded`, `FinderSharesCollected`: what is to be earned. `Rewarded` by a job, `FindingShared` from the pool,
 *   `CreditClaimed`: what was earned, and taken.
 * - `SeedCommitted`, `JobOpened`, `EntropyFixed`, `VoteCommitted`, `SeedRevealed`, `VoteRevealed`, `VerdictReached`, `JobClosed`: how a job is
 *   judged.
 * - `Slashed`: two signed verdicts that contradict each other. `InsuranceSent`: what was cut went to the insurance pool.
 *
 * @category models
 * @since 0.1.0
 */
export const ValidatorEvent = Schema.Union([
  event("ValidatorRegistry.Registered", { validator: Address, amount: Amount, fromEpoch: Count }),
  event("ValidatorRegistry.ToppedUp", { validator: Address, amount: Amount, bonded: Amount }),
  event("ValidatorRegistry.ExitStarted", { validator: Address, fromEpoch: Count, cooldownEnd: Count }),
  event("ValidatorRegistry.Withdrawn", { validator: Address, amount: Amount }),
  event("ValidatorRegistry.RewardsFunded", { from: Address, amount: Amount }),
  event("ValidatorRegistry.FinderSharesCollected", { amount: Amount }),
  event("ValidatorRegistry.SeedCommitted", { epoch: Count, commitment: Bytes32 }),
  event("ValidatorRegistry.SeedRevealed", { epoch: Count, seed: Bytes32 }),
  event("ValidatorRegistry.JobOpened", { job: Bytes32, epoch: Count, reserved: Amount }),
  event("ValidatorRegistry.EntropyFixed", { job: Bytes32, entropy: Bytes32 }),
  event("ValidatorRegistry.VoteCommitted", { job: Bytes32, validator: Address, commitment: Bytes32 }),
  event("ValidatorRegistry.VoteRevealed", { job: Bytes32, validator: Address, verdict: Bytes32, signature: Hex }),
  event("ValidatorRegistry.VerdictReached", { job: Bytes32, verdict: Bytes32 }),
  event("ValidatorRegistry.Rewarded", { job: Bytes32, validator: Address, amount: Amount }),
  event("ValidatorRegistry.FindingShared", { job: Bytes32, validator: Address, amount: Amount }),
  event("ValidatorRegistry.JobClosed", { job: Bytes32, returned: Amount }),
  event("ValidatorRegistry.Slashed", {
    validator: Address,
    job: Bytes32,
    reporter: Address,
    insurance: Amount,
    reporterShare: Amount,
  }),
  event("ValidatorRegistry.CreditClaimed", { account: Address, amount: Amount }),
  event("ValidatorRegistry.InsuranceSent", { amount: Amount }),
])
/** @since 0.1.0 */
export type ValidatorEvent = typeof ValidatorEvent.Type
