/**
 * The record of entry verification in PostgreSQL. Times are the database's; a run is taken by one statement, which passes over
 * what another one is taking.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { EntryState, Outcome } from "@guildhall/core/EntryVerification"
import { InstanceId } from "@guildhall/core/Instance"
import * as EntryRecord from "./EntryRecord.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

const Rows = Schema.Array(
  Schema.Struct({
    instanceId: InstanceId,
    subject: Schema.String,
    state: EntryState,
    attempt: Schema.Int,
    run: Schema.Int,
    outcomes: Schema.Array(Outcome),
    steps: Schema.Array(Outcome),
    isRunning: Schema.Boolean,
    dueAtMs: Schema.Finite,
    concludedAtMs: Schema.NullOr(Schema.Finite),
  }),
)
const decode = Schema.decodeUnknownEffect(Rows)

const COLUMNS = `e.instance_id AS "instanceId", e.subject, e.state, e.attempt, e.run, e.outcomes, e.steps,
  e.is_running AS "isRunning", floor(extract(epoch FROM e.due_at) * 1000)::float8 AS "dueAtMs",
  floor(extract(epoch FROM e.concluded_at) * 1000)::float8 AS "concludedAtMs"`

const read = (
  rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>,
): Effect.Effect<ReadonlyArray<EntryRecord.Entry>, RegistryError> =>
  rows.pipe(
    Effect.mapError(unavailable),
    Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    Effect.map((found) =>
      found.map(({ concludedAtMs, ...entry }): EntryRecord.Entry =>
        concludedAtMs === null ? entry : { ...entry, concludedAtMs },
      ),
    ),
  )

const isDone = (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
  Effect.map(Effect.mapError(rows, unavailable), (found) => found.length > 0)

/**
 * Creates the tables where they are missing, and keeps the record in them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  const columns = sql.literal(COLUMNS)
  const isHeld = ({ instanceId, owner, subject }: EntryRecord.Held) =>
    sql`instance_id = ${instanceId} AND owner = ${owner} AND subject = ${subject} AND is_running`

  return EntryRecord.EntryRecord.of({
    ask: Effect.fn("EntryRecord.ask")((asked, gapMs = 0) =>
      asked.length === 0
        ? Effect.void
        : sql`INSERT INTO registry_entries AS e
            (instance_id, subject, state, attempt, run, outcomes, steps, is_running, due_at)
          SELECT DISTINCT ON (a."instanceId") a."instanceId", a.subject, 'pending', 0, 0, '[]'::jsonb, '[]'::jsonb, false,
            clock_timestamp()
          FROM jsonb_to_recordset(${JSON.stringify(asked)}::text::jsonb) AS a("instanceId" text, subject text)
          ORDER BY a."instanceId"
          ON CONFLICT (instance_id) DO UPDATE SET subject = excluded.subject, state = 'pending', attempt = 0,
            steps = '[]'::jsonb, is_running = false, owner = NULL,
            due_at = GREATEST(excluded.due_at, e.concluded_at + ${gapMs}::float8 * interval '1 ms')
          WHERE e.subject <> excluded.subject OR (e.state = 'passed' AND NOT e.is_running)`.pipe(
            Effect.mapError(unavailable),
            Effect.asVoid,
          ),
    ),
    take: Effect.fn("EntryRecord.take")(({ leaseMs, most, owner }) =>
      read(sql`
        UPDATE registry_entries e SET owner = ${owner}, is_running = true,
          lease_ends_at = clock_timestamp() + ${leaseMs}::float8 * interval '1 ms',
          run = CASE WHEN e.is_running THEN e.run ELSE e.run + 1 END,
          steps = CASE WHEN e.is_running THEN e.steps ELSE '[]'::jsonb END
        FROM (
          SELECT instance_id FROM registry_entries
          WHERE due_at <= clock_timestamp() AND (NOT is_running OR lease_ends_at <= clock_timestamp())
          ORDER BY due_at LIMIT ${most}::int FOR UPDATE SKIP LOCKED
        ) due WHERE e.instance_id = due.instance_id RETURNING ${columns}`),
    ),
    note: Effect.fn("EntryRecord.note")((noted) =>
      isDone(sql`UPDATE registry_entries SET steps = ${JSON.stringify(noted.steps)}::text::jsonb,
          lease_ends_at = clock_timestamp() + ${noted.leaseMs}::float8 * interval '1 ms'
        WHERE ${isHeld(noted)} RETURNING 1`),
    ),
    conclude: Effect.fn("EntryRecord.conclude")((concluded) =>
      isDone(sql`UPDATE registry_entries SET state = ${concluded.state},
          outcomes = ${JSON.stringify(concluded.steps)}::text::jsonb, steps = '[]'::jsonb,
          attempt = CASE WHEN ${concluded.hasFailed}::boolean THEN attempt + 1 ELSE 0 END,
          is_running = false, owner = NULL, concluded_at = clock_timestamp(),
          due_at = clock_timestamp() + ${concluded.nextMs}::float8 * interval '1 ms'
        WHERE ${isHeld(concluded)} RETURNING 1`),
    ),
    find: Effect.fn("EntryRecord.find")((instanceId) =>
      Effect.map(
        read(sql`SELECT ${columns} FROM registry_entries e WHERE e.instance_id = ${instanceId}`),
        ([entry]) => entry,
      ),
    ),
    forget: Effect.fn("EntryRecord.forget")((instanceIds) =>
      instanceIds.length === 0
        ? Effect.void
        : sql`DELETE FROM registry_entries WHERE instance_id IN
            (SELECT jsonb_array_elements_text(${JSON.stringify(instanceIds)}::text::jsonb))`.pipe(
            Effect.mapError(unavailable),
            Effect.asVoid,
          ),
    ),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<EntryRecord.EntryRecord, RegistryError, SqlClient.SqlClient> = Layer.effect(
  EntryRecord.EntryRecord,
  make,
)
