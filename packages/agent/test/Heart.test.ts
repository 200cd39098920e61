import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Logger, Redacted } from "effect"
import * as Endpoint from "@guildhall/core/Endpoint"
import { ModelId } from "@guildhall/core/Model"
import type { Commitment } from "@guildhall/protocol/provider/DeviceProof"
import * as AgentHome from "../src/AgentHome.ts"
import * as AgentServer from "../src/AgentServer.ts"
import * as Memory from "../src/backends/Memory.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import { DeviceReadings, type Readings } from "../src/DeviceReadings.ts"
import * as Heart from "../src/Heart.ts"
import * as MarketClient from "../src/MarketClient.ts"
import * as UsageLog from "../src/UsageLog.ts"
import * as AgentProcess from "./AgentProcess.ts"
import { quiet } from "./Quiet.ts"
import * as ScriptedMarket from "./ScriptedMarket.ts"
import { entry } from "./TestEntry.ts"
import * as TestTicket from "./TestTicket.ts"
import { until } from "./Waiting.ts"

const MODEL = ModelId.make("test/model")
const registration = {
  provider_type: "agent",
  endpoint_url: "http://127.0.0.1:1",
  model: MODEL,
  input_price_per_million: 10,
  output_price_per_million: 20,
  context_length_offered: 100,
  concurrency: 2,
} as const

const beating = Effect.fnUntraced(function* (
  market: ScriptedMarket.ScriptedMarket,
  options: {
    readonly apiKey?: string
    readonly home?: string
    readonly readings?: Effect.Effect<Readings>
    readonly serves?: ReadonlyArray<Commitment>
    readonly takes?: number
  } = {},
) {
  const directory = options.home ?? (yield* AgentProcess.temporaryHome)
  const server = {
    host: "127.0.0.1",
    port: 0,
    concurrency: 2,
    endpoints: Endpoint.standard,
    models: [MODEL],
    price: TestTicket.PRICE,
  }
  const apiKey = Redacted.make(options.apiKey ?? market.apiKey)
  const context = yield* Layer.build(
    AgentServer.layer(server).pipe(
      Layer.provide(Memory.layer({ models: [{ id: MODEL, contextLength: 100 }] })),
      Layer.provideMerge(MarketClient.layer({ url: `${market.url}/`, apiKey })),
      Layer.provideMerge(UsageLog.layer),
      Layer.provideMerge(DeviceKey.layer),
      Layer.provideMerge(Layer.succeed(DeviceReadings, { latest: options.readings ?? Effect.succeed({}) })),
      Layer.provideMerge(AgentHome.layer({ directory })),
      Layer.provide(NodeServices.layer),
      Layer.provide(NodeHttpClient.layerNodeHttp),
    ),
  )
  const heart = yield* Effect.provide(
    Heart.make([registration], { serves: options.serves ?? [], takes: options.takes ?? 4 }),
    context,
  )
  return { heart, log: Context.get(context, UsageLog.UsageLog), directory }
})

const lines = (count: number, from = 1) => Array.from({ length: count }, (_, at) => entry(from + at))

describe("Heart", () => {
  it.live("registers, beats, hands over its lines, and forgets what is acknowledged", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make({ intervalMs: 20 })
      const { heart, log } = yield* beating(market)
      const instances = yield* heart.register
      assert.lengthOf(instances, 1)
      const fiber = yield* Effect.forkChild(heart.run)
      yield* until(() => market.beats.length >= 3)
      for (const line of lines(3)) log.record(line)
      yield* until(() => market.lines.size === 3)
      yield* until(() => market.beats.length >= 8)
      assert.deepStrictEqual(yield* log.pending, [])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(market.problems, [])
      assert.deepStrictEqual(
        market.sequences,
        [...new Set(market.sequences)].sort((a, b) => a - b),
      )
      const [beat] = market.beats
      assert.strictEqual(beat?.instances[0]?.instance_id, instances[0])
      assert.strictEqual(beat?.instances[0]?.state, "serving")
    }).pipe(Effect.scoped, quiet),
  )

  it.live("keeps lines until they are acknowledged and sends them again", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      market.acknowledging(false)
      const { heart, log } = yield* beating(market)
      yield* heart.register
      for (const line of lines(2)) log.record(line)
      yield* heart.beat("serving")
      yield* heart.beat("serving")
      assert.deepStrictEqual(
        market.beats.map((beat) => beat.usage?.lines.length),
        [2, 2],
      )
      market.acknowledging(true)
      yield* heart.beat("serving")
      yield* heart.beat("serving")
      assert.deepStrictEqual(market.beats.at(-1)?.usage?.lines, [])
      assert.strictEqual(market.beats.at(-1)?.usage?.head.number, 2)
      assert.deepStrictEqual(market.problems, [])
    }).pipe(Effect.scoped, quiet),
  )

  it.live("says once which lines the market refused, however often they are sent before they are forgotten", () => {
    const said: Array<string> = []
    const hearing = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
    return Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      market.acknowledging(false)
      const { heart, log } = yield* beating(market)
      yield* heart.register
      for (const line of lines(4)) log.record(line)
      const refusals = () => said.filter((text) => text.includes("refused the usage")).length
      market.refusing(2, 3)
      for (let beats = 0; beats < 5; beats++) yield* heart.beat("serving")
      assert.strictEqual(refusals(), 2)
      market.refusing(2, 3, 4)
      for (let beats = 0; beats < 5; beats++) yield* heart.beat("serving")
      assert.strictEqual(refusals(), 3)
      market.acknowledging(true)
      yield* heart.beat("serving")
      yield* heart.beat("serving")
      assert.strictEqual(refusals(), 3)
      assert.deepStrictEqual(yield* log.pending, [])
    }).pipe(Effect.scoped, Effect.provide(hearing))
  })

  it.live("sends at most 500 lines in a beat, and the rest right after", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      const { heart, log } = yield* beating(market)
      yield* heart.register
      for (const line of lines(1100)) log.record(line)
      const fiber = yield* Effect.forkChild(heart.run)
      yield* until(() => market.lines.size === 1100)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        market.beats.map((beat) => beat.usage?.lines.length),
        [500, 500, 100],
      )
      assert.deepStrictEqual(market.problems, [])
    }).pipe(Effect.scoped, quiet),
  )

  it.live("waits for a market that is away, and comes back to one that was", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make({ intervalMs: 20 })
      market.away(true)
      const { heart, log } = yield* beating(market)
      const registering = yield* Effect.forkChild(heart.register)
      yield* Effect.sleep(100)
      market.away(false)
      yield* Fiber.join(registering)
      const fiber = yield* Effect.forkChild(heart.run)
      yield* until(() => market.beats.length >= 2)
      market.away(true)
      log.record(entry(1))
      yield* Effect.sleep(100)
      const before = market.beats.length
      market.away(false)
      yield* until(() => market.beats.length > before && market.lines.size === 1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(market.problems, [])
    }).pipe(Effect.scoped, quiet),
  )

  it.live("registers again where the market has forgotten it", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make({ intervalMs: 20 })
      const { heart } = yield* beating(market)
      yield* heart.register
      market.failNext(404, "not_found")
      const fiber = yield* Effect.forkChild(heart.run)
      yield* until(() => market.registrations.length === 2 && market.beats.length > 0)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.scoped, quiet),
  )

  it.live("jumps over the sequence numbers that a market has seen", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      const { heart } = yield* beating(market)
      yield* heart.register
      market.failNext(409, "replayed_message")
      yield* heart.beat("serving")
      const [before = 0, after = 0] = market.sequences.slice(-2)
      assert.isAtLeast(after - before, 600_000)
    }).pipe(Effect.scoped, quiet),
  )

  it.live("fails with a letter where the market refuses it", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      const { heart } = yield* beating(market, { apiKey: "sk-wrong" })
      const error = yield* Effect.flip(heart.register)
      assert.strictEqual(error.reason, "MarketRefused")
      assert.strictEqual(error.code, "invalid_api_key")
      assert.include(error.message, "GUILDHALL_PROVIDER_KEY")
      assert.notInclude(error.message, "sk-wrong")
    }).pipe(Effect.scoped, quiet),
  )

  it.live("says goodbye, and does not wait for a market that hangs", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      const { heart, log } = yield* beating(market)
      yield* heart.register
      log.record(entry(1))
      yield* heart.farewell(100)
      assert.deepStrictEqual(
        market.beats.map((beat) => beat.instances[0]?.state),
        ["draining", "draining"],
      )
      assert.strictEqual(market.lines.size, 1)
      market.hang()
      const [took] = yield* Effect.timed(Effect.uninterruptible(heart.farewell(100)))
      assert.isBelow(Duration.toMillis(took), 2_500)
    }).pipe(Effect.scoped, quiet),
  )
})
