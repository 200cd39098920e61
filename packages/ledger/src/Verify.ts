/**
 * Recomputes the books from their history, from the first posting to the last, and stops at the first figure that
 * differs from what the store says.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Account, AccountId } from "./Account.ts"
import type { LedgerError } from "./LedgerError.ts"
import { LedgerStore, type Posted } from "./LedgerStore.ts"

/**
 * What does not agree: where, what history gives, and what the store says.
 *
 * @category errors
 * @since 0.1.0
 */
export class Disagreement extends Schema.TaggedError<Disagreement>()("Disagreement", {
  where: Schema.String,
  expected: Schema.String,
  found: Schema.String,
}) {
  override get message(): string {
    return [
      `The books do not agree: ${this.where} should be ${this.expected} and is ${this.found}.`,
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

const disagree = (where: string, expected: bigint | string, found: bigint | string) =>
  Effect.fail(new Disagreement({ where, expected: String(expected), found: String(found) }))

/** Adds one posting to the balances so far, checking it on the way. */
const replay = (
  { sequence, posting, balances }: Posted,
  expectedSequence: bigint,
  accounts: ReadonlyMap<AccountId, Account>,
  running: Map<AccountId, bigint>,
) =>
  Effect.gen(function* () {
    if (sequence !== expectedSequence) return yield* disagree("the next posting's number", expectedSequence, sequence)
    const sums = new Map<string, bigint>()
    for (const [index, leg] of posting.legs.entries()) {
      const account = accounts.get(leg.account)
      if (account === undefined)
        return yield* disagree(`the account ${leg.account} of posting ${sequence}`, "known", "missing")
      const balance = (running.get(leg.account) ?? 0n) + leg.amount
      running.set(leg.account, balance)
      sums.set(account.asset, (sums.get(account.asset) ?? 0n) + leg.amount)
      const recorded = balances[index]
      if (recorded !== balance) {
        return yield* disagree(
          `the balance of ${leg.account} after posting ${sequence}`,
          balance,
          recorded ?? "missing",
        )
      }
    }
    for (const [asset, sum] of sums) {
      if (sum !== 0n) return yield* disagree(`the sum of posting ${sequence} in ${asset}`, 0n, sum)
    }
  })

/** The store as it stands while nothing is posted in between: read again when something was. */
const snapshot = Effect.fnUntraced(function* (store: LedgerStore["Service"], last: bigint) {
  const accounts = yield* store.accounts()
  const holds = yield* store.holds({ pending: true })
  const after = yield* store.postings(last, 1)
  return { accounts, holds, isCurrent: after.length === 0 }
})

/**
 * Verifies everything the store in context holds. `progress` is told after each page how many postings are done. The
 * market may run meanwhile.
 *
 * @category commands
 * @since 0.1.0
 */
export const verify = Effect.fn("Ledger.verify")(function* (
  progress: (postings: number) => Effect.Effect<void> = () => Effect.void,
): Effect.fn.Return<Verified, Disagreement | LedgerError, LedgerStore> {
  const store = yield* LedgerStore
  const running = new Map<AccountId, bigint>()
  let accounts = new Map((yield* store.accounts()).map((account) => [account.id, account]))
  let last = 0n
  for (;;) {
    const page = yield* store.postings(last, PAGE)
    if (page.some(({ posting }) => posting.legs.some((leg) => !accounts.has(leg.account)))) {
      accounts = new Map((yield* store.accounts()).map((account) => [account.id, account]))
    }
    for (const posted of page) {
      yield* replay(posted, last + 1n, accounts, running)
      last = posted.sequence
    }
    yield* progress(Number(last))
    if (page.length > 0) continue
    const now = yield* snapshot(store, last)
    if (!now.isCurrent) continue
    const held = new Map<AccountId, bigint>()
    for (const hold of now.holds) held.set(hold.account, (held.get(hold.account) ?? 0n) + hold.amount)
    const wrong = firstWrong(now.accounts, running, held)
    if (wrong === undefined)
      return { postings: Number(last), accounts: now.accounts.length, pendingHolds: now.holds.length }
    // Holds come and go without a posting: what differs only while they do is read once more before it counts.
    const again = yield* snapshot(store, last)
    const heldAgain = new Map<AccountId, bigint>()
    for (const hold of again.holds) heldAgain.set(hold.account, (heldAgain.get(hold.account) ?? 0n) + hold.amount)
    const stillWrong = again.isCurrent ? firstWrong(again.accounts, running, heldAgain) : undefined
    if (stillWrong !== undefined && stillWrong.where === wrong.where) return yield* stillWrong
  }
})

const firstWrong = (
  accounts: ReadonlyArray<Account>,
  running: ReadonlyMap<AccountId, bigint>,
  held: ReadonlyMap<AccountId, bigint>,
): Disagreement | undefined => {
  for (const account of accounts) {
    const balance = running.get(account.id) ?? 0n
    const holding = held.get(account.id) ?? 0n
    if (account.balance !== balance) {
      return new Disagreement({
        where: `the balance of ${account.id}`,
        expected: `${balance}`,
        found: `${account.balance}`,
      })
    }
    if (account.held !== holding) {
      return new Disagreement({
        where: `what is held of ${account.id}`,
        expected: `${holding}`,
        found: `${account.held}`,
      })
    }
    if (account.floor !== null && balance - holding < account.floor) {
      const found = `${balance - holding}`
      return new Disagreement({ where: `what ${account.id} has left`, expected: `at least ${account.floor}`, found })
    }
  }
  return undefined
}
