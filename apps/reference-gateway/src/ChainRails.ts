/**
 * The rails of the market's chain, made: over the chain's site and the database of the books. Any process may make them; what moves them
 * on (`DepositLoop`, `PayoutLoop`) runs in the one that reads the chain.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { RailError } from "@guildhall/ledger/Movement"
import * as DepositKey from "@guildhall/chain-evm/DepositKey"
import * as DevAccounts from "@guildhall/chain-evm/DevAccounts"
import * as EvmPaymentRail from "@guildhall/chain-evm/EvmPaymentRail"
import * as EvmPayoutRail from "@guildhall/chain-evm/EvmPayoutRail"
import * as IndexStoreSql from "@guildhall/chain-evm/IndexStoreSql"
import type { RailAsset } from "@guildhall/chain-evm/RailAsset"
import type { Address } from "@guildhall/chain/Address"
import type { MemberId } from "@guildhall/core/Member"
import type { DepositAddress } from "@guildhall/protocol/api/BalanceApi"
import * as ChainParts from "./ChainParts.ts"
import type * as ChainSite from "./ChainSite.ts"
import type { Facts } from "./Launch.ts"
import { LaunchError } from "./LaunchError.ts"
import * as Wallets from "./Wallets.ts"

const noKey = new LaunchError({
  what: "The market takes deposits (EvmDeposit), and it is not known which addresses members pay to.",
  why: "There is no key that they are made of.",
  todo: "Set GUILDHALL_DEPOSIT_KEY to the extended public key (xpub…) of an account whose private key is kept elsewhere. docs/chain.md says how.",
})

/**
 * The addresses that members pay to: of the key in the settings, or the known one of the chain for development. Fails with a letter where
 * there is none, and where it is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const addresses = Effect.fnUntraced(function* (
  depositKey: Redacted.Redacted | undefined,
  isDevelopment: boolean,
): Effect.fn.Return<DepositKey.Addresses, LaunchError> {
  const text =
    depositKey !== undefined ? Redacted.value(depositKey) : isDevelopment ? DevAccounts.depositKey() : undefined
  if (text === undefined) return yield* noKey
  return yield* Effect.mapError(
    DepositKey.fromExtendedKey(text),
    ({ message }) =>
      new LaunchError({
        what: "GUILDHALL_DEPOSIT_KEY cannot be used.",
        why: message,
        todo: "Export the key of the account once more from the wallet that has its private key.",
      }),
  )
})

/** What is charged, as the token that it is on the chain. */
const assetOf = Effect.fnUntraced(function* (
  site: Pick<ChainSite.ChainSite, "tokens">,
  { chargeAsset }: Pick<ChainSite.Defined, "chargeAsset">,
): Effect.fn.Return<RailAsset, LaunchError> {
  const found = site.tokens.get(chargeAsset)
  if (found !== undefined) return { asset: found.asset, token: found.address, decimals: found.decimals }
  return yield* new LaunchError({
    what: `${chargeAsset} has no token on the market's chain.`,
    todo: "Name one in chain.tokens of the market definition.",
  })
})

/**
 * Deposits, with the index of the token's transfers, what is taken, and where a member pays to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deposits = Effect.fnUntraced(function* (
  { chain, settings }: Pick<Facts, "chain" | "settings">,
  site: ChainSite.ChainSite,
  definition: ChainSite.Defined,
  { source }: ChainParts.DepositTerms,
) {
  const asset = yield* assetOf(site, definition)
  const name = `deposits-${site.chain.id}-${asset.token.slice(2, 14)}`
  const store = yield* IndexStoreSql.make({ name, subject: `${site.chain.id} ${asset.token}` })
  const made = yield* EvmPaymentRail.make({
    name: ChainParts.DEPOSIT,
    fundingSource: source,
    chainId: site.chain.id,
    assets: [asset],
    addresses: yield* addresses(settings.depositKey, chain !== undefined),
    store,
  })
  const addressesOf = (member: MemberId): Effect.Effect<ReadonlyArray<DepositAddress>, RailError> =>
    Effect.map(made.addressOf(member), (address) => [
      {
        rail: made.rail.name,
        source,
        asset: asset.asset.code,
        chainId: site.chain.id,
        token: asset.token,
        decimals: asset.decimals,
        address,
      },
    ])
  return { ...made, name, store, asset, addressesOf }
})

/**
 * Payouts to the wallets that members bound, by the contract's operator.
 *
 * @category constructors
 * @since 0.1.0
 */
export const payouts = Effect.fnUntraced(function* (
  site: ChainSite.ChainSite,
  definition: ChainSite.Defined,
  settlement: Address,
  operator: Address,
) {
  const asset = yield* assetOf(site, definition)
  const wallets = yield* Wallets.make
  const made = yield* EvmPayoutRail.make({
    name: ChainParts.PAYOUT,
    settlement,
    operator,
    assets: [asset],
    addressOf: (member) =>
      wallets([member]).pipe(
        Effect.map((found) => found.get(member)),
        Effect.mapError(() => new RailError({ reason: "Unavailable", detail: "The registry did not answer." })),
      ),
  })
  return { ...made, asset, wallets }
})
