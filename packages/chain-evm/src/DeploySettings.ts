/**
 * With what the contracts of a market are created: for good, for none of it can be changed but by the roles, slowly.
 *
 * @since 0.1.0
 */
import type { Address } from "@guildhall/chain/Address"
import type { Share } from "@guildhall/chain/Settlement"
import type { Tier } from "@guildhall/chain/StakeBook"

/**
 * Who holds the roles. Slasher and arbiter, adjuster and challenger, operator and challenger must be different accounts.
 *
 * - `governor` announces changes of roles, `pauser` stops what comes in, `curator` appends tiers, classes and terms.
 * - `slasher` proposes slashes, `arbiter` decides appeals, `verifier` signs for endpoints, `registrar` deregisters.
 * - `adjuster` proposes insurance claims, `challenger` cancels claims and epochs.
 * - `operator` settles and opens jobs, `funder` takes back what is not used.
 *
 * @category models
 * @since 0.1.0
 */
export interface Roles {
  readonly governor: Address
  readonly pauser: Address
  readonly curator: Address
  readonly slasher: Address
  readonly arbiter: Address
  readonly verifier: Address
  readonly registrar: Address
  readonly adjuster: Address
  readonly challenger: Address
  readonly operator: Address
  readonly funder: Address
}

/** Of `Staking`. Seconds, basis points. @category models @since 0.1.0 */
export interface StakingSettings {
  readonly token: Address
  readonly cooldownS: number
  readonly minActiveS: number
  readonly tierDelayS: number
  readonly apyBps: number
  readonly tiers: ReadonlyArray<Tier>
}

/** Of `InsurancePool`, whose token is that of bonds and validators too. @category models @since 0.1.0 */
export interface InsuranceSettings {
  readonly token: Address
  readonly epochLengthS: number
  readonly challengeDelayS: number
  readonly claimWindowS: number
  readonly epochCapBps: number
  readonly incidentCap: bigint
}

/** Of `ProviderBond`. @category models @since 0.1.0 */
export interface BondSettings {
  readonly cooldownS: number
  readonly evidenceWindowS: number
  readonly appealWindowS: number
  readonly rulingWindowS: number
  readonly bufferS: number
  readonly periodS: number
  readonly capBps: number
  readonly finderBps: number
}

/** Of `Settlement`; the shares are those of the first terms. @category models @since 0.1.0 */
export interface SettlementSettings {
  readonly epochLengthS: number
  readonly challengeDelayS: number
  readonly unfundDelayS: number
  readonly voucherEpochs: number
  readonly providerBps: number
  readonly treasury: Address
  readonly voucherSigner: Address
  readonly shares: ReadonlyArray<Share>
}

/** Of `ValidatorRegistry`: `perJob` judge each job, and `quorum` of them must say the same. @category models @since 0.1.0 */
export interface ValidatorSettings {
  readonly minBond: bigint
  readonly epochLengthS: number
  readonly cooldownS: number
  readonly perJob: number
  readonly quorum: number
  readonly slashBps: number
  readonly reporterBps: number
}

/**
 * All of it. `roleDelayS` is how long a change of a role is announced, two days or more and never shorter than the bonds' cooldown.
 * The same settings with the same `salt` have the same addresses on every chain; another salt makes another market.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeploySettings {
  readonly salt?: string | undefined
  readonly roles: Roles
  readonly roleDelayS: number
  readonly staking: StakingSettings
  readonly insurance: InsuranceSettings
  readonly bond: BondSettings
  readonly settlement: SettlementSettings
  readonly validators: ValidatorSettings
}
