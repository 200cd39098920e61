import { afterEach, assert, describe, it } from "@effect/vitest"
import type { ServerResponse } from "node:http"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import { until } from "./Waiting.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Two instances that take two requests at a time each, and say with each answer that they have so many. */
const start = async (says: string) => {
  const open: Array<ServerResponse> = []
  const upstream = await Upstream.start((response) => {
    response.setHeader("x-guildhall-load", says)
    open.push(response)
  })
  closers.push(upstream.close)
  const lane = await TestLane.start()
  closers.push(lane.close)
  for (const name of ["a", "b"]) lane.list(TestLane.instance(name, upstream.url, { concurrency: 2 }))
  const serve = async () => {
    const answer = lane.chat({})
    const response = await until("an instance is asked", () => open.shift())
    Upstream.whole("word", { prompt: 1, completion: 1 })(response, upstream.seen[0] ?? assert.fail("nothing was seen"))
    return (await answer).headers["x-guildhall-instance"]
  }
  return { lane, serve }
}

describe("what an instance says of its load", () => {
  it("counts what others have on it, so that the next request goes elsewhere", async () => {
    const { lane, serve } = await start("2")
    const served = new Set([await serve(), await serve()])
    assert.deepStrictEqual([...served].sort(), ["ins_a", "ins_b"])
    await lane.books()
  })

  it("does not count what this market has on it, which is over by then", async () => {
    const { lane, serve } = await start("1")
    for (let at = 0; at < 6; at++) assert.isDefined(await serve())
    for (const id of ["ins_a", "ins_b"] as const) {
      const choices = Array.from({ length: 20 }, (_, seed) =>
        lane.router.choose({ model: TestLane.MODEL, contextTokens: 1, tried: [] }, seed),
      )
      assert.isTrue(
        choices.some((choice) => choice._tag === "Chosen" && choice.instance.id === id),
        id,
      )
    }
    await lane.books()
  })

  it.each(["", "-1", "many", "1e9", "9999999", "1.5", "NaN"])("is ignored where it is %j", async (says) => {
    const { lane, serve } = await start(says)
    assert.isDefined(await serve())
    const choice = lane.router.choose({ model: TestLane.MODEL, contextTokens: 1, tried: [] }, 1)
    assert.strictEqual(choice._tag, "Chosen")
    await lane.books()
  })
})
