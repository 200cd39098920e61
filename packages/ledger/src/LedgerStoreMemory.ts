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
import type { Account, AccountId } from "./Account.ts"
import * as Book from "./Book.ts"
import type { Hold, HoldId } from "./Hold.ts"
import { type Attached, LedgerStore, type Posted, type View } from "./LedgerStore.ts"

/** Everything there is. */
interface State {
  readonly accounts: Map<AccountId, Account>
  readonly holds: Map<HoldId, Hold>
  readonly pending: Map<HoldId, Hold>
  readonly keys: Map<string, { readonly fingerprint: string; readonly sequence: bigint }>
  readonly leases: Map<string, number>
  readonly postings: Array<Posted>
  readonly attachments: Array<Attached>
}

const empty = (): State => ({
  accounts: new Map(),
  holds: new Map(),
  pending: new Map(),
  keys: new Map(),
  leases: new Map(),
  postings: [],
  attachments: [],
})

const copy = (state: State): State => ({
  accounts: new Map(state.accounts),
  holds: new Map(state.holds),
  pending: new Map(state.pending),
  keys: new Map(state.keys),
  leases: new Map(state.leases),
  postings: [...state.postings],
  attachments: [...state.attachments],
})

const expiresAtMs = (state: State, hold: Hold): number => Math.max(hold.expiresAtMs, state.leases.get(hold.owner) ?? 0)

const pagesOf = (state: State): Book.Pages => ({
  account: (id) => state.accounts.get(id),
  hold: (id) => state.holds.get(id),
  key: (key) => state.keys.get(key),
  leaseOf: (owner) => state.leases.get(owner),
  due: (nowMs, limit) =>
    [...state.pending.values()]
      .filter((hold) => expiresAtMs(state, hold) <= nowMs)
      .sort((a, b) => expiresAtMs(state, a) - expiresAtMs(state, b) || (a.id < b.id ? -1 : 1))
      .slice(0, limit),
  pendingOf: (owner) => [...state.pending.values()].filter((hold) => hold.owner === owner).length,
  get lastSequence() {
    return BigInt(state.postings.length)
  },
})

const write = (state: State, change: Book.Change, nowMs: number): void => {
  switch (change._tag) {
    case "AccountSet":
      state.accounts.set(change.account.id, change.account)
      return
    case "HoldSet":
      state.holds.set(change.hold.id, change.hold)
      if (change.hold.state === "pending") state.pending.set(change.hold.id, change.hold)
      else state.pending.delete(change.hold.id)
      return
    case "Posted": {
      const { posted, fingerprint } = change
      state.postings.push(posted)
      state.keys.set(posted.posting.idempotencyKey, { fingerprint, sequence: posted.sequence })
      return
    }
    case "Attached": {
      const sequence = BigInt(state.attachments.length + 1)
      state.attachments.push({ sequence, attachment: change.attachment, attachedAtMs: nowMs })
      return
    }
    case "LeaseSet":
      state.leases.set(change.owner, change.untilMs)
  }
}

const viewOf = (state: State): View => {
  const withLease = (hold: Hold): Hold => ({ ...hold, expiresAtMs: expiresAtMs(state, hold) })
  const page = <A>(items: ReadonlyArray<A>, after: bigint, limit: number) =>
    Effect.sync(() => items.slice(Number(after), Number(after) + limit))
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
    postings: (after, limit) => page(state.postings, after, limit),
    attachments: (after, limit) => page(state.attachments, after, limit),
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
  const pages = pagesOf(state)
  return LedgerStore.of({
    ...viewOf(state),
    commit: Effect.fnUntraced(function* (commands) {
      const nowMs = yield* Clock.currentTimeMillis
      return commands.map((command) =>
        Result.map(Book.apply(pages, command, nowMs), ({ outcome, changes }) => {
          for (const change of changes) write(state, change, nowMs)
          return outcome
        }),
      )
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
