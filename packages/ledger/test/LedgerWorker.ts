/**
 * A process with a ledger of its own on PostgreSQL: tests start several, freeze them and kill them. It says on its
 * standard output, in a line of JSON each, what was answered.
 *
 * - `spend`: waits for a line, then posts COUNT charges at once.
 * - `own`: takes a hold, renews it every RENEW_MS, and settles it when it is told to by a line.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { once } from "node:events"
import { AccountId } from "../src/Account.ts"
import { HoldId } from "../src/Hold.ts"
import * as Ledger from "../src/Ledger.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import type { Posting } from "../src/Posting.ts"

const env = (name: string): string => process.env[name] ?? ""
const [buyer, earner] = [AccountId.make(env("BUYER")), AccountId.make(env("EARNER"))]
const name = env("NAME")

const tell = (value: unknown): Effect.Effect<void> =>
  Effect.sync(() => void process.stdout.write(`${JSON.stringify(value)}\n`))
const told = Effect.promise(() => once(process.stdin, "data"))

const charge = (idempotencyKey: string, amount: bigint): Posting => ({
  idempotencyKey,
  kind: "charge",
  legs: [
    { account: buyer, amount: -amount },
    { account: earner, amount },
  ],
  attachments: [],
})

const answerOf = (answer: Result.Result<unknown, { readonly reason: { readonly _tag: string } }>): string =>
  Result.isSuccess(answer) ? "done" : answer.failure.reason._tag

const spend = Effect.gen(function* () {
  const ledger = yield* Ledger.Ledger
  yield* tell("ready")
  yield* told
  const answers = yield* Effect.forEach(
    Array.from({ length: Number(env("COUNT")) }, (_, at) => `${name}-${at}`),
    (key) => Effect.result(ledger.post(charge(key, 1n))),
    { concurrency: "unbounded" },
  )
  yield* tell(answers.map(answerOf))
})

const own = Effect.gen(function* () {
  const ledger = yield* Ledger.Ledger
  const id = HoldId.make(name)
  const lifeMs = Number(env("LIFE_MS"))
  yield* ledger.hold({ id, account: buyer, amount: 5n, owner: name, lifeMs, definitionDigest: "d", context: { name } })
  yield* ledger
    .renew(name, lifeMs)
    .pipe(Effect.andThen(Effect.sleep(Number(env("RENEW_MS")))), Effect.forever, Effect.forkChild)
  yield* tell("held")
  yield* told
  yield* tell(answerOf(yield* Effect.result(ledger.settle(id, charge(`settle-${name}`, 5n)))))
})

const Books = Ledger.layer.pipe(
  Layer.provide(LedgerStoreSql.layer({ renewMs: 0 })),
  Layer.provide(TestDatabase.at(env("DATABASE_URL"))),
)

await Effect.runPromise((process.argv[2] === "own" ? own : spend).pipe(Effect.provide(Books)))
process.exit(0)
