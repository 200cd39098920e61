import { PgClient } from "@effect/sql-pg"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Devices from "../src/Devices.ts"
import * as DevicesSql from "../src/DevicesSql.ts"
import * as Changes from "../src/Changes.ts"
import * as Pg from "../src/changes/Pg.ts"
import * as ChangesTest from "../src/testing/ChangesTest.ts"

const options = { allowPrivate: false }
const database = Layer.merge(DevicesSql.layer(options), Pg.layer).pipe(Layer.provideMerge(TestDatabase.layer))
ChangesTest.suite("PostgreSQL", database)

const devices = Devices.layerMemory(options)
ChangesTest.breaks("it never says anything", Layer.merge(devices, Changes.layerNone), 1)
ChangesTest.breaks("it forgets what came before", Layer.merge(devices, Changes.layerNone), 2)
ChangesTest.breaks(
  "it always says something",
  Layer.merge(devices, Layer.succeed(Changes.Changes, { changed: Effect.void })),
  3,
)

describe("a connection that is lost", () => {
  it.live("is made anew, and the next wait ends, since nobody knows what was missed", () =>
    Effect.gen(function* () {
      const { changed } = yield* Changes.Changes
      const sql = yield* PgClient.PgClient
      yield* changed
      const killed = yield* sql`SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'`
      assert.lengthOf(killed, 1)
      yield* changed.pipe(Effect.timeout("5 seconds"))
    }).pipe(Effect.provide(database)),
  )
})
