import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as Ledger from "../src/Ledger.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as CrashTrial from "./CrashTrial.ts"
import * as Invariants from "./model/Invariants.ts"
import * as Wire from "./Wire.ts"

/** The statements of a commit that has the book for itself, and of one that finds somebody else's in between. */
const paths: Readonly<Record<string, ReadonlyArray<Wire.Step>>> = {
  alone: ["read", "write", "flush"],
  contended: ["read", "write", "begin", "lock", "read", "write", "commit", "flush"],
}

const sidesOf = (step: Wire.Step): ReadonlyArray<Wire.Side> =>
  step === "write" || step === "commit" || step === "flush" ? ["before", "during", "after"] : ["before", "after"]

const cutsOf = (steps: ReadonlyArray<Wire.Step>): ReadonlyArray<Wire.Cut> =>
  steps.flatMap((step, at) => sidesOf(step).map((side) => ({ at, side })))

const client = Effect.fnUntraced(function* (url: string) {
  return Context.get(yield* Layer.build(TestDatabase.at(url)), SqlClient.SqlClient)
})

/** A database, a line to it that can be cut, and a client at each end. */
class Line extends Context.Service<
  Line,
  { readonly direct: SqlClient.SqlClient; readonly wired: SqlClient.SqlClient; readonly wire: Wire.Wire }
>()("test/Line") {
  static readonly layer = Layer.effect(
    Line,
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const wire = yield* Wire.make(url)
      return { wire, direct: yield* client(url), wired: yield* client(wire.url) }
    }),
  )
}

/** Of those that meet somebody else's batch, one of each kind: a posting, a hold, its growth and ends, and a payout; all in the soak. */
const contended = new Set(["post", "hold", "grow on", "settle", "settle several", "claim", "expire", "begin payout"])

let books = 0

/** A fresh book, and how to make a store on it through a client. */
const fresh = Effect.gen(function* () {
  const { direct } = yield* Line
  const book = (books += 1)
  const on = (sql: SqlClient.SqlClient) =>
    Effect.provideService(LedgerStoreSql.make({ renewMs: 0, book }), SqlClient.SqlClient, sql)
  const store = yield* on(direct)
  yield* CrashTrial.prepare(store)
  return { on, store }
})

/** What is answered and what is in the books when nothing goes wrong. */
const undisturbed = Effect.fnUntraced(function* (store: LedgerStore["Service"], command: Command) {
  const outcome = yield* CrashTrial.done(store, command)
  return { answer: CrashTrial.timeless(outcome), contents: yield* CrashTrial.contents(store) }
})

/** Whether it is certain that what was cut off was done, or was not. */
const wasDone = (steps: ReadonlyArray<Wire.Step>, { at, side }: Wire.Cut): boolean | undefined => {
  // The last statement only waits for the disk: what the one before it did is done.
  const deciding = steps.length - 2
  if (at !== deciding) return at > deciding
  return side === "during" ? undefined : side === "after"
}

const crashAt = Effect.fnUntraced(function* (
  path: string,
  steps: ReadonlyArray<Wire.Step>,
  cut: Wire.Cut,
  command: Command,
  expected: Effect.Success<ReturnType<typeof undisturbed>>,
) {
  const { direct, wire, wired } = yield* Line
  const point = `${cut.side} ${steps[cut.at]} (${cut.at})`
  const { on, store } = yield* fresh
  const crashing = yield* on(wired)
  const others: Command = { _tag: "Renew", owner: "another", lifeMs: 1 }
  wire.onStatement = (step, at) =>
    path === "contended" && step === "write" && at === 1 ? Effect.runPromise(store.commit([others])) : Promise.resolve()
  wire.watch(cut)
  const error = yield* Effect.flip(CrashTrial.done(crashing, command))
  assert.strictEqual(error.reason._tag, "Unavailable", point)
  assert.isTrue(error.isRetryable, point)
  assert.deepStrictEqual(wire.mend(), steps.slice(0, cut.at + 1), point)

  // As a caller does; the first connections of the pool may still be those that were cut.
  const again = yield* Effect.retry(CrashTrial.done(crashing, command), { times: 5 })
  assert.deepStrictEqual(CrashTrial.timeless(again), expected.answer, point)
  const [isDone, isReplayed] = [wasDone(steps, cut), CrashTrial.isReplayed(again)]
  if (isDone !== undefined && isReplayed !== undefined) assert.strictEqual(isReplayed, isDone, point)
  // Another process, which knows nothing of the one that crashed.
  const later = yield* CrashTrial.done(yield* on(direct), command)
  assert.deepStrictEqual(CrashTrial.timeless(later), expected.answer, point)
  assert.isTrue(CrashTrial.isReplayed(later) ?? true, point)
  assert.deepStrictEqual(yield* CrashTrial.contents(store), expected.contents, point)
  yield* Invariants.check(store)
})

describe("a crash loses nothing that was answered and makes nothing twice", () => {
  it.layer(Line.layer, { excludeTestServices: true })("of the line to the database", (it) => {
    for (const [path, steps] of Object.entries(paths)) {
      for (const [name, command] of Object.entries(CrashTrial.commands)) {
        if (path === "contended" && !contended.has(name) && process.env["CRASH_ALL"] === undefined) continue
        it.effect(`${name}, ${path}, at each of ${cutsOf(steps).length} points`, () =>
          Effect.gen(function* () {
            const expected = yield* undisturbed((yield* fresh).store, command)
            for (const cut of cutsOf(steps)) yield* crashAt(path, steps, cut, command, expected)
          }),
        )
      }
    }
  })

  for (const [name, command] of Object.entries(CrashTrial.commands)) {
    for (const point of ["after submit", "before answer"] as const) {
      it.effect(`of the caller's process: ${name}, ${point}`, () =>
        Effect.gen(function* () {
          const [quiet, store] = [yield* LedgerStoreMemory.make, yield* LedgerStoreMemory.make]
          yield* CrashTrial.prepare(quiet)
          yield* CrashTrial.prepare(store)
          const expected = yield* undisturbed(quiet, command)
          const process = yield* Scope.make()
          const end = Effect.forkDetach(Scope.close(process, Exit.void))
          const commit: typeof store.commit = (commands) =>
            point === "after submit"
              ? Effect.andThen(end, Effect.never)
              : Effect.andThen(store.commit(commands), Effect.andThen(end, Effect.never))
          const ledger = yield* Ledger.make.pipe(
            Effect.provideService(LedgerStore, LedgerStore.of({ ...store, commit })),
            Scope.provide(process),
          )
          const error = yield* Effect.flip(CrashTrial.call(ledger, command))
          assert.strictEqual(error.reason._tag, "Unavailable")
          if (point === "after submit") assert.lengthOf(yield* store.history("entries", { after: 0n, limit: 100 }), 12)
          const next = yield* Effect.provideService(Ledger.make, LedgerStore, store)
          yield* CrashTrial.call(next, command)
          assert.deepStrictEqual(yield* CrashTrial.contents(store), expected.contents)
          yield* Invariants.check(store)
        }).pipe(Effect.scoped, TestClock.withLive),
      )
    }
  }
})
