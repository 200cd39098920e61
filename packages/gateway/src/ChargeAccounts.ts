/**
 * The accounts into which a charge is shared, and the terms on which they are opened.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Asset } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import type { Party } from "@guildhall/core/rules/Split"
import { AccountId, type AccountKind, ids } from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Conflict, type LedgerError } from "@guildhall/ledger/LedgerError"

/**
 * An account with the kind it is opened as. All of them have a floor of zero: they only ever receive from charges.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChargeAccount {
  readonly id: AccountId
  readonly kind: AccountKind
}

/** So many accounts are remembered, by name and as opened; neither costs more than doing it again. */
const REMEMBERED_MAX = 100_000

/** Accounts by who they are of: checking an id's form again for each charge would cost more than the charge. */
const accounts = new Map<string, ChargeAccount>()

/**
 * The account of a party: the provider's accrual for the source of the money, the platform's fees, or a pool.
 *
 * **Example** (What a provider earns from cards)
 *
 * ```ts
 * import { Member } from "@guildhall/core"
 * import { ChargeAccounts } from "@guildhall/gateway"
 *
 * ChargeAccounts.of("provider", "card", Member.MemberId.make("mem_1")).id // => "accrual:card:mem_1"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (party: Party, fundingSource: string, provider: MemberId): ChargeAccount => {
  const key = `${party} ${fundingSource} ${provider}`
  const known = accounts.get(key)
  if (known !== undefined) return known
  const account = named(party, fundingSource, provider)
  if (accounts.size >= REMEMBERED_MAX) accounts.clear()
  accounts.set(key, account)
  return account
}

const named = (party: Party, fundingSource: string, provider: MemberId): ChargeAccount => {
  switch (party) {
    case "provider":
      return { id: ids.accrual(fundingSource, provider), kind: "accrual" }
    case "platform":
      return { id: ids.platformFees, kind: "platform" }
    case "validators":
    case "insurance":
      return { id: AccountId.make(`pool:${party}`), kind: "pool" }
  }
}

/**
 * Makes the function that opens accounts, each once in the life of a process. An account that exists on other terms
 * stays as it is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const ledger = yield* Ledger
  const opened = new Set<AccountId>()
  return Effect.fnUntraced(function* (accounts: ReadonlyArray<ChargeAccount>, asset: Asset) {
    for (const { id, kind } of accounts) {
      if (opened.has(id)) continue
      yield* ledger
        .open({ id, kind, asset, floor: 0n })
        .pipe(
          Effect.catch((error: LedgerError) => (error.reason instanceof Conflict ? Effect.void : Effect.fail(error))),
        )
      if (opened.size >= REMEMBERED_MAX) opened.clear()
      opened.add(id)
    }
  })
})
