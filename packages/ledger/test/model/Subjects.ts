/** Stores whose clock a test sets. */
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { LedgerError, Unavailable } from "../../src/LedgerError.ts"
import * as LedgerStoreMemory from "../../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../../src/LedgerStoreSql.ts"
import type { MakeSubject } from "./Trial.ts"

/** An empty store in memory. */
export const memory: MakeSubject = Effect.gen(function* () {
  let nowMs = 0
  const clock: Clock.Clock = {
    ...(yield* Clock.Clock),
    currentTimeMillisUnsafe: () => nowMs,
    currentTimeMillis: Effect.sync(() => nowMs),
  }
  const store = yield* LedgerStoreMemory.make
  return {
    store: { ...store, commit: (commands) => Effect.provideService(store.commit(commands), Clock.Clock, clock) },
    setClock: (ms) => Effect.sync(() => (nowMs = ms)),
    compareEvery: 4,
  }
})

/**
 * Gives a database a clock that is set: a function of the same name that is found before PostgreSQL's own. Connections
 * that are made afterwards have it.
 */
export const setDatabaseClock = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* sql`CREATE TABLE test_clock (ms bigint NOT NULL)`
  yield* sql`INSERT INTO test_clock VALUES (0)`
  yield* sql`CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
    AS 'SELECT to_timestamp(ms / 1000.0) FROM public.test_clock'`
  yield* sql.unsafe(`DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`)
})

let books = 0

/** A book that was not used, in the database in context, which has a clock that is set. */
export const book = (sql: SqlClient.SqlClient): MakeSubject =>
  Effect.gen(function* () {
    books += 1
    const store = yield* LedgerStoreSql.make({ renewMs: 0, book: books })
    return {
      store,
      setClock: (ms: number) =>
        Effect.mapError(
          sql`UPDATE test_clock SET ms = ${ms}::bigint`,
          (cause) => new LedgerError({ reason: new Unavailable({ cause }) }),
        ),
      compareEvery: 25,
    }
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
