import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as Entries from "@guildhall/chain/Entries"
import * as Record from "@guildhall/chain/SettlementRecord"
import * as Account from "@guildhall/ledger/Account"
import type { Ledger } from "@guildhall/ledger/Ledger"
import { Conflict, type LedgerError } from "@guildhall/ledger/LedgerError"
import * as Matured from "@guildhall/ledger/Matured"
import * as Opening from "@guildhall/ledger/Opening"
import * as Period from "@guildhall/ledger/Period"
import * as Maturity from "@guildhall/ledger/templates/Maturity"
import * as EpochBoost from "./EpochBoost.ts"
import { type Desk, memberOf, nameOf, type Order, RAIL } from "./EpochTerms.ts"

/** So many commands wait for the ledger at a time; it commits them together. */
const AT_ONCE = { concurrency: 64 } as const

/** What was made before, under the same key, stays as it is: planned anew it may differ. */
const unlessMade = <A>(effect: Effect.Effect<A, LedgerError>) =>
  Effect.catch(effect, (error) => (error.reason instanceof Conflict ? Effect.void : Effect.fail(error)))

/** Opens an account on the terms that its id says; one that is there stays as it is. */
const open = (ledger: Ledger["Service"], id: Account.AccountId, { asset }: Order) =>
  unlessMade(ledger.open(Opening.of(id, asset)))

/** Moves what is safe on to what is paid out by this rail, for those who have a wallet. */
const mature = Effect.fnUntraced(function* (
  { ledger, store, wallets }: Desk,
  order: Order,
): Effect.fn.Return<void, LedgerError | { readonly message: string }> {
  const due = yield* store.snapshot((view) => Matured.find(view, { asset: order.asset.code, untilMs: order.untilMs }))
  const known = yield* wallets([...new Set(due.map(({ provider }) => provider))])
  yield* Effect.forEach(
    due.filter(({ provider }) => known.has(provider)),
    (matured) =>
      Effect.gen(function* () {
        yield* open(ledger, Account.ids.payable(RAIL, matured.provider), order)
        const posting = Maturity.posting(
          { ...matured, rail: RAIL, epoch: nameOf(order.beginning) },
          { definition: order.beginning.definition },
        )
        yield* unlessMade(Effect.flatMap(Effect.fromResult(posting), ledger.post))
      }),
    { ...AT_ONCE, discard: true },
  )
})

/**
 * Takes what each payable account has in whole units of the token, and holds it until it is known how the epoch ends. What is
 * smaller stays on the account: this is where rounding happens, once.
 */
const take = Effect.fnUntraced(function* (desk: Desk, order: Order) {
  const { ledger, settlement, store, wallets } = desk
  const { unit } = order.beginning
  const accounts = (yield* store.accounts()).filter(
    ({ asset, balance, id, state }) =>
      id.startsWith(`payable:${RAIL}:`) && asset.code === order.asset.code && state === "open" && balance >= unit,
  )
  const known = yield* wallets(accounts.map(({ id }) => memberOf(id)))
  const least = order.minimum > 0n ? order.minimum * unit : unit
  const paid = accounts
    .flatMap((account) => {
      const wallet = known.get(memberOf(account.id))
      return wallet === undefined ? [] : [{ account, wallet }]
    })
    // Those first of whom an earlier attempt holds something already.
    .sort((a, b) => {
      const [ours, theirs] = [a.account, b.account]
      if (ours.held > 0n !== theirs.held > 0n) return ours.held > 0n ? -1 : 1
      return ours.balance > theirs.balance ? -1 : ours.balance < theirs.balance ? 1 : 0
    })
  // A batch has room for so many; the others are first in a later epoch, when they have more than those who were paid.
  const most = order.beginning.kind === "batch" ? settlement.capabilities.maxEntries : paid.length
  const payees = yield* Effect.forEach(
    paid.slice(0, most),
    ({ account: { id }, wallet }) =>
      Effect.map(
        ledger.beginPayout({ account: id, rail: RAIL, unit, minimum: least }),
        (range): ReadonlyArray<Record.Payee> =>
          range === null
            ? []
            : [{ member: memberOf(id), account: wallet, hold: range.hold, amount: range.amount / unit }],
      ),
    AT_ONCE,
  )
  return payees.flat().sort((a, b) => (a.member < b.member ? -1 : 1))
})

/** What each account earned by the end of the last epoch of the place that counts. */
const former = Effect.fnUntraced(function* ({ record }: Desk, { beginning }: Order) {
  const place = Record.placeOf(beginning)
  let before: number | undefined
  while (true) {
    const page: ReadonlyArray<Record.Epoch> = yield* record.epochs({ ...place, before, limit: 50 })
    const last = page.find(({ state }) => state === "claimable")
    if (last !== undefined) return yield* record.leaves(last)
    if (page.length < 50) return []
    before = page.at(-1)?.sequence
  }
})

/** The leaves after an epoch: everybody's who ever earned, in the order of the accounts. */
const leavesOf = (
  order: Order,
  payees: ReadonlyArray<Record.Payee>,
  before: ReadonlyArray<Record.Leaf>,
): { readonly commitment: CumulativeTree.Tree["root"]; readonly leaves: ReadonlyArray<Record.Leaf> } => {
  const { chainId, contract, kind, token } = order.beginning
  const earned = new Map<Address, bigint>()
  for (const { account, amount } of payees) earned.set(account, (earned.get(account) ?? 0n) + amount)
  const cumulative = new Map(before.map((leaf) => [leaf.account, leaf.cumulative]))
  for (const [account, amount] of earned) cumulative.set(account, (cumulative.get(account) ?? 0n) + amount)
  const accounts = [...cumulative]
    .map(([account, sum]) => ({ account, cumulative: sum, amount: earned.get(account) ?? 0n }))
    .sort((a, b) => (a.account < b.account ? -1 : 1))
  if (kind === "batch") {
    const entries = accounts.filter(({ amount }) => amount > 0n)
    return { commitment: Entries.commitment(entries), leaves: accounts.map((leaf) => ({ ...leaf, proof: [] })) }
  }
  const tree = CumulativeTree.make({ chainId, contract, token }, accounts)
  return {
    commitment: tree.root,
    leaves: accounts.map((leaf, at) => ({ ...leaf, proof: tree.proofs[at] ?? [] })),
  }
}

/** The gross of which the providers' part, rounded down, is exactly this. */
const grossOf = (net: bigint, providerBps: number): bigint =>
  (net * 10_000n + BigInt(providerBps) - 1n) / BigInt(providerBps)

/**
 * Adds an epoch up: what it pays to whom, and what the chain is asked to set aside for it. `undefined` where nobody is paid. Made
 * again after a crash it gives the same, since all that it moves has a key of the epoch, and what it takes stays held.
 */
export const net = Effect.fnUntraced(function* (desk: Desk, order: Order, providerBps: number) {
  yield* mature(desk, order)
  const boosted = yield* EpochBoost.pay(desk, order)
  const payees = yield* take(desk, order)
  const total = payees.reduce((sum, { amount }) => sum + amount, 0n)
  if (total === 0n) return { _tag: "Nothing" as const }
  const { commitment, leaves } = leavesOf(order, payees, yield* former(desk, order))
  const { unit } = order.beginning
  const boost = boosted / unit < total ? boosted / unit : total
  const sum: Record.Sum = {
    commitment,
    gross: grossOf(total - boost, providerBps),
    boost,
    boostLeft: boosted - boost * unit,
    total,
    payees: payees.length,
    accounts: leaves.length,
  }
  return { _tag: "Netted" as const, sum, payees, leaves }
})

/** Closes the books up to the end of the epoch. Somebody may have closed a later time: then there is nothing to do. */
export const close = ({ beginning }: Order) =>
  Effect.catchTag(Effect.asVoid(Period.close(beginning.endMs)), "LedgerError", (error) =>
    error.reason._tag === "InvalidCommand" && error.message.includes("closed already")
      ? Effect.void
      : Effect.fail(error),
  )
