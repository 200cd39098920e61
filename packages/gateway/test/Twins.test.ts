import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { AnswerStore, JournalError } from "@guildhall/journal"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

afterEach(TestLane.closeAll)

const OPEN = { authorization: `Bearer ${TestLane.OPEN_KEY}` }
const keyed = (key: string, headers: Readonly<Record<string, string>> = OPEN) => ({
  ...headers,
  "idempotency-key": key,
})
const usage = { prompt: 5, completion: 3 }
const CHARGE = 5n * TestLane.INPUT_UNIT + 3n * TestLane.OUTPUT_UNIT

const code = ({ text }: TestLane.Answer): unknown => {
  const { error } = JSON.parse(text) as { readonly error?: { readonly code?: unknown } }
  return error?.code
}

/** What of an answer two buyers must have alike. */
const told = ({ broken, headers, status, text, trailers }: TestLane.Answer) => {
  const own = /^(date|connection|keep-alive|idempotent-replayed|x-ratelimit-.*)$/
  const rest = Object.fromEntries(Object.entries(headers).filter(([name]) => !own.test(name)))
  return { broken, headers: rest, status, text, trailers }
}

/** An upstream that streams a word, says more when it is told to, and goes on to the end when it is released. */
const held = () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let say: (word: string) => void = () => assert.fail("nobody asked yet")
  const script: Upstream.Script = (response) => {
    Upstream.streamHead(response)
    say = (word) => void response.write(Upstream.delta(word))
    response.write(Upstream.role)
    say("one")
    void released.then(() =>
      response.end(Upstream.delta("two") + Upstream.finish + Upstream.usageEvent(5, 3) + Upstream.done),
    )
  }
  return { script, release, say: (word: string) => say(word) }
}

/** What a slow machine does must not end an answer that is held back. */
const PATIENT = {
  definition: {
    timeouts: { ...TestLane.definition.timeouts, firstTokenMs: 10_000, betweenTokensMs: 10_000, totalMs: 20_000 },
  },
}

/** Sends a request and hears its answer come. */
const listen = (lane: TestLane.TestLane, key: string, headers = OPEN) => {
  let abort = () => undefined as void
  let text = ""
  const body = JSON.stringify({ model: TestLane.MODEL, stream: true, messages: [{ role: "user", content: "hello" }] })
  const answer = lane.send(body, keyed(key, headers), (leave, heard) => {
    abort = leave
    text = heard
  })
  return { answer, text: () => text, leave: () => abort() }
}

type Listener = ReturnType<typeof listen>

const hears = (listener: Listener, word: string) =>
  Waiting.until(`"${word}" is heard`, () => listener.text().includes(word))

/** Two who ask the same, and have both heard the first word. */
const pair = async (lane: TestLane.TestLane, headers = OPEN): Promise<readonly [Listener, Listener]> => {
  const first = listen(lane, "k", headers)
  await hears(first, "one")
  const second = listen(lane, "k", headers)
  await hears(second, "one")
  return [first, second]
}

/** The first of two leaves, and the gateway knows. */
const leave = async (lane: TestLane.TestLane, first: Listener) => {
  first.leave()
  await Waiting.until("one has left", () => lane.connections() === 1)
}

describe("a request with an idempotency key", () => {
  for (const stream of [false, true]) {
    it(`is answered again alike, called once and charged once (${stream ? "stream" : "whole"})`, async () => {
      const script = stream ? Upstream.stream(["a", "ä\u2028", "z"], usage) : Upstream.whole("aäz", usage)
      const { lane, upstream } = await TestLane.withUpstream(script, PATIENT)
      const body = { stream, ...(stream ? { stream_options: { include_usage: true } } : {}) }
      const first = await lane.chat(body, keyed("k"))
      await lane.idle()
      const again = await lane.chat(body, keyed("k"))
      const third = await lane.chat(body, keyed("k", { authorization: `Bearer ${TestLane.KEY}` }))
      assert.strictEqual(first.status, 200)
      assert.isUndefined(first.headers["idempotent-replayed"])
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      assert.deepStrictEqual(told(again), told(first))
      assert.deepStrictEqual(told(third), told(first))
      assert.lengthOf(upstream.seen, 1)
      assert.strictEqual((await lane.books()).spent, CHARGE)
      assert.lengthOf(await lane.entries(), 1)
    })
  }

  it("is refused where its body is another, uncharged", async () => {
    const { lane, upstream } = await TestLane.withUpstream(Upstream.whole("a", usage))
    await lane.chat({}, keyed("k"))
    await lane.idle()
    const other = await lane.chat({ temperature: 0 }, keyed("k"))
    assert.strictEqual(other.status, 422)
    assert.strictEqual(code(other), "idempotency_conflict")
    assert.lengthOf(upstream.seen, 1)
    assert.strictEqual((await lane.books()).spent, CHARGE)
  })

  it("whose data may not be kept is not answered later, and not charged", async () => {
    const { lane, upstream } = await TestLane.withUpstream(Upstream.whole("a", usage))
    lane.list(TestLane.instance("i0", upstream.url, { retainsData: false }))
    const ways = [
      { body: {}, headers: keyed("k1", {}) },
      { body: { provider: { data_collection: "deny" } }, headers: keyed("k2") },
    ]
    for (const { body, headers } of ways) {
      assert.strictEqual((await lane.chat(body, headers)).status, 200)
      await lane.idle()
      const again = await lane.chat(body, headers)
      assert.strictEqual(again.status, 409)
      assert.strictEqual(code(again), "answer_not_kept")
      assert.strictEqual(again.headers["x-should-retry"], "false")
    }
    assert.lengthOf(upstream.seen, 2)
    assert.strictEqual((await lane.books()).spent, 2n * CHARGE)
  })

  it("that failed without a charge is tried anew", async () => {
    const { lane, upstream } = await TestLane.withUpstream(Upstream.status(400, '{"error":{"message":"no"}}'))
    assert.strictEqual((await lane.chat({}, keyed("k"))).status, 400)
    await lane.idle()
    upstream.script = Upstream.whole("a", usage)
    assert.strictEqual((await lane.chat({}, keyed("k"))).status, 200)
    assert.strictEqual((await lane.books()).spent, CHARGE)
  })

  it("that was cut off is tried anew", async () => {
    const { lane, upstream } = await TestLane.withUpstream((response) => {
      Upstream.streamHead(response)
      response.write(Upstream.role + Upstream.delta("one"), () => response.destroy())
    })
    const first = await lane.chat({ stream: true }, keyed("k"))
    assert.include(first.text, "provider_closed_early")
    await lane.idle()
    upstream.script = Upstream.stream(["one", "two"], usage)
    const again = await lane.chat({ stream: true }, keyed("k"))
    assert.include(again.text, "two")
    assert.isUndefined(again.headers["idempotent-replayed"])
  })

  it("is told what is wrong with the key", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.whole("a", usage))
    const answer = await lane.chat({}, keyed("x".repeat(256)))
    assert.strictEqual(answer.status, 400)
    assert.strictEqual(code(answer), "invalid_request")
  })

  it("is refused while the store is away; one without a key does not ask it", async () => {
    const away = Layer.mock(AnswerStore.AnswerStore, {
      claim: () => Effect.fail(new JournalError.JournalError({ reason: "Unavailable", cause: "away" })),
    })
    const { lane, upstream } = await TestLane.withUpstream(Upstream.whole("a", usage), { answers: away })
    assert.strictEqual((await lane.chat({}, OPEN)).status, 200)
    const refused = await lane.chat({}, keyed("k"))
    assert.deepStrictEqual([refused.status, code(refused)], [503, "service_unavailable"])
    assert.lengthOf(upstream.seen, 1)
  })
})

describe("twins", () => {
  it("at the same time are one request", async () => {
    const { release, script } = held()
    const { lane, upstream } = await TestLane.withUpstream(script, PATIENT)
    const twins = Array.from({ length: 20 }, () => listen(lane, "k"))
    await Waiting.until("all hear it", () => twins.every((twin) => twin.text().includes("one")))
    release()
    const answers = await Promise.all(twins.map(({ answer }) => answer))
    const [first] = answers.filter(({ headers }) => headers["idempotent-replayed"] === undefined)
    if (first === undefined) return assert.fail("nobody was first")
    for (const answer of answers) assert.deepStrictEqual(told(answer), told(first))
    assert.lengthOf(upstream.seen, 1)
    assert.strictEqual((await lane.books()).spent, CHARGE)
  })

  it("under deny share what is in flight", async () => {
    const { release, script } = held()
    const { lane, upstream } = await TestLane.withUpstream(script, PATIENT)
    const deny = { authorization: `Bearer ${TestLane.KEY}` }
    const [first, second] = await pair(lane, deny)
    release()
    assert.strictEqual((await second.answer).text, (await first.answer).text)
    assert.lengthOf(upstream.seen, 1)
  })

  it("hear the rest although the first has left, which pays for all of it", async () => {
    const { release, script } = held()
    const { lane, upstream } = await TestLane.withUpstream(script, PATIENT)
    const [first, second] = await pair(lane)
    await leave(lane, first)
    release()
    const heard = await second.answer
    assert.include(heard.text, "two")
    assert.isFalse(heard.broken)
    await lane.idle()
    const third = await listen(lane, "k").answer
    assert.strictEqual(third.text, heard.text)
    assert.lengthOf(upstream.seen, 1)
    assert.strictEqual((await lane.books()).spent, CHARGE)
  })

  it("that all leave end the call within 100 ms", async () => {
    const { say, script } = held()
    const { lane, upstream } = await TestLane.withUpstream(script, PATIENT)
    const [first, second] = await pair(lane)
    await leave(lane, first)
    say("still")
    await hears(second, "still")
    assert.isUndefined(upstream.seen[0]?.closedAt)
    const leftAt = performance.now()
    second.leave()
    await Waiting.until("the provider is left", () => upstream.seen[0]?.closedAt)
    assert.isBelow((upstream.seen[0]?.closedAt ?? Infinity) - leftAt, 100)
    await lane.books()
    upstream.script = Upstream.stream(["anew"], usage)
    assert.include((await listen(lane, "k").answer).text, "anew")
  })

  it("share a refusal", async () => {
    let answer = () => undefined as void
    const { lane, upstream } = await TestLane.withUpstream((response) => {
      answer = () =>
        Upstream.status(400, '{"error":{"message":"no"}}')(response, upstream.seen[0] ?? assert.fail("none"))
    })
    const first = lane.chat({}, keyed("k"))
    await Waiting.until("the provider is asked", () => upstream.seen.length === 1)
    const second = lane.chat({}, keyed("k"))
    await Waiting.until("both are under way", () => lane.lane.inFlight() === 2)
    // A request that is under way is soon a twin; nothing tells when.
    await Waiting.pause(20)
    answer()
    assert.deepStrictEqual([(await first).status, (await second).status], [400, 400])
    assert.strictEqual((await first).text, (await second).text)
    assert.lengthOf(upstream.seen, 1)
    assert.strictEqual((await lane.books()).spent, 0n)
  })

  it("end with the first when the gateway stops", async () => {
    const { lane } = await TestLane.withUpstream(held().script, PATIENT)
    const twins = [listen(lane, "k"), listen(lane, "k")]
    await Waiting.until("all hear it", () => twins.every((twin) => twin.text().includes("one")))
    await lane.run(lane.lane.drain(10))
    for (const { answer } of twins) assert.include((await answer).text, "shutting_down")
    assert.strictEqual(lane.lane.inFlight(), 0)
  })
})

describe("two gateways", () => {
  it("answer one request: the other waits, or says to come again, and then tells the answer", async () => {
    const shared = await Effect.runPromise(AnswerStore.makeMemory())
    const answers = Layer.succeed(AnswerStore.AnswerStore, shared)
    const { release, script } = held()
    const one = await TestLane.withUpstream(script, { ...PATIENT, answers })
    const other = await TestLane.withUpstream(script, { ...PATIENT, answers })
    const first = listen(one.lane, "k")
    await hears(first, "one")
    const early = await listen(other.lane, "k").answer
    assert.strictEqual(early.status, 409)
    assert.strictEqual(code(early), "request_in_progress")
    assert.strictEqual(early.headers["retry-after"], "1")
    assert.strictEqual(early.headers["x-should-retry"], "true")
    let waiting = listen(other.lane, "k")
    release()
    const told1 = await first.answer
    // On a slow machine it may have to come again, as it is told to.
    while ((await waiting.answer).status === 409) waiting = listen(other.lane, "k")
    const told2 = await waiting.answer
    assert.strictEqual(told2.headers["idempotent-replayed"], "true")
    assert.deepStrictEqual(told(told2), told(told1))
    assert.lengthOf(one.upstream.seen, 1)
    assert.lengthOf(other.upstream.seen, 0)
    assert.strictEqual((await one.lane.books()).spent, CHARGE)
    assert.strictEqual((await other.lane.books()).spent, 0n)
  })
})
