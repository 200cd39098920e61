/**
 * Looks up in the books what providers earned that is safe by now: what a maturity posting may move on.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { type Account, fundingSourceOf, ids } from "./Account.ts"
import type { Entry } from "./Entry.ts"
import type { LedgerError } from "./LedgerError.ts"
import type { View } from "./LedgerStore.ts"
import * as Seek from "./internal/Seek.ts"
import * as Maturity from "./templates/Maturity.ts"

/**
 * What a provider earned of one source that is safe, and what it owes the market, both in the asset's smallest unit: what a
 * maturity posting is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Matured {
  readonly provider: MemberId
  readonly fundingSource: string
  readonly amount: bigint
  readonly owed: bigint
}

const PAGE = 1_000
const isMember = Schema.is(MemberId)

/** All entries of an account after a sequence. */
const entriesOf = Effect.fnUntraced(function* (view: View, { id }: Account, after: bigint) {
  const found: Array<Entry> = []
  for (let at = after; ;) {
    const page = yield* view.history("entries", { after: at, limit: PAGE, account: id })
    found.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return found
    at = last.sequence
  }
})

/**
 * What is safe of every provider's accruals in an asset, of the sources that are given, each with the time, in Unix milliseconds,
 * before which what was earned is safe. Accounts that take no postings are left out. Give it a snapshot of the store: it reads
 * several things that must belong together. It reads what came in since those times, account by account.
 *
 * @category queries
 * @since 0.1.0
 */
export const find = Effect.fn("Matured.find")(function* (
  view: View,
  options: { readonly asset: string; readonly untilMs: Readonly<Record<string, number>> },
): Effect.fn.Return<ReadonlyArray<Matured>, LedgerError> {
  const accruals = (yield* view.accounts()).flatMap((account) => {
    const source = account.kind === "accrual" ? fundingSourceOf(account.id) : undefined
    const untilMs = source === undefined ? undefined : options.untilMs[source]
    if (source === undefined || untilMs === undefined) return []
    const isDue = account.asset.code === options.asset && account.state === "open" && account.balance > account.held
    const provider = account.id.slice(account.id.lastIndexOf(":") + 1)
    return isDue && isMember(provider) ? [{ account, provider, fundingSource: source, untilMs }] : []
  })
  const times = [...new Set(accruals.map(({ untilMs }) => untilMs))]
  const begins = new Map(
    yield* Effect.forEach(times, (ms) =>
      Effect.map(Seek.lastPostedBefore(view, ms), (sequence) => [ms, sequence] as const),
    ),
  )
  const found: Array<Matured> = []
  for (const { account, fundingSource, provider, untilMs } of accruals) {
    const entries = yield* entriesOf(view, account, begins.get(untilMs) ?? 0n)
    const amount = Maturity.safe(account, entries, untilMs)
    if (amount === 0n) continue
    const [debt] = yield* view.accounts([ids.receivable(provider)])
    const owed = debt === undefined || debt.balance > 0n ? 0n : -debt.balance
    found.push({ provider, fundingSource, amount, owed })
  }
  return found
})
