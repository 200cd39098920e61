/**
 * A process that reads a chain and posts what it reads, until it is told to stop: `IndexerCrash.test.ts` kills it. With CRASH it
 * ends itself by SIGKILL at each point that no process before it has reached.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { AssetCode } from "@guildhall/core/Asset"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as SqlClient from "effect/sql/SqlClient"
import { flushCompileCache } from "node:module"
import * as Address from "@guildhall/chain/Address"
import * as ChannelTokens from "../src/ChannelTokens.ts"
import { anvil } from "../src/chains/anvil.ts"
import * as EventDecoder from "../src/EventDecoder.ts"
import * as Indexer from "../src/Indexer.ts"
import type { IndexStore } from "../src/IndexStore.ts"
import * as IndexStoreSql from "../src/IndexStoreSql.ts"
import * as MirrorFeed from "../src/MirrorFeed.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Emitter from "@guildhall/tools/Emitter"

const url = process.env["DATABASE_URL"] ?? ""
const endpoint = Redacted.make(process.env["RPC_URL"] ?? "")
const upTo = Number(process.env["UP_TO"])
const token = Address.fromBytes(new Uint8Array(20).fill(0x22))
const usdc = { code: AssetCode.make("USDC"), scale: 6 }

/** Ends the process here, once: the next process gets past this point. */
const point = (sql: SqlClient.SqlClient, name: string) =>
  Effect.gen(function* () {
    if (process.env["CRASH"] !== "1") return
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
      link: (commands) => ledger.link(commands).pipe(around(sql, "post")),
      reverse: (sequence, attachments) => ledger.reverse(sequence, attachments).pipe(around(sql, "reverse")),
    })
  }),
).pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })), Layer.provideMerge(TestDatabase.at(url)))

const crashing = (sql: SqlClient.SqlClient, store: IndexStore): IndexStore => ({
  ...store,
  move: (step) => {
    const isBack = step.from !== null && step.keptUpTo < step.from.number
    return store.move(step).pipe(around(sql, isBack ? "take back" : "move"))
  },
  setMark: (reader, mark, forks) => store.setMark(reader, mark, forks).pipe(around(sql, "mark")),
})

const main = Effect.gen(function* () {
  // A process that is killed leaves its compiled sources to nobody, unless it does so before.
  flushCompileCache()
  const sql = yield* SqlClient.SqlClient
  const rpc = yield* Rpc.make({ chain: anvil, endpoints: [endpoint] })
  const store = crashing(sql, yield* IndexStoreSql.make({ name: "test", subject: "test" }))
  const watches = Effect.succeed([{ addresses: [Emitter.ADDRESS] }])
  const index = Indexer.make({ name: "test", rpc, store, firstBlock: 1, watches, rangeMax: 7 })
  const mirror: MirrorFeed.Options = {
    chainId: anvil.id,
    store,
    decode: EventDecoder.make([{ contract: "Settlement", address: Emitter.ADDRESS }]),
    tokens: new Map([[token, usdc]]),
    own: {},
    channels: yield* ChannelTokens.makeSql(anvil.id),
  }
  const reader = MirrorFeed.make(mirror)
  for (let number = -1; number < upTo; number = (yield* store.cursor)?.number ?? -1) {
    yield* index.step
    yield* MirrorFeed.read(mirror, reader)
  }
}).pipe(Effect.provide(Books), Effect.provide(FetchHttpClient.layer))

await Effect.runPromise(main)
process.exit(0)
