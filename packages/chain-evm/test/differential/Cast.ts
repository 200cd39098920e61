/** Who takes part in a trace, on both sides under the same addresses, and the terms under which the contracts stand. */
import { Address } from "@guildhall/chain"
import type { Contract } from "@guildhall/chain/ChainError"
import type { Share } from "@guildhall/chain/Settlement"
import type * as MemoryChain from "@guildhall/chain/MemoryChain"
import type { DeploySettings, Roles } from "../../src/DeploySettings.ts"
import * as Development from "../../src/Development.ts"

/** Those who stake, bond, pay and are paid. `whale` has nearly all there is, `eve` very little and no role. */
export const members = ["ann", "bob", "cid", "dan", "eve", "whale"] as const

/** Those whom the first terms name. `refused` is an account that the token `blk` never delivers to. */
export const others = ["payer", "refused", "treasury", "voucherSigner", "validators", "insurers"] as const

export const roleNames = [
  ...["governor", "pauser", "curator", "slasher", "arbiter", "verifier"],
  ...["registrar", "adjuster", "challenger", "operator", "funder"],
] as ReadonlyArray<keyof Roles>

export const names: ReadonlyArray<string> = [...members, ...others, ...roleNames]

/** The tokens: what is staked and bonded, dollars, and one that refuses an account. */
export interface Tokens {
  readonly stake: Address.Address
  readonly usd: Address.Address
  readonly blk: Address.Address
}

export interface Cast {
  readonly chainId: number
  readonly accounts: ReadonlyMap<string, Address.Address>
  readonly tokens: Tokens
  readonly contracts: Readonly<Record<Contract, Address.Address>>
  readonly settings: DeploySettings
  /** When the contracts were deployed: no trace begins earlier. */
  readonly genesisS: number
}

export const of = (cast: Pick<Cast, "accounts">, name: string): Address.Address =>
  cast.accounts.get(name) ?? Address.ZERO

/** What a member has at first. Together it is the most that 128 bits hold, so that no sum is larger than any contract expects. */
export const RICH = 10n ** 24n
export const ALL = (1n << 128n) - 1n
export const holdings: Readonly<Record<string, bigint>> = {
  ...{ ann: RICH, bob: RICH, cid: RICH, dan: RICH, operator: RICH, funder: RICH, payer: RICH },
  eve: 1_000n,
  whale: ALL - 7n * RICH - 1_000n,
}

/** How much the payer lets the settlement take. */
export const ALLOWED = 3_000_000n

/** The splits of the markets that traces run in. What the shares leave is the treasury's. */
export const splits: ReadonlyArray<{ readonly providerBps: number; readonly shares: ReadonlyArray<[string, number]> }> =
  [
    { providerBps: 9_000, shares: [] },
    { providerBps: 8_500, shares: [["validators", 1_200]] },
    {
      providerBps: 3_333,
      shares: [
        ["validators", 3_333],
        ["insurers", 1_111],
      ],
    },
  ]

const HOUR_S = 3_600
const VALIDATOR_EPOCH_S = 8 * HOUR_S

/** When traces begin: the validators of the first epoch are listed then. */
export const beginS = (genesisS: number): number => genesisS + VALIDATOR_EPOCH_S

/** Short windows and small amounts, so that a trace meets many of them. */
export const settingsOf = (cast: Pick<Cast, "accounts" | "tokens">, market: number): DeploySettings => {
  const { providerBps, shares } = splits[market % splits.length] ?? { providerBps: 9_000, shares: [] }
  const all = Object.fromEntries(roleNames.map((name) => [name, of(cast, name)]))
  const settings = Development.settings(cast.tokens, {
    // One entry for each name of a role.
    roles: all as Record<keyof Roles, Address.Address>,
    treasury: of(cast, "treasury"),
    voucherSigner: of(cast, "voucherSigner"),
    providerBps,
    shares: shares.map(([name, bps]): Share => ({ party: of(cast, name), bps })),
    epochLengthS: 6 * HOUR_S,
    salt: `differential ${market}`,
  })
  return {
    ...settings,
    staking: {
      ...settings.staking,
      apyBps: 777,
      tiers: [
        { minStake: 0n, multiplierBps: 10_000, priority: 0 },
        { minStake: 1_001n, multiplierBps: 12_500, priority: 1 },
        { minStake: 10n ** 9n, multiplierBps: 20_000, priority: 3 },
      ],
    },
    insurance: { ...settings.insurance, incidentCap: 40_007n, epochCapBps: 3_333 },
    bond: { ...settings.bond, finderBps: 1_999 },
    settlement: { ...settings.settlement, challengeDelayS: HOUR_S, voucherEpochs: 8 },
    validators: {
      ...settings.validators,
      minBond: 5_003n,
      epochLengthS: VALIDATOR_EPOCH_S,
      perJob: 3,
      quorum: 2,
      slashBps: 3_333,
      reporterBps: 1_999,
    },
  }
}

/** The same terms for the chain in memory, whose draws are mixed with what the other chain's are. */
export const memoryOptions = (
  { accounts, chainId, contracts, settings }: Cast,
  entropy: NonNullable<MemoryChain.Options["entropy"]>,
): MemoryChain.Options => {
  const { token: _, tiers, ...staking } = settings.staking
  const { bond, insurance, settlement, validators } = settings
  const { drawnCount, ...registry } = { ...validators, drawnCount: validators.perJob }
  return {
    chainId,
    entropy,
    token: settings.staking.token,
    addresses: contracts,
    roles: Object.fromEntries(roleNames.map((name) => [name, of({ accounts }, name)])),
    staking,
    tiers,
    bonds: { ...bond, token: insurance.token },
    insurance,
    settlement: {
      epochLengthS: settlement.epochLengthS,
      challengeDelayS: settlement.challengeDelayS,
      termsDelayS: settings.roleDelayS,
      unfundDelayS: settlement.unfundDelayS,
      voucherEpochs: settlement.voucherEpochs,
    },
    terms: {
      fromEpoch: 0,
      providerBps: settlement.providerBps,
      treasury: settlement.treasury,
      voucherSigner: settlement.voucherSigner,
      shares: settlement.shares,
    },
    validators: {
      token: insurance.token,
      minBond: registry.minBond,
      epochLengthS: registry.epochLengthS,
      cooldownS: registry.cooldownS,
      drawnCount,
      quorum: registry.quorum,
      slashBps: registry.slashBps,
      reporterBps: registry.reporterBps,
    },
  }
}
