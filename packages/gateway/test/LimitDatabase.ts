/**
 * A database of limits whose time a test decides.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as LimitStoreSql from "../src/LimitStoreSql.ts"

/** Puts a clock of the test's own in the place of the database's. */
export const stopTime = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE test_clock AS SELECT 1750000000000::bigint AS now_ms`
  yield* sql`CREATE OR REPLACE FUNCTION gateway_limits_now() RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT now_ms FROM test_clock'`
})

/** Lets time pass in a database whose time was stopped. */
export const pass = (sql: SqlClient.SqlClient) => (ms: number) =>
  Effect.orDie(Effect.asVoid(sql`UPDATE test_clock SET now_ms = now_ms + ${String(ms)}::text::bigint`))

let stopped: SqlClient.SqlClient | undefined

/** The time of the store that was made last. */
export const passLatest = (ms: number) =>
  Effect.suspend(() => (stopped === undefined ? Effect.die("no store was made") : pass(stopped)(ms)))

/** A store on a fresh database whose time stands still. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const store = LimitStoreSql.layer
    yield* Layer.build(store)
    yield* stopTime
    stopped = yield* SqlClient.SqlClient
    return store
  }),
).pipe(Layer.provideMerge(TestDatabase.layer))
