/**
 * What the contracts hold, as accounts of the books: each final event posted, and every few minutes compared with what the contracts
 * say themselves.
 */
import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import type { Contract } from "@guildhall/chain/ChainError"
import * as ChannelTokens from "@guildhall/chain-evm/ChannelTokens"
import type { Decode } from "@guildhall/chain-evm/EventDecoder"
import type { IndexError } from "@guildhall/chain-evm/IndexError"
import type { IndexStore } from "@guildhall/chain-evm/IndexStore"
import * as MirrorFeed from "@guildhall/chain-evm/MirrorFeed"
import * as MirrorReconciliation from "@guildhall/chain-evm/MirrorReconciliation"
import { Rpc } from "@guildhall/chain-evm/Rpc"
import { type Asset, AssetCode } from "@guildhall/core/Asset"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { ChainSite } from "./ChainSite.ts"

/** One token each, the market's stake. */
const OF_STAKE = [
  "Staking",
  "ProviderBond",
  "InsurancePool",
  "ValidatorRegistry",
] as const satisfies ReadonlyArray<Contract>
const isOfStake = (contract: Contract): boolean => OF_STAKE.some((one) => one === contract)

/** An asset counted as its token counts it: in the books a code has one scale, so another scale has a code of its own, such as `USD.6`. */
export const assetOf = ({ asset, decimals }: { readonly asset: Asset; readonly decimals: number }): Asset =>
  asset.scale === decimals ? asset : { code: AssetCode.make(`${asset.code.slice(0, 13)}.${decimals}`), scale: decimals }

const isOvertaken = (error: IndexError | LedgerError): boolean =>
  error._tag === "IndexError" && error.reason === "overtaken"

/** A contract that stands. */
interface Standing {
  readonly contract: Contract
  readonly address: Address
}

/** What is kept up: `read` posts what is final; `compare` raises an alarm where books and contracts differ. */
export const make = Effect.fnUntraced(function* (
  site: ChainSite,
  options: {
    readonly store: IndexStore
    readonly decode: Decode
    readonly standing: ReadonlyArray<Standing>
    readonly stake: Address | undefined
  },
) {
  const rpc = yield* Rpc
  const { decode, stake, standing, store } = options
  const tokens = [...site.tokens.values()]
  const mirror: MirrorFeed.Options = {
    chainId: site.chain.id,
    store,
    decode,
    tokens: new Map(tokens.map((token) => [token.address, assetOf(token)])),
    own: stake === undefined ? {} : Object.fromEntries(OF_STAKE.map((contract) => [contract, stake])),
    channels: yield* ChannelTokens.makeSql(site.chain.id),
  }
  const ofStake = stake === undefined ? [] : [stake]
  const subjects = standing.map(({ address, contract }) => ({
    contract,
    address,
    tokens: isOfStake(contract) ? ofStake : tokens.map((token) => token.address),
  }))
  const reader = MirrorFeed.make(mirror)
  return {
    read: MirrorFeed.read(mirror, reader),
    // While the mirror has not posted what is final there is nothing to compare: the next round does.
    compare: Effect.catchIf(MirrorReconciliation.reconcile(mirror, rpc, subjects), isOvertaken, () => Effect.void),
  }
})
