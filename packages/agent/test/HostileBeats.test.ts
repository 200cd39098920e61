/** What a market may answer to a beat, and how little an agent does because of it. */
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, Logger } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { InstanceId } from "@guildhall/core/Instance"
import type { PublishedKey } from "@guildhall/core/KeyRing"
import { ModelId } from "@guildhall/core/Model"
import { RequestId } from "@guildhall/core/Request"
import { DeviceId } from "@guildhall/core/Device"
import type { HeartbeatAnswer } from "@guildhall/protocol/provider/Heartbeat"
import type { UsageLine } from "@guildhall/protocol/provider/UsageLog"
import * as Heart from "../src/serving/Heart.ts"
import * as UsageLog from "../src/serving/UsageLog.ts"
import { entry } from "./TestEntry.ts"

const key = (id: string, publicKey = id): PublishedKey => ({
  id,
  purpose: "ticket",
  algorithm: "ed25519",
  publicKey,
  validFromMs: 0,
})

const GOOD: HeartbeatAnswer = {
  acknowledged: 0,
  refused: [],
  nonce: "n",
  heartbeat_interval_ms: 60_000,
  keys: [key("a")],
}

/** A log in memory. */
const memory = (): UsageLog.Store<never> => {
  let head = UsageLog.START
  let lines: Array<UsageLine> = []
  return {
    append: (entries) =>
      Effect.sync(() => {
        for (const added of entries) {
          const line = { ...UsageLog.follow(head, added), hash: "0".repeat(64) }
          head = line
          lines.push(line)
        }
      }),
    acknowledge: (number) =>
      Effect.sync(() => {
        const before = lines.length
        lines = lines.filter((line) => line.number > number)
        return before - lines.length
      }),
    lines: Effect.sync(() => lines),
    head: Effect.sync(() => ({ number: head.number, hash: head.hash })),
    goOnFrom: () => Effect.succeed(false),
  }
}

const AWAY: Heart.Failure = { message: "The market does not answer.", isRetryable: true }

/** A heart that beats for a market which answers as it is told to, or is away. */
const beating = Effect.fnUntraced(function* (
  answer: (beat: number) => Partial<HeartbeatAnswer>,
  isAway = (): boolean => false,
) {
  const log = yield* UsageLog.make(memory(), (head) => Effect.succeed({ ...head, signature: "s" }))
  let beats = 0
  let learned = 0
  const answers = () => ({ ...GOOD, ...answer(beats) })
  const heart = yield* Heart.make<Heart.Failure>({
    registrations: [
      {
        provider_type: "agent",
        model: ModelId.make("m"),
        input_price_per_million: 1,
        output_price_per_million: 1,
        concurrency: 1,
      },
    ],
    market: {
      register: () =>
        Effect.sync(() => ({
          ...answers(),
          device_id: DeviceId.make(`dev_${"0".repeat(32)}`),
          instance_id: InstanceId.make("ins_x"),
        })),
      heartbeat: () =>
        Effect.suspend(() => {
          beats += 1
          return isAway() ? Effect.fail(AWAY) : Effect.succeed(answers())
        }),
    },
    server: { learn: () => void (learned += 1), inFlight: () => 0, drain: () => Effect.void },
    log,
    skipAhead: Effect.void,
    status: () => Effect.succeed({}),
  })
  return { heart, log, beats: () => beats, learned: () => learned }
})

/** What is written down. */
const hearing = () => {
  const said: Array<string> = []
  return { said, layer: Logger.layer([Logger.make(({ message }) => void said.push(String(message)))]) }
}

describe("a market that wants to hear", () => {
  const during = Effect.fnUntraced(function* (intervalMs: number, time: Duration.Input) {
    const { beats, heart } = yield* beating(() => ({ heartbeat_interval_ms: intervalMs }))
    yield* heart.register
    const fiber = yield* Effect.forkChild(heart.run)
    yield* TestClock.adjust(time)
    yield* Fiber.interrupt(fiber)
    return beats()
  })

  it.effect("all the time, less than never, or never again, hears at a bounded pace", () =>
    Effect.gen(function* () {
      for (const intervalMs of [0, -1, -Number.MAX_SAFE_INTEGER, 1]) {
        assert.isAtMost(yield* during(intervalMs, "10 seconds"), 120, String(intervalMs))
      }
      for (const intervalMs of [Number.MAX_SAFE_INTEGER, 2 ** 31, 2 ** 53 - 2]) {
        const count = yield* during(intervalMs, "10 hours")
        assert.isTrue(count >= 9 && count <= 13, `${intervalMs}: ${count}`)
      }
    }).pipe(Effect.scoped),
  )
})

describe("a market that is away for an hour", () => {
  for (const [intervalMs, atMost, backMs] of [
    [250, 9_000, 1_000],
    [10_000, 420, 11_500],
    [600_000, 150, 35_000],
  ] as const) {
    it.effect(`and wants a beat every ${intervalMs} ms is asked no more often, and heard by when one is missed`, () =>
      Effect.gen(function* () {
        let away = false
        const { beats, heart } = yield* beating(
          () => ({ heartbeat_interval_ms: intervalMs }),
          () => away,
        )
        yield* heart.register
        const fiber = yield* Effect.forkChild(heart.run)
        yield* TestClock.adjust(intervalMs * 2)
        away = true
        yield* TestClock.adjust("1 hour")
        assert.isAtMost(beats(), atMost)
        away = false
        const before = beats()
        yield* TestClock.adjust(backMs)
        assert.isAbove(beats(), before)
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.scoped, Effect.provide(hearing().layer)),
    )
  }
})

describe("a market that acknowledges", () => {
  it.effect("what it was never told of has nothing forgotten but what it was told", () =>
    Effect.gen(function* () {
      const { heart, log } = yield* beating(() => ({ acknowledged: Number.MAX_SAFE_INTEGER }))
      yield* heart.register
      for (let at = 1; at <= 700; at++) log.record(entry(at))
      yield* log.flush
      yield* heart.beat("serving")
      const left = yield* log.pending
      assert.strictEqual(left[0]?.number, 501)
      assert.lengthOf(left, 200)
    }).pipe(Effect.scoped),
  )

  it.effect("one line of each five hundred is not asked again without a pause", () =>
    Effect.gen(function* () {
      const { beats, heart, log } = yield* beating((beat) => ({ acknowledged: beat }))
      yield* heart.register
      for (let at = 1; at <= 2_000; at++) log.record(entry(at))
      yield* log.flush
      const fiber = yield* Effect.forkChild(heart.run)
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.interrupt(fiber)
      assert.isAtMost(beats(), 8)
    }).pipe(Effect.scoped),
  )

  it.effect("nothing, ever, fills no disk: the log closes, and opens when it has room", () =>
    Effect.gen(function* () {
      const log = yield* UsageLog.make(memory(), (head) => Effect.succeed({ ...head, signature: "s" }))
      const added = entry(1)
      let count = 0
      while (log.isOpen() && count < 100_000) {
        log.record(added)
        count += 1
      }
      assert.strictEqual(count, 20_000)
      yield* log.flush
      assert.isFalse(log.isOpen())
      yield* log.acknowledge(1)
      assert.isTrue(log.isOpen())
    }).pipe(Effect.scoped),
  )
})

describe("a market that exchanges the keys of its tickets", () => {
  it.effect("is followed, and what it did is written down", () => {
    const { layer, said } = hearing()
    const answers: ReadonlyArray<ReadonlyArray<PublishedKey>> = [
      [key("a")],
      [key("a")],
      [key("a"), key("b")],
      [key("a"), key("b", "another")],
      [key("b", "another")],
      [],
    ]
    return Effect.gen(function* () {
      const { heart, learned } = yield* beating((beat) => ({ keys: answers[beat] ?? [] }))
      yield* heart.register
      yield* heart.beat("serving")
      assert.deepStrictEqual(said, [])
      yield* heart.beat("serving")
      assert.lengthOf(said, 1)
      assert.include(said[0], "a further key: b")
      yield* heart.beat("serving")
      assert.include(said[1], "withdrawn or exchanged keys of its tickets: b")
      yield* heart.beat("serving")
      assert.include(said[2], "keys of its tickets: a")
      yield* heart.beat("serving")
      assert.include(said[3], "keys of its tickets: b")
      yield* heart.beat("serving")
      assert.lengthOf(said, 4)
      assert.strictEqual(learned(), 7)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})

describe("a market that talks", () => {
  it.effect("of what it was never told is not written down", () => {
    const { layer, said } = hearing()
    return Effect.gen(function* () {
      const refused = Array.from({ length: 5_000 }, (_, at) => ({
        request_id: RequestId.make(`req_${String(at).padStart(32, "0")}`),
        code: "invalid_claim",
      }))
      const { heart } = yield* beating(() => ({ refused }))
      yield* heart.register
      for (let beats = 0; beats < 5; beats++) yield* heart.beat("serving")
      assert.deepStrictEqual(said, [])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("without end is written down to a bound, and again after an hour", () => {
    const { layer, said } = hearing()
    let at = 0
    const warnings = () =>
      Array.from({ length: 32 }, () => ({ id: String((at += 1)), code: "c", detail: "d".repeat(2_000), since_ms: 0 }))
    return Effect.gen(function* () {
      const { heart } = yield* beating((beat) => ({ warnings: warnings(), keys: [key(`k${beat}`)] }))
      yield* heart.register
      for (let beats = 0; beats < 50; beats++) yield* heart.beat("serving")
      assert.isAtMost(said.length, 100)
      yield* TestClock.adjust("61 minutes")
      yield* heart.beat("serving")
      assert.isAbove(said.length, 100)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})
