/** The ABI of each contract of a market. */
import type { Contract } from "@guildhall/chain/ChainError"
import * as Abi from "../abi/index.ts"

export const all = {
  Staking: Abi.Staking.abi,
  ProviderBond: Abi.ProviderBond.abi,
  Settlement: Abi.Settlement.abi,
  RootVault: Abi.RootVault.abi,
  InsurancePool: Abi.InsurancePool.abi,
  ValidatorRegistry: Abi.ValidatorRegistry.abi,
  Channel: Abi.Channel.abi,
} satisfies Readonly<Record<Contract, unknown>>
