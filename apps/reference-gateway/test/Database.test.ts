/**
 * Commands find the database with the market running or stopped.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { makeHome, runFile } from "./MarketProcess.ts"

const makeNote = (url: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE notes (n int)`
    yield* sql`INSERT INTO notes VALUES (1)`
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }), { local: true }))

const command = (env: Readonly<Record<string, string>>) => runFile("DatabaseUser.ts", env)

describe("Database", () => {
  it(
    "a command works while the market runs, when it is stopped, and after it was killed",
    { timeout: 60_000 },
    async () => {
      const home = makeHome()
      const env = { GUILDHALL_HOME: home.home, GUILDHALL_PORT: "0" }
      try {
        const market = runFile("StubMarket.ts", env)
        await market.says("guildhall ready")
        await Effect.runPromise(makeNote(home.url()))
        const during = command(env)
        assert.strictEqual(await during.ends(), 0, during.output())
        assert.include(during.output(), "notes 1")

        await market.endBy("SIGINT")
        const after = [command(env), command(env)]
        for (const each of after) assert.strictEqual(await each.ends(), 0, each.output())
        for (const each of after) assert.include(each.output(), "notes 1")
        assert.isTrue(home.isDeserted())

        const killed = runFile("StubMarket.ts", env)
        await killed.says("guildhall ready")
        await killed.endBy("SIGKILL")
        const last = command(env)
        assert.strictEqual(await last.ends(), 0, last.output())
      } finally {
        home.remove()
      }
    },
  )

  it.effect("DATABASE_URL names another server", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      yield* makeNote(url)
      const used = command({ GUILDHALL_HOME: "/does/not/exist", DATABASE_URL: url })
      assert.strictEqual(yield* Effect.promise(() => used.ends()), 0, used.output())
      assert.include(used.output(), "notes 1")
    }),
  )

  it("a home without a market is a letter", async () => {
    const home = makeHome()
    const used = command({ GUILDHALL_HOME: home.home })
    assert.strictEqual(await used.ends(), 1)
    assert.include(used.output(), "There is no market in")
    home.remove()
  })
})
