/**
 * Takes the entries of requests that ended over from another table of the same database, such as the ledger's attachments:
 * thousands a second, none of which passes through this process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import * as DemandSums from "./internal/DemandSums.ts"
import { JournalError } from "./JournalError.ts"

/**
 * The kind of the rows that are copied: the JSON of a `RequestEnded` entry whose receipt is written in its canonical form,
 * since it is hashed as it stands.
 *
 * @category constants
 * @since 0.1.0
 */
export const KIND = "request.ended"

/**
 * A row that was not copied, because it is of another kind or not as it should be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Other {
  readonly sequence: bigint
  readonly kind: string
  readonly body: Schema.Json
  readonly atMs: number
}

/**
 * What came of a page: how many rows it had, the last one's sequence, how many were copied, and the others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Copied {
  readonly count: number
  readonly last: bigint
  readonly copied: number
  readonly others: ReadonlyArray<Other>
}

const decode = Schema.decodeUnknownEffect(
  Schema.Struct({
    count: Schema.Int,
    last: Schema.String,
    copied: Schema.Int,
    others: Schema.fromJsonString(Schema.Array(Schema.Tuple([Schema.String, Schema.String, Schema.Json, Schema.Int]))),
  }),
)

const fail = (reason: "Unavailable" | "Corrupt") => (cause: unknown) => new JournalError({ reason, cause })

// What `jsonb` would refuse goes the long way, on which it is replaced; so does what lacks a member that has a column.
const given = (sql: SqlClient.SqlClient) =>
  sql.literal(`
  SELECT p.sequence, p.entry ->> 'id' AS id, p.entry #>> '{receipt,id}' AS request_id, p.entry #>> '{receipt,buyer}' AS member,
    (p.entry #>> '{receipt,revision}')::int AS revision, (p.entry #>> '{receipt,endedAtMs}')::bigint AS at_ms,
    p.entry AS body, sha256('\\x00'::bytea || convert_to((p.body -> 'receipt')::text, 'UTF8')) AS leaf
  FROM (SELECT sequence, body, CASE WHEN body::text !~ '\\\\u(0000|d[89a-f])' THEN body::text::jsonb END AS entry
    FROM page WHERE kind = '${KIND}') p
  WHERE p.entry ->> '_tag' = 'RequestEnded' AND p.entry ->> 'id' IS NOT NULL AND p.entry ? 'decision' AND p.entry ? 'salts'
    AND p.entry #>> '{receipt,id}' IS NOT NULL AND p.entry #>> '{receipt,buyer}' IS NOT NULL
    AND p.entry #>> '{receipt,revision}' ~ '^\\d{1,9}$' AND p.entry #>> '{receipt,endedAtMs}' ~ '^\\d{1,15}$'`)

/**
 * Copies one page. `page` is a query for rows `(sequence bigint, kind text, body json, at_ms bigint)` in order; an entry that
 * the journal has already is passed over, so a page may be copied again. The journal's position is not moved: do that with
 * the entries that the other rows hold, by `Journal.append`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const copy = Effect.fn("EndedCopy.copy")(function* (
  page: Statement.Fragment,
): Effect.fn.Return<Copied, JournalError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`
    WITH page AS MATERIALIZED (${page}), given AS MATERIALIZED (${given(sql)}), added AS (
      INSERT INTO journal_entries (id, tag, request_id, member, revision, at_ms, body)
      SELECT id, 'RequestEnded', request_id, member, revision, at_ms, body FROM given ORDER BY sequence
      ON CONFLICT (id) DO NOTHING RETURNING id
    ), queued AS (
      INSERT INTO journal_unsealed (entry_id, leaf) SELECT g.id, g.leaf FROM given g JOIN added USING (id) ORDER BY g.sequence
      ON CONFLICT (entry_id) DO NOTHING
    ), ${DemandSums.counted(sql)}
    SELECT (SELECT count(*) FROM page)::int AS count, COALESCE((SELECT max(sequence) FROM page), 0)::text AS last,
      (SELECT count(*) FROM given)::int AS copied, COALESCE((
        SELECT json_agg(json_build_array(p.sequence::text, p.kind, p.body, p.at_ms) ORDER BY p.sequence) FROM page p
        WHERE NOT EXISTS (SELECT FROM given g WHERE g.sequence = p.sequence)), '[]')::text AS others`.pipe(
    Effect.mapError(fail("Unavailable")),
  )
  const { others, last, ...counts } = yield* Effect.mapError(decode(rows[0]), fail("Corrupt"))
  return {
    ...counts,
    last: BigInt(last),
    others: others.map(([sequence, kind, body, atMs]) => ({ sequence: BigInt(sequence), kind, body, atMs })),
  }
})
