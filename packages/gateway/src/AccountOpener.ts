/**
 * Opens the accounts that a posting needs before it is made, on the terms that their ids say.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Asset } from "@guildhall/core/Asset"
import type { AccountId } from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Conflict, type LedgerError } from "@guildhall/ledger/LedgerError"
import * as Opening from "@guildhall/ledger/Opening"

/** So many accounts are remembered as opened; opening one again costs little more. */
const REMEMBERED_MAX = 100_000

/**
 * Makes the function that opens accounts, each once in the life of a process. An account that exists on other terms, such as
 * with a credit line, stays as it is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const ledger = yield* Ledger
  const opened = new Set<AccountId>()
  const openAll = Effect.fnUntraced(function* (accounts: Iterable<AccountId>, asset: Asset) {
    for (const id of accounts) {
      if (opened.has(id)) continue
      yield* ledger
        .open(Opening.of(id, asset))
        .pipe(
          Effect.catch((error: LedgerError) => (error.reason instanceof Conflict ? Effect.void : Effect.fail(error))),
        )
      if (opened.size >= REMEMBERED_MAX) opened.clear()
      opened.add(id)
    }
  })
  return (accounts: ReadonlyArray<AccountId>, asset: Asset): Effect.Effect<void, LedgerError> =>
    accounts.every((id) => opened.has(id)) ? Effect.void : openAll(accounts, asset)
})
