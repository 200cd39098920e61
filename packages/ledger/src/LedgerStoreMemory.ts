/**
 * The ledger's history in this process's memory: for tests, simulations and examples. The same rules as in PostgreSQL;
 * nothing survives the process.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId } from "./Account.ts"
import * as Book from "./Book.ts"
import * as Chain from "./Chain.ts"
import { type Entry, keyOf, type Posted } from "./Entry.ts"
import type { Hold, HoldId } from "./Hold.ts"
import { type Attached, type History, LedgerStore, type Moment, type Range, type View } from "./LedgerStore.ts"
import type { PayoutRange } from "./PayoutRange.ts"
import * as Overlay from "./internal/Overlay.ts"

/** Everything there is. */
interface State {
  readonly accounts: Map<AccountId, Account>
  readonly holds: Map<HoldId, Hold>
  readonly pending: Map<HoldId, Hold>
  readonly keys: Map<string, { readonly fingerprint: string; readonly sequence: bigint }>
  readonly leases: Map<string, number>
  readonly payouts: Map<HoldId, PayoutRange>
  readonly lastPayouts: Map<AccountId, PayoutRange>
  readonly scales: Map<AssetCode, number>
  readonly entries: Array<Entry>
  readonly attachments: Array<Attached>
  readonly batches: Array<Chain.Batch>
  readonly nodes: Array<Chain.Node>
  head: Chain.Head
  closedUntilMs: number
  nowMs: number
}

const empty = (): State => ({
  accounts: new Map(),
  holds: new Map(),
  pending: new Map(),
  keys: new Map(),
  leases: new Map(),
  payouts: new Map(),
  lastPayouts: new Map(),
  scales: new Map(),
  entries: [],
  attachments: [],
  batches: [],
  nodes: [],
  head: Chain.empty,
  closedUntilMs: 0,
  nowMs: 0,
})

const copy = (state: State): State => ({
  ...state,
  accounts: new Map(state.accounts),
  holds: new Map(state.holds),
  pending: new Map(state.pending),
  leases: new Map(state.leases),
  payouts: new Map(state.payouts),
  entries: [...state.entries],
  attachments: [...state.attachments],
  batches: [...state.batches],
  nodes: [...state.nodes],
})

/** When a pending hold ends if nobody renews it; never, for one without a life. */
const expiresAtMs = (state: State, hold: Hold): number =>
  hold.expiresAtMs === null ? Infinity : Math.max(hold.expiresAtMs, state.leases.get(hold.owner) ?? 0)

const pagesOf = (state: State): Book.Pages => ({
  account: (id) => state.accounts.get(id),
  hold: (id) => state.holds.get(id),
  key: (key) => state.keys.get(key),
  posted: (sequence) => {
    const entry = state.entries[Number(sequence) - 1]
    return entry?._tag === "Posted" ? entry : undefined
  },
  scaleOf: (asset) => state.scales.get(asset),
  leaseOf: (owner) => state.leases.get(owner),
  due: (nowMs, limit) =>
    [...state.pending.values()]
      .filter((hold) => expiresAtMs(state, hold) <= nowMs)
      .sort((a, b) => expiresAtMs(state, a) - expiresAtMs(state, b) || (a.id < b.id ? -1 : 1))
      .slice(0, limit),
  pendingOf: (owner) => [...state.pending.values()].filter((hold) => hold.owner === owner).length,
  lastPayout: (account) => state.lastPayouts.get(account),
  get lastSequence() {
    return BigInt(state.entries.length)
  },
  get closedUntilMs() {
    return state.closedUntilMs
  },
})

/** Keeps what a batch changed. */
const keep = (state: State, sheet: Overlay.Sheet, nowMs: number): void => {
  const { accounts, attachments, entries, holds, leases, payouts } = sheet.dirty
  for (const [id, account] of accounts) {
    state.accounts.set(id, account)
    state.scales.set(account.asset.code, account.asset.scale)
  }
  for (const [id, hold] of holds) {
    state.holds.set(id, hold)
    if (hold.state === "pending") state.pending.set(id, hold)
    else state.pending.delete(id)
  }
  for (const [owner, untilMs] of leases) state.leases.set(owner, untilMs)
  for (const [id, payout] of payouts) {
    state.payouts.set(id, payout)
    state.lastPayouts.set(payout.account, payout)
  }
  const { batch, head, nodes } = Chain.append(state.head, entries, nowMs)
  for (const entry of entries) {
    state.entries.push(entry)
    state.keys.set(keyOf(entry), { fingerprint: entry.fingerprint, sequence: entry.sequence })
  }
  for (const attachment of attachments) {
    state.attachments.push({ sequence: BigInt(state.attachments.length + 1), attachment, attachedAtMs: nowMs })
  }
  if (batch !== undefined) state.batches.push(batch)
  state.nodes.push(...nodes)
  state.head = head
  state.closedUntilMs = sheet.closedUntilMs
}

const isBy = (at: Moment, { effectiveAtMs, sequence }: Posted): boolean =>
  "sequence" in at ? sequence <= at.sequence : effectiveAtMs < at.beforeMs

const balancesAt = (
  { entries }: State,
  at: Moment,
  ids: ReadonlyArray<AccountId> | undefined,
): ReadonlyMap<AccountId, bigint> => {
  const wanted = ids === undefined ? undefined : new Set(ids)
  const balances = new Map<AccountId, bigint>()
  for (const entry of entries) {
    if (entry._tag !== "Posted" || !isBy(at, entry)) continue
    for (const { account, amount } of entry.posting.legs) {
      if (wanted?.has(account) ?? true) balances.set(account, (balances.get(account) ?? 0n) + amount)
    }
  }
  return balances
}

const isIn = (entry: Entry, { account, keys }: Range): boolean =>
  (account === undefined || (entry._tag === "Posted" && entry.posting.legs.some((leg) => leg.account === account))) &&
  (keys === undefined || keys.includes(keyOf(entry)))

const entriesIn = ({ entries }: State, range: Range): ReadonlyArray<Entry> => {
  const found: Array<Entry> = []
  for (let index = Number(range.after); index < entries.length && found.length < range.limit; index++) {
    const entry = entries[index]
    if (entry !== undefined && isIn(entry, range)) found.push(entry)
  }
  return found
}

const payoutsIn = ({ payouts }: State, { account, after, limit }: Range): ReadonlyArray<PayoutRange> =>
  [...payouts.values()]
    .filter((payout) => payout.toSequence > after && (account === undefined || payout.account === account))
    .slice(0, limit)

const viewOf = (state: State): View => {
  const page = <A>(items: ReadonlyArray<A>, { after, limit }: Range): ReadonlyArray<A> =>
    items.slice(Number(after), Number(after) + limit)
  const readers: { readonly [Kind in keyof History]: (range: Range) => ReadonlyArray<History[Kind]> } = {
    entries: (range) => entriesIn(state, range),
    attachments: (range) => page(state.attachments, range),
    batches: (range) => page(state.batches, range),
    nodes: (range) => page(state.nodes, range),
    payouts: (range) => payoutsIn(state, range),
  }
  const withLease = (hold: Hold): Hold =>
    hold.expiresAtMs === null ? hold : { ...hold, expiresAtMs: expiresAtMs(state, hold) }
  return {
    accounts: (ids) =>
      Effect.sync(() =>
        ids === undefined
          ? [...state.accounts.values()]
          : [...new Set(ids)].flatMap((id) => state.accounts.get(id) ?? []),
      ),
    holds: (query) =>
      Effect.sync(() => {
        const found =
          "ids" in query
            ? [...new Set(query.ids)].flatMap((id) => state.holds.get(id) ?? [])
            : [...state.pending.values()]
        return found.map(withLease)
      }),
    balances: (at, ids) => Effect.sync(() => balancesAt(state, at, ids)),
    history: (kind, range) => Effect.sync(() => readers[kind](range)),
  }
}

/**
 * Makes an empty store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<LedgerStore["Service"]> = Effect.sync(() => {
  const state = empty()
  return LedgerStore.of({
    ...viewOf(state),
    commit: Effect.fnUntraced(function* (commands) {
      state.nowMs = Math.max(state.nowMs, yield* Clock.currentTimeMillis)
      const { nowMs } = state
      const sheet = Overlay.make(pagesOf(state))
      const outcomes = commands.map((command) =>
        Result.map(Book.apply(sheet, command, nowMs), ({ outcome, changes }) => {
          sheet.write(changes)
          return outcome
        }),
      )
      keep(state, sheet, nowMs)
      return outcomes
    }),
    snapshot: (read) => Effect.suspend(() => read(viewOf(copy(state)))),
  })
})

/**
 * An empty store in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<LedgerStore> = Layer.effect(LedgerStore, make)
