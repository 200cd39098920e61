import { afterEach, assert, describe, it } from "@effect/vitest"
import type { KeyTerms } from "@guildhall/core/KeyTerms"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as LateHolds from "./LateHolds.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const PING = ": ping\n"
const PING_MS = 60
const said = Speech.of("chat/completions", { words: ["one ", "two "] })
const plain = said.stream.replace(said.usage, "")

const start = async (options: TestLane.Options = {}) => {
  const lane = await FaultLane.start({
    ...options,
    definition: {
      relay: { ...TestLane.definition.relay, pingMs: PING_MS, retries: { percent: 100, perSecond: 1_000 } },
      ...options.definition,
    },
  })
  closers.push(lane.close)
  return lane
}

const pings = (text: string) => text.match(/^: ping\n/gm)?.length ?? 0

/** Without the comments. Anthropic's own `event: ping` is none of them. */
const without = (text: string) => text.replaceAll(/^: ping\n/gm, "")

/** Every comment stands where an event could begin. */
const atBoundaries = (text: string) =>
  text
    .split(PING)
    .slice(0, -1)
    .every((before) => before === "" || before.endsWith("\n\n"))

describe("a stream that is silent", () => {
  it("before its first token gets comments, which change nothing else", async () => {
    const lane = await start()
    const { ask } = await lane.provide({ always: [Plan.delay(220), ...Plan.stream(said.stream)] })
    const { headers, pieces, status, text, trailers } = await ask({ stream: true }).answer
    assert.strictEqual(status, 200)
    assert.strictEqual(without(text), plain)
    assert.isAtLeast(pings(text), 2)
    assert.isTrue(atBoundaries(text))
    assert.strictEqual(pieces[0]?.text, PING)
    assert.strictEqual(headers["content-type"], "text/event-stream; charset=utf-8")
    assert.strictEqual(headers["x-accel-buffering"], "no")
    assert.notInclude(text, "id:")
    assert.isDefined(trailers["x-guildhall-cost"])
    const [entry] = await lane.ended()
    // A comment is no token, and no first byte.
    assert.strictEqual(entry?.receipt.usage.outputToken, 2)
    const { firstByteAtMs = 0, startedAtMs = 0 } = entry?.receipt ?? {}
    assert.isAtLeast(firstByteAtMs - startedAtMs, 200)
    await lane.books()
  })

  it("between tokens gets comments, and never inside an event", async () => {
    const lane = await start()
    const [first = "", second = ""] = said.tokens
    const half = Math.floor(first.length / 2)
    const { ask } = await lane.provide({
      always: [
        Plan.streamHead,
        Plan.write(said.opening + first + second.slice(0, half)),
        Plan.delay(220),
        Plan.write(second.slice(half) + said.finish + said.usage),
        Plan.delay(150),
        Plan.write(said.done),
      ],
    })
    const { text } = await ask({ stream: true }).answer
    assert.strictEqual(without(text), plain)
    assert.isAtLeast(pings(text), 3)
    assert.isTrue(atBoundaries(text))
    await lane.books()
  })

  it.each(Speech.dialects)("gets the same comments in %s", async (dialect) => {
    const lane = await start()
    const said = Speech.of(dialect, { words: ["one ", "two "] })
    const { ask } = await lane.provide({ always: [Plan.delay(150), ...Plan.stream(said.stream)] }, { dialect })
    const { text } = await ask({ stream: true }).answer
    assert.isAtLeast(pings(text), 1)
    const hidden = dialect === "chat/completions" || dialect === "completions" ? said.usage : ""
    assert.strictEqual(without(text), said.stream.replace(hidden, ""))
    await lane.books()
  })

  it("and talks, gets none", async () => {
    const lane = await start()
    const plan = [
      Plan.streamHead,
      Plan.write(said.opening),
      Plan.repeat(said.tokens[0] ?? "", 20, 15),
      Plan.write(said.finish + said.done),
    ]
    const { ask } = await lane.provide({ always: plan })
    // On a busy machine a pause may get longer than it was meant to be.
    assert.isAtMost(pings((await ask({ stream: true }).answer).text), 2)
    await lane.books()
  })
})

describe("comments", () => {
  it("do not come before the hold is durable", async () => {
    const { open, wrapLedger } = LateHolds.make()
    const lane = await start({ wrapLedger })
    const { ask, upstream } = await lane.provide({ always: [Plan.delay(400), ...Plan.stream(said.stream)] })
    const visit = ask({ stream: true })
    await Waiting.until("the provider is asked", () => upstream.asked.length === 1)
    // Three comments would have come by now.
    await Waiting.pause(200)
    assert.deepStrictEqual([visit.state.status, visit.state.text], [0, ""])
    open()
    assert.strictEqual(without((await visit.answer).text), plain)
    await lane.books()
  })

  it("are not for whole answers", async () => {
    const lane = await start()
    const { ask } = await lane.provide({ always: [Plan.delay(200), ...Plan.whole(200, said.whole)] })
    assert.strictEqual((await ask().answer).text, said.whole)
  })

  it("are not for keys that want none", async () => {
    const terms: KeyTerms = { keepAlive: false }
    const lane = await start({ terms })
    const { ask } = await lane.provide({ always: [Plan.delay(200), ...Plan.stream(said.stream)] })
    assert.strictEqual((await ask({ stream: true }).answer).text, plain)
  })

  it("do not keep an attempt that fails from being made elsewhere", async () => {
    const lane = await start()
    const { ask, upstream } = await lane.provide(
      {
        inTurn: [
          [Plan.delay(150), ...Plan.whole(500, "oops")],
          [Plan.delay(150), ...Plan.stream(said.stream)],
        ],
      },
      { instances: 2 },
    )
    const { text } = await ask({ stream: true }).answer
    assert.strictEqual(without(text), plain)
    assert.isAtLeast(pings(text), 2)
    assert.lengthOf(upstream.asked, 2)
    await lane.books()
  })

  it.each(Speech.dialects)("once sent make every error one of the stream, in %s", async (dialect) => {
    const lane = await start()
    const { ask } = await lane.provide(
      { always: [Plan.delay(150), ...Plan.whole(500, "oops")] },
      { dialect, instances: 2 },
    )
    const { broken, status, text } = await ask({ stream: true }).answer
    assert.strictEqual(status, 200)
    assert.isTrue(text.startsWith(PING))
    assert.strictEqual(FaultLane.codeOf(without(text)), "provider_error")
    assert.isFalse(broken)
    assert.strictEqual((await lane.books()).spent, 0n)
  })

  it("end with the request, also where its buyer stopped to read", async () => {
    const lane = await start({
      definition: {
        relay: { ...TestLane.definition.relay, pingMs: 5 },
        timeouts: { ...FaultLane.patient, totalMs: 250 },
      },
    })
    const { ask } = await lane.provide({
      always: [Plan.streamHead, Plan.write(said.opening + said.tokens.join("")), Plan.stall],
    })
    const visits = Array.from({ length: 20 }, () => ask({ stream: true }))
    await Waiting.until("all stream", () => visits.every(({ state }) => state.text.includes("two")))
    for (const [at, visit] of visits.entries()) if (at % 2 === 0) visit.leave()
    await Promise.all(visits.map(({ answer }) => answer))
    await lane.books()
    // A comment after the receipt would be an uncaught error by now.
    await Waiting.pause(20)
  })
})
