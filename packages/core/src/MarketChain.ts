/**
 * What a market does on a chain, as data: which chain, which contracts and tokens, how its epochs are settled, and in which order
 * stake and bonds come to count. A market without it has no chain.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "./Asset.ts"
import { NonNegativeAmount } from "./Money.ts"

/**
 * The chain that runs beside a gateway for development, on which a start deploys the contracts itself.
 *
 * @category constants
 * @since 0.1.0
 */
export const DEVELOPMENT_ID = 31_337

/**
 * The words that the keys of that chain's accounts follow from: those that anvil and its kin print in their manuals. Everybody
 * knows them, so what the accounts have is worth nothing.
 *
 * @category constants
 * @since 0.1.0
 */
export const DEVELOPMENT_MNEMONIC = "test test test test test test test test test test test junk"

const ChainId = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })))
const AddressText = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-fA-F]{40}$/)))
const EpochNumber = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 4_000_000_000 })))

/**
 * What the money that came in some way is called, in a definition's `funding` and in accounts: `card`, `usdc`.
 *
 * @category models
 * @since 0.1.0
 */
export const FundingSource = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/)))
/** @since 0.1.0 */
export type FundingSource = typeof FundingSource.Type

/**
 * A token: where it stands on the chain, and how many decimals it has there. On the development chain a start deploys the tokens
 * that have no address.
 *
 * @category models
 * @since 0.1.0
 */
export const Token = Schema.Struct({
  address: Schema.optionalKey(AddressText),
  decimals: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 36 }))),
})
/** @since 0.1.0 */
export type Token = typeof Token.Type

/**
 * Where the market's contracts stand. Those that its phases do not need may be left out.
 *
 * @category models
 * @since 0.1.0
 */
export const Contracts = Schema.Struct({
  staking: Schema.optionalKey(AddressText),
  bond: Schema.optionalKey(AddressText),
  settlement: Schema.optionalKey(AddressText),
  insurance: Schema.optionalKey(AddressText),
  validators: Schema.optionalKey(AddressText),
  channel: Schema.optionalKey(AddressText),
})
/** @since 0.1.0 */
export type Contracts = typeof Contracts.Type

/**
 * How epochs are settled.
 *
 * - `asset` is what is settled, of those of the definition; `kind` is how: `root`, from which each provider claims for itself, or
 *   `batch`, which credits all in one transaction of ours (500 at most).
 * - `epochMs` is the length of an epoch, and that of the contract: whole seconds.
 * - `sources`: what was earned of which source is settled, and how long after it was earned at the earliest, when nobody can take
 *   that money back: days for cards, 0 for what a chain has made final. A source that is not named is never settled.
 * - `minimum`: who has less than so many of the token's smallest unit waits for a later epoch.
 * - `boost`: whether tiers multiply earnings, and the most that it pays in an epoch, in the asset's smallest unit. It is paid
 *   from `pool:boost` alone.
 *
 * @category models
 * @since 0.1.0
 */
export const Settling = Schema.Struct({
  asset: AssetCode,
  kind: Schema.Literals(["root", "batch"]),
  epochMs: Schema.Int.pipe(
    Schema.check(
      Schema.isBetween({ minimum: 60_000, maximum: 31_536_000_000 }),
      Schema.makeFilter((ms) =>
        ms % 1_000 === 0 ? undefined : "the chain counts whole seconds. Take a multiple of 1000.",
      ),
    ),
  ),
  sources: Schema.Record(
    FundingSource,
    Schema.Struct({
      afterMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 31_536_000_000 }))),
    }),
  ),
  minimum: Schema.optionalKey(NonNegativeAmount),
  boost: Schema.optionalKey(Schema.Struct({ cap: NonNegativeAmount })),
})
/** @since 0.1.0 */
export type Settling = typeof Settling.Type

/**
 * Bonds that come to count while the market runs. From `fromEpoch` on a device that is new to the market serves only with an active
 * bond. One that was there before goes on without until `allFromEpoch`, and joins them the moment its bond is active; where
 * `allFromEpoch` is left out, it may do so at any time or never.
 *
 * @category models
 * @since 0.1.0
 */
export const Bonds = Schema.Struct({
  fromEpoch: EpochNumber,
  allFromEpoch: Schema.optionalKey(EpochNumber),
}).pipe(
  Schema.check(
    Schema.makeFilter(({ allFromEpoch, fromEpoch }) =>
      allFromEpoch === undefined || allFromEpoch >= fromEpoch
        ? undefined
        : `bonds are asked of all from epoch ${allFromEpoch}, which is before they count at all.`,
    ),
  ),
)
/** @since 0.1.0 */
export type Bonds = typeof Bonds.Type

/**
 * A market's chain. `id` is its number; `fromBlock` is the block in which the first contract was created, before which nothing is
 * read: 0 by default, which takes days on a chain with millions of blocks; `tokens` are by the code of their asset; `stake` says that what a wallet has staked gives
 * its instances a tier, in the definition's `stakeAsset`; `settlement` and `bonds` are as above. What is left out the market
 * does not do.
 *
 * @category models
 * @since 0.1.0
 */
export const MarketChain = Schema.Struct({
  id: ChainId,
  fromBlock: Schema.optionalKey(
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))),
  ),
  contracts: Schema.optionalKey(Contracts),
  tokens: Schema.Record(AssetCode, Token),
  stake: Schema.optionalKey(Schema.Struct({ tiersFromEpoch: EpochNumber })),
  settlement: Settling,
  bonds: Schema.optionalKey(Bonds),
})
/** @since 0.1.0 */
export type MarketChain = typeof MarketChain.Type

interface Problem {
  readonly path: ReadonlyArray<string>
  readonly issue: string
}

/** What of the rest of a definition a chain must fit. */
interface Around {
  readonly assets: ReadonlyArray<{ readonly code: AssetCode; readonly scale: number }>
  readonly chargeAsset: AssetCode
  readonly stakeAsset?: AssetCode
  readonly wallets?: { readonly chainId: number }
}

const tokenProblems = (chain: MarketChain, { assets }: Around): ReadonlyArray<Problem> =>
  Object.entries(chain.tokens).flatMap(([code, { address, decimals }]) => {
    const at = (key: string, issue: string): Problem => ({ path: ["chain", "tokens", code, key], issue })
    const asset = assets.find((one) => one.code === code)
    if (asset === undefined) return [{ path: ["chain", "tokens", code], issue: "the market has no such asset." }]
    return [
      ...(decimals <= asset.scale
        ? []
        : [at("decimals", `the books count ${code} with ${asset.scale} decimals, and would lose what is finer.`)]),
      ...(address !== undefined || chain.id === DEVELOPMENT_ID
        ? []
        : [at("address", `it is missing. Only the development chain ${DEVELOPMENT_ID} deploys tokens itself.`)]),
    ]
  })

/** The contracts that what a market does on its chain needs. */
const needed = (chain: MarketChain): ReadonlyArray<keyof Contracts> => [
  "settlement",
  ...(chain.stake === undefined ? [] : (["staking"] as const)),
  ...(chain.bonds === undefined ? [] : (["bond"] as const)),
]

/**
 * What is wrong with a chain beside the rest of its definition; nothing, for most.
 *
 * @category rules
 * @since 0.1.0
 */
export const problems = (chain: MarketChain, around: Around): ReadonlyArray<Problem> => {
  const { settlement, stake, tokens } = chain
  const found: Array<Problem> = [...tokenProblems(chain, around)]
  const say = (path: ReadonlyArray<string>, issue: string): void => void found.push({ path: ["chain", ...path], issue })
  if (tokens[settlement.asset] === undefined) {
    say(["settlement", "asset"], `${settlement.asset} has no token among chain.tokens.`)
  }
  if (settlement.asset !== around.chargeAsset) {
    say(["settlement", "asset"], `providers earn ${around.chargeAsset}. Another asset than that needs a rate source.`)
  }
  if (Object.keys(settlement.sources).length === 0) say(["settlement", "sources"], "name one source or more.")
  if (stake !== undefined || chain.bonds !== undefined) {
    if (around.stakeAsset === undefined) say([], "stake and bonds need the definition's stakeAsset.")
    else if (tokens[around.stakeAsset] === undefined) {
      say(["tokens"], `the asset ${around.stakeAsset} is staked and has no token.`)
    }
  }
  if (settlement.boost !== undefined && stake === undefined) {
    say(["settlement", "boost"], "tiers multiply earnings, and without `stake` there are none.")
  }
  if (around.wallets !== undefined && around.wallets.chainId !== chain.id) {
    say(["id"], `devices are bound to wallets of chain ${around.wallets.chainId} (wallets.chainId).`)
  }
  if (chain.id === DEVELOPMENT_ID) return found
  for (const name of needed(chain)) {
    if (chain.contracts?.[name] !== undefined) continue
    say(["contracts", name], `it is missing. Only the development chain ${DEVELOPMENT_ID} deploys contracts itself.`)
  }
  return found
}

/**
 * The number of the epoch that a time in Unix milliseconds falls into.
 *
 * **Example** (Hours)
 *
 * ```ts
 * import { MarketChain } from "@guildhall/core"
 *
 * MarketChain.epochAt({ epochMs: 3_600_000 }, 7_300_000) // => 2
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const epochAt = ({ epochMs }: Pick<Settling, "epochMs">, atMs: number): number => Math.floor(atMs / epochMs)

/**
 * Whether an instance may serve as far as bonds go: while they do not count yet, while they do not count for it yet, or with an
 * active one. `since` is the epoch in which its device came to the market. A market without bonds asks nobody.
 *
 * **Example** (A device that was there before)
 *
 * ```ts
 * import { MarketChain } from "@guildhall/core"
 *
 * const bonds = { fromEpoch: 10, allFromEpoch: 20 }
 * MarketChain.isEligible(bonds, { epoch: 9, since: 3, isBonded: false }) // => true
 * MarketChain.isEligible(bonds, { epoch: 15, since: 3, isBonded: false }) // => true
 * MarketChain.isEligible(bonds, { epoch: 15, since: 12, isBonded: false }) // => false
 * MarketChain.isEligible(bonds, { epoch: 20, since: 3, isBonded: false }) // => false
 * MarketChain.isEligible(bonds, { epoch: 20, since: 3, isBonded: true }) // => true
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const isEligible = (
  bonds: Bonds | undefined,
  device: { readonly epoch: number; readonly since: number; readonly isBonded: boolean },
): boolean => {
  if (bonds === undefined || device.isBonded || device.epoch < bonds.fromEpoch) return true
  const isOld = device.since < bonds.fromEpoch
  return isOld && (bonds.allFromEpoch === undefined || device.epoch < bonds.allFromEpoch)
}

/**
 * The smallest unit of a token in the smallest units of its asset: rounding to it happens once, down.
 *
 * **Example** (A dollar of six decimals, counted with twelve)
 *
 * ```ts
 * import { MarketChain } from "@guildhall/core"
 *
 * MarketChain.unitOf({ scale: 12 }, { decimals: 6 }) // => 1_000_000n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const unitOf = ({ scale }: { readonly scale: number }, { decimals }: Pick<Token, "decimals">): bigint =>
  10n ** BigInt(scale - decimals)
