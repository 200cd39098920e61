/**
 * Where a market's chain is, and what stands on it: from the definition, the settings, and the chain for development if there is one.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Address from "@guildhall/chain/Address"
import * as Hex from "@guildhall/chain/Hex"
import * as Keccak from "@guildhall/chain/Keccak"
import { Settlement } from "@guildhall/chain/Settlement"
import type { Chain } from "@guildhall/chain-evm/Chain"
import { anvil } from "@guildhall/chain-evm/chains/anvil"
import { base } from "@guildhall/chain-evm/chains/base"
import { baseSepolia } from "@guildhall/chain-evm/chains/baseSepolia"
import { space } from "@guildhall/chain-evm/chains/space"
import { tempo } from "@guildhall/chain-evm/chains/tempo"
import * as DevAccounts from "@guildhall/chain-evm/DevAccounts"
import * as Rpc from "@guildhall/chain-evm/Rpc"
import { toChainError } from "@guildhall/chain-evm/RpcError"
import * as Signer from "@guildhall/chain-evm/Signer"
import * as Token from "@guildhall/chain-evm/Token"
import type { Asset } from "@guildhall/core/Asset"
import type { MarketChain } from "@guildhall/core/MarketChain"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as ContractNames from "./ContractNames.ts"
import * as DevContracts from "./DevContracts.ts"
import type { Facts } from "./Launch.ts"
import { LaunchError } from "./LaunchError.ts"

/** A definition that has a chain. */
export type Defined = MarketDefinition & { readonly chain: MarketChain }

/**
 * What is known of it: `tokens` by the codes of their assets; `fromBlock` is where reading begins.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChainSite {
  readonly chain: Chain
  readonly endpoints: ReadonlyArray<Redacted.Redacted<string>>
  readonly contracts: Readonly<Partial<Record<ContractNames.ContractName, Address.Address>>>
  readonly tokens: ReadonlyMap<
    Asset["code"],
    { readonly address: Address.Address; readonly asset: Asset; readonly decimals: number }
  >
  readonly fromBlock: number
}

/** The chains that are known. @category constants @since 0.1.0 */
export const chains: ReadonlyArray<Chain> = [anvil, base, baseSepolia, space, tempo]

/** The endpoints that the settings name, none or more. @category accessors @since 0.1.0 */
export const named = ({ chainRpc }: Pick<Facts["settings"], "chainRpc">): ReadonlyArray<Redacted.Redacted<string>> =>
  chainRpc === undefined
    ? []
    : Redacted.value(chainRpc)
        .split(",")
        .map((url) => Redacted.make(url.trim()))

const wrong = (what: string, todo: string): LaunchError => new LaunchError({ what, todo })

const read = (text: string): Effect.Effect<Address.Address, LaunchError> =>
  Option.match(Address.fromText(text), {
    onNone: () =>
      Effect.fail(
        wrong(
          `${text} in the market's chain has a wrong checksum.`,
          "Copy the address again, or write it in lower case.",
        ),
      ),
    onSome: Effect.succeed,
  })

/**
 * Puts together what is known. Fails with a letter about what is missing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ chain: dev, settings }: Facts, definition: Defined) {
  const { assets, chain: terms, stakeAsset } = definition
  const chain = chains.find(({ id }) => id === terms.id)
  if (chain === undefined) {
    const todo = `Known are: ${chains.map(({ id, name }) => `${name} (${id})`).join(", ")}. docs/adding-a-chain.md says how to add one, which is a file.`
    return yield* wrong(`The market's chain ${terms.id} is not known here.`, todo)
  }
  const own = named(settings)
  const open = own.length > 0 ? own : chain.rpcUrls.map((url) => Redacted.make(url))
  const endpoints = dev === undefined ? open : [Redacted.make(dev.rpcUrl)]
  if (endpoints.length === 0) {
    return yield* wrong(`It is not known where ${chain.name} is asked.`, "Set GUILDHALL_CHAIN_RPC to one or more URLs.")
  }
  const contracts: Partial<Record<ContractNames.ContractName, Address.Address>> = { ...dev?.contracts }
  for (const name of ContractNames.names) {
    const text = name === "rootVault" ? undefined : terms.contracts?.[name]
    if (text !== undefined) contracts[name] = yield* read(text)
  }
  const tokens: Map<Asset["code"], { address: Address.Address; asset: Asset; decimals: number }> = new Map()
  for (const asset of assets) {
    const token = terms.tokens[asset.code]
    if (token === undefined) continue
    const deployed = asset.code === stakeAsset ? dev?.tokens.stake : dev?.tokens.usd
    const address = token.address === undefined ? deployed : yield* read(token.address)
    if (address === undefined) {
      return yield* wrong(
        `The token of ${asset.code} is not known.`,
        "Start the chain for development (npm start -- --chain), or name the token's address in the definition.",
      )
    }
    tokens.set(asset.code, { address, asset, decimals: token.decimals })
  }
  return {
    chain,
    endpoints,
    contracts,
    tokens,
    fromBlock: dev?.fromBlock ?? terms.fromBlock ?? 0,
  } satisfies ChainSite
})

/**
 * Looks at each token of a site, for an amount is another one where decimals differ. Fails with a letter where a token is not what
 * the definition says, and with a retryable `ChainError` where the chain cannot be asked.
 *
 * @category checks
 * @since 0.1.0
 */
export const checkTokens = ({ tokens }: Pick<ChainSite, "tokens">) =>
  Effect.forEach(
    tokens,
    ([code, { address, decimals }]) =>
      Effect.mapError(Token.check(address, { decimals }), (error) =>
        error.reason._tag === "InvalidInput"
          ? new LaunchError({
              what: `The market's token of ${code} is not the one that its definition describes.`,
              why: error.message,
              todo: `Correct chain.tokens.${code} in the market definition.`,
            })
          : error,
      ),
    { discard: true },
  )

/**
 * Compares the epochs of the definition with those of the contract, whether or not this process settles them: terms, tiers and bonds
 * count them, too. Fails with a letter where they differ.
 *
 * @category checks
 * @since 0.1.0
 */
export const checkEpochs = Effect.fnUntraced(function* ({ chain }: Pick<Defined, "chain">) {
  const { epochMs } = chain.settlement
  const { epochLengthS } = (yield* Settlement).terms
  if (epochLengthS * 1_000 === epochMs) return
  return yield* new LaunchError({
    what: "The market and its contract count epochs differently.",
    why: `An epoch is ${epochLengthS} s for the contract, and ${epochMs / 1_000} s by the definition.`,
    todo: "Correct chain.settlement.epochMs: the contract's is for good.",
  })
})

const ascii = (text: string): Hex.Hex => Hex.fromBytes(new TextEncoder().encode(text))

/** The call of IRoles that tells who holds the operator's role. */
const HOLDER_OF_OPERATOR = Hex.concat(
  Keccak.ofHex(ascii("holderOf(bytes32)")).slice(0, 10),
  ascii("operator".padEnd(32, "\0")),
)

/**
 * Warns where an account is not the operator of the settlement contract: what it proposes is refused there. It is no reason not to
 * start, for a role may be handed over later. Fails with a retryable `ChainError` where the chain cannot be asked.
 *
 * @category checks
 * @since 0.1.0
 */
export const checkOperator = Effect.fnUntraced(function* (
  { contracts: { settlement } }: Pick<ChainSite, "contracts">,
  by: Address.Address,
) {
  if (settlement === undefined) return
  const rpc = yield* Rpc.Rpc
  const call = { to: settlement, data: HOLDER_OF_OPERATOR }
  const answer = yield* Effect.mapError(rpc.request("eth_call", [call, "latest"]), toChainError)
  const holder = Option.getOrElse(Address.fromText(`0x${String(answer).slice(-40)}`), () => Address.ZERO)
  if (holder === by) return
  yield* Effect.logWarning(
    `${by} is not the operator of ${settlement}; ${holder === Address.ZERO ? "nobody is" : `it is ${holder}`}. Epochs cannot be proposed with it: set GUILDHALL_CHAIN_KEY or GUILDHALL_CHAIN_KEY_FILE to the operator's key.`,
  )
})

/**
 * Signs for the operator: with the key of the settings, or the known one of the chain for development. Without any, nothing is
 * signed.
 *
 * @category layers
 * @since 0.1.0
 */
export const signer = ({ chain, settings }: Pick<Facts, "chain" | "settings">) => {
  if (settings.chainKey !== undefined) return Signer.layerMemory([Redacted.make(Redacted.value(settings.chainKey))])
  if (settings.chainKeyFile !== undefined) return Signer.layerFile(settings.chainKeyFile)
  return Signer.layerMemory(chain === undefined ? [] : [DevAccounts.key(DevContracts.ROLE.operator)])
}
