import { describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as BadInputTrial from "./BadInputTrial.ts"
import * as Invariants from "./model/Invariants.ts"
import * as Subjects from "./model/Subjects.ts"

const Books = Layer.effectDiscard(LedgerStore.use(BadInputTrial.prepare)).pipe(
  Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 0 })),
  Layer.provide(TestDatabase.layer),
)

describe("the ledger in PostgreSQL refuses, with a reason, and writes nothing of", () => {
  it.layer(Books, { excludeTestServices: true })("bad input:", (it) => {
    for (const each of BadInputTrial.cases) {
      it.effect(each.name, () => LedgerStore.use((store) => BadInputTrial.check(store, each)))
    }
    it.effect("all of it: the books still add up", () => LedgerStore.use(Invariants.check))
  })

  it.effect("a clock that goes backwards: its own time does not", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const use = <A, E>(f: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
        SqlClient.SqlClient.use(f).pipe(Effect.provide(TestDatabase.at(url), { local: true }))
      yield* use(Subjects.setDatabaseClock)
      yield* use((sql) =>
        Effect.flatMap(Effect.scoped(Subjects.book(sql)), ({ setClock, store }) =>
          BadInputTrial.backwards(store, setClock),
        ),
      )
    }).pipe(Effect.scoped, TestClock.withLive),
  )
})
