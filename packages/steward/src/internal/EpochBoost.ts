import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import * as Record from "@guildhall/chain/SettlementRecord"
import * as Tier from "@guildhall/core/rules/Tier"
import * as Account from "@guildhall/ledger/Account"
import { Conflict } from "@guildhall/ledger/LedgerError"
import * as Opening from "@guildhall/ledger/Opening"
import * as Pool from "@guildhall/ledger/Pool"
import { type Desk, memberOf, nameOf, type Order, RAIL } from "./EpochTerms.ts"

/** The pool that pays what tiers add. */
const POOL = Account.ids.pool("boost")

const KEYS_MAX = 500

/** What each provider had moved on in this epoch, as the books have it. */
const maturedOf = Effect.fnUntraced(function* ({ store }: Desk, order: Order) {
  const accruals = (yield* store.accounts()).flatMap(({ asset, id, kind }) =>
    kind === "accrual" && asset.code === order.asset.code && Account.fundingSourceOf(id) !== undefined ? [id] : [],
  )
  const keys = accruals.map((id) => `maturity:${id}:${nameOf(order.beginning)}`)
  const sums = new Map<Account.AccountId, bigint>()
  for (let at = 0; at < keys.length; at += KEYS_MAX) {
    const some = keys.slice(at, at + KEYS_MAX)
    for (const entry of yield* store.history("entries", { after: 0n, limit: KEYS_MAX, keys: some })) {
      if (entry._tag !== "Posted") continue
      for (const { account, amount } of entry.posting.legs) {
        if (account.startsWith(`payable:${RAIL}:`) && amount > 0n) sums.set(account, (sums.get(account) ?? 0n) + amount)
      }
    }
  }
  return sums
})

/** What the pool paid in this epoch, as the books have it; undefined where it has not yet. */
const paidBefore = Effect.fnUntraced(function* ({ store }: Desk, of: Record.Of) {
  const first = `boost:${POOL}:${nameOf(of)}`
  const keys = [first, ...Array.from({ length: 99 }, (_, part) => `${first}#${part + 1}`)]
  const made = yield* store.history("entries", { after: 0n, limit: keys.length, keys })
  if (made.length === 0) return undefined
  const legs = made.flatMap((entry) => (entry._tag === "Posted" ? entry.posting.legs : []))
  return legs.reduce((sum, { account, amount }) => (account.startsWith(`payable:${RAIL}:`) ? sum + amount : sum), 0n)
})

/** A chain's clock stands still between blocks: that it is not there yet is no failure, and passes. */
const early = (
  error: ChainError,
): { readonly message: string; readonly isRetryable: boolean; readonly isExpected?: boolean } =>
  error.reason._tag === "Refused" && error.reason.rule === "NotPast"
    ? { message: "The chain's clock has not come to its end yet.", isRetryable: true, isExpected: true }
    : error

/** What tiers add to what matured, from the pool, once for each epoch. */
const payNow = Effect.fnUntraced(function* (desk: Desk, order: Order, cap: bigint) {
  const { ledger, multipliers, wallets } = desk
  const earned = yield* maturedOf(desk, order)
  const ids = [...earned.keys()]
  const known = yield* wallets(ids.map(memberOf))
  const walletOf = (id: Account.AccountId): Address | undefined => known.get(memberOf(id))
  const accounts = [...new Set(ids.flatMap((id) => walletOf(id) ?? []))]
  const factors = yield* Effect.mapError(multipliers(accounts, Math.floor(order.beginning.endMs / 1_000)), early)
  const claims = ids.flatMap((account) => {
    const wallet = walletOf(account)
    const amount = Tier.surplus(earned.get(account) ?? 0n, (wallet && factors.get(wallet)) ?? 10_000)
    return amount === 0n ? [] : [{ account, amount }]
  })
  const [pool] = yield* ledger.accounts([POOL])
  const funded = pool === undefined || pool.balance < pool.held ? 0n : pool.balance - pool.held
  if (claims.length === 0 || funded === 0n) return
  yield* Effect.catch(ledger.open(Opening.of(Account.ids.platformFees, order.asset)), (error) =>
    error.reason instanceof Conflict ? Effect.void : Effect.fail(error),
  )
  const epoch = {
    pool: POOL,
    epoch: nameOf(order.beginning),
    cap,
    funded,
    claims,
    remainderTo: Account.ids.platformFees,
  }
  const postings = yield* Effect.fromResult(Pool.postings("boost", epoch, { definition: order.beginning.definition }))
  yield* ledger.link(postings.map((posting) => ({ _tag: "Post" as const, posting })))
})

/**
 * What the epochs before left of boosts, on whichever contract: what is too small for the token, or all of it where the chain did not
 * take it. An epoch that paid nobody leaves all that the pool gave for it.
 */
const leftBefore = Effect.fnUntraced(function* (desk: Desk, { beginning }: Order) {
  const { asset } = beginning
  const [own] = yield* desk.record.epochs({ ...Record.of(beginning), limit: 1 })
  let left = 0n
  for (const last of yield* desk.record.epochs({ asset, before: own?.sequence, limit: 50 })) {
    if (last.sum !== null) {
      const { boost, boostLeft } = last.sum
      return left + boostLeft + (last.state === "cancelled" ? boost * last.unit : 0n)
    }
    left += (yield* paidBefore(desk, last)) ?? 0n
  }
  return left
})

/**
 * Pays what tiers add to the earnings of an epoch; answers how much of the epoch the boost pool pays, in the asset's smallest unit.
 * The pool pays nothing that it was not given before, and the share of the revenue is never touched.
 */
export const pay = Effect.fnUntraced(function* (desk: Desk, order: Order) {
  if (order.boostCap === null) return 0n
  if ((yield* paidBefore(desk, order.beginning)) === undefined) yield* payNow(desk, order, order.boostCap)
  return ((yield* paidBefore(desk, order.beginning)) ?? 0n) + (yield* leftBefore(desk, order))
})
