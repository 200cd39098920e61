import { afterEach, assert, describe, it } from "@effect/vitest"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import type { ServerResponse } from "node:http"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import { until } from "./Waiting.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Instances that take two requests at a time each, or so many, and say with each answer that they have so many. */
const start = async (says: string, names: ReadonlyArray<string> = ["a", "b"], concurrency = 2) => {
  const open: Array<ServerResponse> = []
  let saying = says
  const upstream = await Upstream.start((response) => {
    response.setHeader("x-guildhall-load", saying)
    open.push(response)
  })
  closers.push(upstream.close)
  let seen: ReadonlyArray<number | undefined> = []
  const rank: RoutingPolicy["rank"] = (request, candidates, seed) => {
    seen = candidates.map(({ rating }) => rating?.foreign)
    return leastLoaded.rank(request, candidates, seed)
  }
  const lane = await TestLane.start({ policy: { name: "Watching", version: 1, rank } })
  closers.push(lane.close)
  for (const name of names) lane.list(TestLane.instance(name, upstream.url, { concurrency }))
  const serve = async () => {
    const answer = lane.chat({})
    const response = await until("an instance is asked", () => open.shift())
    Upstream.whole("word", { prompt: 1, completion: 1 })(response, upstream.seen[0] ?? assert.fail("nothing was seen"))
    return (await answer).headers["x-guildhall-instance"]
  }
  const say = (text: string) => {
    saying = text
  }
  /** What is known to be on the instances that is not this market's. */
  const foreign = () => {
    lane.router.choose({ model: TestLane.MODEL, contextTokens: 1, tried: [] }, 1)
    return seen
  }
  return { foreign, lane, say, serve }
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

  it.each(["", "-1", "many", "1e9", "9999999", "1.5", "0x3", "NaN"])("is ignored where it is %j", async (says) => {
    const { foreign, lane, say, serve } = await start("6", ["a"], 16)
    assert.isDefined(await serve())
    assert.deepStrictEqual(foreign(), [5])
    say(says)
    assert.isDefined(await serve())
    assert.deepStrictEqual(foreign(), [5], "what it said before is what is known")
    say("3")
    assert.isDefined(await serve())
    assert.deepStrictEqual(foreign(), [2])
    await lane.books()
  })
})
