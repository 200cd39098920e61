/**
 * One real PostgreSQL for a whole test run, started before the first test and stopped after the last: the embedded one
 * of the reference gateway, in a home that is thrown away, without waiting for the disk. Tests get databases of their
 * own in it through `TestDatabase.layer`. `DATABASE_URL` takes an existing server instead.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Postgres from "../apps/reference-gateway/src/embedded/Postgres.ts"

/** Starts the server; answers how to stop it. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  const existing = process.env["DATABASE_URL"]
  if (existing !== undefined && existing !== "") {
    process.env["GUILDHALL_TEST_DATABASE_URL"] = existing
    return undefined
  }
  const home = mkdtempSync(path.join(tmpdir(), "guildhall-test-"))
  const scope = Scope.makeUnsafe()
  const close = async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    rmSync(home, { recursive: true, force: true })
  }
  const url = await Postgres.make({ home, tuning: { maxConnections: 200, isDurable: false } }).pipe(
    Scope.provide(scope),
    Effect.provideService(References.MinimumLogLevel, "Warn"),
    Effect.tapError(() => Effect.promise(close)),
    Effect.runPromise,
  )
  process.env["GUILDHALL_TEST_DATABASE_URL"] = Redacted.value(url)
  return close
}
