/**
 * The journal in PostgreSQL. An entry is one row: its JSON, and columns for what it is found by. Entries are written
 * once and never changed; what waits for a batch stands in a small table of its own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import { ReceiptBatch, SignedReceipt } from "@guildhall/core/Receipt"
import { DirectorySegment, Journal, PAGE_MAX, type RequestRecord, type UnsealedReceipt } from "./Journal.ts"
import { columns, type JournalEntry, JournalEntryJson } from "./JournalEntry.ts"
import { JournalError } from "./JournalError.ts"
import * as ReceiptSeal from "./ReceiptSeal.ts"
import * as DaySums from "./internal/DaySums.ts"
import * as DemandSums from "./internal/DemandSums.ts"
import * as JournalTables from "./internal/JournalTables.ts"
import * as StorableJson from "./internal/StorableJson.ts"

const encodeEntry = Schema.encodeEffect(JournalEntryJson)
const decodeEntry = Schema.decodeUnknownEffect(JournalEntryJson)
const decodeEntries = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ body: JournalEntryJson })))
const decodeSegments = Schema.decodeUnknownEffect(Schema.Array(DirectorySegment))
const encodeBatch = Schema.encodeEffect(Schema.toCodecJson(ReceiptBatch))
const decodeSigned = Schema.decodeUnknownEffect(Schema.toCodecJson(SignedReceipt))

/** So many entries go into one statement. */
const STATEMENT_MAX = 500

const unavailable = (cause: unknown) => new JournalError({ reason: "Unavailable", cause })
const corrupt = (cause: unknown) => new JournalError({ reason: "Corrupt", cause })
const isRequest = (entry: JournalEntry): entry is RequestRecord =>
  entry._tag === "RequestEnded" || entry._tag === "RequestRefused"
const clamp = (limit: number): number => Math.max(0, Math.min(Math.floor(limit), PAGE_MAX))

const chunksOf = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / STATEMENT_MAX) }, (_, at) =>
    items.slice(at * STATEMENT_MAX, (at + 1) * STATEMENT_MAX),
  )

/** What is hashed is what is kept: a text may have had to be changed for it. */
const leafOf = Effect.fnUntraced(function* (body: unknown) {
  const kept = yield* decodeEntry(body)
  return kept._tag === "RequestEnded" ? Buffer.from(ReceiptSeal.leafOf(kept.receipt)).toString("hex") : null
})

const toRow = Effect.fnUntraced(function* (entry: JournalEntry) {
  const body = StorableJson.of(yield* encodeEntry(entry))
  const found = columns(entry)
  return {
    id: entry.id,
    tag: entry._tag,
    request_id: found.requestId,
    member: found.member,
    revision: found.revision,
    at_ms: found.atMs,
    body,
    leaf: entry._tag === "RequestEnded" ? yield* leafOf(body) : null,
  }
})

const makeEntries = (sql: SqlClient.SqlClient) => {
  const countDemand = DemandSums.make(sql)

  /** Answers the ids of those entries that were not there before. */
  const insert = (rows: ReadonlyArray<unknown>) => sql<{ readonly id: string }>`
    WITH given AS (
      SELECT DISTINCT ON (e.id) e.*
      FROM ROWS FROM (jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
        AS (id text, tag text, request_id text, member text, revision int, at_ms bigint, body jsonb, leaf text))
        WITH ORDINALITY AS e(id, tag, request_id, member, revision, at_ms, body, leaf, number)
      ORDER BY e.id, e.number
    ), added AS (
      INSERT INTO journal_entries (id, tag, request_id, member, revision, at_ms, body)
      SELECT e.id, e.tag, e.request_id, e.member, e.revision, e.at_ms, e.body
      FROM given e ON CONFLICT (id) DO NOTHING
      RETURNING id
    ), waiting AS (
      INSERT INTO journal_unsealed (entry_id, leaf)
      SELECT g.id, decode(g.leaf, 'hex') FROM given g JOIN added USING (id) WHERE g.leaf IS NOT NULL ORDER BY g.number
    )
    SELECT id FROM added`

  const read = (rows: Effect.Effect<ReadonlyArray<unknown>, JournalError>) =>
    Effect.flatMap(rows, (found) => Effect.mapError(decodeEntries(found), corrupt)).pipe(
      Effect.map((found) => found.map((row) => row.body)),
    )

  const append: Journal["Service"]["append"] = Effect.fn("Journal.append")(function* (entries, position) {
    if (entries.length === 0 && position === undefined) return
    const rows = yield* Effect.forEach(entries, toRow).pipe(Effect.mapError(corrupt))
    const write = Effect.gen(function* () {
      const fresh = new Set<string>()
      for (const chunk of chunksOf(rows)) for (const { id } of yield* insert(chunk)) fresh.add(id)
      yield* countDemand(entries, fresh)
      if (position !== undefined) {
        const up = `${position}`
        yield* sql`UPDATE journal_position SET position = GREATEST(position, ${up}::text::numeric)`
      }
    })
    yield* sql.withTransaction(write).pipe(Effect.mapError(unavailable))
  })

  const position = sql<{ readonly position: string }>`SELECT position::text AS position FROM journal_position`.pipe(
    Effect.map((rows) => BigInt(rows[0]?.position ?? "0")),
    Effect.mapError(unavailable),
    Effect.withSpan("Journal.position"),
  )

  const requests: Journal["Service"]["requests"] = Effect.fn("Journal.requests")(function* (query) {
    const rows =
      "id" in query
        ? sql`SELECT body FROM journal_entries WHERE request_id = ${query.id}
              ORDER BY revision DESC NULLS LAST LIMIT 1`
        : sql`SELECT DISTINCT ON (request_id) body FROM journal_entries
              WHERE request_id IS NOT NULL
                AND ${query.member === null ? sql`true` : sql`member = ${query.member}`}
                AND ${query.before === undefined ? sql`true` : sql`request_id < ${query.before}`}
              ORDER BY request_id DESC, revision DESC NULLS LAST LIMIT ${clamp(query.limit)}`
    return (yield* read(Effect.mapError(rows, unavailable))).filter(isRequest)
  })

  const served: Journal["Service"]["served"] = Effect.fn("Journal.served")((query) =>
    Effect.mapError(DaySums.read(sql, query), (error) =>
      error._tag === "SchemaError" ? corrupt(error) : unavailable(error),
    ),
  )

  const demand: Journal["Service"]["demand"] = Effect.fn("Journal.demand")((sinceMs) =>
    Effect.mapError(DemandSums.read(sql, sinceMs), (error) =>
      error._tag === "SchemaError" ? corrupt(error) : unavailable(error),
    ),
  )

  return { append, position, requests, served, demand }
}

const LEAF_BYTES = 32

/** Cuts leaves that stand side by side apart. */
const leavesIn = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: bytes.length / LEAF_BYTES }, (_, at) => bytes.subarray(at * LEAF_BYTES, (at + 1) * LEAF_BYTES))

const decodeIds = Schema.decodeEffect(Schema.fromJsonString(Schema.Array(Schema.String)))

const makeReceipts = (sql: SqlClient.SqlClient): Journal["Service"]["receipts"] => ({
  unsealed: Effect.fn("Journal.receipts.unsealed")(function* (limit) {
    // One row with all of them: there may be a thousand, many times a second.
    const [row] = yield* sql<{ readonly ids: string | null; readonly leaves: Uint8Array | null }>`
      SELECT json_agg(u.entry_id ORDER BY u.number)::text AS ids, string_agg(u.leaf, ''::bytea ORDER BY u.number) AS leaves
      FROM (SELECT * FROM journal_unsealed ORDER BY number LIMIT ${clamp(limit)}) u`.pipe(Effect.mapError(unavailable))
    const ids = yield* Effect.mapError(decodeIds(row?.ids ?? "[]"), corrupt)
    const leaves = leavesIn(row?.leaves ?? new Uint8Array())
    return ids.flatMap((entryId, at): ReadonlyArray<UnsealedReceipt> => {
      const leaf = leaves[at]
      return leaf === undefined ? [] : [{ entryId, leaf }]
    })
  }),
  seal: Effect.fn("Journal.receipts.seal")(function* (batch, receipts) {
    const json = yield* Effect.mapError(encodeBatch(batch), corrupt)
    const ids = JSON.stringify(receipts.map(({ entryId }) => entryId))
    const leaves = Buffer.concat(receipts.map(({ leaf }) => leaf))
    const write = Effect.gen(function* () {
      const added = yield* sql`INSERT INTO journal_batches (batch_id, body, leaves)
        VALUES (${batch.batchId}, ${StorableJson.stringify(json)}::text::jsonb, ${leaves}::bytea)
        ON CONFLICT (batch_id) DO NOTHING RETURNING batch_id`
      if (added.length === 0) return
      // Deleting from the queue is what seals: two sealers that saw the same receipt cannot both seal it.
      yield* sql`
        WITH batch AS (
          SELECT s.entry_id, s.number::int - 1 AS leaf
          FROM json_array_elements_text(${ids}::text::json) WITH ORDINALITY AS s(entry_id, number)
        ), taken AS (
          DELETE FROM journal_unsealed u USING batch WHERE u.entry_id = batch.entry_id
          RETURNING batch.entry_id, batch.leaf
        )
        INSERT INTO journal_sealed (entry_id, request_id, revision, batch_id, leaf)
        SELECT taken.entry_id, e.request_id, e.revision, ${batch.batchId}, taken.leaf
        FROM taken JOIN journal_entries e ON e.id = taken.entry_id`
      yield* DaySums.add(sql, batch.batchId, ids)
    })
    yield* sql.withTransaction(write).pipe(Effect.mapError(unavailable))
  }),
  signed: Effect.fn("Journal.receipts.signed")(function* (id) {
    const rows = yield* sql<{ readonly index: number; readonly path: unknown; readonly leaves: Uint8Array | null }>`
      SELECT e.body -> 'receipt' AS receipt, e.body -> 'salts' AS salts, s.leaf AS index, s.path, b.body AS batch, b.leaves
      FROM journal_sealed s JOIN journal_entries e ON e.id = s.entry_id JOIN journal_batches b ON b.batch_id = s.batch_id
      WHERE s.request_id = ${id} ORDER BY s.revision DESC LIMIT 1`.pipe(Effect.mapError(unavailable))
    const [row] = rows
    if (row === undefined) return undefined
    const signed = yield* Effect.mapError(decodeSigned({ ...row, path: row.path ?? [] }), corrupt)
    return row.leaves === null
      ? signed
      : ReceiptSeal.signed(signed, { batch: signed.batch, index: row.index, leaves: leavesIn(row.leaves) })
  }),
})

const makeDirectory = (sql: SqlClient.SqlClient): Journal["Service"]["directory"] => ({
  append: Effect.fn("Journal.directory.append")(function* (segments) {
    if (segments.length === 0) return
    const rows = segments.map(({ toVersion, ...segment }) => ({ ...segment, to_version: toVersion }))
    yield* sql`
      INSERT INTO journal_directory (replica, kind, version, to_version, body, hash)
      SELECT d.replica, d.kind, d.version, d.to_version, d.body, d.hash
      FROM jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
        AS d(replica text, kind text, version bigint, to_version bigint, body text, hash text)
      ON CONFLICT (replica, kind, version, to_version) DO NOTHING`.pipe(Effect.mapError(unavailable))
  }),
  upTo: Effect.fn("Journal.directory.upTo")(function* (replica, version, from = version) {
    const rows = yield* sql<{ readonly version: bigint; readonly toVersion: bigint }>`
      WITH start AS (
        SELECT COALESCE(MAX(version), -1) AS version FROM journal_directory
        WHERE replica = ${replica} AND kind = 'snapshot' AND version <= ${`${Math.min(from, version)}`}::text::bigint
      )
      SELECT d.replica, d.kind, d.version, d.to_version AS "toVersion", d.body, d.hash
      FROM journal_directory d, start
      WHERE d.replica = ${replica} AND (
        (d.kind = 'snapshot' AND d.version >= start.version AND d.version <= ${`${version}`}::text::bigint)
        OR (d.kind = 'changes' AND d.to_version > start.version AND d.version < ${`${version}`}::text::bigint)
      )
      ORDER BY d.version, d.to_version`.pipe(Effect.mapError(unavailable))
    const numbered = rows.map((row) => ({ ...row, version: Number(row.version), toVersion: Number(row.toVersion) }))
    return yield* Effect.mapError(decodeSegments(numbered), corrupt)
  }),
})

/**
 * Creates the tables that are missing, and answers a journal over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Journal["Service"], JournalError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Migrator.make({})({
    loader: Migrator.fromRecord(JournalTables.migrations),
    table: "guildhall_journal_migrations",
  }).pipe(Effect.mapError(unavailable))
  return Journal.of({ ...makeEntries(sql), receipts: makeReceipts(sql), directory: makeDirectory(sql) })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Journal, JournalError, SqlClient.SqlClient> = Layer.effect(Journal, make)
