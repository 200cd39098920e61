import { afterEach, assert, describe, it } from "@effect/vitest"
import { lookup } from "@guildhall/verification/PublicLookup"
import * as UndiciTransport from "../src/transports/Undici.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

describe("a market that calls only public endpoints", () => {
  it.each(["127.0.0.1", "localhost", "[::1]"])("does not connect to %s", async (host) => {
    const upstream = await Upstream.start(Upstream.whole("x", { prompt: 1, completion: 1 }))
    const { lane } = await TestLane.withUpstreams([], { transport: UndiciTransport.layerWith({ allowPrivate: false }) })
    const { port } = new URL(upstream.url)
    lane.list(TestLane.instance("inside", `http://${host}:${port}`))
    const answer = await lane.chat({})
    assert.strictEqual(JSON.parse(answer.text).error.code, "provider_unreachable")
    assert.lengthOf(upstream.seen, 0)
    await lane.books()
    await upstream.close()
  })

  it("resolves a name to nothing where all its addresses are private", async () => {
    for (const all of [true, false]) {
      const error = await new Promise((resolve) => lookup("localhost", { all }, resolve))
      assert.instanceOf(error, Error)
    }
  })
})
