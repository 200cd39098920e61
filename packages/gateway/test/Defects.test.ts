import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { createHash } from "node:crypto"
import { IncomingMessage, ServerResponse } from "node:http"
import { Socket } from "node:net"
import { HoldId } from "@guildhall/ledger/Hold"
import { HoldGate } from "../src/HoldGate.ts"
import * as InferenceEndpoint from "../src/InferenceEndpoint.ts"
import { Buyer } from "../src/internal/Buyer.ts"
import { Outlet } from "../src/internal/Outlet.ts"
import * as Recount from "../src/Recount.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const quiet = Logger.layer([])
const answer = Upstream.whole("hi", { prompt: 1, completion: 1 })

/** A lane in which something throws that never should, once the hold is on its way. */
const broken = (stream: boolean) => {
  const recount = Recount.Recount.of({
    observe: () => ({
      onStart: () => assert.fail("a bug"),
      onBytes: () => undefined,
      onEnd: () => undefined,
    }),
    standing: () => undefined,
    drain: Effect.void,
  })
  return TestLane.withUpstream(stream ? Upstream.stream(["hi"], { prompt: 1, completion: 1 }) : answer, {
    recount: Layer.succeed(Recount.Recount, recount),
    around: quiet,
  })
}

describe("a bug inside the gateway", () => {
  it.each([false, true])("is an error for one buyer, who pays nothing (stream: %s)", async (stream) => {
    const { lane } = await broken(stream)
    const { status, text } = await lane.chat({ stream })
    assert.deepStrictEqual([status, JSON.parse(text).error.code], [500, "internal_error"])
    assert.strictEqual((await lane.books()).spent, 0n)
  })

  it("where the job is made is one as well", async () => {
    const recount = { observe: () => assert.fail("a bug"), standing: () => undefined, drain: Effect.void }
    const { lane } = await TestLane.withUpstream(answer, {
      recount: Layer.succeed(Recount.Recount, Recount.Recount.of(recount)),
      around: quiet,
    })
    const { status, text } = await lane.chat({})
    assert.deepStrictEqual([status, JSON.parse(text).error.code], [500, "internal_error"])
    assert.strictEqual((await lane.books()).spent, 0n)
  })

  it("that the hold's commit calls for stays with the request, whose hold is decided all the same", () => {
    const amount = { amount: 1n, tokens: 1 }
    const gate = new HoldGate({ id: HoldId.make("req_1"), reserved: amount, most: amount })
    const request = new IncomingMessage(new Socket())
    const buyer = new Buyer(request, new ServerResponse(request))
    const defects: Array<unknown> = []
    const outlet = new Outlet({
      buyer,
      gate,
      errors: InferenceEndpoint.of("chat/completions").errors,
      hash: createHash("sha256"),
      headers: { "not allowed": "a header's name has no spaces" },
      pingMs: undefined,
      now: () => 0,
      onDefect: (defect) => defects.push(defect),
      taps: [],
    })
    outlet.attach({
      onGate: () => outlet.headStream({}),
      onDrain: () => undefined,
      onGone: () => undefined,
      onLost: () => undefined,
      stop: () => undefined,
    })
    let decided = false
    gate.whenDecided(() => (decided = true))
    gate.open(amount, [])
    assert.isTrue(decided)
    assert.lengthOf(defects, 1)
    assert.isTrue(buyer.response.destroyed)
  })
})
