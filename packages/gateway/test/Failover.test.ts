import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const said = Speech.of("chat/completions", { words: ["one "] })
const bad = Plan.whole(500, "oops")

const start = async (retries: { readonly percent: number; readonly perSecond: number }, attempts = 2) => {
  const lane = await FaultLane.start({
    definition: { attempts, relay: { ...TestLane.definition.relay, retries } },
  })
  closers.push(lane.close)
  return lane
}

describe("an error after 200 and empty frames", () => {
  const empty = [Plan.streamHead, Plan.write(said.opening.repeat(3)), Plan.delay(10)]
  it.each([
    ["an error", [...empty, Plan.write(said.error("oom"))]],
    ["an error in the same packet", [Plan.streamHead, Plan.write(said.opening.repeat(3) + said.error("oom"))]],
    ["nonsense", [...empty, Plan.write("data: {nope\n\n")]],
    ["a cut", [...empty, Plan.cut]],
    ["an end", [...empty, Plan.end()]],
  ])("is made good elsewhere: %s", async (_, plan) => {
    const lane = await start({ percent: 100, perSecond: 1_000 })
    const { ask, upstream } = await lane.provide({ inTurn: [plan, Plan.stream(said.stream)] }, { instances: 2 })
    const { headers, text } = await ask({ stream: true }).answer
    assert.strictEqual(text, said.stream.replace(said.usage, ""))
    assert.strictEqual(headers["x-guildhall-attempts"], "2")
    assert.lengthOf(upstream.asked, 2)
    await lane.books()
  })

  it.each([
    ["an error", Plan.write(said.error("oom"))],
    ["nonsense", Plan.write("data: {nope\n\n")],
    ["a cut", Plan.cut],
    ["an end", Plan.end()],
  ])("is not, once the first content has gone: %s", async (_, end) => {
    const lane = await start({ percent: 100, perSecond: 1_000 }, 5)
    const begun = said.opening + said.tokens.join("")
    const plan = [Plan.streamHead, Plan.write(begun), Plan.delay(10), end]
    const { ask, upstream } = await lane.provide({ inTurn: [plan, Plan.stream(said.stream)] }, { instances: 5 })
    const { text } = await ask({ stream: true }).answer
    assert.strictEqual(text.slice(0, begun.length), begun)
    assert.isString(FaultLane.codeOf(text))
    assert.lengthOf(upstream.asked, 1)
    await lane.books()
  })
})

describe("the budget of retries", () => {
  it.each([true, false])("is a fifth of the traffic, and a floor (stream: %s)", async (stream) => {
    // The floor may be saved up for ten seconds.
    const floor = 10
    const lane = await start({ percent: 20, perSecond: 1 }, 3)
    const { ask, upstream } = await lane.provide({ always: bad }, { instances: 3 })
    const startMs = performance.now()
    const answers = []
    for (let requests = 0; requests < 200; requests++) answers.push(await ask({ stream }).answer)
    const seconds = (performance.now() - startMs) / 1_000
    const retries = upstream.asked.length - answers.length
    assert.isAtLeast(retries, Math.floor(0.2 * answers.length))
    assert.isAtMost(retries, 0.2 * answers.length + floor + Math.ceil(seconds))
    for (const { headers, status } of answers) {
      assert.strictEqual(status, 502)
      // Whoever was not tried everywhere came when the budget was spent; it lasts for some of the first.
      if (headers["x-guildhall-attempts"] !== "3") assert.strictEqual(headers["x-should-retry"], "false")
      assert.isAtLeast(Number(headers["retry-after"]), 1)
    }
    assert.strictEqual(answers[0]?.headers["x-should-retry"], "true")
    assert.strictEqual(answers.at(-1)?.headers["x-should-retry"], "false")
    assert.strictEqual((await lane.books()).spent, 0n)
  })

  it("is not used by requests that went well, nor by a buyer's own fault", async () => {
    const lane = await start({ percent: 0, perSecond: 1 }, 3)
    const { ask, upstream } = await lane.provide({ always: Plan.stream(said.stream) }, { instances: 3 })
    for (let requests = 0; requests < 50; requests++) await ask({ stream: true }).answer
    upstream.use({ always: Plan.whole(400, '{"error":{"message":"no","type":"x","param":null,"code":null}}') })
    for (let requests = 0; requests < 50; requests++) assert.strictEqual((await ask().answer).status, 400)
    assert.lengthOf(upstream.asked, 100)
    upstream.use({ inTurn: [...Array.from({ length: 100 }, () => bad), bad, Plan.whole(200, said.whole)] })
    assert.strictEqual((await ask().answer).status, 200)
  })

  it("says when it is spent, and when it is not any more", async () => {
    const lane = await start({ percent: 0, perSecond: 1 })
    const { ask, upstream } = await lane.provide({ always: bad }, { instances: 2 })
    const spend = async (): Promise<FaultLane.Answer> => {
      for (;;) {
        const before = upstream.asked.length
        const answer = await ask().answer
        if (upstream.asked.length === before + 1) return answer
      }
    }
    const { headers, text } = await spend()
    const spentMs = performance.now()
    assert.strictEqual(FaultLane.codeOf(text), "provider_error")
    assert.strictEqual(headers["x-should-retry"], "false")
    const waitS = Number(headers["retry-after"])
    assert.strictEqual(waitS, 1)
    await Waiting.pause(Math.max(0, spentMs + waitS * 1_000 - performance.now()))
    const asked = upstream.asked.length
    upstream.use({ by: ({ number }) => (number === asked ? bad : Plan.whole(200, said.whole)) })
    assert.strictEqual((await ask().answer).status, 200)
    assert.lengthOf(upstream.asked, asked + 2)
    await lane.books()
  })

  it("is one for all: who comes later finds it spent", async () => {
    const lane = await start({ percent: 5, perSecond: 0 })
    const one = await lane.provide({ always: bad }, { instances: 2 })
    const other = await lane.provide({ inTurn: [bad, Plan.whole(200, said.whole)] }, { instances: 2 })
    await Promise.all(Array.from({ length: 40 }, () => one.ask().answer))
    assert.lengthOf(one.upstream.asked, 42)
    const { headers, status } = await other.ask().answer
    assert.strictEqual(status, 502)
    assert.strictEqual(headers["x-should-retry"], "false")
    assert.lengthOf(other.upstream.asked, 1)
  })
})
