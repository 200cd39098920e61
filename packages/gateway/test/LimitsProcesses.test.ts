/**
 * Three real processes that share one PostgreSQL.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import * as LimitStoreSql from "../src/LimitStoreSql.ts"
import * as LimitDatabase from "./LimitDatabase.ts"
import type { Order, Report } from "./LimitWorker.ts"
import type { Allowances } from "./TestLimits.ts"

const worker = path.join(import.meta.dirname, "LimitWorker.ts")

const tell = (child: ChildProcess, order: Partial<Order>): Promise<Report> => {
  const answered = once(child, "message").then(([report]) => report as Report)
  child.send({ requests: 100, withinMs: 0, stay: false, cents: 0, ...order })
  return answered
}

/** A database whose time the test decides, and three processes on it. */
const market = Effect.fnUntraced(function* (allowances: Allowances) {
  const url = yield* TestDatabase.make
  const context = yield* Layer.build(LimitStoreSql.layer.pipe(Layer.provideMerge(TestDatabase.at(url))))
  const sql = Context.get(context, SqlClient.SqlClient)
  yield* Effect.provideService(LimitDatabase.stopTime, SqlClient.SqlClient, sql)
  const launch = (name: string) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const child = fork(worker, [url, name, JSON.stringify(allowances)], {
          execArgv: ["--conditions=@guildhall/source"],
          stdio: "inherit",
        })
        await once(child, "message")
        return child
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    )
  const children = yield* Effect.all(["one", "two", "three"].map(launch), { concurrency: "unbounded" })
  const all = (order: Partial<Order>, among: ReadonlyArray<ChildProcess> = children) =>
    Effect.promise(async () => {
      const reports = await Promise.all(among.map((child) => tell(child, order)))
      const count = (outcome: string) => reports.reduce((sum, { outcomes }) => sum + (outcomes[outcome] ?? 0), 0)
      return { count, reports, slowestMs: Math.max(...reports.map((report) => report.slowestMs)) }
    })
  return { children, all, pass: LimitDatabase.pass(sql) }
})

/**
 * The processes look at the database ten times a second, and for up to a quarter of one they believe what they were told: only
 * the database's time is the test's, theirs is not.
 */
const looks = Effect.sleep(400)

describe("Limits of three processes on PostgreSQL", () => {
  it.live("start as many as they may at 1,000 requests a second, and as many again a minute later", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const limit = 600
        const { all, pass } = yield* market({ key: { requestsPerMinute: limit, tokensPerMinute: 1_000_000 } })
        for (let minute = 0; minute < 2; minute++) {
          const first = yield* all({ requests: 1_000, withinMs: 3_000 })
          assert.isAtMost(first.count("in"), limit * 1.01)
          assert.isAtLeast(first.count("in"), limit * 0.99)
          assert.isAbove(first.count("rate_limited"), 2_000)
          yield* pass(59_000)
          assert.strictEqual((yield* all({ requests: 10 })).count("in"), 0)
          yield* looks
          yield* pass(2_000)
        }
      }),
    ),
  )

  it.live("let in a burst far beyond what is leased and below the limit, on one process and on three", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { all, children } = yield* market({
          key: { requestsPerMinute: 100_000, tokensPerMinute: 1_000_000, concurrentRequests: 20_000 },
          member: { centsPerDay: 1_000_000 },
        })
        for (const among of [children.slice(0, 1), children]) {
          for (const burst of [500, 3_000, 3_000]) {
            const requests = Math.floor(burst / among.length)
            const { count, slowestMs } = yield* all({ requests, cents: 1, stay: true }, among)
            assert.strictEqual(count("in"), requests * among.length)
            assert.isBelow(slowestMs, 2_000)
          }
        }
      }),
    ),
  )

  it.live("admit exactly k of N at once, and a killed one's share goes to the others", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { all, children, pass } = yield* market({ member: { concurrentRequests: 60 }, key: { centsPerDay: 74 } })
        const outcome = yield* all({ requests: 300, cents: 2, stay: true })
        assert.strictEqual(outcome.count("in"), 37)
        const [killed, ...others] = children
        const share = outcome.reports[0]?.outcomes["in"] ?? 0
        if (killed === undefined) return assert.fail("there are three")
        yield* looks
        const mine = (yield* Effect.promise(() => tell(killed, { requests: 1, cents: 2 }))).outcomes
        assert.deepStrictEqual(mine, { budget_exceeded: 1 })
        killed.kill("SIGKILL")
        yield* Effect.promise(() => once(killed, "exit"))
        assert.strictEqual((yield* all({ requests: 50, cents: 2, stay: true }, others)).count("in"), 0)
        yield* looks
        yield* pass(5_000)
        // The others renew; the killed one does not.
        yield* looks
        assert.strictEqual((yield* all({ requests: 50, cents: 2, stay: true }, others)).count("in"), 0)
        yield* pass(5_001)
        yield* looks
        const back = yield* all({ requests: 50, cents: 2, stay: true }, others)
        assert.strictEqual(back.count("in"), share)
      }),
    ),
  )
})
