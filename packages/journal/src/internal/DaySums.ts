import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { type Receipt, ReceiptJson } from "@guildhall/core/Receipt"
import { type ServedQuery, SERVED_MAX } from "../Journal.ts"
import type { JournalEntry } from "../JournalEntry.ts"
import * as ServedDay from "../ServedDay.ts"

const DayJson = Schema.toCodecJson(ServedDay.ServedDay)
const encodeDays = Schema.encodeEffect(Schema.Array(DayJson))
const decodeDays = Schema.decodeUnknownEffect(Schema.Array(DayJson))
const decodeReceipts = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ receipt: ReceiptJson })))

/** The table: one row for each instance and day, however many requests it served. */
export const create = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* sql`CREATE TABLE journal_served (
    day int NOT NULL,
    instance text COLLATE "C" NOT NULL,
    asset text COLLATE "C" NOT NULL,
    provider text NOT NULL,
    device text,
    model text NOT NULL,
    requests bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    gross numeric(78,0) NOT NULL,
    shared numeric(78,0) NOT NULL,
    from_loss numeric(78,0) NOT NULL,
    busy_ms bigint NOT NULL,
    first_bytes int[] NOT NULL,
    PRIMARY KEY (day, instance, asset)
  ) WITH (fillfactor = 70)`
  yield* sql`CREATE INDEX journal_served_provider ON journal_served (provider, day)`
})

/** Adds sums to the rows that there are. */
export const add = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, sums: ServedDay.Sums) {
  const days = sums.all()
  if (days.length === 0) return
  const json = JSON.stringify(yield* encodeDays(days))
  yield* sql`
    INSERT INTO journal_served AS s (day, instance, asset, provider, device, model, requests, input_tokens, output_tokens,
      gross, shared, from_loss, busy_ms, first_bytes)
    SELECT d.day, d.instance, d.asset, d.provider, d.device, d.model, d.requests, d."inputTokens", d."outputTokens",
      d.gross, d.shared, d."fromLoss", d."busyMs", d."firstBytes"
    FROM jsonb_to_recordset(${json}::text::jsonb) AS d(day int, instance text, asset text, provider text, device text,
      model text, requests bigint, "inputTokens" bigint, "outputTokens" bigint, gross numeric, shared numeric,
      "fromLoss" numeric, "busyMs" bigint, "firstBytes" int[])
    ON CONFLICT (day, instance, asset) DO UPDATE SET
      requests = s.requests + excluded.requests,
      input_tokens = s.input_tokens + excluded.input_tokens,
      output_tokens = s.output_tokens + excluded.output_tokens,
      gross = s.gross + excluded.gross,
      shared = s.shared + excluded.shared,
      from_loss = s.from_loss + excluded.from_loss,
      busy_ms = s.busy_ms + excluded.busy_ms,
      first_bytes = (SELECT array_agg(u.a + u.b ORDER BY u.place)
        FROM unnest(s.first_bytes, excluded.first_bytes) WITH ORDINALITY AS u(a, b, place))`
})

/** The newest of some revisions. */
const newest = (receipts: ReadonlyArray<Receipt>): Receipt | undefined => {
  const [first, ...rest] = receipts
  return rest.reduce((best, one) => (best === undefined || one.revision > best.revision ? one : best), first)
}

/**
 * Counts entries that this transaction wrote, of which `fresh` are the ids: a revision takes the place of the one before it. The
 * row of the position is locked before anything is read: whoever writes revisions of the same request does it before or after.
 */
export const count = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  entries: ReadonlyArray<JournalEntry>,
  fresh: ReadonlySet<string>,
) {
  const written = new Map<string, Receipt>()
  for (const entry of entries) {
    if (entry._tag === "RequestEnded" && fresh.has(entry.id) && !written.has(entry.id)) {
      written.set(entry.id, entry.receipt)
    }
  }
  if (written.size === 0) return
  yield* sql`SELECT FROM journal_position FOR UPDATE`
  const byRequest = Map.groupBy(written.values(), ({ id }) => id)
  const rows = yield* sql`SELECT e.body -> 'receipt' AS receipt FROM journal_entries e
    WHERE e.request_id IN (SELECT json_array_elements_text(${JSON.stringify([...byRequest.keys()])}::text::json))
      AND e.tag = 'RequestEnded'
      AND e.id NOT IN (SELECT json_array_elements_text(${JSON.stringify([...written.keys()])}::text::json))`
  const others = Map.groupBy(yield* decodeReceipts(rows), ({ receipt }) => receipt.id)
  const sums = new ServedDay.Sums()
  for (const [id, receipts] of byRequest) {
    const before = newest((others.get(id) ?? []).map(({ receipt }) => receipt))
    const after = newest(receipts)
    if (after === undefined || (before !== undefined && before.revision > after.revision)) continue
    if (before !== undefined) sums.count(before, -1)
    sums.count(after, 1)
  }
  yield* add(sql, sums)
})

const FILL_MAX = 1000

/** Sums what was written before there was a table. */
export const fill = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  let before: string | undefined
  for (;;) {
    const rows = yield* sql`SELECT DISTINCT ON (request_id) body -> 'receipt' AS receipt FROM journal_entries
      WHERE request_id IS NOT NULL AND tag = 'RequestEnded'
        AND ${before === undefined ? sql`true` : sql`request_id < ${before}`}
      ORDER BY request_id DESC, revision DESC NULLS LAST LIMIT ${FILL_MAX}`
    const receipts = yield* decodeReceipts(rows)
    const sums = new ServedDay.Sums()
    for (const { receipt } of receipts) sums.count(receipt, 1)
    yield* add(sql, sums)
    before = receipts.at(-1)?.receipt.id
    if (before === undefined || receipts.length < FILL_MAX) return
  }
})

/** Reads a page. */
export const read = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, query: ServedQuery) {
  const { after, device, fromDay, instance, model, provider, toDay } = query
  const limit = Math.max(0, Math.min(Math.floor(query.limit), SERVED_MAX))
  const rows = yield* sql`
    SELECT day, instance, asset, provider, device, model, requests::float8 AS requests,
      input_tokens::float8 AS "inputTokens", output_tokens::float8 AS "outputTokens", gross::text AS gross,
      shared::text AS shared, from_loss::text AS "fromLoss", busy_ms::float8 AS "busyMs", first_bytes AS "firstBytes"
    FROM journal_served
    WHERE day BETWEEN ${fromDay} AND ${toDay} AND requests > 0
      AND ${provider === null ? sql`true` : sql`provider = ${provider}`}
      AND ${instance === undefined ? sql`true` : sql`instance = ${instance}`}
      AND ${device === undefined ? sql`true` : sql`device = ${device}`}
      AND ${model === undefined ? sql`true` : sql`model = ${model}`}
      AND ${
        after === undefined
          ? sql`true`
          : sql`(day < ${after.day} OR (day = ${after.day} AND (instance, asset) > (${after.instance}, ${after.asset})))`
      }
    ORDER BY day DESC, instance, asset LIMIT ${limit}`
  return yield* decodeDays(rows)
})
