/**
 * How the market's own accounts are opened: an id says what the account is for, and that says its limits.
 *
 * @since 0.1.0
 */
import type { Asset } from "@guildhall/core/Asset"
import { type AccountId, AccountKind, ids } from "./Account.ts"

/**
 * An account as it is opened; what `Ledger.open` takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opening {
  readonly id: AccountId
  readonly kind: AccountKind
  readonly asset: Asset
  readonly floor: bigint | null
  readonly ceiling: bigint | null
}

/** Those whose balance may fall below zero: the world outside, a chain's, what is owed, and where two sides meet. */
const unlimited: ReadonlySet<AccountKind> = new Set(["external", "chain", "receivable", "clearing", "exchange"])

const isKind = (word: string): word is AccountKind => AccountKind.literals.some((kind) => kind === word)

/**
 * The terms of an account that has an id as `Account.ids` makes them: its first word is its kind. None may fall below zero,
 * but those outside, those of a chain, those where two sides meet, `platform:loss`, which pays for the platform's crashes, and `receivable`,
 * which is zero or below and never rises above. An account with an id of another form is the platform's.
 *
 * **Example** (What a provider owes)
 *
 * ```ts
 * import { Asset, Member } from "@guildhall/core"
 * import { Account, Opening } from "@guildhall/ledger"
 *
 * const opening = Opening.of(Account.ids.receivable(Member.MemberId.make("mem_1")), Asset.USD)
 * opening.kind // => "receivable"
 * opening.floor // => null
 * opening.ceiling // => 0n
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (id: AccountId, asset: Asset): Opening => {
  const word = id.slice(0, id.indexOf(":"))
  const kind = isKind(word) ? word : "platform"
  return {
    id,
    kind,
    asset,
    floor: unlimited.has(kind) || id === ids.platformLoss ? null : 0n,
    ceiling: kind === "receivable" ? 0n : null,
  }
}
