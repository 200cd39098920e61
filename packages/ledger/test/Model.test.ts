import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { PgClient } from "@effect/sql-pg"
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

const answers = [
  ...["Opened", "TermsSet", "Posted", "Held", "Voided", "Renewed", "Expired", "PeriodClosed", "PayoutBegun"],
  ...["InvalidCommand", "Conflict", "InsufficientFunds", "CeilingExceeded", "HoldNotAvailable", "UnknownAccount"],
  ...["AccountNotOpen", "0 HoldNotAvailable"],
]

describe("the ledger does what the oracle says", () => {
  it.effect(`in memory, through 46,000 commands (seeds ${first} to ${first + 45})`, () =>
    Effect.gen(function* () {
      const tally = new Map<string, number>()
      for (let seed = first; seed < first + 46; seed++) yield* Trial.run(Subjects.memory, seed, 1_000, tally)
      // Every answer came up often, or there would be little to compare.
      for (const word of answers) assert.isAtLeast(tally.get(word) ?? 0, 100, word)
    }),
  )

  it.effect(`in PostgreSQL, through 4,000 commands (seeds ${first} to ${first + 3})`, () =>
    Effect.gen(function* () {
      const sql = yield* database
      for (let seed = first; seed < first + 4; seed++) yield* Trial.run(Subjects.book(sql), seed, 1_000)
    }).pipe(Effect.scoped, TestClock.withLive),
  )
})
