import { afterEach, assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Schema } from "effect"
import { Rating, Reason } from "@guildhall/core"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as Blame from "../src/Blame.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

/** A clock that a test sets forward; what waits on it waits in real time. */
const movedClock = () => {
  const real = Effect.runSync(Clock.Clock)
  let aheadMs = 0
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + aheadMs,
    currentTimeMillis: Effect.sync(() => real.currentTimeMillisUnsafe() + aheadMs),
    currentTimeNanosUnsafe: () => real.currentTimeNanosUnsafe() + BigInt(aheadMs) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => real.currentTimeNanosUnsafe() + BigInt(aheadMs) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: real.monotonicTimeNanos,
    sleep: (duration) => real.sleep(duration),
  }
  return { clock, move: (ms: number) => void (aheadMs += ms), now: () => clock.currentTimeMillisUnsafe() }
}

const good = Upstream.whole("hello", { prompt: 5, completion: 2 })
const bad = Upstream.status(500, "oops")
const breaker = { failures: 3, withinMs: 60_000, parkMs: 15_000 }

/** A lane with health whose upstreams may be told to do otherwise, and whose time can be moved. */
const start = async (scripts: ReadonlyArray<Upstream.Script>, attempts = 1, policy?: RoutingPolicy) => {
  const { clock, move, now } = movedClock()
  const current = [...scripts]
  const { lane, upstreams } = await TestLane.withUpstreams(
    scripts.map(
      (_, at): Upstream.Script =>
        (response, seen) =>
          current[at]?.(response, seen),
    ),
    {
      definition: {
        attempts,
        health: { breaker },
        relay: { ...TestLane.definition.relay, retries: { percent: 100, perSecond: 1_000 } },
      },
      around: Layer.succeed(Clock.Clock, clock),
      ...(policy === undefined ? {} : { policy }),
    },
  )
  lane.router.tick(now())
  return {
    lane,
    upstreams,
    asked: () => upstreams.map(({ seen }) => seen.length),
    become: (at: number, script: Upstream.Script) => void (current[at] = script),
    /** Time passes, and the steward's loop tells the router. */
    pass: (ms: number) => {
      move(ms)
      lane.router.tick(now())
    },
  }
}

/** A policy that reads all that is worked out. */
const reader: RoutingPolicy = { name: "Reader", version: 1, rank: leastLoaded.rank }

describe("the health of a running market", () => {
  it("T6 · 3 failures in 60 s park for 15 s; one probe re-admits", async () => {
    const { asked, become, lane, pass } = await start([bad])
    for (let at = 0; at < 3; at++) {
      assert.strictEqual((await lane.chat({})).status, 502)
      pass(20_000 - 100)
    }
    assert.deepStrictEqual(asked(), [3])
    // Parked at 40 s, and it is nearly 60.
    pass(-5_000)
    const refused = await lane.chat({})
    assert.strictEqual(refused.status, 503)
    assert.include(refused.text, "no_capacity")
    assert.strictEqual(refused.headers["retry-after"], "1")
    assert.deepStrictEqual(asked(), [3])
    // A probe that fails parks it again, one that succeeds re-admits it.
    pass(5_000)
    assert.strictEqual((await lane.chat({})).status, 502)
    const again = await lane.chat({})
    assert.strictEqual(again.status, 503)
    assert.strictEqual(again.headers["retry-after"], "15")
    become(0, good)
    pass(14_000)
    assert.strictEqual((await lane.chat({})).status, 503)
    pass(1_100)
    const answers = [await lane.chat({})]
    answers.push(...(await Promise.all([lane.chat({}), lane.chat({}), lane.chat({})])))
    assert.deepStrictEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    )
    await lane.books()
  })

  it("T6 · one request at a time while it is tried, and the others go elsewhere", async () => {
    const { asked, become, lane, pass } = await start([bad, good], 2)
    while ((asked()[0] ?? 0) < 3) assert.strictEqual((await lane.chat({})).status, 200)
    const [, before = 0] = asked()
    for (let at = 0; at < 10; at++) assert.strictEqual((await lane.chat({})).status, 200)
    assert.deepStrictEqual(asked(), [3, before + 10])
    pass(15_000)
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    become(0, (response, seen) => void held.then(() => good(response, seen)))
    const answers = Array.from({ length: 10 }, () => lane.chat({}))
    await Promise.race(answers)
    assert.strictEqual(asked()[0], 4)
    release()
    assert.isTrue((await Promise.all(answers)).every(({ status }) => status === 200))
    await lane.books()
  })

  it("T6 · what a buyer does wrong is neutral", async () => {
    const refusal = '{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}'
    const { asked, lane } = await start([Upstream.status(400, refusal)])
    for (let at = 0; at < 10; at++) assert.strictEqual((await lane.chat({})).status, 400)
    assert.deepStrictEqual(asked(), [10])
  })

  it("adversary · a buyer that poisons health with bad input harms neither the instances nor the other buyers", async () => {
    const refusal = Upstream.status(
      400,
      '{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}',
    )
    /** Engines that refuse one kind of input, break on another, and are sound otherwise. */
    const engine: Upstream.Script = (response, seen) => {
      return (seen.body.includes("refused") ? refusal : seen.body.includes("breaks") ? bad : good)(response, seen)
    }
    const { asked, lane, pass } = await start([engine, engine, engine, engine], 4)
    const say = (content: string) => lane.chat({ messages: [{ role: "user", content }] })
    let served = 0
    for (let round = 0; round < 30; round++) {
      assert.strictEqual((await say("what is refused")).status, 400)
      // Three a second, and in the first seconds twelve at once.
      const bad = Array.from({ length: round < 5 ? 12 : 3 }, () => say("what breaks engines"))
      for (const { status } of await Promise.all(bad)) assert.strictEqual(status, 502)
      for (let at = 0; at < 4; at++) if ((await say("a question")).status === 200) served++
      pass(1_000)
    }
    assert.strictEqual(served, 120)
    // In the end all of them are asked as before.
    const before = asked()
    for (let at = 0; at < 40; at++) assert.strictEqual((await say("a question")).status, 200)
    for (const [at, count] of asked().entries()) assert.isAbove(count, before[at] ?? 0)
    for (const count of asked()) assert.isAbove(count, 20)
  })

  it("one that is broken is parked though one buyer alone asks, as soon as others serve what it failed", async () => {
    const { asked, lane } = await start([bad, good, good], 2)
    for (let at = 0; at < 60; at++) assert.strictEqual((await lane.chat({})).status, 200)
    assert.strictEqual(asked()[0], 3)
  })

  it("three that are broken are parked though two of them fail the same requests, since the fourth serves these", async () => {
    const { asked, lane } = await start([bad, bad, bad, good], 4)
    for (let at = 0; at < 60; at++) assert.strictEqual((await lane.chat({})).status, 200)
    assert.deepStrictEqual(asked(), [3, 3, 3, 60])
  })

  it("a request that breaks every engine takes no more than one instance with it at a time", async () => {
    const { asked, become, lane } = await start([bad, bad, bad, bad], 4)
    for (let at = 0; at < 2; at++) assert.strictEqual((await lane.chat({})).status, 502)
    // Eight errors, of which two count.
    assert.deepStrictEqual(asked(), [2, 2, 2, 2])
    for (let at = 0; at < 4; at++) become(at, good)
    const before = asked()
    for (let at = 0; at < 40; at++) assert.strictEqual((await lane.chat({})).status, 200)
    for (const [at, count] of asked().entries()) assert.isAbove(count, before[at] ?? 0)
  })

  it("the router hears of pace and price", async () => {
    const words = Array.from({ length: 20 }, () => "word ")
    const { lane, pass } = await start([Upstream.stream(words, { prompt: 5, completion: 20 })], 1, reader)
    const rated: Array<Rating.Rating> = []
    for (let at = 0; at < 6; at++) assert.strictEqual((await lane.chat({ stream: true })).status, 200)
    await lane.books()
    pass(11_000)
    await lane.run(lane.router.flush)
    const segments = await lane.run(lane.journal.directory.upTo(lane.router.replica, 1_000))
    for (const { body } of segments) {
      for (const [, json = "{}"] of body.matchAll(/^r\w+ (.*)$/gm))
        rated.push(Schema.decodeSync(Schema.fromJsonString(Rating.Rating))(json))
    }
    const last = rated.reduce(Rating.join, {})
    assert.isAtLeast(last.pace?.firstTokenMs ?? -1, 0)
    assert.isAtLeast(last.pace?.tokenUs ?? -1, 0)
    assert.deepStrictEqual(last.offer, {
      inputPerMillion: 1_000_000_000_000,
      outputPerMillion: 2_000_000_000_000,
      errorBps: 0,
      limitedBps: 0,
      weight: 0,
    })
  })
})

describe("an instance that goes silent", () => {
  it("is slow for the router long before anybody gives it up", async () => {
    let silent = true
    const words = Array.from({ length: 20 }, () => "word ")
    const speak = Upstream.stream(words, { prompt: 5, completion: 20 })
    const { lane, pass } = await start([(response, seen) => (silent ? undefined : speak(response, seen))], 1, reader)
    const paces = async () => {
      await lane.run(lane.router.flush)
      const segments = await lane.run(lane.journal.directory.upTo(lane.router.replica, 1_000))
      return segments
        .flatMap(({ body }) => [...body.matchAll(/^r\w+ (.*)$/gm)])
        .flatMap(([, json = "{}"]) => Schema.decodeSync(Schema.fromJsonString(Rating.Rating))(json).pace ?? [])
    }
    const answer = lane.chat({ stream: true })
    while (lane.lane.inFlight() === 0) await new Promise(setImmediate)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepStrictEqual(await paces(), [])
    pass(1_000)
    const [first] = await paces()
    assert.isAtLeast(first?.firstTokenMs ?? 0, 1_000)
    pass(1_000)
    assert.isAtLeast((await paces()).at(-1)?.firstTokenMs ?? 0, 2_000)
    // Given up by its time limit, it waits no longer.
    assert.strictEqual((await answer).status, 504)
    silent = false
    const before = (await paces()).length
    assert.strictEqual((await lane.chat({ stream: true })).status, 200)
    pass(1_000)
    const after = (await paces()).slice(before)
    for (const { firstTokenMs } of after) assert.isBelow(firstTokenMs, 2_500)
    await lane.books()
  })
})

describe("Blame", () => {
  const failed = (reason: Reason.ReasonCode, earlier: ReadonlyArray<Reason.ReasonCode> = []) =>
    Blame.of({ _tag: "Failed", reason, retry: false }, earlier)

  it("a failure is the provider's for exactly these reasons, and each other one is neutral", () => {
    const byKind = (kind: string) => Reason.ReasonCode.literals.filter((code) => failed(code) === kind)
    assert.sameMembers(byKind("failed"), [
      "provider_unreachable",
      "provider_error",
      "provider_invalid_response",
      "provider_closed_early",
      "provider_connect_timeout",
      "provider_headers_timeout",
      "provider_token_timeout",
      "provider_stalled",
      "provider_too_slow",
      "request_timeout",
    ])
    assert.sameMembers(byKind("limited"), ["provider_busy"])
    for (const code of ["invalid_request", "hedge_lost", "insufficient_funds", "shutting_down"] as const) {
      assert.strictEqual(failed(code), "neutral", "the buyer's fault")
    }
    for (const code of ["service_unavailable", "internal_error", "hold_expired", "invalid_ticket"] as const) {
      assert.strictEqual(failed(code), "neutral", "the platform's own outage")
    }
  })

  it("looks at what came of the attempts before", () => {
    assert.strictEqual(failed("provider_error", ["provider_error"]), "neutral")
    assert.strictEqual(failed("provider_error", ["provider_unreachable"]), "failed")
    assert.strictEqual(failed("provider_stalled", ["provider_stalled"]), "failed")
    assert.strictEqual(failed("request_timeout", ["provider_stalled"]), "neutral")
  })

  it("an answer that was cut off is judged by why, and one that the buyer left says nothing", () => {
    assert.strictEqual(Blame.of({ _tag: "Completed" }, []), "succeeded")
    assert.strictEqual(Blame.of({ _tag: "Aborted" }, []), "neutral")
    assert.strictEqual(Blame.of({ _tag: "Truncated", reason: "provider_stalled" }, []), "failed")
    for (const reason of ["request_timeout", "insufficient_funds", "shutting_down"] as const) {
      assert.strictEqual(Blame.of({ _tag: "Truncated", reason }, []), "neutral")
    }
  })
})
