import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as LedgerStoreTest from "../src/testing/LedgerStoreTest.ts"
import { virtual } from "./BrokenStore.ts"

/** The database has a clock of its own. */
const real = { pass: (durationMs: number) => TestClock.withLive(Effect.sleep(durationMs)) }
LedgerStoreTest.suite("memory", LedgerStoreMemory.layer, virtual)
const sql = (options: Partial<LedgerStoreSql.Options> = {}) => LedgerStoreSql.layer({ renewMs: 100, ...options })
LedgerStoreTest.suite("sql", sql().pipe(Layer.provide(TestDatabase.layer)), real)
LedgerStoreTest.suite(
  "sql, another book in another schema",
  sql({ book: 2, schema: "money" }).pipe(Layer.provide(TestDatabase.layer)),
  real,
)
