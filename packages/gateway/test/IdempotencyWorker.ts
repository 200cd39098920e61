/**
 * A process that answers requests with idempotency keys, over PostgreSQL: tests start several, freeze them and kill them.
 * Its task, and where it stops to be told to go on, come as arguments; what happens it says in lines of JSON.
 *
 * - `many KEYS`: begins that many requests at once, and answers those that are fresh.
 * - `stop STEP`: begins one request, answers it, and waits for a line right after the step: `claimed`, `held`, `settled`,
 *   `kept`.
 */
import { Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import { once } from "node:events"
import * as Idempotency from "../src/Idempotency.ts"
import * as Test from "./TestIdempotency.ts"

const [task, argument = ""] = process.argv.slice(2)
const env = (name: string): string => process.env[name] ?? ""
const owner = env("NAME")
const payer = Test.payer(env("MEMBER"))

const tell = (value: unknown): Effect.Effect<void> =>
  Effect.sync(() => void process.stdout.write(`${JSON.stringify(value)}\n`))
const told = Effect.promise(() => once(process.stdin, "data"))

type Fresh = Extract<Idempotency.Begun, { readonly _tag: "Fresh" }>

const answer = Effect.fnUntraced(function* ({ id, key }: Idempotency.Ask, { finish, tap }: Fresh) {
  const sql = yield* SqlClient.SqlClient
  const at = (step: string) => (argument === step ? Effect.andThen(tell(step), told) : Effect.void)
  yield* at("claimed")
  const held = yield* Effect.result(Test.hold(id, payer, owner))
  if (Result.isFailure(held)) return held.failure.reason._tag
  yield* at("held")
  yield* sql`INSERT INTO calls (key) VALUES (${key})`
  tap.onHead(200, Test.EVENT_STREAM)
  tap.onBytes(Buffer.from(`data: ${key} by ${owner} ${id}\n\n`))
  // An answer takes a while, in which twins in other processes come and wait.
  yield* Effect.sleep(20)
  const settled = yield* Effect.result(Test.settle(id, payer))
  if (Result.isFailure(settled)) {
    yield* finish
    return settled.failure.reason._tag
  }
  yield* at("settled")
  tap.onEnd("completed")
  yield* finish
  yield* at("kept")
  return `data: ${key} by ${owner} ${id}\n\n`
})

const one = Effect.fnUntraced(function* (key: string) {
  const service = yield* Idempotency.Idempotency
  const ask = Test.ask({ payer, key })
  const begun = yield* service.begin(ask)
  return begun._tag === "Fresh" ? yield* answer(ask, begun) : yield* Test.bytesOf(begun)
})

const keys = task === "many" ? Array.from({ length: Number(argument) }, (_, at) => `key-${at}`) : ["key-0"]

const program = Effect.gen(function* () {
  yield* tell("ready")
  yield* told
  const answers = yield* Effect.forEach(
    keys,
    (key) => Effect.catch(one(key), (error) => Effect.succeed(String(error))),
    {
      concurrency: "unbounded",
    },
  )
  yield* tell(answers)
})

const Live = Test.process(owner, { waitMs: 20_000 }).pipe(Layer.provideMerge(Test.sqlBase(env("DATABASE_URL"))))
await Effect.runPromise(program.pipe(Effect.provide(Live)))
process.exit(0)
