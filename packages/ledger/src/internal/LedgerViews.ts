import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { AccountId } from "../Account.ts"
import type { LedgerError } from "../LedgerError.ts"
import type { History, Moment, Range, View } from "../LedgerStore.ts"
import * as Arrays from "./Arrays.ts"
import * as Rows from "./LedgerRows.ts"
import type { Tables } from "./LedgerTables.ts"

/** So many accounts' names are remembered by their numbers. */
const NAMES_MAX = 100_000

/** Names accounts by their numbers, which never change. */
const makeNames = (sql: SqlClient.SqlClient, t: Tables) => {
  const names = new Map<string, AccountId>()
  return Effect.fnUntraced(function* (lists: ReadonlyArray<ReadonlyArray<string>>) {
    const missing = new Set<string>()
    for (const list of lists) for (const number of list) if (!names.has(number)) missing.add(number)
    if (missing.size === 0) return names
    if (names.size + missing.size > NAMES_MAX) names.clear()
    const wanted = names.size === 0 ? new Set(lists.flat()) : missing
    const rows = yield* sql<{ readonly number: string; readonly id: AccountId }>`
      SELECT number::text AS number, id FROM ${t.accounts} WHERE number = ANY(${`{${[...wanted].join(",")}}`}::text::bigint[])`
    for (const { id, number } of rows) names.set(number, id)
    return names
  })
}

const makeEntries = (sql: SqlClient.SqlClient, t: Tables, book: number) => {
  const namesOf = makeNames(sql, t)
  const columns = sql.literal(`json_build_array(${Rows.entryColumns})::text AS row`)
  const rowsIn = ({ account, after, keys, limit }: Range) => {
    const from = String(after)
    if (keys !== undefined) {
      return sql<{ readonly row: string }>`SELECT ${columns} FROM ${t.entries} e WHERE e.book = ${book}::int
        AND e.key = ANY(${Arrays.ofTexts(keys)}::text[]) AND e.sequence > ${from}::text::bigint
        ORDER BY e.sequence LIMIT ${limit}::int`
    }
    if (account === undefined) {
      return sql<{ readonly row: string }>`SELECT ${columns} FROM ${t.entries} e WHERE e.book = ${book}::int
        AND e.sequence > ${from}::text::bigint ORDER BY e.sequence LIMIT ${limit}::int`
    }
    // The row that holds the cursor may go on behind it.
    return sql<{ readonly row: string }>`
      WITH a AS (SELECT number FROM ${t.accounts} WHERE book = ${book}::int AND id = ${account}),
      rows AS (SELECT m.first, m.more FROM ${t.moves} m
        WHERE m.account = (SELECT number FROM a) AND m.first >= COALESCE((SELECT max(b.first) FROM ${t.moves} b
          WHERE b.account = (SELECT number FROM a) AND b.first <= ${from}::text::bigint), 0)
        ORDER BY m.first LIMIT ${limit}::int + 1)
      SELECT ${columns} FROM (SELECT s AS sequence FROM rows CROSS JOIN LATERAL unnest(array_prepend(first, more)) AS s
        WHERE s > ${from}::text::bigint ORDER BY s LIMIT ${limit}::int) n
      JOIN ${t.entries} e ON e.book = ${book}::int AND e.sequence = n.sequence ORDER BY e.sequence`
  }
  return Effect.fnUntraced(function* (range: Range) {
    const rows = (yield* rowsIn(range)).map(({ row }): Rows.EntryTuple => JSON.parse(row))
    const accounts = rows.map((row) => Arrays.numbersIn(row[8]))
    const names = yield* namesOf(accounts)
    return rows.map((row, at) => Rows.entryOf(row, names, accounts[at]))
  })
}

const decodeAttachments = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({ sequence: Schema.BigInt, kind: Schema.String, body: Schema.String, attachedAtMs: Schema.Int }),
  ),
)

const makeHistory = (sql: SqlClient.SqlClient, t: Tables, book: number) => {
  const page = ({ after, limit }: Range, column: string) => sql`
    book = ${book}::int AND ${sql.literal(column)} > ${String(after)}::text::bigint
    ORDER BY ${sql.literal(column)} LIMIT ${limit}::int`
  return {
    entries: makeEntries(sql, t, book),
    attachments: Effect.fnUntraced(function* (range: Range) {
      const rows = yield* sql`SELECT sequence, kind, body::text AS body, at_ms::float8 AS "attachedAtMs"
        FROM ${t.attachments} WHERE ${page(range, "sequence")}`
      return (yield* decodeAttachments(rows)).map(({ attachedAtMs, body, kind, sequence }) => ({
        sequence,
        attachment: { kind, body: Rows.parseJson(body) },
        attachedAtMs,
      }))
    }),
    batches: (range: Range) => sql<History["batches"]>`SELECT number, first_sequence AS "firstSequence",
      last_sequence AS "lastSequence", committed_at_ms::float8 AS "committedAtMs", root, chain
      FROM ${t.batches} WHERE ${page(range, "number")}`,
    nodes: (range: Range) => sql<History["nodes"]>`SELECT number, level, index, hash
      FROM ${t.nodes} WHERE ${page(range, "number")}`,
    payouts: Effect.fnUntraced(function* (range: Range) {
      const of = range.account === undefined ? sql`true` : sql`account = ${range.account}`
      const rows = yield* sql<{ readonly row: string }>`
        SELECT json_build_array(${sql.literal(Rows.payoutColumns)})::text AS row FROM ${t.payouts} p
        WHERE ${of} AND ${page(range, "to_sequence")}`
      return rows.map(({ row }) => Rows.payoutOf(JSON.parse(row)))
    }),
  }
}

type Readers = {
  readonly [Kind in keyof History]: (range: Range) => Effect.Effect<ReadonlyArray<History[Kind]>, unknown>
}

/** The last entry before a time: entries are posted in the order of time. */
const lastBefore = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, t: Tables, book: number, ms: number) {
  const [row] = yield* sql<{ readonly sequence: bigint }>`SELECT last_sequence AS sequence FROM ${t.batches}
    WHERE book = ${book}::int AND committed_at_ms < ${String(ms)}::text::bigint
    ORDER BY committed_at_ms DESC, last_sequence DESC LIMIT 1`
  return row?.sequence ?? 0n
})

const makeBalances = (sql: SqlClient.SqlClient, t: Tables, book: number) =>
  Effect.fnUntraced(function* (at: Moment, ids: ReadonlyArray<AccountId> | undefined) {
    const sequence = "sequence" in at ? at.sequence : yield* lastBefore(sql, t, book, at.beforeMs)
    const wanted = ids === undefined ? sql`true` : sql`a.id = ANY(${Arrays.ofTexts(ids)}::text[])`
    type Row = { readonly id: AccountId; readonly balance: string }
    // The last entry that moves an account has its balance, beside the last of the legs on it.
    const rows = yield* sql<Row>`
      SELECT a.id, (SELECT l.balance::text FROM unnest(e.accounts, e.balances) WITH ORDINALITY AS l(account, balance, n)
        WHERE l.account = a.number ORDER BY l.n DESC LIMIT 1) AS balance
      FROM ${t.accounts} a CROSS JOIN LATERAL (
        SELECT (SELECT max(s) FROM unnest(array_prepend(m.first, m.more)) AS s WHERE s <= ${String(sequence)}::text::bigint)
          AS sequence
        FROM ${t.moves} m WHERE m.account = a.number AND m.first <= ${String(sequence)}::text::bigint
        ORDER BY m.first DESC LIMIT 1) m
      JOIN ${t.entries} e ON e.book = ${book}::int AND e.sequence = m.sequence
      WHERE a.book = ${book}::int AND ${wanted}`
    const balances = new Map(rows.map(({ balance, id }) => [id, BigInt(balance)]))
    if ("sequence" in at) return balances
    const late = yield* sql<Row>`
      SELECT a.id, sum(l.amount)::text AS balance FROM ${t.entries} e
      CROSS JOIN LATERAL unnest(e.accounts, e.amounts) AS l(account, amount) JOIN ${t.accounts} a ON a.number = l.account
      WHERE e.book = ${book}::int AND e.effective_at_ms < e.posted_at_ms
        AND e.effective_at_ms < ${String(at.beforeMs)}::text::bigint AND e.sequence > ${String(sequence)}::text::bigint
        AND ${wanted} GROUP BY a.id`
    for (const { balance, id } of late) balances.set(id, (balances.get(id) ?? 0n) + BigInt(balance))
    return balances
  })

const holdColumns = `json_build_array(${Rows.holdColumns()})::text AS row`

/** What can be read of a book. */
export const make = (
  sql: SqlClient.SqlClient,
  t: Tables,
  book: number,
  unavailable: (cause: unknown) => LedgerError,
): View => {
  const history: Readers = makeHistory(sql, t, book)
  const balances = makeBalances(sql, t, book)
  return {
    accounts: Effect.fn("LedgerStore.accounts")(function* (ids) {
      const rows = yield* sql<{ readonly row: string }>`
          SELECT ${sql.literal(Rows.accountJson)} AS row FROM ${t.accounts} a
          WHERE a.book = ${book}::int AND ${ids === undefined ? sql`true` : sql`a.id = ANY(${Arrays.ofTexts(ids)}::text[])`}
          ORDER BY a.id`
      return rows.map(({ row }) => Rows.accountOf(JSON.parse(row)))
    }, Effect.mapError(unavailable)),
    holds: Effect.fn("LedgerStore.holds")(function* (query) {
      const rows = yield* sql<{ readonly row: string }>`
          SELECT ${sql.literal(holdColumns)}
          FROM ${t.holds} h LEFT JOIN ${t.owners} o ON o.book = h.book AND o.owner = h.owner
          WHERE h.book = ${book}::int
            AND ${"ids" in query ? sql`h.id = ANY(${Arrays.ofTexts(query.ids)}::text[])` : sql`h.state = 'pending'`}`
      return rows.map(({ row }) => Rows.holdOf(JSON.parse(row)))
    }, Effect.mapError(unavailable)),
    balances: Effect.fn("LedgerStore.balances")(
      (at: Moment, ids: ReadonlyArray<AccountId> | undefined) => balances(at, ids),
      Effect.mapError(unavailable),
    ),
    history: (kind, range) => Effect.mapError(history[kind](range), unavailable),
  }
}
