import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { InstanceId } from "@guildhall/core/Instance"
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
  broken((exchange) => (gateway, own) => Effect.map(exchange(gateway, own), (heard) => new Map([...own, ...heard]))),
  1,
)
const toldBefore = new Map<string, InFlight.Counts>()
InFlightTest.breaks(
  "it adds to what was told",
  broken((exchange) => (gateway, own) => {
    const all = new Map([...(toldBefore.get(gateway) ?? []), ...own])
    toldBefore.set(gateway, all)
    return exchange(gateway, all)
  }),
  2,
)
InFlightTest.breaks(
  "it never forgets",
  broken((exchange) => exchange, { lifeMs: 3_600_000 }),
  3,
)
let last: InFlight.Counts = new Map()
InFlightTest.breaks(
  "only the last one counts",
  broken(() => (_, own) => {
    const heard = last
    last = own
    return Effect.succeed(heard)
  }),
  4,
)

describe("what is told", () => {
  it("leaves out who has nothing, and of too many those with the least", () => {
    const own = new Map(
      Array.from({ length: InFlight.INSTANCES_MAX + 5 }, (_, at) => [InstanceId.make(`ins_${at}`), at] as const),
    )
    const told = InFlight.told(own)
    assert.strictEqual(told.size, InFlight.INSTANCES_MAX)
    assert.strictEqual(Math.min(...told.values()), 5)
    assert.strictEqual(InFlight.told(new Map([[InstanceId.make("ins_a"), 0]])).size, 0)
  })
})
