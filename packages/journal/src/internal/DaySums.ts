import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import { type ServedQuery, SERVED_MAX } from "../Journal.ts"
import * as ServedDay from "../ServedDay.ts"

const DayJson = Schema.toCodecJson(ServedDay.ServedDay)
const decodeDays = Schema.decodeUnknownEffect(Schema.Array(DayJson))

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

/** How many of the times are of each class, as `ServedDay.classOf` has it. */
const counts = `ARRAY[${ServedDay.starts
  .map((_, place) => `COALESCE(sum(sign) FILTER (WHERE class = ${place}), 0)::int`)
  .join(", ")}]`
const classOf = (ms: string): string =>
  `GREATEST(0, width_bucket((${ms})::int, ARRAY[${ServedDay.starts.join(",")}]) - 1)`

/** Adds what entries say, or takes it away: `changed` has `entry_id` and `sign`. None of it passes through this process. */
const addFrom = (sql: SqlClient.SqlClient, changed: Statement.Fragment) => sql`
  WITH changed AS (${changed}), said AS (
    SELECT c.sign, r.*,
      CASE WHEN r.attempts = 1 THEN ${sql.literal(classOf(`LEAST(r."firstByteAtMs" - r."startedAtMs", 86400000)`))} END AS class,
      (SELECT COALESCE(sum((p ->> 'amount')::numeric), 0) FROM jsonb_array_elements(r.split) p WHERE p ->> 'party' = 'provider') AS shared,
      COALESCE((r.usage ->> 'inputToken')::bigint, 0) + COALESCE((r.usage ->> 'cachedInputToken')::bigint, 0) AS input,
      COALESCE((r.usage ->> 'outputToken')::bigint, 0) AS output
    FROM changed c JOIN journal_entries e ON e.id = c.entry_id
    CROSS JOIN LATERAL jsonb_to_record(e.body -> 'receipt') AS r(provider text, instance text, device text, model text,
      asset text, outcome text, charge numeric, "paidFromLoss" numeric, attempts int, "startedAtMs" bigint,
      "firstByteAtMs" bigint, "endedAtMs" bigint, usage jsonb, split jsonb)
    WHERE r.provider IS NOT NULL AND r.instance IS NOT NULL AND r.outcome <> 'failed'
  )
  INSERT INTO journal_served AS s (day, instance, asset, provider, device, model, requests, input_tokens, output_tokens,
    gross, shared, from_loss, busy_ms, first_bytes)
  SELECT floor("endedAtMs" / 86400000)::int, instance, asset, max(provider), max(device), max(model), sum(sign),
    sum(sign * input), sum(sign * output), sum(sign * charge), sum(sign * shared), sum(sign * "paidFromLoss"),
    sum(sign * GREATEST(0, "endedAtMs" - "startedAtMs")), ${sql.literal(counts)}
  FROM said GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
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

/**
 * Adds what a batch sealed: `ids` are its entries as JSON, of which others may have been sealed before. A revision takes the place of
 * the newest that was sealed. The row of the position is locked before anything is read, so that whoever seals another revision of
 * the same request does it before or after.
 */
export const add = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, batchId: string, ids: string) {
  yield* sql`SELECT FROM journal_position FOR UPDATE`
  yield* addFrom(
    sql,
    sql`SELECT x.entry_id, x.sign FROM (
        SELECT DISTINCT ON (n.request_id) n.request_id, n.entry_id, n.revision
        FROM json_array_elements_text(${ids}::text::json) AS i(entry_id) JOIN journal_sealed n USING (entry_id)
        WHERE n.batch_id = ${batchId} ORDER BY n.request_id, n.revision DESC
      ) a
      LEFT JOIN LATERAL (SELECT p.entry_id, p.revision FROM journal_sealed p
        WHERE p.request_id = a.request_id AND p.batch_id <> ${batchId} ORDER BY p.revision DESC LIMIT 1) b ON true
      CROSS JOIN LATERAL (VALUES (a.entry_id, 1), (b.entry_id, -1)) AS x(entry_id, sign)
      WHERE x.entry_id IS NOT NULL AND (b.revision IS NULL OR b.revision < a.revision)`,
  )
})

/** Sums what was sealed before there was a table. */
export const fill = (sql: SqlClient.SqlClient) =>
  addFrom(
    sql,
    sql`SELECT DISTINCT ON (request_id) entry_id, 1 AS sign FROM journal_sealed ORDER BY request_id, revision DESC`,
  )

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
