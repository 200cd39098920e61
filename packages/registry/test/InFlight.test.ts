import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import * as InFlight from "../src/InFlight.ts"
import * as InFlightSql from "../src/InFlightSql.ts"
import * as InFlightTest from "../src/testing/InFlightTest.ts"

const options = { lifeMs: InFlightTest.LIFE_MS }
InFlightTest.suite("memory", InFlight.layerMemory(options))
InFlightTest.suite("SQL", InFlightSql.layer(options).pipe(Layer.provide(TestDatabase.layer)))

type Exchange = InFlight.InFlight["Service"]["exchange"]
const broken = (change: (exchange: Exchange) => Exchange, life = options) =>
  Layer.effect(
    InFlight.InFlight,
    Effect.map(InFlight.InFlight, ({ exchange }) => InFlight.InFlight.of({ exchange: change(exchange) })),
  ).pipe(Layer.provide(InFlight.layerMemory(life)))

InFlightTest.breaks(
  "it hears its own counts as well",
  broken(
    (exchange) => (gateway, own) =>
      Effect.map(exchange(gateway, own), (heard) => ({ ...heard, others: [...heard.others, { gateway, ...own }] })),
  ),
  1,
)
const toldBefore = new Map<string, InFlight.Counts>()
InFlightTest.breaks(
  "it adds to what was told",
  broken((exchange) => (gateway, own) => {
    const all = new Map([...(toldBefore.get(gateway) ?? []), ...own.inFlight])
    toldBefore.set(gateway, all)
    return exchange(gateway, { ...own, inFlight: all })
  }),
  2,
)
InFlightTest.breaks(
  "it never forgets",
  broken((exchange) => exchange, { lifeMs: 3_600_000 }),
  3,
)
let last: InFlight.Heard["others"] = []
InFlightTest.breaks(
  "only the last one counts",
  broken(() => (gateway, own) => {
    const others = last
    last = [{ gateway, ...own }]
    return Effect.succeed({ atMs: 0, others })
  }),
  4,
)

describe("what is told", () => {
  it("leaves out who has nothing, and of too many those with the least", () => {
    const inFlight = new Map(
      Array.from({ length: InFlight.INSTANCES_MAX + 5 }, (_, at) => [InstanceId.make(`ins_${at}`), at] as const),
    )
    const waiting = new Map(
      Array.from({ length: InFlight.MODELS_MAX + 3 }, (_, at) => [ModelId.make(`a/${at}`), at] as const),
    )
    const told = InFlight.told({ inFlight, waiting })
    assert.strictEqual(told.inFlight.size, InFlight.INSTANCES_MAX)
    assert.strictEqual(Math.min(...told.inFlight.values()), 5)
    assert.strictEqual(told.waiting.size, InFlight.MODELS_MAX)
    assert.strictEqual(Math.min(...told.waiting.values()), 3)
    const nothing = InFlight.told({ inFlight: new Map([[InstanceId.make("ins_a"), 0]]), waiting: new Map() })
    assert.strictEqual(nothing.inFlight.size, 0)
  })
})
