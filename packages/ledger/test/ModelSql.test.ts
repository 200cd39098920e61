import { PgClient } from "@effect/sql-pg"
import { describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as Subjects from "./model/Subjects.ts"
import * as Trial from "./model/Trial.ts"

/** Other seeds: `MODEL_SEED=<first>`. */
const first = Number(process.env["MODEL_SEED"] ?? 1)

const client = (url: string) => Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 }))

/** A client on a fresh database whose clock is set. */
const database = Effect.gen(function* () {
  const url = yield* TestDatabase.make
  yield* Effect.scoped(
    Effect.flatMap(client(url), (context) =>
      SqlClient.SqlClient.use(Subjects.setDatabaseClock).pipe(Effect.provide(context)),
    ),
  )
  const context = yield* client(url)
  return yield* Effect.provide(SqlClient.SqlClient.use(Effect.succeed), context)
})

describe("the ledger in PostgreSQL does what the oracle says", () => {
  it.effect(`through 4,000 commands, each thousand in a book of its own (seeds ${first} to ${first + 3})`, () =>
    Effect.gen(function* () {
      const sql = yield* database
      for (let seed = first; seed < first + 4; seed++) yield* Trial.run(Subjects.book(sql), seed, 1_000)
    }).pipe(Effect.scoped, TestClock.withLive),
  )
})
