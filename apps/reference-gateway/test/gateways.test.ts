import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Digest } from "effect/crypto"
import { TestClock } from "effect/testing"
import { MemberId } from "@guildhall/core/Member"
import { CapacityQueue, type Waiting } from "@guildhall/gateway/CapacityQueue"
import { Journal } from "@guildhall/journal"
import { InFlight } from "@guildhall/registry"
import * as InFlightSql from "@guildhall/registry/InFlightSql"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as SampleMarket from "@guildhall/routing/testing/SampleMarket"
import * as InFlightExchange from "@guildhall/steward/InFlightExchange"
import * as TestDatabase from "@guildhall/tools/TestDatabase"

const model = SampleMarket.models[0] ?? assert.fail("no model")
const request = { model, contextTokens: 1, tried: [] }
const STEP_MS = 10
const EXCHANGE_MS = 200

interface Run {
  /** How many buyers each gateway has; each asks again as soon as it was answered or refused. */
  readonly buyers: ReadonlyArray<number>
  readonly concurrency: number
  readonly instances?: number
  readonly forMs?: number
}

/** A gateway as it stands in its process: a router, a queue before it, and an exchange with the others. */
const gateway = Effect.fnUntraced(function* (at: number, { concurrency, instances = 1 }: Run) {
  const router = yield* Router.make({ replica: `gateway-${at}`, policy: leastLoaded })
  for (let name = 0; name < instances; name++) {
    router.apply({ _tag: "InstanceListed", instance: SampleMarket.instance({ name: `${name}`, model, concurrency }) })
  }
  const context = yield* Effect.context<InFlight.InFlight>()
  const round = yield* Effect.provide(InFlightExchange.make, Context.add(context, Router.Router, router))
  const queue = new CapacityQueue({ waitMs: 10_000, requestsMax: 1_000, memberPercent: 50 })
  return { router, round, queue }
})

/** Buyers of several gateways at one market, in a time that is counted in steps. */
const run = Effect.fnUntraced(function* (options: Run) {
  const { buyers, forMs = 12_000 } = options
  const dice = SampleMarket.dice("gateways")
  const all = yield* Effect.forEach(buyers, (_, at) => gateway(at, options))
  const served = buyers.map(() => 0)
  const refused = buyers.map(() => 0)
  let busy = 0
  let most = 0
  let later: Array<{ readonly atMs: number; readonly act: () => void }> = []
  let nowMs = 0
  const after = (ms: number, act: () => void) => void later.push({ atMs: nowMs + ms, act })
  const ask = (at: number): void => {
    const { queue, router } = all[at] ?? assert.fail("no gateway")
    const start = (): boolean => {
      const choice = router.choose(request, dice.below(2 ** 31))
      if (choice._tag === "NoneLeft") return false
      const instanceId = choice.instance.id
      router.apply({ _tag: "DispatchStarted", instanceId })
      most = Math.max(most, ++busy)
      after(150 + dice.below(100), () => {
        busy--
        if (nowMs > 2_000) served[at] = (served[at] ?? 0) + 1
        router.apply({ _tag: "DispatchEnded", instanceId })
        queue.changed()
        // Whoever waits comes first.
        after(STEP_MS, () => ask(at))
      })
      return true
    }
    if (start()) return
    const again = (retryMs: number): void => {
      refused[at] = (refused[at] ?? 0) + 1
      after(retryMs, () => ask(at))
    }
    const waiting: Waiting = {
      member: MemberId.make("mem_buyer"),
      class: "standard",
      needs: "",
      tokens: 1,
      start: () => start() && (router.queued(model, -1), true),
      giveWay: () => assert.fail("nobody has to"),
    }
    const entered = queue.enter(waiting, nowMs)
    if (entered === "waits") router.queued(model, 1)
    else again(entered.retryMs)
  }
  for (const [at, count] of buyers.entries()) for (let of = 0; of < count; of++) ask(at)
  for (; nowMs < forMs; nowMs += STEP_MS) {
    const due = later.filter(({ atMs }) => atMs <= nowMs)
    later = later.filter(({ atMs }) => atMs > nowMs)
    for (const { act } of due) act()
    for (const [at, { queue, round }] of all.entries()) {
      // Each at a time of its own.
      if ((nowMs + at * 50) % EXCHANGE_MS === 0) {
        yield* TestClock.setTime(nowMs)
        yield* round
        queue.changed()
      }
      while (queue.next(nowMs) === "started");
    }
  }
  const total = served.reduce((sum, one) => sum + one, 0)
  return { served, refused, total, most }
})

const base = Layer.mergeAll(Journal.layerMemory, Digest.layerWebCrypto)
const memory = Layer.merge(base, InFlight.layerMemory())
const database = Layer.merge(base, InFlightSql.layer().pipe(Layer.provide(TestDatabase.layer)))

/** Each run has its own: gateways of an earlier one would still count for a while. */
const inMemory = (options: Run) => Effect.provide(run(options), Layer.fresh(memory))
const overDatabase = (options: Run) => Effect.provide(run(options), Layer.fresh(database))
const alone = (options: Omit<Run, "buyers">) => inMemory({ ...options, buyers: [12] })

describe("gateways of one market whose instances are full", () => {
  it.effect.each([
    ["two gateways", [6, 6]],
    ["two gateways with twenty buyers each", [20, 20]],
    ["four gateways", [6, 6, 6, 6]],
  ] as const)("%s serve the same over one database, and together as much as one", ([, buyers]) =>
    Effect.gen(function* () {
      const options = { concurrency: 4, forMs: 30_000 }
      const { most, refused, served, total } = yield* overDatabase({ ...options, buyers })
      const one = yield* alone(options)
      for (const count of served) assert.closeTo(count / (total / buyers.length), 1, 0.1, `${served}`)
      assert.isAtLeast(total / one.total, 0.9, `${total} of ${one.total}`)
      assert.deepStrictEqual(
        refused,
        buyers.map(() => 0),
      )
      // In the first exchange nobody knows of the others yet.
      assert.isAtMost(most, 4 * buyers.length)
    }),
  )

  it.effect("who has more to do serves more, in the same relation", () =>
    Effect.gen(function* () {
      const { served, total } = yield* overDatabase({ buyers: [9, 3], concurrency: 4 })
      assert.closeTo((served[0] ?? 0) / total, 0.75, 0.05, `${served}`)
      assert.isAtLeast(total / (yield* alone({ concurrency: 4 })).total, 0.9)
      const four = yield* overDatabase({ buyers: [24, 12, 8, 4], concurrency: 12, instances: 2, forMs: 40_000 })
      // How fast the database answers is real time, in which the time of the gateways goes on: the shares are not exact.
      for (const [at, part] of [0.5, 0.25, 1 / 6, 1 / 12].entries())
        assert.closeTo((four.served[at] ?? 0) / four.total, part, 0.08, `${four.served}`)
      assert.deepStrictEqual(
        four.served,
        four.served.toSorted((a, b) => b - a),
      )
    }),
  )

  it.effect("where places cannot be split, they take turns", () =>
    Effect.gen(function* () {
      for (const [buyers, concurrency, least] of [
        [[6, 6, 6], 4, 0.85],
        [[6, 6], 1, 0.75],
        [[6, 6, 6, 6], 2, 0.75],
      ] as const) {
        const { served, total } = yield* inMemory({ buyers, concurrency, forMs: 120_000 })
        const one = yield* alone({ concurrency, forMs: 120_000 })
        for (const count of served) assert.closeTo(count / (total / buyers.length), 1, 0.1, `${served}`)
        assert.isAtLeast(total / one.total, least, `${total} of ${one.total}`)
      }
    }),
  )

  it.effect("one that has buyers alone may use everything, and one buyer elsewhere is served nevertheless", () =>
    Effect.gen(function* () {
      const one = yield* alone({ concurrency: 4 })
      const idle = yield* inMemory({ buyers: [12, 0, 0], concurrency: 4 })
      assert.isAtLeast(idle.total / one.total, 0.99)
      const few = yield* inMemory({ buyers: [200, 1], concurrency: 4 })
      // One place of four, and one request at a time.
      assert.isAtLeast(few.served[1] ?? 0, 30, `${few.served}`)
    }),
  )
})
