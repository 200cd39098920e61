import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Logger } from "effect"
import { Digest } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import type { InstanceId } from "@guildhall/core/Instance"
import * as HealthWindow from "@guildhall/core/rules/HealthWindow"
import type * as HealthRules from "@guildhall/core/rules/Health"
import { MemberId } from "@guildhall/core/Member"
import { Journal } from "@guildhall/journal"
import { HealthRecord, HealthRecordSql } from "@guildhall/registry"
import { RegistryError } from "@guildhall/registry/RegistryError"
import { Router } from "@guildhall/routing"
import * as Explain from "@guildhall/routing/Explain"
import type * as Health from "@guildhall/routing/Health"
import { healthiest } from "@guildhall/routing/policies/Healthiest"
import * as SampleMarket from "@guildhall/routing/testing/SampleMarket"
import * as HealthExchange from "../src/HealthExchange.ts"

const DAY_MS = 86_400_000
const START_MS = 1_700_000_000_000
const model = SampleMarket.models[0] ?? assert.fail("no model")
const request = { model, contextTokens: 1, tried: [] }
const settings: HealthRules.Settings = {
  breaker: { failures: 3, withinMs: 60_000, parkMs: 15_000 },
  window: { days: 14, sampleMs: 60_000 },
}
const away = new RegistryError({ code: "service_unavailable", detail: "It is away." })

/** A gateway that has just started, and knows the instances. */
const gateway = (names: ReadonlyArray<string>, health: HealthRules.Settings = settings, startMs = START_MS) =>
  Effect.gen(function* () {
    const router = yield* Router.make({ replica: "gateway", policy: healthiest, health })
    let nowMs = startMs
    const pass = (ms: number) => {
      for (const untilMs = nowMs + ms; nowMs < untilMs;) {
        nowMs = Math.min(untilMs, nowMs + 1_000)
        router.tick(nowMs)
      }
    }
    router.tick(nowMs)
    const ids = names.map((name) => {
      const memberId = MemberId.make(`mem_${name}`)
      const instance = { ...SampleMarket.instance({ name, model }), memberId, listedAtMs: startMs - 30 * DAY_MS }
      router.apply({ _tag: "InstanceListed", instance })
      return instance.id
    })
    const round = yield* Effect.provideService(HealthExchange.make, Router.Router, router)
    const see = (id: InstanceId | undefined, kind: Health.Outcome["kind"], times: number) => {
      for (let at = 0; at < times; at++) {
        router.observe({ instanceId: id ?? assert.fail("no such instance"), kind, atMs: nowMs, isProbe: true })
      }
    }
    const chosen = () => {
      const choice = router.choose(request, 1)
      return choice._tag === "Chosen" ? choice.instance.id : choice.reason
    }
    return { router, ids, round, see, pass, chosen, fail: (id: InstanceId | undefined) => see(id, "failed", 1) }
  })

/** The health of the instances as the log says that the policy saw it, by name. */
const healthIn = (router: Router.Router["Service"]) =>
  Effect.gen(function* () {
    yield* router.flush
    const journal = yield* Journal.Journal
    const { version } = router.head()
    const segments = yield* journal.directory.upTo(router.replica, version)
    const directory = yield* Explain.rebuild(segments, version)
    return new Map(directory.candidates(model).map(({ instance, rating }) => [instance.id, rating?.healthBps]))
  })

const surroundings = Layer.mergeAll(Journal.layerMemory, Digest.layerWebCrypto)
const inMemory = Layer.merge(surroundings, HealthRecord.layerMemory())

describe("gateways that share what they know of the health of instances", () => {
  it.effect("T8 · see each other's failures, and keep the 14 days over a start", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      const [one, two] = [yield* gateway(["a", "b"]), yield* gateway(["a", "b"])]
      const [a, b] = one.ids
      one.see(a, "succeeded", 9)
      one.see(a, "failed", 1)
      two.see(b, "succeeded", 10)
      for (const { round } of [one, two, one]) yield* round
      one.pass(2_000)
      two.pass(2_000)
      assert.deepStrictEqual([one.chosen(), two.chosen()], [b, b])
      // It is the other one's turn: what one sees outweighs what both knew.
      two.see(b, "failed", 30)
      for (const { round } of [two, one]) yield* round
      one.pass(2_000)
      assert.strictEqual(one.chosen(), a)
      // All of them end without another word, and a gateway starts that knows what they knew.
      const next = yield* gateway(["a", "b"])
      yield* next.round
      next.pass(2_000)
      assert.strictEqual(next.chosen(), a)
      // The log says what the policy saw.
      assert.deepStrictEqual(
        yield* healthIn(next.router),
        new Map(next.ids.map((id) => [id, id === a ? 9_000 : 2_500])),
      )
      const after = yield* gateway(["a", "b"], settings, START_MS + 14 * DAY_MS)
      yield* TestClock.setTime(START_MS + 14 * DAY_MS)
      yield* after.round
      after.see(a, "failed", 1)
      after.pass(2_000)
      assert.strictEqual(after.chosen(), b, "what was 14 days ago counts no more")
    }).pipe(Effect.provide(inMemory)),
  )

  it.effect("T10 · a minute online counts once, however many gateways saw it", () =>
    Effect.gen(function* () {
      const gateways = yield* Effect.replicateEffect(gateway(["a"]), 4)
      let nowMs = START_MS
      for (let at = 0; at < 61 * 12; at++) {
        yield* TestClock.setTime((nowMs += 5_000))
        for (const { pass, round } of gateways) {
          pass(5_000)
          yield* round
        }
      }
      const record = yield* HealthRecord.HealthRecord
      const counted = (yield* record.changes(undefined)).days.map(({ counts }) => counts).reduce(HealthWindow.plus)
      assert.deepStrictEqual(counted, { succeeded: 61, failed: 0, neutral: 0 })
    }).pipe(Effect.provide(inMemory)),
  )

  it.effect("tell again what got no answer, and count it once; what comes meanwhile is kept", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      const record = yield* HealthRecord.HealthRecord
      let isAway = true
      let isLost = false
      const flaky = HealthRecord.HealthRecord.of({
        ...record,
        changes: (since) => (isAway ? Effect.fail(away) : record.changes(since)),
        add: (addition) =>
          isAway ? Effect.fail(away) : Effect.andThen(record.add(addition), isLost ? Effect.fail(away) : Effect.void),
      })
      const one = yield* Effect.provideService(gateway(["a", "b"]), HealthRecord.HealthRecord, flaky)
      const [a, b] = one.ids
      for (let at = 0; at < 100; at++) {
        one.see(a, "succeeded", 1)
        one.see(b, at < 50 ? "failed" : "neutral", 1)
        assert.strictEqual((yield* Effect.exit(one.round))._tag, "Failure")
      }
      one.pass(2_000)
      assert.strictEqual(one.chosen(), a, "it knows itself what it could not tell")
      isAway = false
      isLost = true
      for (let at = 0; at < 3; at++) assert.strictEqual((yield* Effect.exit(one.round))._tag, "Failure")
      isLost = false
      yield* one.round
      yield* one.round
      const { days } = yield* record.changes(undefined)
      assert.deepStrictEqual(
        days.map(({ counts, instanceId }) => [instanceId, counts]),
        [
          [a, { succeeded: 100, failed: 0, neutral: 0 }],
          [b, { succeeded: 0, failed: 50, neutral: 50 }],
        ],
      )
    }).pipe(Effect.provide(inMemory)),
  )

  it.effect(
    "T6 · leave an instance alone that another parked for long, and after a start; never for longer than it said",
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START_MS)
        const long = { ...settings, breaker: { failures: 3, withinMs: 60_000, parkMs: 600_000 } }
        const failing = (
          one: Effect.Success<ReturnType<typeof gateway>>,
          id: InstanceId | undefined,
          times: number,
        ) => {
          for (let at = 0; at < times; at++) {
            one.router.observe({ instanceId: id ?? assert.fail(), kind: "failed", atMs: START_MS })
          }
        }
        const [one, two] = [yield* gateway(["a"], long), yield* gateway(["a"], long)]
        const [a] = one.ids
        failing(one, a, 3)
        yield* one.round
        yield* TestClock.adjust(5_000)
        two.pass(5_000)
        assert.strictEqual(two.chosen(), a)
        yield* two.round
        two.pass(1_000)
        assert.strictEqual(two.chosen(), "no_capacity")
        // What it heard it does not tell: the deadline stays where it was, however often it is exchanged.
        for (let at = 0; at < 59; at++) {
          yield* TestClock.adjust(10_000)
          for (const { pass, round } of [one, two]) {
            pass(10_000)
            yield* round
          }
        }
        const next = yield* gateway(["a"], long, START_MS + 595_000)
        yield* next.round
        next.pass(1_000)
        assert.strictEqual(next.chosen(), "no_capacity")
        next.pass(5_000)
        two.pass(5_000)
        assert.deepStrictEqual([next.chosen(), two.chosen()], [a, a])
        // Where the market has no such rule any more, it does not hold.
        failing(one, a, 3)
        yield* one.round
        const without = yield* gateway(["a"], { window: { days: 14, sampleMs: 60_000 } }, START_MS + 600_000)
        yield* without.round
        without.pass(1_000)
        assert.strictEqual(without.chosen(), a)
      }).pipe(Effect.provide(inMemory)),
  )

  it.effect("T6 · what is parked for 15 s is found out by each, and so is what may be this gateway's own fault", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      const told: Array<number> = []
      const record = HealthRecord.HealthRecord.of({
        add: ({ told: { leftAlone } }) => Effect.sync(() => void told.push(leftAlone.length)),
        changes: () => Effect.succeed({ mark: "0", today: HealthWindow.dayAt(START_MS), days: [], leftAlone: [] }),
        seen: () => Effect.succeed([]),
      })
      const parks = (parkMs: number, names: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const health = { ...settings, breaker: { failures: 3, withinMs: 60_000, parkMs } }
          const { ids, round, router } = yield* gateway(names, health)
          // An instance of each member, so the fault seems to be the gateway's own.
          for (let at = 0; at < 3; at++) {
            for (const instanceId of ids) router.observe({ instanceId, kind: "failed", atMs: START_MS })
          }
          yield* round
        }).pipe(Effect.provideService(HealthRecord.HealthRecord, record))
      yield* parks(15_000, ["a"])
      yield* parks(600_000, ["a"])
      yield* parks(600_000, ["a", "b", "c", "d"])
      assert.deepStrictEqual(told, [0, 1, 0])
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("a start waits for it; where the record is away, it goes on without and hears of it later", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      const record = yield* HealthRecord.HealthRecord
      const { ids, round, see } = yield* gateway(["a"])
      see(ids[0], "failed", 1)
      yield* round
      let heard = 0
      const started = (layer: Layer.Layer<HealthRecord.HealthRecord>, passMs: number) =>
        Effect.gen(function* () {
          heard = 0
          const router = yield* Router.make({ replica: "gateway", policy: healthiest, health: settings })
          const listening = Router.Router.of({ ...router, learnHealth: ({ days }) => void (heard += days.length) })
          yield* Effect.scoped(
            Effect.andThen(
              Layer.build(HealthExchange.layer().pipe(Layer.provide([layer, Layer.succeed(Router.Router, listening)]))),
              TestClock.adjust(passMs),
            ),
          )
          return heard
        })
      assert.strictEqual(yield* started(Layer.succeed(HealthRecord.HealthRecord, record), 0), 1)
      // The first request is routed by it.
      const fresh = yield* gateway(["a", "b"])
      fresh.router.tick(START_MS)
      const exchange = HealthExchange.layer().pipe(
        Layer.provide([Layer.succeed(HealthRecord.HealthRecord, record), Layer.succeed(Router.Router, fresh.router)]),
      )
      yield* Effect.scoped(Layer.build(exchange))
      assert.strictEqual(fresh.chosen(), fresh.ids[1])
      let times = 0
      const late = HealthRecord.HealthRecord.of({
        ...record,
        changes: (since) => (times++ < 2 ? Effect.fail(away) : record.changes(since)),
      })
      const lateLayer = Layer.succeed(HealthRecord.HealthRecord, late)
      assert.strictEqual(yield* started(lateLayer, 20_000), 1)
    }).pipe(Effect.provide(inMemory), Effect.provide(Logger.layer([]))),
  )

  const seeds = ["one", "two", "three", "four", "five"]
  it.effect.each(seeds)("agree in the end, whatever was lost and whoever ended or had a wrong clock (%s)", (seed) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      const record = yield* HealthRecord.HealthRecord
      const dice = SampleMarket.dice(seed)
      const flaky = HealthRecord.HealthRecord.of({
        ...record,
        changes: (since) => (dice.below(4) === 0 ? Effect.fail(away) : record.changes(since)),
        add: (addition) =>
          dice.below(4) === 0
            ? Effect.fail(away)
            : Effect.andThen(record.add(addition), dice.below(4) === 0 ? Effect.fail(away) : Effect.void),
      })
      const start = Effect.provideService(gateway(["a", "b", "c"]), HealthRecord.HealthRecord, flaky)
      const gateways = yield* Effect.replicateEffect(start, 3)
      const truth = new Map<InstanceId, { succeeded: number; failed: number; neutral: number }>()
      const count = (one: (typeof gateways)[number], skewMs: number) => {
        const id = one.ids[dice.below(3)] ?? assert.fail()
        const kind = (["succeeded", "failed", "neutral", "succeeded"] as const)[dice.below(4)] ?? "neutral"
        one.router.observe({ instanceId: id, kind, atMs: START_MS + skewMs, isProbe: true })
        const total = truth.get(id) ?? { succeeded: 0, failed: 0, neutral: 0 }
        truth.set(id, { ...total, [kind]: total[kind] + 1 })
      }
      for (let step = 0; step < 600; step++) {
        const at = dice.below(3)
        const one = gateways[at] ?? assert.fail()
        count(one, 0)
        if (dice.below(3) === 0) yield* Effect.ignore(one.round)
        if (dice.below(20) === 0) {
          yield* Effect.eventually(one.round)
          count(one, (1 + dice.below(800)) * DAY_MS)
          yield* Effect.eventually(one.round)
        }
        if (dice.below(20) === 0) {
          yield* Effect.eventually(one.round)
          gateways[at] = yield* Effect.tap(start, ({ round }) => Effect.eventually(round))
        }
      }
      for (const { round } of [...gateways, ...gateways]) yield* Effect.eventually(round)
      const last = yield* start
      yield* Effect.eventually(last.round)
      const { days } = yield* record.changes(undefined)
      for (const [id, total] of truth) {
        const known = days.filter(({ instanceId }) => instanceId === id).map(({ counts }) => counts)
        assert.deepStrictEqual(known.reduce(HealthWindow.plus), total)
        for (const { pass, router } of [...gateways, last]) {
          pass(2_000)
          // What moved by less than a tenth of a percent is not said again.
          assert.closeTo((yield* healthIn(router)).get(id) ?? Number.NaN, HealthWindow.healthBps(total) ?? 0, 10)
        }
      }
    }).pipe(Effect.provide(inMemory)),
  )

  it.live(
    "go on where one was killed, over PostgreSQL, and ten thousand instances are one statement",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const nowMs = yield* Clock.currentTimeMillis
        const names = Array.from({ length: 10_000 }, (_, at) => `${at}`)
        // Only requests count here: of ten thousand instances some would be looked at in these seconds, if it were once a day.
        const requests: HealthRules.Settings = { window: { days: 14, sampleMs: 10_000 * DAY_MS } }
        const one = yield* gateway(names, requests, nowMs)
        for (const [at, id] of one.ids.entries()) one.see(id, at % 4 === 0 ? "failed" : "succeeded", 2)
        const began = yield* Clock.currentTimeMillis
        yield* one.round
        const tookMs = (yield* Clock.currentTimeMillis) - began
        assert.isBelow(tookMs, 5_000)
        assert.deepStrictEqual(
          yield* sql`SELECT number::int, (SELECT count(*)::int FROM registry_health) AS rows
        FROM registry_health_additions`,
          [{ number: 1, rows: 10_000 }],
        )

        // It was killed in the middle of an addition: the database takes back what it had written.
        const [half = assert.fail()] = one.ids
        one.see(half, "failed", 1_000)
        const told = one.router.shareHealth(nowMs)
        const record = yield* HealthRecord.HealthRecord
        const killed = sql.withTransaction(
          Effect.andThen(record.add({ gateway: one.router.replica, number: 2, told }), Effect.fail("killed")),
        )
        assert.strictEqual((yield* Effect.exit(killed))._tag, "Failure")

        const two = yield* gateway(names, requests, nowMs)
        yield* two.round
        two.see(half, "succeeded", 6)
        two.pass(2_000)
        yield* two.round
        two.pass(2_000)
        const known = yield* healthIn(two.router)
        assert.deepStrictEqual(
          one.ids.map((id) => known.get(id)),
          one.ids.map((id, at) => (id === half ? 7_500 : at % 4 === 0 ? 0 : 10_000)),
        )
        // Nothing is read again that did not change, once no older transaction is under way anywhere on the server: it might
        // still write what a mark above it would pass over, and other tests run there too.
        const again = Effect.gen(function* () {
          const { mark } = yield* record.changes(undefined)
          return (yield* record.changes(mark)).days
        })
        const days = yield* Effect.repeat(again, { until: ({ length }) => length === 0, times: 200 })
        assert.deepStrictEqual(days, [])
      }).pipe(
        Effect.provide(Layer.merge(surroundings, HealthRecordSql.layer()).pipe(Layer.provideMerge(TestDatabase.layer))),
      ),
    30_000,
  )
})
