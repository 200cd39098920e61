import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId } from "../Account.ts"
import type * as Book from "../Book.ts"
import type { Head } from "../Chain.ts"
import type { Posted } from "../Entry.ts"
import type { HoldId } from "../Hold.ts"
import * as Arrays from "./Arrays.ts"
import * as Rows from "./LedgerRows.ts"
import type { Tables } from "./LedgerTables.ts"
import type { Names } from "./Names.ts"

/** Where a book stands: its last numbers, its chain, its time, and since when the store answers without a pause. */
export interface Standing {
  /** What the batch that made it so drew by lot: whoever sees another one knows that something was written since. */
  readonly token: bigint
  readonly lastAccount: bigint
  readonly lastAttachment: bigint
  readonly head: Head
  readonly nowMs: number
  readonly committedAtMs: number
  readonly resumedAtMs: number
  readonly closedUntilMs: number
}

/** The part of a book that one batch needs, and the numbers under which its accounts are kept. */
export interface Loaded {
  readonly standing: Standing
  readonly pages: Book.Pages
  readonly numbers: Map<AccountId, string>
}

interface Row {
  readonly token: bigint
  readonly last_sequence: bigint
  readonly last_account: bigint
  readonly last_attachment: bigint
  readonly last_batch: bigint
  readonly chain: Uint8Array
  readonly peaks: Uint8Array
  readonly now_ms: bigint
  readonly committed_at_ms: bigint
  readonly resumed_at_ms: bigint
  readonly closed_until_ms: bigint
  readonly accounts: string
  readonly holds: string
  readonly known: string
  readonly due_ids: string
  readonly owners: string
  readonly payouts: string
  readonly scales: string
  readonly reversed: string
}

const HASH_BYTES = 32

const peaksOf = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: bytes.length / HASH_BYTES }, (_, at) => bytes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES))

const standingOf = (row: Row): Standing => ({
  token: row.token,
  lastAccount: row.last_account,
  lastAttachment: row.last_attachment,
  head: { batch: row.last_batch, size: row.last_sequence, chain: row.chain, peaks: peaksOf(row.peaks) },
  nowMs: Number(row.now_ms),
  committedAtMs: Number(row.committed_at_ms),
  resumedAtMs: Number(row.resumed_at_ms),
  closedUntilMs: Number(row.closed_until_ms),
})

const postingsOf = (rows: ReadonlyArray<Rows.EntryTuple>, numbers: ReadonlyMap<AccountId, string>) => {
  const postings = new Map<bigint, Posted>()
  if (rows.length === 0) return postings
  const ids = new Map(Array.from(numbers, ([id, number]) => [number, id]))
  for (const row of rows) {
    const entry = Rows.entryOf(row, ids)
    if (entry._tag === "Posted") postings.set(entry.sequence, entry)
  }
  return postings
}

/** Reads the part of the book that a batch names, as it is in one moment. */
export const load = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, t: Tables, book: number, names: Names) {
  const [row] = yield* sql<Row>`SELECT * FROM ${t.schema}.ledger_read(${book}::int,
    ${Arrays.ofTexts(names.accounts)}::text[], ${Arrays.ofTexts(names.holds)}::text[],
    ${Arrays.ofTexts(names.taken)}::text[], ${Arrays.ofTexts(names.keys)}::text[],
    ${Arrays.ofTexts(names.owners)}::text[], ${Arrays.ofTexts(names.payable)}::text[],
    ${Arrays.ofTexts(names.assets)}::text[], ${Arrays.ofNumbers(names.sequences)}::text::bigint[],
    ${String(names.due === 0 ? 0 : names.due + names.holds.size)}::text::bigint)`
  if (row === undefined) return yield* Effect.die(`the ledger has no book ${book}`)
  const standing = standingOf(row)
  const numbers = new Map<AccountId, string>()
  const accounts = new Map<AccountId, Account>()
  for (const tuple of Rows.parseRows<Rows.AccountTuple>(row.accounts)) {
    numbers.set(tuple[1], tuple[0])
    accounts.set(tuple[1], Rows.accountOf(tuple))
  }
  const holds = new Map(Rows.parseRows<Rows.HoldTuple>(row.holds).map((tuple) => [tuple[0], Rows.holdOf(tuple)]))
  const keys = new Map(
    Rows.parseRows<readonly [key: string, fingerprint: string, sequence: string]>(row.known).map(
      ([key, fingerprint, sequence]) => [key, { fingerprint, sequence: BigInt(sequence) }],
    ),
  )
  const owners = new Map(
    Rows.parseRows<readonly [owner: string, untilMs: number, pending: number]>(row.owners).map(
      ([owner, untilMs, pending]) => [owner, { untilMs, pending }],
    ),
  )
  const payouts = new Map(
    Rows.parseRows<Rows.PayoutTuple>(row.payouts).map((tuple) => [tuple[0], Rows.payoutOf(tuple)]),
  )
  const scales = new Map(Rows.parseRows<readonly [AssetCode, number]>(row.scales))
  const postings = postingsOf(Rows.parseRows<Rows.EntryTuple>(row.reversed), numbers)
  const due = Rows.parseRows<HoldId>(row.due_ids).flatMap((id) => holds.get(id) ?? [])
  const pages: Book.Pages = {
    account: (id) => accounts.get(id),
    hold: (id) => holds.get(id),
    key: (key) => keys.get(key),
    posted: (sequence) => postings.get(sequence),
    scaleOf: (asset) => scales.get(asset),
    leaseOf: (owner) => owners.get(owner)?.untilMs,
    // The database gave them in this order, and those only whose time has passed.
    due: (_, limit) => due.slice(0, limit),
    pendingOf: (owner) => owners.get(owner)?.pending ?? 0,
    lastPayout: (account) => payouts.get(account),
    lastSequence: standing.head.size,
    closedUntilMs: standing.closedUntilMs,
  }
  const loaded: Loaded = { standing, pages, numbers }
  return loaded
})

/**
 * Locks the book until the transaction ends. A process that is frozen inside it would keep the book from everyone: the
 * server ends its transaction long before they stop waiting.
 */
export const lock = (sql: SqlClient.SqlClient, t: Tables, book: number) =>
  sql`SELECT set_config('idle_in_transaction_session_timeout', '5000', true)
    FROM ${t.books} WHERE book = ${book}::int FOR UPDATE`
