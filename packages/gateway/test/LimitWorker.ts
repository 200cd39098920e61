/**
 * A process with limits over PostgreSQL, told by its parent what to do. Run with the database's URL and the process's name.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, ManagedRuntime } from "effect"
import * as Limits from "../src/Limits.ts"
import * as LimitStoreSql from "../src/LimitStoreSql.ts"
import { Market } from "../src/Market.ts"
import * as TestLimits from "./TestLimits.ts"

/** What the parent asks for: so many requests within so long, each reserving so much, and staying or leaving at once. */
export interface Order {
  readonly requests: number
  readonly withinMs: number
  readonly stay: boolean
  readonly cents: number
}

/** What became of them, by code; how long the last of them took to be decided. */
export interface Report {
  readonly outcomes: Readonly<Record<string, number>>
  readonly slowestMs: number
}

const [, , url = "", name = "", allowances = "{}"] = process.argv
const runtime = ManagedRuntime.make(
  Limits.layer.pipe(
    Layer.provide(Layer.succeed(Market, TestLimits.market(name, JSON.parse(allowances)))),
    Layer.provide(LimitStoreSql.layer.pipe(Layer.provide(TestDatabase.at(url)))),
    Layer.orDie,
  ),
)

const carryOut = ({ cents, requests, stay, withinMs }: Order) =>
  Effect.gen(function* () {
    const limits = yield* Limits.Limits
    const outcomes: Record<string, number> = {}
    let slowestMs = 0
    const one = (at: number) =>
      Effect.gen(function* () {
        yield* Effect.sleep((withinMs * at) / requests)
        const startedMs = performance.now()
        const place = yield* TestLimits.reserve({ limits }, TestLimits.holder("a"), {
          tokens: 1,
          cost: BigInt(cents) * 10_000_000_000n,
        })
        slowestMs = Math.max(slowestMs, performance.now() - startedMs)
        const outcome = TestLimits.isPlace(place) ? "in" : place.code
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
        if (TestLimits.isPlace(place) && !stay) place.leave()
      })
    yield* Effect.all(
      Array.from({ length: requests }, (_, at) => one(at)),
      { concurrency: "unbounded" },
    )
    return { outcomes, slowestMs }
  })

process.on("message", (order: Order) => {
  void runtime.runPromise(carryOut(order)).then((report) => process.send?.(report))
})
process.on("disconnect", () => void runtime.dispose().then(() => process.exit()))
void runtime.context().then(() => process.send?.("ready"))
