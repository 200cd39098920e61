import { PgClient } from "@effect/sql-pg"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Devices from "../src/Devices.ts"
import * as DevicesSql from "../src/DevicesSql.ts"
import * as Notifier from "../src/Notifier.ts"
import * as Pg from "../src/notifiers/Pg.ts"
import * as NotifierTest from "../src/testing/NotifierTest.ts"

const options = { allowPrivate: false }
const database = Layer.merge(DevicesSql.layer(options), Pg.layer).pipe(Layer.provideMerge(TestDatabase.layer))
NotifierTest.suite("PostgreSQL", database)

const devices = Devices.layerMemory(options)
NotifierTest.breaks("it never says anything", Layer.merge(devices, Notifier.layerNone), 1)
NotifierTest.breaks("it forgets what came before", Layer.merge(devices, Notifier.layerNone), 2)
NotifierTest.breaks(
  "it always says something",
  Layer.merge(devices, Layer.succeed(Notifier.Notifier, { changed: Effect.void })),
  3,
)

describe("a connection that is lost", () => {
  it.live("is made anew, and the next wait ends, since nobody knows what was missed", () =>
    Effect.gen(function* () {
      const { changed } = yield* Notifier.Notifier
      const sql = yield* PgClient.PgClient
      yield* changed
      const killed = yield* sql`SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'`
      assert.lengthOf(killed, 1)
      yield* changed.pipe(Effect.timeout("5 seconds"))
    }).pipe(Effect.provide(database)),
  )
})
