import { describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as Verify from "../src/Verify.ts"
import * as Subjects from "./model/Subjects.ts"
import * as Trial from "./model/Trial.ts"

/** Other seeds: `MODEL_SEED=<first>`. Another number of them: `MODEL_SQL_SEEDS=<count>`. */
const first = Number(process.env["MODEL_SEED"] ?? 1)
const seeds = Array.from({ length: Number(process.env["MODEL_SQL_SEEDS"] ?? 4) }, (_, at) => first + at)
const COMMANDS = 1_000

/** A fresh database whose clock is set: by a connection of its own, since only later ones have it. */
const Database = Layer.unwrap(
  Effect.gen(function* () {
    const url = yield* TestDatabase.make
    yield* SqlClient.SqlClient.use(Subjects.setDatabaseClock).pipe(
      Effect.provide(TestDatabase.at(url), { local: true }),
    )
    return TestDatabase.at(url)
  }),
).pipe(Layer.orDie)

describe("the ledger in PostgreSQL does what the oracle says", () => {
  it.layer(Database, { excludeTestServices: true })("each seed in a book of its own:", (it) => {
    for (const seed of seeds) {
      it.effect(`through ${COMMANDS} commands (seed ${seed}), and verifies`, () =>
        Effect.gen(function* () {
          let store: LedgerStore["Service"] | undefined
          const subject = Effect.tap(Subjects.book(yield* SqlClient.SqlClient), (made) =>
            Effect.sync(() => (store = made.store)),
          )
          yield* Trial.run(subject, seed, COMMANDS, new Map(), false)
          if (store !== undefined) yield* Effect.provideService(Verify.verify(), LedgerStore, store)
        }),
      )
    }
  })
})
