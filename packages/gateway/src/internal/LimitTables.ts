import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"

const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Counters change with every exchange: room on the page keeps the change in place (HOT) and the indexes untouched.
  yield* sql`CREATE TABLE gateway_limit_counters (
    counter text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL,
    short_at_ms bigint,
    kept_until_ms bigint NOT NULL
  ) WITH (fillfactor = 50)`
  yield* sql`CREATE INDEX gateway_limit_counters_short ON gateway_limit_counters (short_at_ms)
    WHERE short_at_ms IS NOT NULL`
  // The store's clock, in one place.
  yield* sql`CREATE FUNCTION gateway_limits_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
  $$`
  // Writes the counters that nobody else has written since they were read, and answers their names. Their rows are locked in
  // the order of the names, so that two processes never wait for each other. What a crash of the database forgets is told
  // again with the next exchange, so nobody waits for the disk.
  yield* sql`CREATE FUNCTION gateway_limits_write(changes json) RETURNS TABLE (counter text)
    LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    BEGIN
      PERFORM set_config('synchronous_commit', 'off', true);
      PERFORM 1 FROM gateway_limit_counters c
      WHERE c.counter = ANY(ARRAY(SELECT x ->> 'counter' FROM json_array_elements(changes) AS j(x)))
      ORDER BY c.counter FOR UPDATE;
      RETURN QUERY WITH changed AS (
        SELECT * FROM json_to_recordset(changes) AS x(
          counter text, version bigint, state text, short_at_ms bigint, kept_until_ms bigint)
      ), updated AS (
        UPDATE gateway_limit_counters c SET version = x.version + 1, state = x.state, short_at_ms = x.short_at_ms,
          kept_until_ms = x.kept_until_ms
        FROM changed x WHERE c.counter = x.counter COLLATE "C" AND c.version = x.version
        RETURNING c.counter
      ), inserted AS (
        INSERT INTO gateway_limit_counters AS c (counter, version, state, short_at_ms, kept_until_ms)
        SELECT x.counter, 1, x.state, x.short_at_ms, x.kept_until_ms FROM changed x WHERE x.version = 0
        ORDER BY x.counter COLLATE "C" ON CONFLICT DO NOTHING
        RETURNING c.counter
      ) SELECT u.counter FROM updated u UNION ALL SELECT i.counter FROM inserted i;
    END $$`
})

/** Creates the tables and functions that are missing. A migration that was released is never changed. */
export const migrate = Effect.asVoid(
  Migrator.make({})({
    loader: Migrator.fromRecord({ "0001_create_limits": create }),
    table: "guildhall_gateway_migrations",
  }),
)
