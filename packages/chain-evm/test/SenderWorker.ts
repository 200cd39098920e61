/**
 * A process that sends transactions and ends when all are included: `SenderCrash.test.ts` runs several and kills them. With CRASH
 * it ends itself by SIGKILL after each step that no process before it has made; with FREEZE it stops when it has signed first, under
 * the account's lock.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as SqlClient from "effect/sql/SqlClient"
import { flushCompileCache } from "node:module"
import * as Rpc from "../src/Rpc.ts"
import * as Sender from "../src/Sender.ts"
import * as SenderStore from "../src/SenderStore.ts"
import * as SenderStoreSql from "../src/SenderStoreSql.ts"
import * as Signer from "../src/Signer.ts"
import * as SenderTrial from "./SenderTrial.ts"

const url = process.env["DATABASE_URL"] ?? ""
const endpoint = Redacted.make(process.env["RPC_URL"] ?? "")
const key = Redacted.make(process.env["KEY"] ?? "")
const names = (process.env["NAMES"] ?? "").split(",")
const stuckMs = Number(process.env["STUCK_MS"] ?? 60_000)

/** Ends the process here, once: the next process gets past this point. */
const point = (sql: SqlClient.SqlClient, name: string) =>
  Effect.gen(function* () {
    if (process.env["CRASH"] !== "1") return
    const first = yield* sql`INSERT INTO crash_points (name) VALUES (${name}) ON CONFLICT DO NOTHING RETURNING name`
    if (first.length === 0) return
    process.kill(process.pid, "SIGKILL")
    yield* Effect.never
  }).pipe(Effect.orDie)

let isFrozen = process.env["FREEZE"] !== "1"

/** Stops the process here, once, until it is let go on. */
const freeze = Effect.sync(() => {
  if (isFrozen) return
  isFrozen = true
  process.stdout.write("frozen\n")
  process.kill(process.pid, "SIGSTOP")
})

/** Ends the process after a step. What comes before a step is after another. */
const after = (sql: SqlClient.SqlClient, name: string) => {
  return <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.onExit(effect, () => point(sql, name))
}

/** A client of its own: what it notes stays, though the transaction in which the process dies does not. */
const Notes = Layer.fresh(TestDatabase.at(url))

const notes = SqlClient.SqlClient

const Endpoints = Layer.effect(
  Rpc.Rpc,
  Effect.gen(function* () {
    const sql = yield* notes
    const rpc = yield* Rpc.make({ chain: SenderTrial.chain, endpoints: [endpoint] })
    return Rpc.Rpc.of({ ...rpc, broadcast: (raw) => rpc.broadcast(raw).pipe(after(sql, "broadcast")) })
  }),
).pipe(Layer.provide(Notes), Layer.provide(FetchHttpClient.layer))

const Keys = Layer.effect(
  Signer.Signer,
  Effect.gen(function* () {
    const sql = yield* notes
    const signer = yield* Effect.orDie(Signer.make([key]))
    return Signer.Signer.of({
      ...signer,
      signTransaction: (by, transaction) =>
        signer.signTransaction(by, transaction).pipe(Effect.tap(freeze), after(sql, "sign")),
    })
  }),
).pipe(Layer.provide(Notes))

const Store = Layer.effect(
  SenderStore.SenderStore,
  Effect.gen(function* () {
    const sql = yield* notes
    const store = yield* SenderStore.SenderStore
    return SenderStore.SenderStore.of({
      ...store,
      open: (order, wanted, sign) => store.open(order, wanted, sign).pipe(after(sql, "open")),
      replace: (known, sign) => store.replace(known, sign).pipe(after(sql, "replace")),
      mark: (known, state, place) => store.mark(known, state, place).pipe(after(sql, `mark ${state}`)),
    })
  }),
).pipe(Layer.provide(Notes), Layer.provide(SenderStoreSql.layer), Layer.provide(Layer.fresh(TestDatabase.at(url))))

const program = Effect.gen(function* () {
  const sender = yield* Sender.Sender
  const { addresses } = yield* Signer.Signer
  const [by] = addresses
  if (by === undefined) return yield* Effect.die("no key")
  // A process that is killed leaves its compiled sources to nobody, unless it does so before.
  flushCompileCache()
  process.stdout.write("ready\n")
  // A process that was put off by the database asks again, under the same key.
  const send = (name: string) =>
    Effect.retry(sender.send(SenderTrial.pay(by, name)), { times: 3, while: ({ reason }) => reason.isRetryable })
  yield* Effect.forEach(names, send, { concurrency: "unbounded" })
  // What is included is watched until it is confirmed.
  const states = Effect.forEach(names, (name) => Effect.map(sender.find(name), (one) => one?.state))
  yield* Effect.repeat(states, {
    until: (all) => all.every((state) => state === "Confirmed" || state === "Final"),
    schedule: Schedule.spaced("100 millis"),
  })
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(
      Sender.layer({ pollMs: 100, stuckMs }).pipe(Layer.provideMerge(Layer.mergeAll(Endpoints, Keys, Store))),
    ),
    Effect.scoped,
  ),
)
process.exit(0)
