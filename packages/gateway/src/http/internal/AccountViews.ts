/** How the ledger's accounts are shown. */
import type * as Asset from "@guildhall/core/Asset"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { Account } from "@guildhall/ledger/Account"
import type { AccountView } from "@guildhall/protocol/api/BalanceApi"
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
  return ({ asset: { code: asset }, balance, floor, held, id, kind, state }: Account): AccountView => ({
    id,
    kind,
    state,
    balance: show(balance, asset),
    held: show(held, asset),
    available: floor === null ? null : show(balance - held - floor, asset),
  })
}
