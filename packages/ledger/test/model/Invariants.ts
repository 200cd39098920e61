/** What must be true of the books at any moment, whatever happened to who wrote them: added up from the history alone. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { AccountId } from "../../src/Account.ts"
import type { Entry, Posted } from "../../src/Entry.ts"
import { keyOf } from "../../src/Entry.ts"
import { type HoldId, type HoldState, partsOf } from "../../src/Hold.ts"
import type { PayoutRange } from "../../src/PayoutRange.ts"
import type { LedgerStore, View } from "../../src/LedgerStore.ts"

const PAGE = 5_000

/** What was found, for those who have more to compare. */
export interface Found {
  readonly keys: ReadonlySet<string>
  readonly entries: ReadonlyArray<Entry>
  readonly postings: number
  readonly pending: number
}

const add = <K>(map: Map<K, bigint>, key: K, amount: bigint): bigint => {
  const sum = (map.get(key) ?? 0n) + amount
  map.set(key, sum)
  return sum
}

const checkPosted = (
  { balances, posting, sequence }: Posted,
  assetOf: (account: AccountId) => string,
  running: Map<AccountId, bigint>,
): void => {
  const sums = new Map<string, bigint>()
  for (const [at, { account, amount }] of posting.legs.entries()) {
    add(sums, assetOf(account), amount)
    assert.strictEqual(balances[at], add(running, account, amount), `the balance of ${account} after entry ${sequence}`)
  }
  for (const [asset, sum] of sums) assert.strictEqual(sum, 0n, `entry ${sequence} in ${asset}`)
}

const read = Effect.fnUntraced(function* (view: View) {
  const accounts = new Map((yield* view.accounts()).map((account) => [account.id, account]))
  const assetOf = (id: AccountId): string => accounts.get(id)?.asset.code ?? assert.fail(`${id} is not open`)
  const [running, held, ends] = [new Map<AccountId, bigint>(), new Map<AccountId, bigint>(), new Map<HoldId, number>()]
  const keys = new Set<string>()
  const entries: Array<Entry> = []
  let [last, postings] = [0n, 0]
  for (;;) {
    const page = yield* view.history("entries", { after: last, limit: PAGE })
    for (const entry of page) {
      assert.strictEqual(entry.sequence, (last += 1n), "entries are numbered without a gap")
      assert.isFalse(keys.has(keyOf(entry)), `${keyOf(entry)} was posted twice`)
      keys.add(keyOf(entry))
      entries.push(entry)
      if (entry._tag !== "Posted") continue
      postings += 1
      checkPosted(entry, assetOf, running)
      if (entry.hold !== null) ends.set(entry.hold, (ends.get(entry.hold) ?? 0) + 1)
    }
    if (page.length < PAGE) break
  }
  const pending = yield* view.holds({ pending: true })
  for (const { account, amount, drawn } of pending.flatMap(partsOf)) add(held, account, amount - drawn)
  for (const account of accounts.values()) {
    assert.strictEqual(account.balance, running.get(account.id) ?? 0n, `${account.id} has what was posted to it`)
    assert.strictEqual(account.held, held.get(account.id) ?? 0n, `of ${account.id} is held what its pending holds keep`)
  }
  for (const asset of new Set([...accounts.values()].map(({ asset: { code } }) => code))) {
    const all = [...accounts.values()].reduce((sum, each) => (each.asset.code === asset ? sum + each.balance : sum), 0n)
    assert.strictEqual(all, 0n, `all balances in ${asset}`)
  }
  return { keys, entries, postings, pending: pending.length } satisfies Found
})

/** Ranges of one account: each begins where the one before ended, and carries what that did not pay. */
export const checkPayouts = (payouts: ReadonlyArray<PayoutRange>, states: ReadonlyMap<string, HoldState>): void => {
  let [end, carried] = [0n, 0n]
  for (const payout of payouts) {
    assert.strictEqual(payout.fromSequence, end, `${payout.hold} begins where the one before ended`)
    assert.strictEqual(payout.carriedIn, carried, `${payout.hold} takes over what was carried`)
    assert.strictEqual(payout.state, states.get(payout.hold), `${payout.hold} is as its hold is`)
    end = payout.toSequence
    carried = payout.carriedOut
  }
}

/** Adds up everything in one moment of the books. */
export const check = (store: LedgerStore["Service"]) => store.snapshot(read)
