/**
 * What must be known of one EVM chain before money goes there: who it is, how fast it is, how deep it may be rewritten, how
 * it is paid, and which dollars live on it. One file in `chains/` each; `docs/adding-a-chain.md` is the recipe.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Address from "@guildhall/chain/Address"

/**
 * A token that is known on a chain. `permits` says which signatures it takes instead of a transaction of its owner's:
 * `permit` (EIP-2612) and `authorization` (EIP-3009).
 *
 * @category models
 * @since 0.1.0
 */
export interface KnownToken {
  readonly symbol: string
  readonly address: Address.Address
  readonly decimals: number
  readonly permits: ReadonlyArray<"permit" | "authorization">
}

/**
 * How transactions are paid.
 *
 * - `style`: `eip1559` where blocks have a base fee, `legacy` where a transaction names one price.
 * - `minPriorityFeeWei`: the least that is offered to whoever makes the block.
 * - `maxFeeCapWei`: the most that is ever bid for a unit of gas, however long a transaction is stuck. An operator's own
 *   setting goes first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fees {
  readonly style: "eip1559" | "legacy"
  readonly minPriorityFeeWei: bigint
  readonly maxFeeCapWei: bigint
}

/**
 * A chain.
 *
 * - `blockTimeMs`: how far apart blocks are, about.
 * - `confirmations`: after how many blocks on top of its own an event is taken as final, and credited.
 * - `finalityDepth`: how many blocks may be rewritten at most. Up to so many are taken back without loss; where more are
 *   gone, the adapter stops and asks for a person.
 * - `fundsInCoin`: whether accounts need the native coin for gas. Where they do not, fees are taken in a token.
 * - `rpcUrls`: public endpoints, for trying it out. A market brings its own, two or better three.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chain {
  readonly id: number
  readonly name: string
  readonly nativeCurrency: { readonly name: string; readonly symbol: string; readonly decimals: number }
  readonly fundsInCoin: boolean
  readonly blockTimeMs: number
  readonly confirmations: number
  readonly finalityDepth: number
  readonly fees: Fees
  readonly tokens: ReadonlyArray<KnownToken>
  readonly rpcUrls: ReadonlyArray<string>
  readonly explorerUrl: string | null
  readonly isTest: boolean
}

/**
 * What a file in `chains/` says. What most chains share need not be said: a coin that pays gas, no tokens, no public
 * endpoints, no explorer, no test chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Definition extends Pick<
  Chain,
  "id" | "name" | "nativeCurrency" | "blockTimeMs" | "confirmations" | "finalityDepth" | "fees"
> {
  readonly fundsInCoin?: boolean | undefined
  readonly tokens?: ReadonlyArray<Omit<KnownToken, "address"> & { readonly address: string }> | undefined
  readonly rpcUrls?: ReadonlyArray<string> | undefined
  readonly explorerUrl?: string | undefined
  readonly isTest?: boolean | undefined
}

const must = (holds: boolean, name: string, what: string): void => {
  if (!holds) throw new RangeError(`The chain ${name} cannot be: ${what}`)
}

const known = (chain: string, token: NonNullable<Definition["tokens"]>[number]): KnownToken => ({
  ...token,
  address: Option.getOrThrowWith(
    Address.fromText(token.address),
    () => new RangeError(`The chain ${chain} cannot be: ${token.address} is no address, or its checksum is wrong.`),
  ),
})

/**
 * Makes a chain of a file's words. Throws a `RangeError`, with what to change, where they contradict each other.
 *
 * **Example** (A chain of one's own)
 *
 * ```ts
 * import { Chain } from "@guildhall/chain-evm"
 *
 * const harbour = Chain.make({
 *   id: 4_242,
 *   name: "Harbour",
 *   nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
 *   blockTimeMs: 1_000,
 *   confirmations: 6,
 *   finalityDepth: 64,
 *   fees: { style: "eip1559", minPriorityFeeWei: 1_000_000n, maxFeeCapWei: 100_000_000_000n },
 * })
 * harbour.tokens.length // => 0
 * Chain.assetName(harbour, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed") // => "eip155:4242/erc20:0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (definition: Definition): Chain => {
  const { blockTimeMs, confirmations, fees, finalityDepth, id, name } = definition
  must(Number.isSafeInteger(id) && id > 0, name, `an id is a whole number above zero, not ${id}.`)
  must(blockTimeMs > 0, name, `blocks are some milliseconds apart, not ${blockTimeMs}.`)
  must(Number.isInteger(confirmations) && confirmations >= 1, name, "an event needs one confirmation or more.")
  must(finalityDepth >= confirmations, name, "it would be rewritten less deep than what is taken as final.")
  must(finalityDepth <= 4_096, name, "more than 4,096 blocks cannot be taken back in one go.")
  must(fees.maxFeeCapWei >= fees.minPriorityFeeWei, name, "the cap of the fee is below the least tip.")
  return {
    id,
    name,
    nativeCurrency: definition.nativeCurrency,
    fundsInCoin: definition.fundsInCoin ?? true,
    blockTimeMs,
    confirmations,
    finalityDepth,
    fees,
    tokens: (definition.tokens ?? []).map((token) => known(name, token)),
    rpcUrls: definition.rpcUrls ?? [],
    explorerUrl: definition.explorerUrl ?? null,
    isTest: definition.isTest ?? false,
  }
}

/**
 * The name of a token that is the same for everybody (CAIP-19).
 *
 * @category accessors
 * @since 0.1.0
 */
export const assetName = (chain: Chain, token: string): string => `eip155:${chain.id}/erc20:${token.toLowerCase()}`
