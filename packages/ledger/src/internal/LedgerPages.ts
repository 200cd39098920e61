import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Book from "../Book.ts"
import { type Hold, HoldId } from "../Hold.ts"
import type { Command } from "../LedgerStore.ts"
import * as Rows from "./LedgerRows.ts"
import * as Statements from "./LedgerStatements.ts"

/** The part of the book that one batch needs, and what the batch changed of it. */
export interface LoadedPages extends Book.Pages {
  readonly write: (changes: ReadonlyArray<Book.Change>) => void
  readonly dirty: Statements.Dirty
}

const decodeLoaded = Schema.decodeUnknownEffect(
  Schema.Struct({
    accounts: Schema.Unknown,
    holds: Schema.Unknown,
    keys: Schema.Array(Rows.KeyRow),
    due: Schema.Array(HoldId),
    owners: Schema.Array(Schema.Struct({ owner: Schema.String, untilMs: Schema.Int, pending: Schema.Int })),
  }),
)

/** Loads the pages of a batch. The book's row must be locked. */
export const load = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  commands: ReadonlyArray<Command>,
  book: Statements.BookRow,
) {
  const rows = yield* Statements.read(sql, Statements.namesOf(commands), book.nowMs)
  const loaded = yield* decodeLoaded(rows[0])
  const accounts = new Map((yield* Rows.decodeAccounts(loaded.accounts)).map((account) => [account.id, account]))
  const holds = new Map((yield* Rows.decodeHolds(loaded.holds)).map((row) => [row.id, Rows.holdOf(row)]))
  const keys = new Map(loaded.keys.map(({ key, ...known }) => [key, known]))
  const leases = new Map(loaded.owners.map(({ owner, untilMs }) => [owner, untilMs]))
  const pending = new Map(loaded.owners.map(({ owner, pending }) => [owner, pending]))
  const dirty: Statements.Dirty = {
    newAccounts: new Map(),
    accounts: new Map(),
    newHolds: new Map(),
    holds: new Map(),
    leases: new Map(),
    postings: [],
    attachments: [],
  }

  const setHold = (hold: Hold): void => {
    const before = holds.get(hold.id)
    const change = (hold.state === "pending" ? 1 : 0) - (before?.state === "pending" ? 1 : 0)
    pending.set(hold.owner, (pending.get(hold.owner) ?? 0) + change)
    const isNew = before === undefined || dirty.newHolds.has(hold.id)
    const where = isNew ? dirty.newHolds : dirty.holds
    where.set(hold.id, hold)
    holds.set(hold.id, hold)
  }

  const write = (change: Book.Change): void => {
    switch (change._tag) {
      case "AccountSet": {
        const { account } = change
        const isNew = !accounts.has(account.id) || dirty.newAccounts.has(account.id)
        const where = isNew ? dirty.newAccounts : dirty.accounts
        where.set(account.id, account)
        accounts.set(account.id, account)
        return
      }
      case "HoldSet":
        return setHold(change.hold)
      case "Posted": {
        const { posted, fingerprint } = change
        keys.set(posted.posting.idempotencyKey, { fingerprint, sequence: posted.sequence })
        dirty.postings.push(change)
        return
      }
      case "Attached":
        dirty.attachments.push(change.attachment)
        return
      case "LeaseSet":
        leases.set(change.owner, change.untilMs)
        dirty.leases.set(change.owner, change.untilMs)
    }
  }

  /** In the order in which the database gave them; what this batch ended or renewed is due no more. */
  const due = loaded.due.flatMap((id) => holds.get(id) ?? [])
  const isDue = (hold: Hold, nowMs: number): boolean =>
    holds.get(hold.id)?.state === "pending" && Math.max(hold.expiresAtMs, leases.get(hold.owner) ?? 0) <= nowMs

  const pages: LoadedPages = {
    account: (id) => accounts.get(id),
    hold: (id) => holds.get(id),
    key: (key) => keys.get(key),
    leaseOf: (owner) => leases.get(owner),
    due: (nowMs, limit) => due.filter((hold) => isDue(hold, nowMs)).slice(0, limit),
    pendingOf: (owner) => pending.get(owner) ?? 0,
    get lastSequence() {
      return book.sequence + BigInt(dirty.postings.length)
    },
    write: (changes) => changes.forEach(write),
    dirty,
  }
  return pages
})
