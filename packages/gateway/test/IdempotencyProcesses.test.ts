import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as WorkerProcess from "@guildhall/tools/WorkerProcess"
import { Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import path from "node:path"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { Payer } from "@guildhall/ledger/PaymentScheme"
import * as Idempotency from "../src/Idempotency.ts"
import type { Refusal } from "../src/Refusal.ts"
import * as Test from "./TestIdempotency.ts"

/** Starts a process, which ends with the scope. */
const start = (name: string, task: readonly [string, string], env: Readonly<Record<string, string>>) =>
  WorkerProcess.start(path.join(import.meta.dirname, "IdempotencyWorker.ts"), task, { ...env, NAME: name })

/** A database with a payer who has money, and what this process sees of it. */
const scene = Effect.gen(function* () {
  const url = yield* TestDatabase.make
  const context = yield* Layer.build(Test.process("here", { waitMs: 150 }).pipe(Layer.provideMerge(Test.sqlBase(url))))
  const payer = Test.payer()
  yield* Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE calls (key text NOT NULL)`
    yield* Test.fund(payer)
  }).pipe(Effect.provideContext(context))
  return { context, payer, env: { DATABASE_URL: url, MEMBER: payer.memberId } }
})

const spent = Effect.fnUntraced(function* ({ account }: Payer) {
  const ledger = yield* Ledger
  return 1_000_000n - (yield* ledger.account(account)).balance
})

const calls = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly key: string; readonly times: number }>`
    SELECT key, count(*)::int AS times FROM calls GROUP BY key`
  return rows
})

/** Asks until the answer is another than that the former request is still under way; holds expire meanwhile. */
const ask = Effect.fnUntraced(function* (payer: Payer) {
  const service = yield* Idempotency.Idempotency
  const ledger = yield* Ledger
  const seen: Array<string> = []
  for (let at = 0; at < 60; at++) {
    yield* ledger.expire(100)
    const asked = Test.ask({ payer, key: "key-0" })
    const begun: Result.Result<Idempotency.Begun, Refusal> = yield* Effect.result(service.begin(asked))
    if (Result.isSuccess(begun)) return { seen, asked, begun: begun.success, code: undefined }
    const { code } = begun.failure
    if (code !== "request_in_progress") return { seen, asked, begun: undefined, code }
    seen.push(code)
  }
  return assert.fail("it never came to an end")
})

/** Answers a request that this process took over. */
const takeOver = Effect.fnUntraced(function* (payer: Payer) {
  const { asked, begun, seen } = yield* ask(payer)
  if (begun?._tag !== "Fresh") return assert.fail("it was not taken over")
  yield* Test.hold(asked.id, payer, "here")
  begun.tap.onHead(200, Test.EVENT_STREAM)
  begun.tap.onBytes(Buffer.from("data: anew\n\n"))
  yield* Test.settle(asked.id, payer)
  begun.tap.onEnd("completed")
  yield* begun.finish
  return seen
})

const stopAt = Effect.fnUntraced(function* (step: string) {
  const made = yield* scene
  const worker = yield* start("there", ["stop", step], made.env)
  assert.strictEqual(yield* worker.hear, "ready")
  yield* worker.tell
  assert.strictEqual(yield* worker.hear, step)
  return { ...made, worker }
})

const live = (name: string, program: () => Effect.Effect<void, unknown, import("effect").Scope.Scope>) =>
  it.live(name, () => Effect.scoped(program()), 40_000)

describe("Idempotency in several processes", () => {
  live("a key is called and charged once, and all have one answer", () =>
    Effect.gen(function* () {
      const { context, env, payer } = yield* scene
      const count = 25
      const workers = yield* Effect.forEach(["a", "b", "c"], (name) => start(name, ["many", String(count)], env))
      for (const worker of workers) assert.strictEqual(yield* worker.hear, "ready")
      for (const worker of workers) yield* worker.tell
      // Each worker says one list of strings.
      const answers = (yield* Effect.forEach(workers, ({ hear }) => hear)) as ReadonlyArray<ReadonlyArray<string>>
      const [first = []] = answers
      assert.lengthOf(first, count)
      for (const answer of first) assert.match(answer, /^data: key-\d+ by [abc] req_/)
      for (const others of answers) assert.deepStrictEqual(others, first)
      const called = yield* Effect.provideContext(calls, context)
      assert.lengthOf(called, count)
      assert.isTrue(called.every(({ times }) => times === 1))
      assert.strictEqual(yield* Effect.provideContext(spent(payer), context), 7n * BigInt(count))
    }),
  )

  for (const step of ["claimed", "held"]) {
    live(`one that is killed once it has ${step} is taken over, and charges nothing`, () =>
      Effect.gen(function* () {
        const { context, payer, worker } = yield* stopAt(step)
        yield* worker.signal("SIGKILL")
        yield* Effect.gen(function* () {
          const waited = yield* takeOver(payer)
          assert.isNotEmpty(waited)
          assert.strictEqual(yield* spent(payer), 7n)
          const { begun } = yield* ask(payer)
          assert.strictEqual(yield* Test.bytesOf(begun ?? assert.fail("none")), "data: anew\n\n")
        }).pipe(Effect.provideContext(context))
      }),
    )

    live(`one that is frozen once it has ${step} and wakes up late is refused by the ledger`, () =>
      Effect.gen(function* () {
        const { context, payer, worker } = yield* stopAt(step)
        yield* worker.signal("SIGSTOP")
        yield* Effect.provideContext(takeOver(payer), context)
        yield* worker.signal("SIGCONT")
        yield* worker.tell
        const [answer] = (yield* worker.hear) as ReadonlyArray<string>
        assert.strictEqual(answer, step === "claimed" ? "Conflict" : "HoldNotAvailable")
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* spent(payer), 7n)
          const { begun } = yield* ask(payer)
          assert.strictEqual(yield* Test.bytesOf(begun ?? assert.fail("none")), "data: anew\n\n")
        }).pipe(Effect.provideContext(context))
      }),
    )
  }

  live("one that is killed once it has settled is not answered again, nor charged", () =>
    Effect.gen(function* () {
      const { context, payer, worker } = yield* stopAt("settled")
      yield* worker.signal("SIGKILL")
      yield* Effect.gen(function* () {
        const { begun, code } = yield* ask(payer)
        assert.isUndefined(begun)
        assert.strictEqual(code, "answer_not_kept")
        assert.strictEqual(yield* spent(payer), 7n)
      }).pipe(Effect.provideContext(context))
    }),
  )

  live("one that is killed once it has kept the answer is answered again by another", () =>
    Effect.gen(function* () {
      const { context, payer, worker } = yield* stopAt("kept")
      yield* worker.signal("SIGKILL")
      yield* Effect.gen(function* () {
        const { begun } = yield* ask(payer)
        assert.match(yield* Test.bytesOf(begun ?? assert.fail("none")), /^data: key-0 by there req_/)
        assert.strictEqual(yield* spent(payer), 7n)
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql<{ readonly text: string }>`SELECT a::text AS text FROM gateway_answers a`
        assert.notInclude(row?.text ?? "", "key-0")
        assert.notInclude(row?.text ?? "", Buffer.from("data: key-0").toString("hex"))
      }).pipe(Effect.provideContext(context))
    }),
  )
})
