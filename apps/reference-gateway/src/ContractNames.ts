/**
 * The market's contracts: as a definition names them, and as the chain's ports do.
 */
import type { Contract } from "@guildhall/chain/ChainError"
import type { Contracts } from "@guildhall/core/MarketChain"

/**
 * Each of them. No definition names the vault of roots: its settlement does.
 *
 * @category constants
 * @since 0.1.0
 */
export const contracts = {
  staking: "Staking",
  bond: "ProviderBond",
  settlement: "Settlement",
  rootVault: "RootVault",
  insurance: "InsurancePool",
  validators: "ValidatorRegistry",
  channel: "Channel",
} as const satisfies Readonly<Record<keyof Contracts | "rootVault", Contract>>

/** A name in a definition. */
export type ContractName = keyof typeof contracts

const isName = (text: string): text is ContractName => Object.hasOwn(contracts, text)

/**
 * Their names.
 *
 * @category constants
 * @since 0.1.0
 */
export const names: ReadonlyArray<ContractName> = Object.keys(contracts).filter(isName)
