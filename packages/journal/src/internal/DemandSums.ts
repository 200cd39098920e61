import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { JournalEntry } from "../JournalEntry.ts"
import * as ModelDemand from "../ModelDemand.ts"

const decode = Schema.decodeUnknownEffect(Schema.Array(ModelDemand.ModelDemand))

/** One row for each model and ten minutes, however many requests there were. */
export const create = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* sql`CREATE TABLE journal_demand (
    slot int NOT NULL,
    model text COLLATE "C" NOT NULL,
    requests bigint NOT NULL,
    refused bigint NOT NULL,
    PRIMARY KEY (slot, model)
  ) WITH (fillfactor = 70)`
})

/**
 * The same for entries that are copied within the database: parts of a `WITH`, after `given` and `added`. They are counted once
 * all of them are written, as {@link make} does, so that a copy and an append never wait for each other.
 */
export const counted = (sql: SqlClient.SqlClient) =>
  sql.literal(`
  asked AS MATERIALIZED (
    SELECT (g.at_ms / ${ModelDemand.SLOT_MS})::int AS slot, g.body #>> '{receipt,model}' AS model, count(*) AS requests,
      count(*) FILTER (WHERE g.body #>> '{receipt,outcome}' = 'failed'
        AND g.body #>> '{receipt,reason}' IN ('${[...ModelDemand.NO_CAPACITY].join("', '")}')) AS refused
    FROM (SELECT DISTINCT ON (id) id, at_ms, revision, body FROM given ORDER BY id, sequence) g JOIN added USING (id)
    WHERE g.revision = 0 AND g.body #>> '{receipt,model}' IS NOT NULL
    GROUP BY 1, 2
  ), counted AS (
    INSERT INTO journal_demand AS d (slot, model, requests, refused)
    SELECT slot, model, requests, refused FROM asked ORDER BY slot, model COLLATE "C"
    ON CONFLICT (slot, model) DO UPDATE SET
      requests = d.requests + excluded.requests, refused = d.refused + excluded.refused
  ), cleared AS (
    DELETE FROM journal_demand WHERE (slot, model) IN (
      SELECT slot, model FROM journal_demand WHERE slot < (SELECT max(slot) FROM asked) - ${ModelDemand.KEEP_SLOTS}
      ORDER BY slot, model FOR UPDATE SKIP LOCKED)
  )`)

/** Makes the count of what a transaction wrote, of which `fresh` are the ids. It clears away what is over once in each stretch. */
export const make = (sql: SqlClient.SqlClient) => {
  let newest = 0
  return Effect.fnUntraced(function* (entries: ReadonlyArray<JournalEntry>, fresh: ReadonlySet<string>) {
    const own = new Map(entries.filter(({ id }) => fresh.has(id)).map((entry) => [entry.id, entry]))
    const slots = ModelDemand.count(own.values())
    const last = slots.at(-1)
    if (last === undefined) return
    // The rows are locked in their order, by this statement alone: two that write at once never wait for each other.
    yield* sql`
      INSERT INTO journal_demand AS d (slot, model, requests, refused)
      SELECT s.slot, s.model, s.requests, s.refused
      FROM jsonb_to_recordset(${JSON.stringify(slots)}::text::jsonb)
        AS s(slot int, model text, requests bigint, refused bigint)
      ORDER BY s.slot, s.model COLLATE "C"
      ON CONFLICT (slot, model) DO UPDATE SET
        requests = d.requests + excluded.requests, refused = d.refused + excluded.refused`
    if (last.slot <= newest) return
    newest = last.slot
    yield* sql`DELETE FROM journal_demand WHERE (slot, model) IN (
      SELECT slot, model FROM journal_demand WHERE slot < ${last.slot - ModelDemand.KEEP_SLOTS}
      ORDER BY slot, model FOR UPDATE SKIP LOCKED)`
  })
}

/** Reads the sums since a time. */
export const read = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, sinceMs: number) {
  const rows = yield* sql`
    SELECT model, sum(requests)::float8 AS requests, sum(refused)::float8 AS refused
    FROM journal_demand WHERE slot > ${ModelDemand.slotOf(sinceMs)}
    GROUP BY model ORDER BY sum(requests) DESC, model LIMIT ${ModelDemand.MODELS_MAX}`
  return yield* decode(rows)
})
