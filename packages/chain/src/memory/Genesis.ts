/**
 * With what a chain in memory begins: where its contracts stand, under which terms, and who holds which role.
 *
 * @since 0.1.0
 */
import * as Address from "../Address.ts"
import type { BondTerms } from "../BondVault.ts"
import type { InsuranceTerms } from "../InsuranceVault.ts"
import * as Keccak from "../Keccak.ts"
import type { ChannelTerms } from "../PaymentChannel.ts"
import type { SettlementTerms, Terms } from "../Settlement.ts"
import type { StakeTerms, Tier } from "../StakeBook.ts"
import type { ValidatorTerms } from "../ValidatorSet.ts"
import * as BondState from "./BondState.ts"
import * as ChannelState from "./Channel.ts"
import * as InsurancePool from "./InsurancePool.ts"
import * as SettlementState from "./SettlementState.ts"
import * as Signatures from "./Signatures.ts"
import * as Staking from "./Staking.ts"
import * as ValidatorState from "./ValidatorState.ts"
import * as World from "./World.ts"

/** What a chain in memory may be told otherwise; `MemoryChain.Options` says what each is. @category models @since 0.1.0 */
export interface Options {
  readonly chainId?: number
  readonly genesisS?: number
  readonly token?: Address.Address
  readonly roles?: Readonly<Record<string, Address.Address>>
  readonly addresses?: Partial<World.Setting["addresses"]>
  readonly staking?: Partial<StakeTerms>
  readonly tiers?: ReadonlyArray<Tier>
  readonly bonds?: Partial<BondTerms>
  readonly insurance?: Partial<InsuranceTerms>
  readonly settlement?: Partial<SettlementTerms>
  readonly terms?: Partial<Terms>
  readonly validators?: Partial<ValidatorTerms>
  readonly channels?: Partial<ChannelTerms>
  readonly entropy?: World.Setting["entropy"]
}

/** The address of a name. @category constructors @since 0.1.0 */
export const addressOf = (name: string): Address.Address =>
  Address.fromBytes(Keccak.keccak256(new TextEncoder().encode(name)).slice(12))

/** The names of all roles. @category constants @since 0.1.0 */
export const ROLES = [
  "pauser",
  "curator",
  "operator",
  "challenger",
  "funder",
  "adjuster",
  "slasher",
  "arbiter",
  "verifier",
  "registrar",
] as const

const DAY_S = 86_400
const UNIT = 10n ** 18n

const TIERS: ReadonlyArray<Tier> = [
  { minStake: 0n, multiplierBps: 10_000, priority: 0 },
  { minStake: 1_000n * UNIT, multiplierBps: 12_500, priority: 1 },
  { minStake: 10_000n * UNIT, multiplierBps: 15_000, priority: 2 },
  { minStake: 100_000n * UNIT, multiplierBps: 20_000, priority: 3 },
]

/** Its contracts, new. @category constructors @since 0.1.0 */
export const contractsOf = (options: Options, vault: Address.Address, nowS: number): World.Contracts => {
  const token = options.token ?? addressOf("token")
  return {
    staking: Staking.make(
      {
        token,
        cooldownS: 7 * DAY_S,
        minActiveS: 2 * DAY_S,
        apyBps: 500,
        tierDelayS: 2 * DAY_S,
        ...options.staking,
      },
      options.tiers ?? TIERS,
      nowS,
    ),
    bonds: BondState.make({
      token,
      cooldownS: 7 * DAY_S,
      evidenceWindowS: 3 * DAY_S,
      appealWindowS: 2 * DAY_S,
      rulingWindowS: 3 * DAY_S,
      bufferS: 2 * DAY_S,
      periodS: 30 * DAY_S,
      capBps: 2_000,
      finderBps: 2_000,
      ...options.bonds,
    }),
    insurance: InsurancePool.make({
      token,
      epochLengthS: 7 * DAY_S,
      challengeDelayS: DAY_S,
      claimWindowS: 30 * DAY_S,
      epochCapBps: 2_000,
      incidentCap: 1_000_000n * UNIT,
      ...options.insurance,
    }),
    settlement: SettlementState.make(
      {
        epochLengthS: DAY_S,
        challengeDelayS: DAY_S / 2,
        termsDelayS: 2 * DAY_S,
        unfundDelayS: 2 * DAY_S,
        voucherEpochs: 30,
        ...options.settlement,
      },
      vault,
      {
        fromEpoch: 0,
        providerBps: 9_000,
        treasury: addressOf("treasury"),
        voucherSigner: addressOf("voucherSigner"),
        shares: [],
        ...options.terms,
      },
    ),
    validators: ValidatorState.make({
      token,
      minBond: 10_000n * UNIT,
      epochLengthS: DAY_S,
      cooldownS: 7 * DAY_S,
      drawnCount: 5,
      quorum: 3,
      slashBps: 10_000,
      reporterBps: 2_000,
      ...options.validators,
    }),
    channels: ChannelState.make({ graceS: 900, ...options.channels }),
  }
}

/** What does not change in its life. @category constructors @since 0.1.0 */
export const settingOf = (options: Options): World.Setting => {
  const chainId = options.chainId ?? 31_337
  const addresses = {
    Staking: addressOf("Staking"),
    ProviderBond: addressOf("ProviderBond"),
    Settlement: addressOf("Settlement"),
    RootVault: addressOf("RootVault"),
    InsurancePool: addressOf("InsurancePool"),
    ValidatorRegistry: addressOf("ValidatorRegistry"),
    Channel: addressOf("Channel"),
    ...options.addresses,
  }
  const roles = Object.fromEntries(ROLES.map((role) => [role, addressOf(role)]))
  return {
    chainId,
    addresses,
    roles: { ...roles, ...options.roles },
    entropy: options.entropy ?? World.entropyOf,
    isSigned: (contract) => Signatures.isSigned({ chainId, contract: addresses[contract] }),
  }
}
