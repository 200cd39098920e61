/** A command on the market's database, as `guildhall ledger verify` is one: says how many notes there are. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Database from "../src/Database.ts"
import * as Terminal from "../src/Terminal.ts"

const count = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ n: number }>`SELECT count(*)::int AS n FROM notes`
  process.stdout.write(`notes ${rows[0]?.n}\n`)
})

Terminal.runMain(Effect.provide(count, Database.layerForCommand))
