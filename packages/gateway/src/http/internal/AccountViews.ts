/** How the ledger's accounts are shown. */
import type * as Asset from "@guildhall/core/Asset"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { type Account, fundingSourceOf } from "@guildhall/ledger/Account"
import type { AccountView, Funds } from "@guildhall/protocol/api/BalanceApi"
import * as DisplayMoney from "@guildhall/protocol/api/DisplayMoney"

/** The asset with a code; one that the definition no longer lists is shown in its smallest unit. */
const assetOf = (definition: MarketDefinition, code: Asset.AssetCode): Asset.Asset =>
  definition.assets.find((asset) => asset.code === code) ?? { code, scale: 0 }

/** Makes the function that shows amounts in an asset of the market. */
export const money =
  (definition: MarketDefinition) =>
  (amount: bigint, code: Asset.AssetCode): DisplayMoney.DisplayMoney =>
    DisplayMoney.of(amount, assetOf(definition, code))

/** Makes the function that shows accounts. */
export const account = (definition: MarketDefinition) => {
  const show = money(definition)
  return ({ asset: { code: asset }, balance, floor, held, id, kind, state }: Account): AccountView => {
    const source = fundingSourceOf(id)
    return {
      id,
      kind,
      ...(source === undefined ? {} : { source }),
      state,
      balance: show(balance, asset),
      held: show(held, asset),
      available: floor === null ? null : show(balance - held - floor, asset),
    }
  }
}

/** What can be spent of an account. A closed one has nothing. */
const spendable = ({ balance, floor, held, state }: Account): bigint =>
  state === "closed" ? 0n : balance - held - (floor ?? 0n)

/** Makes the function that adds up what a member can spend: nothing at all, while one of its accounts is frozen. */
export const funds = (definition: MarketDefinition) => {
  const show = money(definition)
  return (accounts: ReadonlyArray<Account>): Funds => {
    const sum = (of: (account: Account) => bigint) =>
      show(
        accounts.reduce((all, account) => all + of(account), 0n),
        definition.chargeAsset,
      )
    const isFrozen = accounts.some(({ state }) => state === "frozen")
    const isLimited = accounts.every(({ floor, state }) => floor !== null || state === "closed")
    return {
      balance: sum(({ balance }) => balance),
      held: sum(({ held }) => held),
      available: isFrozen ? sum(() => 0n) : isLimited ? sum(spendable) : null,
    }
  }
}
