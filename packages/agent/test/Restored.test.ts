/**
 * An agent that says how it is doing, commits to what it serves, and goes on from what it has signed when its home was restored
 * from an old copy.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import type { Attested } from "@guildhall/protocol/provider/Attested"
import type { Heartbeat } from "@guildhall/protocol/provider/Heartbeat"
import * as AgentHome from "../src/AgentHome.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import * as ServedCommitment from "../src/ServedCommitment.ts"
import * as Heart from "../src/serving/Heart.ts"
import * as UsageLog from "../src/UsageLog.ts"
import * as AgentProcess from "./AgentProcess.ts"
import { quiet } from "./Quiet.ts"
import { entry } from "./TestEntry.ts"

const serves = (model: string) => [{ model: ModelId.make(model), contextLength: 100, engine: "test" }]
const INSTANCE = InstanceId.make("ins_one")

/** A market that holds what it hears, as far as a test lets it. */
interface Market {
  attested: Attested
  readonly beats: Array<Heartbeat>
}
const makeMarket = (): Market => ({ attested: {}, beats: [] })

/** One life of an agent on a home: it registers, and does what a test says. */
const live = <A>(
  home: string,
  market: Market,
  test: (agent: {
    readonly heart: Heart.Heart<{ readonly message: string; readonly isRetryable: boolean }>
    readonly log: UsageLog.UsageLog["Service"]
    readonly key: DeviceKey.DeviceKey["Service"]
  }) => Effect.Effect<A, { readonly message: string; readonly isRetryable: boolean }>,
  model = "org/model",
) =>
  Effect.gen(function* () {
    const key = yield* DeviceKey.DeviceKey
    const log = yield* UsageLog.UsageLog
    const current = yield* ServedCommitment.make(serves(model))
    const terms = { nonce: "nonce_1", heartbeat_interval_ms: 60_000, keys: [] }
    const heart = yield* Heart.make<{ readonly message: string; readonly isRetryable: boolean }>({
      registrations: [
        {
          provider_type: "agent",
          model: ModelId.make(model),
          input_price_per_million: 1,
          output_price_per_million: 1,
          context_length_offered: 100,
          concurrency: 1,
        },
      ],
      market: {
        register: () =>
          Effect.succeed({ ...terms, device_id: key.id, instance_id: INSTANCE, attested: market.attested }),
        heartbeat: (beat) =>
          Effect.sync(() => {
            market.beats.push(beat)
            const { commitment, usage } = beat
            market.attested = {
              ...market.attested,
              ...(commitment === undefined
                ? {}
                : { commitment: { number: commitment.number, digest: ServedCommitment.digest(commitment) } }),
              ...(usage === undefined ? {} : { usage_head: { device: key.publicKey, ...usage.head } }),
            }
            const acknowledged = usage?.lines.at(-1)?.number ?? 0
            return { ...terms, acknowledged, refused: [], attested: market.attested }
          }),
      },
      server: { learn: () => undefined, inFlight: () => 3, drain: () => Effect.void },
      log,
      skipAhead: key.skipAhead,
      status: (inFlight) =>
        Effect.succeed({ queue: inFlight, loadPercent: 40, vramUsedMib: 9, versions: { agent: "1" } }),
      hasSigned: key.hasSigned,
      commit: (held) =>
        Effect.map(current(held), (statement) =>
          held?.digest === ServedCommitment.digest(statement) ? undefined : statement,
        ),
    })
    yield* heart.register
    return yield* test({ heart, log, key })
  }).pipe(
    Effect.provide(
      UsageLog.layer.pipe(
        Layer.provideMerge(DeviceKey.layer),
        Layer.provideMerge(AgentHome.layer({ directory: home })),
        Layer.provideMerge(NodeServices.layer),
      ),
    ),
  )

const serve =
  (numbers: ReadonlyArray<number>) =>
  (
    agent: { log: UsageLog.UsageLog["Service"] } & {
      heart: {
        beat: (state: "serving") => Effect.Effect<boolean, { readonly message: string; readonly isRetryable: boolean }>
      }
    },
  ) =>
    Effect.gen(function* () {
      for (const number of numbers) agent.log.record(entry(number))
      yield* agent.heart.beat("serving")
    })

describe("a beat", () => {
  it.live("S6 · carries how the device is doing and the signed head of its log, each time", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const market = makeMarket()
      yield* live(home, market, (agent) => Effect.andThen(agent.heart.beat("serving"), agent.heart.beat("serving")))
      const last = market.beats.at(-1)
      assert.deepInclude(last, { queue: 3, load_percent: 40, vram_used_mib: 9, versions: { agent: "1" } })
      assert.deepInclude(last?.usage, { lines: [] })
      assert.strictEqual(last?.usage?.head.number, 0)
    }).pipe(Effect.scoped, quiet),
  )
})

describe("a commitment", () => {
  it.live("is told before the next beat is due, once, under one number as long as the same is served", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const market = makeMarket()
      yield* live(home, market, (agent) => agent.heart.beat("serving"))
      assert.deepStrictEqual(
        market.beats.map(({ commitment }) => commitment?.number),
        [1, undefined],
      )
      yield* live(home, market, (agent) => agent.heart.beat("serving"))
      assert.isUndefined(market.beats.at(-1)?.commitment)
      yield* live(home, market, () => Effect.void, "org/other")
      assert.strictEqual(market.beats.at(-1)?.commitment?.number, 2)
    }).pipe(Effect.scoped, quiet),
  )
})

describe("a home that was restored from an old copy", () => {
  it.live("signs no position of its log twice, and loses no line", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const copy = yield* AgentProcess.temporaryHome
      const market = makeMarket()
      yield* live(home, market, serve([1, 2]))
      Fs.cpSync(home, copy, { recursive: true })
      yield* live(home, market, serve([3, 4, 5]))
      assert.strictEqual(market.attested.usage_head?.number, 5)
      const held = market.attested.usage_head
      yield* live(copy, market, serve([6]))
      const [line] = market.beats.at(-1)?.usage?.lines ?? []
      assert.strictEqual(line?.number, 6)
      assert.strictEqual(line?.previous, held?.hash)
      // No number was ever signed over two hashes.
      const signed = new Map<number, string>()
      for (const { usage } of market.beats) {
        if (usage === undefined) continue
        assert.strictEqual(signed.get(usage.head.number) ?? usage.head.hash, usage.head.hash)
        signed.set(usage.head.number, usage.head.hash)
      }
    }).pipe(Effect.scoped, quiet),
  )

  it.live("with lines that nobody has heard of sends them under new numbers, also after the next start", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const copy = yield* AgentProcess.temporaryHome
      const market = makeMarket()
      yield* live(home, market, serve([1]))
      // Served, and not told before the copy was made.
      yield* live(home, market, ({ log }) => {
        log.record(entry(2))
        return log.flush
      })
      Fs.cpSync(home, copy, { recursive: true })
      yield* live(home, market, serve([3]))
      assert.strictEqual(market.attested.usage_head?.number, 3)
      yield* live(copy, market, ({ log }) => log.flush)
      const again = yield* live(copy, market, ({ log }) => log.report(10))
      assert.deepStrictEqual(
        again.lines.map(({ number, usage }) => [number, usage.inputToken]),
        [[4, 2]],
      )
    }).pipe(Effect.scoped, quiet),
  )

  it.live("does not follow a head that another key signed", () =>
    Effect.gen(function* () {
      const [home, other] = [yield* AgentProcess.temporaryHome, yield* AgentProcess.temporaryHome]
      const market = makeMarket()
      yield* live(home, market, serve([1]))
      const hostile = makeMarket()
      yield* live(other, hostile, serve([1, 2, 3]))
      const { usage_head: _, ...rest } = market.attested
      market.attested = {
        ...rest,
        ...(hostile.attested.usage_head === undefined ? {} : { usage_head: hostile.attested.usage_head }),
      }
      yield* live(home, market, serve([2]))
      assert.strictEqual(market.beats.at(-1)?.usage?.head.number, 2)
    }).pipe(Effect.scoped, quiet),
  )

  it.live("commits under a number that the market has not seen", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const copy = yield* AgentProcess.temporaryHome
      const market = makeMarket()
      yield* live(home, market, () => Effect.void)
      Fs.cpSync(home, copy, { recursive: true })
      yield* live(home, market, () => Effect.void, "org/second")
      yield* live(copy, market, () => Effect.void, "org/third")
      assert.deepStrictEqual(
        market.beats.flatMap(({ commitment }) => (commitment === undefined ? [] : [commitment.number])),
        [1, 2, 3],
      )
      assert.isTrue(Fs.existsSync(Path.join(copy, ServedCommitment.NAME)))
    }).pipe(Effect.scoped, quiet),
  )
})
