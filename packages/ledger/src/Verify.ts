/**
 * Recomputes the books from their history, from the first posting to the last, and stops at the first figure that
 * differs from what the store says.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { type Account, AccountId } from "./Account.ts"
import type { LedgerError } from "./LedgerError.ts"
import { LedgerStore, type Posted, type View } from "./LedgerStore.ts"

/**
 * What can differ.
 *
 * - `sequence`: the postings are numbered without a gap.
 * - `sum`: a posting's legs sum to zero in each asset.
 * - `running balance`: the balance that a leg recorded is the one that history gives there.
 * - `balance`: an account has what was posted to it.
 * - `held`: what is held of an account is what its pending holds add up to.
 * - `available`: an account's balance less what is held is not below its floor.
 * - `account`: every account that a posting or a hold names is there.
 *
 * @category errors
 * @since 0.1.0
 */
export const Figure = Schema.Literals(["sequence", "sum", "running balance", "balance", "held", "available", "account"])
/** @since 0.1.0 */
export type Figure = typeof Figure.Type

/**
 * The first figure that does not agree: at which posting and account, what history gives, and what the store says.
 *
 * @category errors
 * @since 0.1.0
 */
export class Disagreement extends Schema.TaggedError<Disagreement>()("Disagreement", {
  figure: Figure,
  sequence: Schema.NullOr(Amount),
  account: Schema.NullOr(AccountId),
  expected: Schema.String,
  found: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    const where = [
      this.account === null ? "" : ` of ${this.account}`,
      this.sequence === null ? "" : ` at posting ${this.sequence}`,
    ].join("")
    return [
      `The books do not agree: the ${this.figure}${where} should be ${this.expected} and is ${this.found}.`,
      "The history was changed from outside, or a page of the database is damaged.",
      "Stop the market, keep a copy of the database, and restore the last backup that verifies.",
    ].join("\n  ")
  }
}

/**
 * What was verified.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verified {
  readonly postings: number
  readonly accounts: number
  readonly pendingHolds: number
}

/** How many postings are read at a time. */
const PAGE = 1_000

const disagree = (
  figure: Figure,
  where: { readonly sequence?: bigint; readonly account?: AccountId },
  expected: bigint | string,
  found: bigint | string | undefined,
) =>
  new Disagreement({
    figure,
    sequence: where.sequence ?? null,
    account: where.account ?? null,
    expected: String(expected),
    found: String(found ?? "missing"),
  })

/** Adds one posting to the balances so far; answers what does not agree in it. */
const replay = (
  { sequence, posting, balances }: Posted,
  accounts: ReadonlyMap<AccountId, Account>,
  running: Map<AccountId, bigint>,
): Disagreement | undefined => {
  const sums = new Map<string, bigint>()
  for (const [index, leg] of posting.legs.entries()) {
    const account = accounts.get(leg.account)
    if (account === undefined) return disagree("account", { sequence, account: leg.account }, "known", "missing")
    const balance = (running.get(leg.account) ?? 0n) + leg.amount
    running.set(leg.account, balance)
    sums.set(account.asset, (sums.get(account.asset) ?? 0n) + leg.amount)
    if (balances[index] !== balance) {
      return disagree("running balance", { sequence, account: leg.account }, balance, balances[index])
    }
  }
  for (const [asset, sum] of sums) {
    if (sum !== 0n) return disagree("sum", { sequence }, `0 ${asset}`, `${sum} ${asset}`)
  }
  return undefined
}

const firstWrong = (
  accounts: Iterable<Account>,
  running: ReadonlyMap<AccountId, bigint>,
  held: ReadonlyMap<AccountId, bigint>,
): Disagreement | undefined => {
  for (const { id, floor, ...account } of accounts) {
    const balance = running.get(id) ?? 0n
    const holding = held.get(id) ?? 0n
    if (account.balance !== balance) return disagree("balance", { account: id }, balance, account.balance)
    if (account.held !== holding) return disagree("held", { account: id }, holding, account.held)
    if (floor !== null && balance - holding < floor) {
      return disagree("available", { account: id }, `${floor} or more`, balance - holding)
    }
  }
  return undefined
}

const readAll = Effect.fnUntraced(function* (view: View, progress: (postings: number) => Effect.Effect<void>) {
  const accounts = new Map((yield* view.accounts()).map((account) => [account.id, account]))
  const running = new Map<AccountId, bigint>()
  let last = 0n
  for (;;) {
    const page = yield* view.postings(last, PAGE)
    if (page.length === 0) break
    for (const posted of page) {
      if (posted.sequence !== last + 1n) return yield* disagree("sequence", {}, last + 1n, posted.sequence)
      const wrong = replay(posted, accounts, running)
      if (wrong !== undefined) return yield* wrong
      last = posted.sequence
    }
    yield* progress(Number(last))
  }
  const holds = yield* view.holds({ pending: true })
  const held = new Map<AccountId, bigint>()
  for (const { account, amount } of holds) {
    if (!accounts.has(account)) return yield* disagree("account", { account }, "known", "missing")
    held.set(account, (held.get(account) ?? 0n) + amount)
  }
  const wrong = firstWrong(accounts.values(), running, held)
  if (wrong !== undefined) return yield* wrong
  return { postings: Number(last), accounts: accounts.size, pendingHolds: holds.length }
})

/**
 * Verifies everything that the store in context holds, as it is in one moment: the market may run meanwhile. `progress`
 * is told after each page how many postings are done. Memory grows with the accounts, not with the history.
 *
 * @category commands
 * @since 0.1.0
 */
export const verify = Effect.fn("Ledger.verify")(function* (
  progress: (postings: number) => Effect.Effect<void> = () => Effect.void,
): Effect.fn.Return<Verified, Disagreement | LedgerError, LedgerStore> {
  const store = yield* LedgerStore
  return yield* store.snapshot((view) => readAll(view, progress))
})
