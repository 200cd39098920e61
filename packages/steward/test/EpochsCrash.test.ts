import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import * as Record from "@guildhall/chain/SettlementRecord"
import * as SettlementRecordSql from "@guildhall/chain/SettlementRecordSql"
import * as Account from "@guildhall/ledger/Account"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Opening from "@guildhall/ledger/Opening"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import * as path from "node:path"
import * as Scripted from "./ScriptedSettlement.ts"

const worker = path.join(import.meta.dirname, "EpochWorker.ts")
const asset = { code: AssetCode.make("USD"), scale: 12 }
const unit = 1_000_000n
const json = Schema.fromJsonString(Schema.toCodecJson(Scripted.State))
const members = ["ann", "bob"].map((name) => MemberId.make(`mem_${name}`))

/** Runs a process to its end, or to the point where it kills itself. */
const life = (url: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--conditions=@guildhall/source", worker], {
        env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], DATABASE_URL: url },
        stdio: ["ignore", "pipe", "pipe"],
      }),
    ),
    (child) =>
      Effect.promise(
        () =>
          new Promise<{ readonly end: string; readonly output: string }>((resolve) => {
            let output = ""
            const hear = (chunk: Buffer) => void (output += chunk.toString())
            child.stdout.on("data", hear)
            child.stderr.on("data", hear)
            child.once("close", (code, signal) => resolve({ end: signal ?? `${code}`, output }))
          }),
      ),
    (child) => Effect.sync(() => child.kill("SIGKILL")),
  )

const prepare = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const ledger = yield* Ledger.Ledger
  yield* sql`CREATE TABLE crash_points (name text PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())`
  yield* sql`CREATE TABLE scripted_chain (state jsonb NOT NULL)`
  const state = Schema.encodeSync(json)(Scripted.fresh(10n ** 12n, 10n ** 12n))
  yield* sql`INSERT INTO scripted_chain (state) VALUES (${state}::text::jsonb)`
  const world = Account.ids.external("world")
  const given = [
    ...members.map((member) => [Account.ids.accrual("card", member), 10n * unit + 7n] as const),
    [Account.ids.pool("boost"), 100n * unit] as const,
  ]
  yield* ledger.open(Opening.of(world, asset))
  for (const [account, amount] of given) {
    yield* ledger.open(Opening.of(account, asset))
    yield* ledger.post({
      idempotencyKey: `given:${account}`,
      kind: "topUp",
      legs: [
        { account: world, amount: -amount },
        { account, amount },
      ],
      attachments: [],
    })
  }
})

describe("Epochs on PostgreSQL", () => {
  it.live(
    "goes on after its process is killed before and after each step, and nothing is posted twice",
    () =>
      Effect.gen(function* () {
        const url = yield* TestDatabase.make
        const books = Layer.mergeAll(Ledger.layer, SettlementRecordSql.layer()).pipe(
          Layer.provide(LedgerStoreSql.layer({ renewMs: 10_000 })),
          Layer.provideMerge(TestDatabase.at(url)),
        )
        yield* Effect.gen(function* () {
          yield* prepare
          let kills = 0
          for (let ended = ""; ended !== "0";) {
            const { end, output } = yield* life(url)
            ended = end
            if (end === "SIGKILL") kills += 1
            else assert.strictEqual(end, "0", output)
            assert.isBelow(kills, 60)
          }
          const sql = yield* SqlClient.SqlClient
          const points = yield* sql<{ name: string }>`SELECT name FROM crash_points ORDER BY at`
          const steps = [
            "begin",
            "close",
            "maturity",
            "boost",
            "take",
            "net",
            "ProposeEpoch",
            "note posted",
            "ApplyRoot",
          ]
          assert.includeMembers(
            points.map(({ name }) => name),
            [...steps, "settle", "note claimable"].flatMap((step) => [`${step} before`, `${step} after`]),
          )
          assert.isAtLeast(kills, 20)

          const record = yield* Record.SettlementRecord
          const ledger = yield* Ledger.Ledger
          const [epoch] = yield* record.epochs({ limit: 1 })
          assert.deepInclude(epoch?.sum, { total: 30n, boost: 10n, gross: 23n, payees: 2 })
          const [row] = yield* sql<{ state: string }>`SELECT state::text AS state FROM scripted_chain`
          const chain = Schema.decodeUnknownSync(json)(row?.state)
          assert.deepStrictEqual([chain.proposed, chain.applied], [[0], [0]])
          assert.strictEqual(chain.boostPool, 10n ** 12n - 10n)
          assert.strictEqual(chain.root, epoch?.sum?.commitment)
          const balances = new Map(
            (yield* ledger.accounts()).map(({ balance, held, id }) => [`${id}`, [balance, held]]),
          )
          assert.deepStrictEqual(balances.get("external:Settlement"), [30n * unit, 0n])
          // Half of what matured, to the books' last unit, and the rest of the pool is there.
          assert.deepStrictEqual(balances.get("pool:boost"), [90n * unit - 6n, 0n])
          for (const member of members) {
            assert.deepStrictEqual(balances.get(`payable:Settlement:${member}`), [10n, 0n])
            assert.deepStrictEqual(balances.get(`accrual:card:${member}`), [0n, 0n])
          }
          assert.strictEqual(
            [...balances.values()].reduce((sum, [balance = 0n]) => sum + balance, 0n),
            0n,
          )
        }).pipe(Effect.provide(books))
      }).pipe(Effect.scoped),
    240_000,
  )
})
