import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { MemberId } from "@guildhall/core/Member"
import { Effect, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { type ChildProcess, spawn } from "node:child_process"
import * as path from "node:path"
import * as Ledger from "../src/Ledger.ts"
import type { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import { cent, earn, outside, ranges } from "./PayoutTrial.ts"

const worker = path.join(import.meta.dirname, "PayoutWorker.ts")

interface Worker {
  readonly child: ChildProcess
  readonly ended: Promise<string>
  readonly output: () => string
}

/** Starts a process that pays these members out; killed with the scope. */
const start = (url: string, members: ReadonlyArray<MemberId>, env: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.sync((): Worker => {
      const child = spawn(process.execPath, ["--conditions=@guildhall/source", worker], {
        env: {
          PATH: process.env["PATH"],
          NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
          DATABASE_URL: url,
          MEMBERS: members.join(","),
          ...env,
        },
        stdio: ["ignore", "pipe", "pipe"],
      })
      let output = ""
      const hear = (chunk: Buffer) => void (output += chunk.toString())
      child.stdout.on("data", hear)
      child.stderr.on("data", hear)
      const ended = new Promise<string>((resolve) =>
        child.once("close", (code, signal) => resolve(signal ?? `${code}`)),
      )
      return { child, ended, output: () => output }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL")),
  )

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A process that is frozen within a transaction must not keep its locks for ever.
  const [database] = yield* sql<{ name: string }>`SELECT current_database() AS name`
  yield* sql.unsafe(`ALTER DATABASE ${database?.name} SET idle_in_transaction_session_timeout = '2s'`)
  yield* sql`CREATE TABLE crash_points (name text PRIMARY KEY, at timestamptz DEFAULT now())`
  yield* sql`CREATE TABLE bank (number serial, key text PRIMARY KEY, amount numeric, looks int DEFAULT 0)`
  yield* sql`CREATE TABLE told (payout text PRIMARY KEY)`
  yield* sql`CREATE TABLE bank_calls (number serial, key text, pid int)`
})

/** A database with the books in it, and its URL. */
const scene = <E>(
  test: (url: string) => Effect.Effect<void, E, Ledger.Ledger | LedgerStore | Scope.Scope | SqlClient.SqlClient>,
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const books = Ledger.layer.pipe(
        Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })),
        Layer.provideMerge(TestDatabase.at(url)),
      )
      yield* Effect.andThen(tables, test(url)).pipe(Effect.provide(books))
    }),
  )

const lucky = (name: string) => MemberId.make(`mem_lucky-${name}`)
const unlucky = (name: string) => MemberId.make(`mem_unlucky-${name}`)

/** Asserts that the lucky were paid once, the others not at all, and that bank and books agree on every attempt. */
const settled = Effect.fnUntraced(function* (members: ReadonlyArray<MemberId>, amount: bigint) {
  const sql = yield* SqlClient.SqlClient
  const ledger = yield* Ledger.Ledger
  const sent = yield* sql<{ key: string; amount: string }>`SELECT key, amount::text AS amount FROM bank`
  const all = (yield* Effect.forEach(members, ranges)).flat()
  for (const { account, state } of all) assert.strictEqual(state, account.includes("unlucky") ? "voided" : "posted")
  const paid = all.filter(({ state }) => state === "posted")
  assert.lengthOf(paid, members.filter((member) => !member.includes("unlucky")).length)
  assert.strictEqual(new Set(all.map(({ account }) => account)).size, members.length)
  assert.sameDeepMembers(
    [...sent],
    all.flatMap(({ hold }) => [1, 2].map((attempt) => ({ key: `${hold}#${attempt}`, amount: `${amount}` }))),
  )
  assert.strictEqual((yield* ledger.account(outside)).balance, amount * BigInt(paid.length))
  const attached = yield* ledger.attachments(0n, 1_000)
  assert.lengthOf(attached, all.length)
})

/** Waits for what other processes do. */
const until = Effect.fnUntraced(function* <E, R>(isSo: Effect.Effect<boolean, E, R>) {
  for (let tries = 0; tries < 1_000; tries++) {
    if (yield* isSo) return
    yield* Effect.sleep("10 millis")
  }
  assert.fail("it did not happen")
})

/** From now on the bank ends what is pending. */
const openBank = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO bank_calls (key) VALUES ('open')`)

/** How often a process has called the bank. */
const calls = ({ child }: Worker) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql`SELECT 1 FROM bank_calls WHERE pid = ${child.pid ?? 0}`, (rows) => rows.length),
  )

describe("PayoutRun on PostgreSQL", () => {
  it.live(
    "goes on after its process is killed before and after each step, and pays once",
    () =>
      scene((url) =>
        Effect.gen(function* () {
          const members = [lucky("a"), unlucky("b")]
          for (const member of members) yield* earn(member, 5n * cent + 7n)
          yield* openBank
          let kills = 0
          // The next process looks after what the one before left pending, and begins what that one's failures carried on.
          for (let end = ""; end !== "0";) {
            const { ended, output } = yield* start(url, members, { CRASH: "1" })
            end = yield* Effect.promise(() => ended)
            if (end === "SIGKILL") kills += 1
            else assert.strictEqual(end, "0", output())
            assert.isBelow(kills, 60)
          }
          const sql = yield* SqlClient.SqlClient
          const points = yield* sql<{ name: string }>`SELECT name FROM crash_points ORDER BY at`
          // Two members may reach theirs at once, and one kill does for both.
          assert.isAtMost(kills, points.length)
          assert.isAtLeast(kills, 20)
          const steps = [
            "begin",
            "find 1",
            "find 2",
            "hold",
            "send 1",
            "send 2",
            "post",
            "void",
            "tell paid",
            "tell waiting",
          ]
          assert.includeMembers(
            points.map(({ name }) => name),
            steps.flatMap((step) => [`${step} before`, `${step} after`]),
          )
          yield* settled(members, 5n * cent)
        }),
      ),
    180_000,
  )

  it.live(
    "is done once by three processes, though one is killed on the way and another one frozen",
    () =>
      scene((url) =>
        Effect.gen(function* () {
          const members = Array.from({ length: 12 }, (_, at) => lucky(`${at}`))
          for (const member of members) yield* earn(member, 5n * cent + 7n)
          const killed = yield* start(url, members, { WAIT_MS: "200" })
          yield* until(Effect.map(calls(killed), (made) => made > members.length))
          const frozen = yield* start(url, members, { WAIT_MS: "200" })
          const last = yield* start(url, members, { WAIT_MS: "200" })
          yield* until(Effect.sync(() => [frozen, last].every(({ output }) => output().includes("ready"))))
          killed.child.kill("SIGKILL")
          yield* until(
            Effect.gen(function* () {
              return (yield* calls(frozen)) + (yield* calls(last)) > 0
            }),
          )
          const [first, second] = (yield* calls(frozen)) > 0 ? [frozen, last] : [last, frozen]
          first.child.kill("SIGSTOP")
          yield* openBank
          const end = yield* Effect.promise(() => second.ended)
          assert.strictEqual(end, "0", second.output())
          yield* settled(members, 5n * cent)
          // What it was about to do when it was frozen it does now.
          first.child.kill("SIGCONT")
          yield* Effect.sleep("2 seconds")
          yield* settled(members, 5n * cent)
        }),
      ),
    60_000,
  )
})
