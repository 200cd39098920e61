/**
 * The chain for development beside a gateway: whether it is wanted, what a market does on it that says nothing of a chain itself, and
 * what the terminal says.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Address } from "@guildhall/chain/Address"
import { AssetCode } from "@guildhall/core/Asset"
import { DEVELOPMENT_ID, DEVELOPMENT_MNEMONIC } from "@guildhall/core/MarketChain"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { Settings } from "./AppConfig.ts"
import * as ChainParts from "./ChainParts.ts"
import * as ContractNames from "./ContractNames.ts"
import * as Chain from "./embedded/Chain.ts"
import { LaunchError } from "./LaunchError.ts"

/**
 * A running one, with the contracts on it.
 *
 * @category models
 * @since 0.1.0
 */
export const DevChain = Schema.Struct({
  rpcUrl: Schema.String,
  chainId: Schema.Int,
  tokens: Schema.Struct({ usd: Address, stake: Address }),
  /** The block of the first of them. */
  fromBlock: Schema.Int,
  contracts: Schema.Record(Schema.Literals(ContractNames.names), Address),
  accounts: Schema.Array(Address),
})
export type DevChain = typeof DevChain.Type

/**
 * Whether one is started: where it is asked for, and for a market of the development chain, unless that runs elsewhere.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isWanted = (
  { chain, chainRpc }: Pick<Settings, "chain" | "chainRpc">,
  definition: Pick<MarketDefinition, "chain">,
): boolean => chainRpc === undefined && (chain === "on" || definition.chain?.id === DEVELOPMENT_ID)

/**
 * Why `--chain` cannot be meant for this market; undefined where it can. Asked before anything is made.
 *
 * @category predicates
 * @since 0.1.0
 */
export const problemOf = (
  { chain, chainRpc }: Pick<Settings, "chain" | "chainRpc">,
  definition: Pick<MarketDefinition, "chain">,
): LaunchError | undefined => {
  if (chain !== "on") return undefined
  if (chainRpc !== undefined) {
    return new LaunchError({
      what: "`--chain` starts a chain for development here, and GUILDHALL_CHAIN_RPC names another one.",
      todo: "Leave one of them out.",
    })
  }
  const id = definition.chain?.id ?? DEVELOPMENT_ID
  if (id === DEVELOPMENT_ID) return undefined
  return new LaunchError({
    what: `The market is on chain ${id}, and \`--chain\` starts the one for development, ${DEVELOPMENT_ID}.`,
    todo: `Leave \`--chain\` out and name an endpoint of that chain (GUILDHALL_CHAIN_RPC), or set chain.id of the definition to ${DEVELOPMENT_ID}.`,
  })
}

/** What is staked where a market names nothing. */
const GUILD = { code: AssetCode.make("GUILD"), scale: 18 }
/** Short, so that a developer sees an epoch end, and a payout arrive. */
const EPOCH_MS = 300_000
const PAYOUT_MS = 60_000
/** What comes in by a transfer; what providers earn of it goes out so, and not with the epochs. */
const TRANSFER = "transfer"
const BOOST_CAP = 100n * 10n ** 12n

/**
 * A definition that says nothing of a chain, with what there is to try on the one for development: stake, tiers, epochs of five
 * minutes by root, deposits, and payouts each minute. One that says something stays as it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const defined = (definition: MarketDefinition, { chain }: Pick<Settings, "chain">): MarketDefinition => {
  if (chain === "off" || definition.chain !== undefined || definition.stakeAsset !== undefined) return definition
  return {
    ...definition,
    assets: [...definition.assets, GUILD],
    stakeAsset: GUILD.code,
    // Spent first, so that who tries it need not spend the rest before.
    funding: [TRANSFER, ...definition.funding.filter((source) => source !== TRANSFER)],
    topUps: [...definition.topUps, { use: ChainParts.DEPOSIT, with: { source: TRANSFER } }],
    payouts: [
      ...definition.payouts,
      { use: ChainParts.PAYOUT, with: { sources: { [TRANSFER]: { afterMs: 0 } }, everyMs: PAYOUT_MS } },
    ],
    wallets: definition.wallets ?? { chainId: DEVELOPMENT_ID },
    chain: {
      id: DEVELOPMENT_ID,
      tokens: { [definition.chargeAsset]: { decimals: 6 }, [GUILD.code]: { decimals: 18 } },
      stake: { tiersFromEpoch: 0 },
      settlement: {
        asset: definition.chargeAsset,
        kind: "root",
        epochMs: EPOCH_MS,
        sources: Object.fromEntries(
          definition.funding.flatMap((source) => (source === TRANSFER ? [] : [[source, { afterMs: 0 }]])),
        ),
        boost: { cap: BOOST_CAP },
      },
    },
  }
}

/**
 * Starts it in the home, and deploys what is not there yet.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  { home }: Pick<Settings, "home">,
  definition: MarketDefinition,
): Effect.Effect<DevChain, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    // Loaded while anvil starts, and not at all by who wants no chain.
    const [chain, { deploy }] = yield* Effect.all(
      [
        Chain.make({ home, chainId: DEVELOPMENT_ID, mnemonic: DEVELOPMENT_MNEMONIC }),
        Effect.promise(() => import("./DevContracts.ts")),
      ],
      { concurrency: "unbounded" },
    )
    return { ...chain, ...(yield* deploy(chain.rpcUrl, definition)) }
  })

/**
 * The definition with what stands on a running one: what it names nothing of was deployed by the start.
 *
 * @category combinators
 * @since 0.1.0
 */
export const standing = (
  definition: MarketDefinition,
  { contracts, fromBlock, tokens }: Pick<DevChain, "contracts" | "fromBlock" | "tokens">,
): MarketDefinition => {
  const { chain, stakeAsset } = definition
  if (chain === undefined) return definition
  const { rootVault: _, ...deployed } = contracts
  const placed = Object.entries(chain.tokens).map(([code, token]) => {
    const address = code === stakeAsset ? tokens.stake : tokens.usd
    return [code, { address, ...token }] as const
  })
  return {
    ...definition,
    chain: {
      ...chain,
      fromBlock: chain.fromBlock ?? fromBlock,
      contracts: { ...deployed, ...chain.contracts },
      tokens: Object.fromEntries(placed),
    },
  }
}

/**
 * What is printed of it. The keys of its accounts are not: they follow from the mnemonic.
 *
 * @category formatting
 * @since 0.1.0
 */
export const words = (
  { accounts, chainId, contracts, rpcUrl, tokens }: DevChain,
  definition: Pick<MarketDefinition, "chain">,
): ReadonlyArray<string> => [
  `chain         ${rpcUrl} (id ${chainId}, for development)`,
  `settlement    ${contracts.settlement}, claims at ${contracts.rootVault}`,
  `staking       ${contracts.staking}`,
  `bonds         ${contracts.bond}`,
  `tokens        dollars ${tokens.usd}, stake ${tokens.stake}`,
  `with tokens   ${accounts.join(" ")}`,
  `their keys    accounts 7 to 9 of the mnemonic that everybody knows: ${DEVELOPMENT_MNEMONIC}`,
  definition.chain === undefined
    ? `next          docs/chain.md: give the definition a section "chain"; without it the market does nothing there`
    : `next          docs/chain.md: top up by a transfer (GET /v1/deposits), bind a device to one of these wallets, and claim what it earns`,
  "",
]
