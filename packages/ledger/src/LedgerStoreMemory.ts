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
import type { HoldId } from "./Hold.ts"
import { type Attached, LedgerStore, type Posted } from "./LedgerStore.ts"

/** Everything there is, as plain maps. */
const makePages = () => {
  const accounts = new Map<AccountId, Account>()
  const holds = new Map<HoldId, Book.StoredHold>()
  const pending = new Map<HoldId, Book.StoredHold>()
  const keys = new Map<string, { readonly fingerprint: string; readonly sequence: bigint }>()
  const leases = new Map<string, number>()
  const postings: Array<Posted> = []
  const attachments: Array<Attached> = []
  const pages: Book.Pages = {
    account: (id) => accounts.get(id),
    hold: (id) => holds.get(id),
    key: (key) => keys.get(key),
    leaseOf: (owner) => leases.get(owner),
    due: (nowMs, limit) =>
      [...pending.values()]
        .filter((hold) => Math.max(hold.expiresAtMs, leases.get(hold.owner) ?? 0) <= nowMs)
        .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
        .slice(0, limit),
    pendingOf: (owner) => [...pending.values()].filter((hold) => hold.owner === owner).length,
    get lastSequence() {
      return BigInt(postings.length)
    },
  }
  const write = (change: Book.Change, nowMs: number): void => {
    switch (change._tag) {
      case "AccountSet":
        accounts.set(change.account.id, change.account)
        return
      case "HoldSet":
        holds.set(change.hold.id, change.hold)
        if (change.hold.state === "pending") pending.set(change.hold.id, change.hold)
        else pending.delete(change.hold.id)
        return
      case "Posted":
        postings.push(change.posted)
        keys.set(change.posted.posting.idempotencyKey, {
          fingerprint: change.fingerprint,
          sequence: change.posted.sequence,
        })
        return
      case "Attached":
        attachments.push({
          sequence: BigInt(attachments.length + 1),
          attachment: change.attachment,
          attachedAtMs: nowMs,
        })
        return
      case "LeaseSet":
        leases.set(change.owner, change.untilMs)
    }
  }
  return { accounts, holds, pending, leases, postings, attachments, pages, write }
}

/**
 * Makes an empty store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<LedgerStore["Service"]> = Effect.sync(() => {
  const { accounts, holds, pending, leases, postings, attachments, pages, write } = makePages()
  const slice = <A>(items: ReadonlyArray<A>, after: bigint, limit: number): ReadonlyArray<A> =>
    items.slice(Number(after), Number(after) + limit)
  const withLease = (hold: Book.StoredHold): Book.StoredHold => ({
    ...hold,
    expiresAtMs: Math.max(hold.expiresAtMs, leases.get(hold.owner) ?? 0),
  })
  return LedgerStore.of({
    commit: Effect.fnUntraced(function* (commands) {
      const nowMs = yield* Clock.currentTimeMillis
      return commands.map((command) =>
        Result.map(Book.apply(pages, command, nowMs), ({ outcome, changes }) => {
          for (const change of changes) write(change, nowMs)
          return outcome
        }),
      )
    }),
    accounts: (ids) =>
      Effect.sync(() => (ids === undefined ? [...accounts.values()] : ids.flatMap((id) => accounts.get(id) ?? []))),
    holds: (query) =>
      Effect.sync(() =>
        ("ids" in query ? query.ids.flatMap((id) => holds.get(id) ?? []) : [...pending.values()]).map(withLease),
      ),
    postings: (after, limit) => Effect.sync(() => slice(postings, after, limit)),
    attachments: (after, limit) => Effect.sync(() => slice(attachments, after, limit)),
  })
})

/**
 * An empty store in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<LedgerStore> = Layer.effect(LedgerStore, make)
