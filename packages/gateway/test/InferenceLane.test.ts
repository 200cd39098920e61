import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

const closers: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const market = async (script: Upstream.Script, options: TestLane.Options = {}) => {
  const upstream = await Upstream.start(script)
  closers.push(upstream.close)
  const lane = await TestLane.start(options)
  closers.push(lane.close)
  lane.list(TestLane.instance("a", upstream.url))
  return { upstream, lane }
}

describe("a good answer", () => {
  it("is passed on whole, byte for byte, and charged", async () => {
    const usage = { prompt: 5, completion: 2 }
    const { lane } = await market(Upstream.whole("hi there", usage))
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.text, Upstream.wholeBody("hi there", usage))
    assert.match(String(answer.headers["x-request-id"]), /^req_[0-9a-f]{32}$/)
    assert.strictEqual(answer.headers["x-guildhall-instance"], "ins_a")
    const cost = 5n * TestLane.INPUT_UNIT + 2n * TestLane.OUTPUT_UNIT
    assert.deepStrictEqual(await lane.books(), { spent: cost, earned: (cost * 9n) / 10n, fees: cost / 10n })
  })

  it("is streamed byte for byte, without the usage that was not asked for", async () => {
    const { lane, upstream } = await market(Upstream.stream(["hé", "llo"], { prompt: 5, completion: 2 }))
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(
      answer.text,
      [Upstream.role, Upstream.delta("hé"), Upstream.delta("llo"), Upstream.finish, Upstream.done].join(""),
    )
    assert.deepStrictEqual(JSON.parse(upstream.seen[0]?.body ?? "").stream_options, { include_usage: true })
    const cost = 5n * TestLane.INPUT_UNIT + 2n * TestLane.OUTPUT_UNIT
    assert.strictEqual((await lane.books()).spent, cost)
  })
})
