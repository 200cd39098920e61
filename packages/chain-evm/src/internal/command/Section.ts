/** What a deployment means for a market definition: the part of it that is known now. */
import type { Chain } from "../../Chain.ts"
import type { Deployed } from "../../Deploy.ts"
import type { DeployPlan } from "../../DeployPlan.ts"
import type { DeploySettings } from "../../DeploySettings.ts"

/** An asset's code is short and in capitals; a token may call itself anything. */
const codeOf = (symbol: string): string => (/^[A-Z][A-Z0-9]{1,11}$/.test(symbol) ? symbol : "STAKE")

/** As JSON. `fromBlock` is left out where it is not known. `sources` are the operator's to name, and a start asks for them. */
export const make = (
  chain: Chain,
  { fromBlock, ...at }: Omit<Deployed, "fromBlock"> & { readonly fromBlock: number | undefined },
  settings: DeploySettings,
  { stake }: DeployPlan["tokens"],
) => {
  const { bond, channel, insurance, settlement, staking, validators } = at
  const [dollar] = chain.tokens
  const staked = codeOf(stake.symbol)
  return {
    stakeAsset: staked,
    wallets: { chainId: chain.id },
    chain: {
      id: chain.id,
      ...(fromBlock === undefined ? {} : { fromBlock }),
      contracts: { staking, bond, settlement, insurance, validators, channel },
      tokens: {
        USD: { address: dollar?.address ?? "0x…", decimals: dollar?.decimals ?? 6 },
        [staked]: { address: stake.address, decimals: stake.decimals },
      },
      stake: { tiersFromEpoch: 0 },
      settlement: { asset: "USD", kind: "root", epochMs: settings.settlement.epochLengthS * 1_000, sources: {} },
    },
  }
}
