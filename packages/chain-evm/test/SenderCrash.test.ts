import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { type ChildProcess, spawn } from "node:child_process"
import * as path from "node:path"
import * as Anvil from "@guildhall/tools/Anvil"
import * as SenderTrial from "./SenderTrial.ts"

const file = path.join(import.meta.dirname, "SenderWorker.ts")

interface Worker {
  readonly child: ChildProcess
  readonly ended: Promise<string>
  readonly output: () => string
}

/** Starts a process that sends these; killed with the scope. */
const start = Effect.fnUntraced(function* (url: string, names: ReadonlyArray<string>, env: Record<string, string>) {
  const anvil = yield* Anvil.Anvil
  const { privateKey } = yield* anvil.account("carol")
  return yield* Effect.acquireRelease(
    Effect.sync((): Worker => {
      const child = spawn(process.execPath, ["--conditions=@guildhall/source", file], {
        env: {
          PATH: process.env["PATH"],
          NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
          DATABASE_URL: url,
          RPC_URL: anvil.url,
          KEY: Redacted.value(privateKey),
          NAMES: names.join(","),
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
    ({ child }) =>
      Effect.sync(() => {
        child.kill("SIGCONT")
        child.kill("SIGKILL")
      }),
  )
})

/** A database for the processes, and its URL. */
const scene = <E, R>(test: (url: string) => Effect.Effect<void, E, R | SqlClient.SqlClient | Scope.Scope>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE crash_points (name text PRIMARY KEY, at timestamptz DEFAULT now())`
        yield* test(url)
      }).pipe(Effect.provide(TestDatabase.at(url)))
    }),
  )

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix} ${at}`)

/** Asserts that each was paid once, and that no nonce was lost on the way. */
const settled = Effect.fnUntraced(function* (before: { readonly paid: bigint; readonly nonce: number }, count: number) {
  const carol = yield* SenderTrial.address("carol")
  assert.strictEqual((yield* SenderTrial.paid) - before.paid, BigInt(count))
  assert.strictEqual((yield* SenderTrial.nonceOf(carol)) - before.nonce, count)
})

const standing = Effect.gen(function* () {
  return { paid: yield* SenderTrial.paid, nonce: yield* SenderTrial.nonceOf(yield* SenderTrial.address("carol")) }
})

layer(Anvil.layer({ args: ["--block-time", "1"] }), { excludeTestServices: true })("Sender", (it) => {
  it.effect(
    "pays once, though its process is killed after each step, also within a transaction of the database",
    () =>
      scene((url) =>
        Effect.gen(function* () {
          const before = yield* standing
          const names = named("killed", 2)
          let kills = 0
          for (let end = ""; end !== "0";) {
            const { ended, output } = yield* start(url, names, { CRASH: "1", STUCK_MS: "400" })
            end = yield* Effect.promise(() => ended)
            if (end === "SIGKILL") kills += 1
            else assert.strictEqual(end, "0", output())
            assert.isBelow(kills, 40)
          }
          const sql = yield* SqlClient.SqlClient
          const points = yield* sql<{ name: string }>`SELECT name FROM crash_points ORDER BY at`
          assert.includeMembers(
            points.map(({ name }) => name),
            ["sign", "open", "broadcast", "replace", "mark Included", "mark Confirmed"],
          )
          assert.isAtLeast(kills, 4)
          yield* settled(before, names.length)
        }),
      ),
    300_000,
  )

  it.effect(
    "pays once by three processes that share the key, though one is killed and another one frozen",
    () =>
      scene((url) =>
        Effect.gen(function* () {
          const before = yield* standing
          const names = named("shared", 12)
          const sql = yield* SqlClient.SqlClient
          const begun = Effect.map(sql`SELECT FROM chain_evm_sendings`, (rows) => rows.length)
          const killed = yield* start(url, names, {})
          yield* SenderTrial.until(Effect.sync(() => killed.output().includes("ready")))
          yield* SenderTrial.until(Effect.map(begun, (count) => count > 2))
          killed.child.kill("SIGKILL")
          // It holds the account's lock, and the database lets go of it when its patience is over.
          const frozen = yield* start(url, [...names, "its own"].toReversed(), { FREEZE: "1" })
          yield* SenderTrial.until(Effect.sync(() => frozen.output().includes("frozen")))
          const last = yield* start(url, [...names, "another"], {})
          yield* SenderTrial.until(Effect.map(begun, (count) => count > names.length))
          frozen.child.kill("SIGCONT")
          assert.strictEqual(yield* Effect.promise(() => last.ended), "0", last.output())
          assert.strictEqual(yield* Effect.promise(() => frozen.ended), "0", frozen.output())
          yield* settled(before, names.length + 2)
        }),
      ),
    300_000,
  )
})
