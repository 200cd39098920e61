/**
 * A fresh, empty database for a test: a `SqlClient` on the test run's PostgreSQL, dropped with the layer's scope.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

const server = (): string => {
  const url = process.env["GUILDHALL_TEST_DATABASE_URL"]
  if (url === undefined) throw new Error("No test database. Run tests through vitest, whose global setup starts one.")
  return url
}

let made = 0

/** Makes a database in the scope and answers its URL. */
export const make = Effect.gen(function* () {
  made += 1
  const name = `test_${process.pid}_${made}_${process.hrtime.bigint().toString(36)}`
  const admin = PgClient.layer({ url: Redacted.make(server()), maxConnections: 1 })
  const run = (statement: string) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql.unsafe(statement)
    }).pipe(Effect.provide(admin, { local: true }), Effect.orDie)
  yield* Effect.acquireRelease(run(`CREATE DATABASE ${name}`), () =>
    run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  )
  const url = new URL(server())
  url.pathname = `/${name}`
  return url.toString()
})

/** A client on the database at a URL: for the other processes of a test. */
export const at = (url: string) => Layer.orDie(PgClient.layer({ url: Redacted.make(url), maxConnections: 10 }))

/** A client on a fresh database. */
export const layer = Layer.unwrap(Effect.map(make, at))
