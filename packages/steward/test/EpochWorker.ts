/**
 * A process that settles an epoch on PostgreSQL: `EpochsCrash.test.ts` runs several and kills them. Its chain is a row of the same
 * database, so that what was sent outlives the sender. It ends itself by SIGKILL at each point that no process before it has
 * reached.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as Address from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import { Settlement } from "@guildhall/chain/Settlement"
import * as Record from "@guildhall/chain/SettlementRecord"
import * as SettlementRecordSql from "@guildhall/chain/SettlementRecordSql"
import { AssetCode } from "@guildhall/core/Asset"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as SingleRunner from "effect/cluster/SingleRunner"
import * as SqlClient from "effect/sql/SqlClient"
import { flushCompileCache } from "node:module"
import * as Epochs from "../src/Epochs.ts"
import * as Scripted from "./ScriptedSettlement.ts"

const database = TestDatabase.at(process.env["DATABASE_URL"] ?? "")
const json = Schema.fromJsonString(Schema.toCodecJson(Scripted.State))
const [encode, decode] = [Schema.encodeSync(json), Schema.decodeUnknownSync(json)]

/** Ends the process here, once: the next process gets past this point. */
const point = (sql: SqlClient.SqlClient, name: string) =>
  Effect.gen(function* () {
    const first = yield* sql`INSERT INTO crash_points (name) VALUES (${name}) ON CONFLICT DO NOTHING RETURNING name`
    if (first.length === 0) return
    process.kill(process.pid, "SIGKILL")
    yield* Effect.never
  }).pipe(Effect.orDie)

const around =
  (sql: SqlClient.SqlClient, name: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    point(sql, `${name} before`).pipe(Effect.andThen(Effect.onExit(effect, () => point(sql, `${name} after`))))

const Books = Layer.effect(
  Ledger.Ledger,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const ledger = yield* Ledger.make
    return Ledger.Ledger.of({
      ...ledger,
      closePeriod: (endMs) => ledger.closePeriod(endMs).pipe(around(sql, "close")),
      post: (posting) => ledger.post(posting).pipe(around(sql, posting.kind)),
      link: (commands) => ledger.link(commands).pipe(around(sql, "boost")),
      beginPayout: (payout) => ledger.beginPayout(payout).pipe(around(sql, "take")),
      settle: (hold, posting) => ledger.settle(hold, posting).pipe(around(sql, "settle")),
    })
  }),
).pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })))

const Kept = Layer.effect(
  Record.SettlementRecord,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const record = yield* SettlementRecordSql.make()
    return Record.SettlementRecord.of({
      ...record,
      begin: (beginning) => record.begin(beginning).pipe(around(sql, "begin")),
      net: (of, sum, pays) => record.net(of, sum, pays).pipe(around(sql, "net")),
      note: (of, news) => record.note(of, news).pipe(around(sql, `note ${news.state}`)),
    })
  }),
)

const makePlace = (sql: SqlClient.SqlClient): Scripted.Place => ({
  read: Effect.orDie(
    Effect.map(sql<{ state: string }>`SELECT state::text AS state FROM scripted_chain`, ([row]) => decode(row?.state)),
  ),
  change: <E>(step: (state: Scripted.State) => Scripted.State | E) =>
    sql
      .withTransaction(
        Effect.gen(function* () {
          const [row] = yield* Effect.orDie(
            sql<{ state: string }>`SELECT state::text AS state FROM scripted_chain FOR UPDATE`,
          )
          const before = decode(row?.state)
          const after = step(before)
          if (!(typeof after === "object" && after !== null && "proposal" in after))
            return yield* Effect.fail(after as E)
          yield* Effect.orDie(sql`UPDATE scripted_chain SET state = ${encode(after)}::text::jsonb`)
          return after
        }),
      )
      .pipe(Effect.catchTag("SqlError" as never, (error) => Effect.die(error))) as Effect.Effect<Scripted.State, E>,
})

const Chain = Layer.effect(
  Settlement,
  Effect.map(SqlClient.SqlClient, (sql) =>
    Scripted.make(
      makePlace(sql),
      (act, effect): Effect.Effect<void, ChainError> => effect.pipe(around(sql, act._tag)),
      { at: Scripted.domain, delayS: 0 },
    ),
  ),
)

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

const asset = { code: AssetCode.make("USD"), scale: 12 }
const wallet = (text: string): Address.Address =>
  Address.fromBytes(Uint8Array.from({ length: 20 }, (_, at) => text.charCodeAt(text.length - 1 - (at % text.length))))

/** One epoch ended in 2001, and the next one ends in 2033; all that was earned until then is safe. */
const options: Epochs.Options = {
  settling: {
    asset: asset.code,
    kind: "root",
    epochMs: 10 ** 12,
    sources: { card: { afterMs: -(10 ** 12) } },
    boost: { cap: 10n ** 12n },
  },
  asset,
  token: { address: Scripted.token, decimals: 6 },
  definition: "d1",
  by: Scripted.operator,
  wallets: (members) => Effect.succeed(new Map(members.map((member) => [member, wallet(member)]))),
  multipliers: (accounts) => Effect.succeed(new Map(accounts.map((account) => [account, 15_000]))),
  finalityMs: 20,
  firstWaitMs: 20,
  longestWaitMs: 50,
}

const main = Effect.gen(function* () {
  // A process that is killed leaves its compiled sources to nobody, unless it does so before.
  flushCompileCache()
  const { round } = yield* Epochs.make(options)
  const record = yield* Record.SettlementRecord
  while (true) {
    yield* round
    const [last] = yield* record.epochs({ limit: 1 })
    if (last?.state === "claimable") return
    yield* Effect.sleep("100 millis")
  }
}).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(Engine, Chain, Kept, Books).pipe(Layer.provideMerge(database))))

await Effect.runPromise(main)
process.exit(0)
