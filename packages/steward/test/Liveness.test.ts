import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { Digest } from "effect/crypto"
import { TestClock } from "effect/testing"
import type { InstanceId, InstanceState } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { Journal } from "@guildhall/journal"
import { CloudAccounts, Devices, SealKeys } from "@guildhall/registry"
import { RegistryError } from "@guildhall/registry/RegistryError"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Directory, Router } from "@guildhall/routing"
import type { Outcome } from "@guildhall/routing/Health"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as Liveness from "../src/Liveness.ts"
import * as ScriptedTransport from "./ScriptedTransport.ts"

const heartbeat = { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 }

describe("the rule", () => {
  const signs = { isDraining: false, lastBeatAtMs: 0, check: undefined, nowMs: 0 }
  const ok = { succeeded: true, atMs: 0 }
  const failed = { succeeded: false, atMs: 0 }

  it("an instance is offline when it is silent or its check failed, whatever else is said of it", () => {
    for (const isDraining of [true, false]) {
      for (const check of [undefined, ok, failed]) {
        for (const nowMs of [0, 119_999, 120_000, 120_001, 10 ** 12]) {
          const state = Liveness.judge({ ...signs, isDraining, check, nowMs }, heartbeat)
          const isGone = nowMs > 120_000 || check === failed
          assert.strictEqual(state, isGone ? "offline" : isDraining ? "draining" : "online")
        }
      }
    }
  })

  it("an instance is checked at first, every `checkMs`, in every round after a failure, and not while it is silent", () => {
    const due = (check: typeof ok | undefined, nowMs: number) =>
      Liveness.isDue({ lastBeatAtMs: nowMs - 1, check, nowMs }, heartbeat)
    assert.isTrue(due(undefined, 1))
    assert.isFalse(due(ok, 59_999))
    assert.isTrue(due(ok, 60_000))
    assert.isTrue(due(failed, 1))
    assert.isFalse(Liveness.isDue({ lastBeatAtMs: 0, check: undefined, nowMs: 120_001 }, heartbeat))
  })
})

/** A market with one instance; the loop runs as in a gateway. */
const withMarket = <A, E>(
  test: (market: {
    readonly transport: ReturnType<typeof ScriptedTransport.make>
    readonly id: InstanceId
    readonly beat: (state?: "serving" | "draining") => Effect.Effect<void, RegistryError, Devices.Devices>
    readonly state: Effect.Effect<InstanceState | undefined, RegistryError, Devices.Devices>
  }) => Effect.Effect<A, E, Devices.Devices>,
  options: {
    readonly reaches?: ReadonlyArray<"Endpoint" | "Memory" | "Tunnel">
    readonly isTunnelled?: boolean
    readonly heartbeat?: typeof heartbeat
  } = {},
) => {
  const transport = ScriptedTransport.make(options.reaches)
  return Effect.gen(function* () {
    const devices = yield* Devices.Devices
    const { device, instance } = yield* devices.register(
      SampleDevice.make().registration(options.isTunnelled === true ? { reach: { _tag: "Tunnel" } } : {}),
    )
    return yield* test({
      transport,
      id: instance.id,
      beat: (state = "serving") => devices.beat(device.id, [{ id: instance.id, state }]),
      state: Effect.map(devices.instances, ([listed]) => listed?.instance.state),
    })
  }).pipe(
    Effect.provide(
      Liveness.layer({ heartbeat: options.heartbeat ?? heartbeat }).pipe(
        Layer.provide(transport.layer),
        Layer.provideMerge(Devices.layerMemory({ allowPrivate: false })),
      ),
    ),
    Effect.provide(Logger.layer([])),
  )
}

describe("an instance", () => {
  it.effect("stays online while it beats and answers", () =>
    withMarket(({ beat, state, transport }) =>
      Effect.gen(function* () {
        for (let minute = 0; minute < 10; minute++) {
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(yield* state, "online")
          yield* beat()
        }
        // One check a minute, give or take a round.
        assert.isAtMost(transport.asked.length, 12)
        assert.isAtLeast(transport.asked.length, 8)
      }),
    ),
  )

  it.effect("that nobody calls has five seconds to come before it is checked", () => {
    const fast = { intervalMs: 1_000, missesMax: 20, checkMs: 20_000 }
    return withMarket(
      ({ id, state, transport }) =>
        Effect.gen(function* () {
          transport.behaviours.set(id, "unreachable")
          yield* TestClock.adjust(4_900)
          assert.strictEqual(yield* state, "online")
          assert.lengthOf(transport.asked, 0)
          yield* TestClock.adjust(1_000)
          assert.strictEqual(yield* state, "offline")
          transport.behaviours.set(id, 200)
          yield* TestClock.adjust(1_000)
          assert.strictEqual(yield* state, "online")
        }),
      { reaches: ["Tunnel"], isTunnelled: true, heartbeat: fast },
    )
  })

  it.effect("S6 · that beats no more is out of routing after two missed beats, and back with the next", () =>
    withMarket(({ beat, state }) =>
      Effect.gen(function* () {
        yield* TestClock.adjust(120_000)
        assert.strictEqual(yield* state, "online")
        yield* TestClock.adjust(60_000)
        assert.strictEqual(yield* state, "offline")
        yield* beat()
        assert.strictEqual(yield* state, "online")
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* state, "online")
      }),
    ),
  )

  for (const behaviour of ["unreachable", "hangs", 503, 301] as const) {
    it.effect(
      `whose check ends in ${behaviour} is offline within two intervals although it beats, and comes back by itself`,
      () =>
        withMarket(({ beat, id, state, transport }) =>
          Effect.gen(function* () {
            yield* TestClock.adjust(30_000)
            transport.behaviours.set(id, behaviour)
            for (let beats = 0; beats < 2; beats++) {
              yield* TestClock.adjust(59_000)
              yield* beat()
            }
            yield* TestClock.adjust(30_000)
            assert.strictEqual(yield* state, "offline")
            transport.behaviours.set(id, 200)
            yield* TestClock.adjust(40_000)
            assert.strictEqual(yield* state, "online")
            assert.strictEqual(transport.counts.active, 0)
          }),
        ),
    )
  }

  it.effect("V8 · is checked every 60 s; a check that fails marks it offline, and it gets no more traffic", () =>
    withMarket(({ beat, id, state, transport }) =>
      Effect.gen(function* () {
        const devices = yield* Devices.Devices
        /** Whether a gateway that follows the market would route to it. */
        const isRouted = Effect.map(devices.changes(0), ({ events }) => {
          const directory = new Directory.Directory()
          for (const event of events) directory.apply(event)
          const asked = { model: SampleDevice.make().registration().model, contextTokens: 1, tried: [] }
          return leastLoaded.rank(asked, directory.candidates(asked.model), 7).ranked.length > 0
        })
        for (let minute = 0; minute < 3; minute++) {
          const before = transport.asked.length
          yield* TestClock.adjust("1 minute")
          assert.approximately(transport.asked.length - before, 1, 1)
          yield* beat()
        }
        assert.isTrue(yield* isRouted)
        transport.behaviours.set(id, 503)
        yield* TestClock.adjust("1 minute")
        yield* beat()
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* state, "offline")
        assert.isFalse(yield* isRouted)
        transport.behaviours.set(id, 200)
        yield* TestClock.adjust("1 minute")
        yield* beat()
        assert.isTrue(yield* isRouted)
      }),
    ),
  )

  it.effect("V8 · whose agent beats for hours while nothing answers its checks is offline all the time", () =>
    withMarket(({ beat, id, state, transport }) =>
      Effect.gen(function* () {
        transport.behaviours.set(id, "unreachable")
        yield* TestClock.adjust("1 minute")
        let online = 0
        for (let minute = 0; minute < 180; minute++) {
          yield* beat()
          yield* TestClock.adjust("1 minute")
          if ((yield* state) !== "offline") online += 1
        }
        assert.strictEqual(online, 0)
        assert.isAtLeast(transport.asked.length, 180)
      }),
    ),
  )

  it.effect("that drains is left draining, also after a check that failed in between", () =>
    withMarket(({ beat, id, state, transport }) =>
      Effect.gen(function* () {
        yield* beat("draining")
        yield* TestClock.adjust(30_000)
        assert.strictEqual(yield* state, "draining")
        transport.behaviours.set(id, "unreachable")
        yield* TestClock.adjust(60_000)
        assert.strictEqual(yield* state, "offline")
        transport.behaviours.set(id, 200)
        yield* TestClock.adjust(29_000)
        assert.strictEqual(yield* state, "draining")
        yield* beat("serving")
        yield* TestClock.adjust(30_000)
        assert.strictEqual(yield* state, "online")
      }),
    ),
  )

  it.effect("that the transport cannot reach is judged by its beats alone", () =>
    withMarket(
      ({ beat, state, transport }) =>
        Effect.gen(function* () {
          yield* TestClock.adjust(60_000)
          yield* beat()
          yield* TestClock.adjust(60_000)
          assert.strictEqual(yield* state, "online")
          assert.deepStrictEqual(transport.asked, [])
        }),
      { reaches: ["Memory"] },
    ),
  )
})

describe("an instance without a device key", () => {
  /** An account in a cloud on the market; the loop runs as in a gateway. */
  const withAccount = <A, E>(
    test: (market: {
      readonly transport: ReturnType<typeof ScriptedTransport.make>
      readonly account: CloudAccounts.CloudAccount
      readonly id: InstanceId
      readonly state: Effect.Effect<InstanceState | undefined, RegistryError>
    }) => Effect.Effect<A, E, CloudAccounts.CloudAccounts>,
  ) => {
    const transport = ScriptedTransport.make(["Cloud"])
    return Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const { publicKey: _key, ...terms } = SampleDevice.make().registration()
      const account = yield* (yield* CloudAccounts.CloudAccounts).add({
        memberId: terms.memberId,
        name: "work",
        baseUrl: "https://api.example.com/v1",
        token: Redacted.make("sk-0123456789abcdef"),
        models: [{ model: terms.model, serviceModel: "large" }],
      })
      const reach = { _tag: "Cloud", account: account.id } as const
      const { instance } = yield* devices.register({ ...terms, keyless: "cloud:work", reach })
      const state = Effect.map(devices.instances, ([listed]) => listed?.instance.state)
      return yield* test({ transport, account, id: instance.id, state })
    }).pipe(
      Effect.provide(
        Liveness.layer({ heartbeat }).pipe(
          Layer.provide(transport.layer),
          Layer.provideMerge(Devices.layerMemory({ allowPrivate: false })),
          Layer.provideMerge(CloudAccounts.layerMemory({ allowPrivate: false })),
          Layer.provide(SealKeys.layer(Redacted.make(`a:${"A".repeat(43)}`))),
        ),
      ),
      Effect.provide(Logger.layer([])),
    )
  }

  it.effect("is online for as long as its checks succeed, although nobody beats for it", () =>
    withAccount(({ id, state, transport }) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* state, "online")
        assert.isAtLeast(transport.asked.length, 58)
        assert.isAtMost(transport.asked.length, 62)
        transport.behaviours.set(id, 401)
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* state, "offline")
        transport.behaviours.set(id, 200)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* state, "online")
      }),
    ),
  )

  it.effect("is offline and not asked while its account is parked, and comes back by itself", () =>
    withAccount(({ account, state, transport }) =>
      Effect.gen(function* () {
        const accounts = yield* CloudAccounts.CloudAccounts
        yield* TestClock.adjust("1 minute")
        yield* accounts.park(account.id, { code: "cloud_payment_due", sinceMs: 60_000, untilMs: 660_000 })
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* state, "offline")
        const before = transport.asked.length
        yield* TestClock.adjust("9 minutes")
        assert.strictEqual(yield* state, "offline")
        assert.strictEqual(transport.asked.length, before)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* state, "online")
      }),
    ),
  )
})

describe("an instance that was away", () => {
  it.effect("is online from its registration at another address on, whatever was found at the old one", () =>
    withMarket(({ transport }) =>
      Effect.gen(function* () {
        const devices = yield* Devices.Devices
        const sample = SampleDevice.make()
        const { instance } = yield* devices.register(sample.registration())
        const state = Effect.map(
          devices.instances,
          (listed) => listed.find((one) => one.instance.id === instance.id)?.instance.state,
        )
        transport.behaviours.set(instance.id, "unreachable")
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* state, "offline")
        // While the next check waits for an answer, only the old address's failure is known.
        transport.behaviours.set(instance.id, "hangs")
        yield* devices.register(
          sample.registration({ reach: { _tag: "Endpoint", url: "https://gpu.example.com:9443" } }),
        )
        yield* TestClock.adjust("16 seconds")
        assert.strictEqual(yield* state, "online")
        // The check of the new address counts.
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* state, "offline")
      }),
    ),
  )
})

describe("a market that is only slow", () => {
  it.effect("goes on hearing, and gives up who is silent", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const transport = ScriptedTransport.make()
      const { instance } = yield* devices.register(SampleDevice.make().registration())
      // Each look comes later than a beat would, and sooner than half of what makes an instance silent.
      const patient = { intervalMs: 10_000, missesMax: 12, checkMs: 5_000 }
      const slow = Devices.Devices.of({ ...devices, instances: Effect.delay(devices.instances, "20 seconds") })
      yield* Layer.build(
        Liveness.layer({ heartbeat: patient }).pipe(
          Layer.provide([transport.layer, Layer.succeed(Devices.Devices, slow)]),
        ),
      ).pipe(Effect.forkScoped)
      yield* TestClock.adjust("4 minutes")
      const [listed] = yield* devices.instances
      assert.deepInclude(listed?.instance, { id: instance.id, state: "offline" })
    }).pipe(
      Effect.scoped,
      Effect.provide(Devices.layerMemory({ allowPrivate: false })),
      Effect.provide(Logger.layer([])),
    ),
  )
})

describe("a market that was away for an hour", () => {
  /** Instances that beat until the market stopped; it is started again an hour later. */
  const restarted = Effect.fnUntraced(function* () {
    const devices = yield* Devices.Devices
    const transport = ScriptedTransport.make()
    const [there, gone, left] = yield* Effect.all([
      devices.register(SampleDevice.make().registration()),
      devices.register(SampleDevice.make().registration()),
      devices.register(SampleDevice.make().registration()),
    ])
    transport.behaviours.set(gone.instance.id, "unreachable")
    yield* devices.setState(left.instance.id, "offline")
    yield* TestClock.adjust("1 hour")
    yield* Layer.build(Liveness.layer({ heartbeat }).pipe(Layer.provide(transport.layer)))
    const states = Effect.map(devices.instances, (listed) => {
      const stateOf = (id: InstanceId) => listed.find(({ instance }) => instance.id === id)?.instance.state
      return { there: stateOf(there.instance.id), gone: stateOf(gone.instance.id), left: stateOf(left.instance.id) }
    })
    const asked = () => transport.asked.includes(left.instance.id)
    return { states, asked, beat: devices.beat(there.device.id, [{ id: there.instance.id, state: "serving" }]) }
  })
  const quiet = [
    Effect.provide(Devices.layerMemory({ allowPrivate: false })),
    Effect.provide(Logger.layer([])),
  ] as const

  it.effect("serves on with those who were there and answer, and waits for their beats as long as for any", () =>
    Effect.gen(function* () {
      const { asked, beat, states } = yield* restarted()
      yield* TestClock.adjust("31 seconds")
      assert.deepStrictEqual(yield* states, { there: "online", gone: "offline", left: "offline" })
      yield* TestClock.adjust("80 seconds")
      assert.strictEqual((yield* states).there, "online")
      yield* beat
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* states, { there: "online", gone: "offline", left: "offline" })
      assert.isFalse(asked())
    }).pipe(Effect.scoped, ...quiet),
  )

  it.effect("gives up those who answer and never beat", () =>
    Effect.gen(function* () {
      const { states } = yield* restarted()
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual((yield* states).there, "online")
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* states, { there: "offline", gone: "offline", left: "offline" })
    }).pipe(Effect.scoped, ...quiet),
  )
})

describe("the loop", () => {
  it.effect(
    "takes silent instances out although many dead ones are being checked, and checks a bounded number at a time",
    () =>
      withMarket(({ state, transport }) =>
        Effect.gen(function* () {
          const devices = yield* Devices.Devices
          for (let device = 0; device < 30; device++) {
            const sample = SampleDevice.make()
            for (let model = 0; model < 10; model++) {
              const registration = sample.registration({ model: ModelId.make(`org/model-${model}`) })
              const { instance } = yield* devices.register(registration)
              transport.behaviours.set(instance.id, "hangs")
            }
          }
          yield* TestClock.adjust(136_000)
          assert.strictEqual(yield* state, "offline")
          assert.isAtMost(transport.counts.most, 32)
          const listed = yield* devices.instances
          assert.isTrue(listed.every(({ instance }) => instance.state === "offline"))
        }),
      ),
  )

  it.effect("survives an outage of the registry, and an instance that leaves between the list and the judgement", () =>
    Effect.gen(function* () {
      const transport = ScriptedTransport.make()
      let away = true
      const registry = Layer.effect(
        Devices.Devices,
        Effect.gen(function* () {
          const devices = yield* Devices.Devices
          const gone = new RegistryError({ code: "service_unavailable", detail: "away" })
          return Devices.Devices.of({
            ...devices,
            instances: Effect.suspend(() => (away ? Effect.fail(gone) : devices.instances)),
            setState: (id, state) =>
              id === leaving
                ? Effect.fail(new RegistryError({ code: "not_found", detail: "left" }))
                : devices.setState(id, state),
          })
        }),
      ).pipe(Layer.provide(Devices.layerMemory({ allowPrivate: false })))
      let leaving: InstanceId | undefined
      const stateOf = Effect.fnUntraced(function* (id: InstanceId) {
        const listed = yield* (yield* Devices.Devices).instances
        return listed.find(({ instance }) => instance.id === id)?.instance.state
      })
      yield* Effect.gen(function* () {
        const devices = yield* Devices.Devices
        const first = yield* devices.register(SampleDevice.make().registration())
        const second = yield* devices.register(SampleDevice.make().registration())
        leaving = first.instance.id
        yield* TestClock.adjust("10 minutes")
        away = false
        // Nobody was heard meanwhile, so silence begins now.
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* stateOf(second.instance.id), "online")
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* stateOf(second.instance.id), "offline")
      }).pipe(
        Effect.provide(
          Liveness.layer({ heartbeat }).pipe(Layer.provide(transport.layer), Layer.provideMerge(registry)),
        ),
        Effect.provide(Logger.layer([])),
      )
    }),
  )
})

describe("the health of an instance", () => {
  it.effect("T10 · hears of each check, as of a probe, and of one that keeps failing once", () =>
    Effect.gen(function* () {
      const heard: Array<Outcome> = []
      const router = Layer.effect(
        Router.Router,
        Effect.map(Router.make({ replica: "test", policy: leastLoaded }), (router) =>
          Router.Router.of({ ...router, observe: (outcome) => void heard.push(outcome) }),
        ),
      ).pipe(Layer.provide([Journal.layerMemory, Digest.layerWebCrypto]))
      const transport = ScriptedTransport.make()
      yield* Effect.gen(function* () {
        const devices = yield* Devices.Devices
        const { device, instance } = yield* devices.register(SampleDevice.make().registration())
        const beat = devices.beat(device.id, [{ id: instance.id, state: "serving" }])
        const minutes = Effect.fnUntraced(function* (count: number) {
          for (let minute = 0; minute < count; minute++) {
            yield* TestClock.adjust("1 minute")
            yield* beat
          }
        })
        yield* minutes(5)
        transport.behaviours.set(instance.id, 503)
        yield* minutes(5)
        transport.behaviours.delete(instance.id)
        yield* minutes(3)
        assert.isTrue(heard.every(({ instanceId, isProbe }) => isProbe === true && instanceId === instance.id))
        const kinds = heard.map(({ kind }) => kind)
        assert.strictEqual(kinds.filter((kind) => kind === "failed").length, 1)
        assert.strictEqual(kinds.at(-1), "succeeded")
        assert.isAtLeast(kinds.length, 6)
      }).pipe(
        Effect.provide(
          Liveness.layer({ heartbeat }).pipe(
            Layer.provide([transport.layer, router]),
            Layer.provideMerge(Devices.layerMemory({ allowPrivate: false })),
          ),
        ),
        Effect.provide(Logger.layer([])),
      )
    }),
  )
})

describe("maintenance", () => {
  const heartbeat = { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 }
  const failed = { succeeded: false, atMs: 0 } as const
  it("is neither silence nor a failure, and nobody is checked in it", () => {
    const signs = { isDraining: false, lastBeatAtMs: 0, check: undefined, isMaintained: true, nowMs: 10_000_000 }
    assert.strictEqual(Liveness.judge(signs, heartbeat), "maintenance")
    assert.strictEqual(Liveness.judge({ ...signs, isDraining: true }, heartbeat), "maintenance")
    assert.strictEqual(Liveness.judge({ ...signs, isMaintained: false }, heartbeat), "offline")
    assert.isFalse(Liveness.isDue({ ...signs, lastBeatAtMs: 10_000_000, check: failed }, heartbeat))
    assert.isTrue(Liveness.isDue({ ...signs, isMaintained: false, lastBeatAtMs: 10_000_000 }, heartbeat))
  })
})
