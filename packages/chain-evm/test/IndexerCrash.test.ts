import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { ids } from "@guildhall/ledger/Account"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import * as path from "node:path"
import * as EventDecoder from "../src/EventDecoder.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as Emitter from "@guildhall/tools/Emitter"

const worker = path.join(import.meta.dirname, "IndexWorker.ts")

/** Runs a process to its end, and answers how it ended. */
const run = (env: Record<string, string>) =>
  Effect.callback<string>((resume) => {
    const child = spawn(process.execPath, ["--conditions=@guildhall/source", worker], {
      env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...env },
      stdio: ["ignore", "inherit", "inherit"],
    })
    child.once("close", (code, signal) => resume(Effect.succeed(signal ?? `${code}`)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Runs processes, each of which is killed at a point that none before it reached, until one comes to the end. */
const runKilled = Effect.fnUntraced(function* (env: Record<string, string>) {
  for (let kills = 0; ; kills++) {
    const end = yield* run({ ...env, CRASH: "1" })
    if (end === "0") return kills
    assert.strictEqual(end, "SIGKILL")
    assert.isBelow(kills, 60)
  }
})

const funded = EventDecoder.selectorOf("Settlement", "Funded") ?? assert.fail("there is no such event")
const token = `0x${"22".repeat(20)}`.padEnd(66, "0")
const second = `0x${"0".repeat(24)}${token.slice(2, 42)}`

const account = (bucket: string) => ids.chain(31_337, "Settlement", `USDC.${bucket}`)

describe("Indexer and mirror", () => {
  it.live(
    "go on after their process is killed before and after each step, also through a fork, and post each event once",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const url = yield* TestDatabase.make
          const anvil = yield* Anvil.make()
          yield* Emitter.deploy(anvil.request)
          const books = Ledger.layer.pipe(
            Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })),
            Layer.provideMerge(TestDatabase.at(url)),
          )
          const env = { DATABASE_URL: url, RPC_URL: anvil.url }
          const emit = (count: number) => Emitter.emit(anvil.request, { count, topic: funded, second })
          /** What anvil itself says was funded, up to the last block that is final. */
          const truth = Effect.gen(function* () {
            const toBlock = `0x${((yield* anvil.blockNumber) - 1).toString(16)}`
            const logs = yield* anvil.request("eth_getLogs", [{ fromBlock: "0x0", toBlock, address: Emitter.ADDRESS }])
            return (logs as ReadonlyArray<{ readonly data: string }>).reduce((sum, { data }) => sum + BigInt(data), 0n)
          })
          const agrees = Effect.gen(function* () {
            const ledger = yield* Ledger.Ledger
            const sum = yield* truth
            assert.isTrue(sum > 0n)
            assert.strictEqual((yield* ledger.account(account("funded"))).balance, sum)
            assert.strictEqual((yield* ledger.account(account("outside"))).balance, -sum)
          })
          yield* Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            yield* sql`CREATE TABLE crash_points (name text PRIMARY KEY)`
            for (let block = 0; block < 30; block++) yield* emit(2 + (block % 3))
            const kills = yield* runKilled({ ...env, UP_TO: `${yield* anvil.blockNumber}` })
            assert.isAtLeast(kills, 6)
            yield* agrees
            yield* anvil.reorg(10)
            yield* emit(9)
            yield* emit(0)
            const more = yield* runKilled({ ...env, UP_TO: `${yield* anvil.blockNumber}` })
            assert.isAtLeast(more, 4)
            yield* agrees
            const points = yield* sql<{ name: string }>`SELECT name FROM crash_points`
            assert.includeMembers(
              points.map(({ name }) => name),
              ["move", "post", "mark", "take back", "reverse"].flatMap((step) => [`${step} before`, `${step} after`]),
            )
          }).pipe(Effect.provide(books))
        }),
      ),
    600_000,
  )
})
