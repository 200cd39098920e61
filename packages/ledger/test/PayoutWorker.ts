/**
 * A process that pays members out on PostgreSQL: `PayoutRunCrash.test.ts` runs several and kills them. Its bank is a table
 * in the same database, so that what was sent outlives the sender. With CRASH it ends itself by SIGKILL at each point that
 * no process before it has reached.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as SingleRunner from "effect/cluster/SingleRunner"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as SqlClient from "effect/sql/SqlClient"
import { flushCompileCache } from "node:module"
import * as Account from "../src/Account.ts"
import * as Ledger from "../src/Ledger.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import { type Movement, RailError } from "../src/Movement.ts"
import type { Payout, PayoutRail } from "../src/PayoutRail.ts"
import * as PayoutRun from "../src/PayoutRun.ts"

const url = process.env["DATABASE_URL"] ?? ""
const members = (process.env["MEMBERS"] ?? "").split(",").map((id) => MemberId.make(id))
const crashes = process.env["CRASH"] === "1"
const waitMs = Number(process.env["WAIT_MS"] ?? 60)
const bank = "Bank"

const database = TestDatabase.at(url)

/** Ends the process here, once: the next process gets past this point. */
const point = (sql: SqlClient.SqlClient, name: string) =>
  Effect.gen(function* () {
    if (!crashes) return
    const first = yield* sql`INSERT INTO crash_points (name) VALUES (${name}) ON CONFLICT DO NOTHING RETURNING name`
    if (first.length === 0) return
    process.kill(process.pid, "SIGKILL")
    yield* Effect.never
  }).pipe(Effect.orDie)

const around = (sql: SqlClient.SqlClient, name: string) => {
  return <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    point(sql, `${name} before`).pipe(Effect.andThen(Effect.onExit(effect, () => point(sql, `${name} after`))))
}

const Books = Layer.effect(
  Ledger.Ledger,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const ledger = yield* Ledger.make
    return Ledger.Ledger.of({
      ...ledger,
      beginPayout: (payout) => ledger.beginPayout(payout).pipe(around(sql, "begin")),
      findHold: (id) => ledger.findHold(id).pipe(around(sql, "hold")),
      settle: (hold, posting) => ledger.settle(hold, posting).pipe(around(sql, "post")),
      void: (hold, attachments) => ledger.void(hold, attachments).pipe(around(sql, "void")),
    })
  }),
).pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })))

const Shown = Layer.effect(
  KeyValueStore.KeyValueStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const store = yield* KeyValueStore.KeyValueStore
    const set: typeof store.set = (key, value) => {
      const state = /"state":"(\w+)"/.exec(String(value))?.[1] ?? ""
      const payout = /"payout":"([^"]+)"/.exec(String(value))?.[1] ?? ""
      const isEnd = state === "paid" || state === "returned"
      const told = sql`INSERT INTO told (payout) VALUES (${payout}) ON CONFLICT DO NOTHING`
      const shown = Effect.tap(store.set(key, value), () => (isEnd ? Effect.orDie(told) : Effect.void))
      // The run goes on to its wait, and is killed while it waits.
      const later = Effect.andThen(Effect.sleep("15 millis"), point(sql, `${state} later`))
      return shown.pipe(around(sql, `tell ${state}`), Effect.tap(Effect.forkDetach(later)))
    }
    return { ...store, set }
  }),
).pipe(Layer.provide(KeyValueStore.layerSql({ table: "payouts_shown" })))

interface Row {
  readonly key: string
  readonly number: number
  readonly amount: string
  readonly isDone: boolean
}

/**
 * The first attempt is pending at first, and as long as the bank is closed, and fails then; the second arrives, but the
 * answer to it is lost. For a member whose id says so, every attempt fails.
 */
const makeBank = (sql: SqlClient.SqlClient): PayoutRail => {
  const movementOf = ({ key, number, amount, isDone }: Row): Movement => {
    const ends = key.endsWith("#1") || key.includes("unlucky")
    return {
      cursor: `${number}`,
      idempotencyKey: key,
      externalId: `bank-${number}`,
      asset: AssetCode.make("USD"),
      amount: BigInt(amount),
      state: !ends
        ? { _tag: "Succeeded" }
        : isDone
          ? { _tag: "Failed", detail: "It came back." }
          : { _tag: "Pending", next: null },
    }
  }
  const rowOf = (key: string) =>
    sql<Row>`UPDATE bank SET looks = looks + 1 WHERE key = ${key} RETURNING key, number, amount::text AS amount,
      looks > 1 AND EXISTS (SELECT 1 FROM bank_calls WHERE key = 'open') AS "isDone"`
  const find = Effect.fnUntraced(function* (key: string) {
    yield* Effect.orDie(sql`INSERT INTO bank_calls (key, pid) VALUES (${`find ${key}`}, ${process.pid})`)
    const [row] = yield* Effect.orDie(rowOf(key))
    return row === undefined ? yield* new RailError({ reason: "NotFound", detail: "" }) : movementOf(row)
  })
  const send = Effect.fnUntraced(function* ({ idempotencyKey: key, amount }: Payout) {
    yield* Effect.orDie(sql`INSERT INTO bank_calls (key, pid) VALUES (${`send ${key}`}, ${process.pid})`)
    yield* Effect.orDie(
      sql`INSERT INTO bank (key, amount) VALUES (${key}, ${`${amount}`}::numeric) ON CONFLICT (key) DO NOTHING`,
    )
    if (key.endsWith("#2")) return yield* new RailError({ reason: "Unavailable", detail: "The line was cut." })
    const [row] = yield* Effect.orDie(rowOf(key))
    return row === undefined ? yield* Effect.die("it was not kept") : movementOf(row)
  })
  return {
    name: bank,
    capabilities: { scale: 2, cancels: false, keyLifeMs: 24 * 3_600_000, absenceMs: null },
    find: (key) => find(key).pipe(around(sql, `find ${key.at(-1)}`)),
    send: (payout) => send(payout).pipe(around(sql, `send ${payout.idempotencyKey.at(-1)}`)),
    movements: () => Effect.succeed([]),
  }
}

const Engine = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(
    SingleRunner.layer({
      shardingConfig: {
        shardsPerGroup: 10,
        shardLockExpiration: "3 seconds",
        entityMessagePollInterval: "40 millis",
        refreshAssignmentsInterval: "100 millis",
      },
    }),
  ),
  Layer.provide(NodeCrypto.layer),
)

const Runs = Layer.unwrap(
  Effect.map(SqlClient.SqlClient, (sql) =>
    PayoutRun.layer({
      rails: [makeBank(sql)],
      policy: { attemptsMax: 2, firstWaitMs: waitMs, longestWaitMs: waitMs, answerMs: 10_000 },
    }),
  ),
).pipe(Layer.provide(Engine), Layer.provide(Shown), Layer.provideMerge(Books), Layer.provideMerge(database))

const main = Effect.gen(function* () {
  console.log("ready")
  const payouts = yield* PayoutRun.PayoutRun
  const store = yield* LedgerStore
  const sql = yield* SqlClient.SqlClient
  const payOut = (member: MemberId) =>
    payouts
      .start({ rail: bank, member, minimum: 0n })
      .pipe(Effect.retry({ while: (error) => error.isRetryable, times: 20 }))
  // What failed carries into a next range, which begins here: the process answers for what it begins, so it waits for it.
  yield* Effect.forEach(members, payOut, { concurrency: "unbounded" })
  for (let rounds = 1; ; rounds++) {
    yield* Effect.sleep("40 millis")
    const pages = yield* Effect.forEach(members, (member) =>
      store.history("payouts", { after: 0n, limit: 1_000, account: Account.ids.payable(bank, member) }),
    )
    const told = new Set((yield* sql<{ payout: string }>`SELECT payout FROM told`).map(({ payout }) => payout))
    const lasting = pages.map((ranges) => ranges.some(({ hold, state }) => state === "pending" || !told.has(hold)))
    if (!lasting.includes(true)) return
    // As whoever pays out does each time: what is pending is looked after.
    const late = members.filter((_, at) => lasting[at] === true)
    if (rounds % 50 === 0) yield* Effect.forEach(late, payOut)
  }
}).pipe(Effect.provide(Runs))

// A process that is killed would leave nothing of what it compiled to the next one.
flushCompileCache()
await Effect.runPromise(main)
process.exit(0)
