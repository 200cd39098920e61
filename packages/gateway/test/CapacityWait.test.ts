import { afterEach, assert, describe, it } from "@effect/vitest"
import type { ServerResponse } from "node:http"
import type { MarketDefinition } from "@guildhall/core"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import { until } from "./Waiting.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const usage = { prompt: 1, completion: 1 }

/** A lane with one instance that takes one request at a time, and answers when it is told to. */
const start = async (queue: Partial<MarketDefinition.MarketDefinition["queue"]> = {}) => {
  const open: Array<ServerResponse> = []
  const upstream = await Upstream.start((response) => void open.push(response))
  closers.push(upstream.close)
  const lane = await TestLane.start({
    definition: { queue: { ...TestLane.definition.queue, waitMs: 10_000, ...queue } },
  })
  closers.push(lane.close)
  lane.list(TestLane.instance("only", upstream.url, { concurrency: 1 }))
  const answer = () => {
    const [response] = open.splice(0, 1)
    if (response === undefined) return assert.fail("nobody asked the instance")
    Upstream.whole("word", usage)(response, upstream.seen[0] ?? assert.fail("nothing was seen"))
  }
  const isAsked = (times: number) => until(`${times} requests at the instance`, () => upstream.seen.length === times)
  const isWaiting = (count: number) => until(`${count} in flight`, () => lane.lane.inFlight() === count)
  return { lane, upstream, answer, isAsked, isWaiting }
}

describe("a request for which every instance is busy", () => {
  it("waits, and is served as soon as one has room", async () => {
    const { answer, isAsked, isWaiting, lane } = await start()
    const first = lane.chat({})
    await isAsked(1)
    const second = lane.chat({})
    const third = lane.chat({})
    await isWaiting(3)
    answer()
    assert.strictEqual((await first).status, 200)
    await isAsked(2)
    answer()
    await isAsked(3)
    answer()
    assert.deepStrictEqual([(await second).status, (await third).status], [200, 200])
    await lane.books()
    assert.strictEqual(lane.router.inFlight().size, 0)
  })

  it("gets 429 at once where as many wait as may, with the time after which to come again", async () => {
    const { answer, isAsked, isWaiting, lane } = await start({ requestsMax: 1 })
    const first = lane.chat({})
    await isAsked(1)
    const second = lane.chat({})
    await isWaiting(2)
    const refused = await lane.chat({})
    assert.strictEqual(refused.status, 429)
    assert.deepInclude(JSON.parse(refused.text).error, { code: "queue_full" })
    assert.strictEqual(refused.headers["retry-after"], "10")
    assert.strictEqual(refused.headers["x-should-retry"], "true")
    answer()
    await isAsked(2)
    answer()
    assert.deepStrictEqual([(await first).status, (await second).status], [200, 200])
    await lane.books()
  })

  it("gets 429 when it has waited for as long as it may, and is charged nothing", async () => {
    const { answer, isAsked, lane } = await start({ waitMs: 30 })
    const first = lane.chat({})
    await isAsked(1)
    const refused = await lane.chat({})
    assert.strictEqual(refused.status, 429)
    assert.deepInclude(JSON.parse(refused.text).error, { code: "queue_timeout" })
    assert.isDefined(refused.headers["retry-after"])
    answer()
    assert.strictEqual((await first).status, 200)
    const { spent } = await lane.books()
    assert.strictEqual(spent, TestLane.INPUT_UNIT + TestLane.OUTPUT_UNIT)
  })

  it("leaves the queue with its buyer, and the next one is served in its place", async () => {
    const { answer, isAsked, isWaiting, lane, upstream } = await start()
    const first = lane.chat({})
    await isAsked(1)
    const leaving = new AbortController()
    const gone = fetch(`${lane.url}/v1/chat/completions`, {
      method: "POST",
      signal: leaving.signal,
      headers: { authorization: `Bearer ${TestLane.KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ model: TestLane.MODEL, messages: [{ role: "user", content: "gone" }] }),
    }).catch(() => undefined)
    await isWaiting(2)
    const stays = lane.chat({ user: "stays" })
    await isWaiting(3)
    leaving.abort()
    await gone
    await isWaiting(2)
    answer()
    await isAsked(2)
    answer()
    assert.deepStrictEqual([(await first).status, (await stays).status], [200, 200])
    assert.include(upstream.seen[1]?.body, "stays")
    await lane.books()
  })

  it("is served by an instance that joins meanwhile", async () => {
    const { answer, isAsked, isWaiting, lane, upstream } = await start()
    const first = lane.chat({})
    await isAsked(1)
    const second = lane.chat({})
    await isWaiting(2)
    lane.list(TestLane.instance("new", upstream.url, { concurrency: 1 }))
    await isAsked(2)
    answer()
    answer()
    assert.deepStrictEqual([(await first).status, (await second).status], [200, 200])
    assert.strictEqual((await second).headers["x-guildhall-instance"], "ins_new")
    await lane.books()
  })

  it("ends when the gateway stops", async () => {
    const { isAsked, isWaiting, lane, upstream } = await start()
    const first = lane.chat({})
    await isAsked(1)
    const second = lane.chat({})
    await isWaiting(2)
    await lane.run(lane.lane.drain(10))
    assert.deepInclude(JSON.parse((await second).text).error, { code: "shutting_down" })
    assert.deepInclude(JSON.parse((await first).text).error, { code: "shutting_down" })
    await lane.books()
    assert.strictEqual(upstream.seen.length, 1)
  })

  it("is refused at once where nobody may wait", async () => {
    const { answer, isAsked, lane } = await start({ waitMs: 0 })
    const first = lane.chat({})
    await isAsked(1)
    const refused = await lane.chat({})
    assert.strictEqual(refused.status, 503)
    assert.deepInclude(JSON.parse(refused.text).error, { code: "no_capacity" })
    answer()
    assert.strictEqual((await first).status, 200)
  })

  it("waits too when an instance has failed it and the other is busy", async () => {
    const { answer, isAsked, isWaiting, lane } = await start()
    const first = lane.chat({})
    await isAsked(1)
    // Nobody listens there, and it has more room than the other.
    lane.list(TestLane.instance("dead", "http://127.0.0.1:1", { concurrency: 100 }))
    const second = lane.chat({})
    await isWaiting(2)
    await until("the dead one to be tried", () => lane.router.inFlight().size === 1)
    answer()
    await isAsked(2)
    answer()
    assert.strictEqual((await first).status, 200)
    const served = await second
    assert.strictEqual(served.status, 200)
    assert.strictEqual(served.headers["x-guildhall-instance"], "ins_only")
    assert.strictEqual(served.headers["x-guildhall-attempts"], "2")
    await lane.books()
  })

  it("ends with what an instance said where it waits for another in vain", async () => {
    const { answer, isAsked, lane } = await start({ waitMs: 30 })
    const first = lane.chat({})
    await isAsked(1)
    lane.list(TestLane.instance("dead", "http://127.0.0.1:1", { concurrency: 100 }))
    const refused = await lane.chat({})
    assert.deepInclude(JSON.parse(refused.text).error, { code: "provider_unreachable" })
    answer()
    assert.strictEqual((await first).status, 200)
    await lane.books()
  })
})
