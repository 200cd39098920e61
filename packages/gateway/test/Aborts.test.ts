import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { request as httpRequest } from "node:http"
import { connect } from "node:net"
import { JournalEntry } from "@guildhall/journal"
import { HoldId } from "@guildhall/ledger/Hold"
import { LedgerError, Unavailable } from "@guildhall/ledger/LedgerError"
import * as LateHolds from "./LateHolds.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

afterEach(TestLane.closeAll)

const free = { spent: 0n, earned: 0n, fees: 0n }

const bodyOf = (body: object) =>
  JSON.stringify({ model: TestLane.MODEL, messages: [{ role: "user", content: "hello" }], ...body })
const bodyBytes = (body: object) => Buffer.byteLength(bodyOf(body))

/** A buyer that can leave whenever it likes. */
const visitor = (lane: TestLane.TestLane, body: object) => {
  const text = bodyOf(body)
  const state = { text: "", leave: (): number => 0, request: undefined as undefined | ReturnType<typeof httpRequest> }
  const request = httpRequest({
    port: lane.port,
    method: "POST",
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${TestLane.KEY}`, "content-type": "application/json" },
  })
  request.on("error", () => undefined)
  request.on("response", (response) => {
    response.on("data", (chunk: Buffer) => (state.text += chunk.toString()))
    response.on("error", () => undefined)
  })
  request.end(text)
  state.leave = () => {
    request.destroy()
    return performance.now()
  }
  return state
}

const outcome = async (lane: TestLane.TestLane) => {
  const entries = await lane.entries()
  const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(entries.at(-1)?.body)
  if (entry._tag !== "RequestEnded") throw new Error(entry._tag)
  return entry.receipt
}

describe("a buyer that leaves", () => {
  it.each([
    ["before the headers", true, () => undefined],
    ["after the headers", true, (r) => void Upstream.streamHead(r).flushHeaders()],
    ["after the role", true, (r) => void Upstream.streamHead(r).write(Upstream.role)],
    ["while a whole answer is made", false, () => undefined],
  ] as ReadonlyArray<readonly [string, boolean, Upstream.Script]>)(
    "%s frees the provider within 100 ms and pays for the prompt alone",
    async (_, stream, script) => {
      const { lane, upstream } = await TestLane.withUpstream(script)
      const visit = visitor(lane, { stream })
      const seen = await Waiting.until("the request", () => upstream.seen[0])
      await new Promise((resolve) => setTimeout(resolve, 30))
      const leftAt = visit.leave()
      const closedAt = await Waiting.until("the close", () => seen.closedAt)
      assert.isBelow(closedAt - leftAt, 100)
      const { spent } = await lane.books()
      const receipt = await outcome(lane)
      assert.strictEqual(receipt.outcome, "aborted")
      assert.strictEqual(receipt.reason, "client_closed_request")
      assert.deepStrictEqual(receipt.usage, { inputToken: Math.ceil(bodyBytes({ stream }) / 4), outputToken: 0 })
      assert.strictEqual(spent, receipt.charge)
      assert.isUndefined(receipt.responseCommitment)
    },
  )

  it("in mid-stream pays for what was delivered, and the provider stops", async () => {
    const words = "many words ".repeat(10)
    const { lane, upstream } = await TestLane.withUpstream((r) => {
      Upstream.streamHead(r).write(Upstream.role + Upstream.delta(words))
    })
    const visit = visitor(lane, { stream: true })
    await Waiting.until("the words", () => visit.text.includes("many words"))
    const leftAt = visit.leave()
    const closedAt = await Waiting.until("the close", () => upstream.seen[0]?.closedAt)
    assert.isBelow(closedAt - leftAt, 100)
    const { spent } = await lane.books()
    const receipt = await outcome(lane)
    assert.strictEqual(receipt.outcome, "aborted")
    assert.strictEqual(receipt.usage.outputToken, Math.ceil(words.length / 4))
    assert.strictEqual(spent, receipt.charge)
    assert.isTrue(spent > 0n)
    assert.isDefined(receipt.responseCommitment)
  })

  it("while it sends its body is forgotten", async () => {
    const { lane } = await TestLane.withUpstream(() => undefined)
    const socket = connect(lane.port, "127.0.0.1")
    socket.on("error", () => undefined)
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TestLane.KEY}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
    )
    await Waiting.until("the request", () => lane.lane.inFlight() === 1)
    socket.destroy()
    await lane.idle()
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("does not keep its key's place", async () => {
    const { limits } = TestLane.definition
    const { lane, upstream } = await TestLane.withUpstream(() => undefined, {
      definition: { limits: { ...limits, key: { concurrentRequests: 1 } } },
    })
    visitor(lane, {}).leave()
    const second = visitor(lane, {})
    await Waiting.until("the second", () => upstream.seen.length > 0)
    second.leave()
    await lane.idle()
    upstream.script = Upstream.whole("x", { prompt: 1, completion: 1 })
    assert.strictEqual((await lane.chat({})).status, 200)
  })
})

describe("a buyer that reads slowly", () => {
  it("slows the provider down, and gets everything", async () => {
    const events = 2000
    const big = Upstream.delta("x".repeat(10_000))
    let written = 0
    const { lane } = await TestLane.withUpstream(
      (response) => {
        Upstream.streamHead(response)
        const pump = () => {
          while (written < events) {
            written += 1
            if (!response.write(big)) return void response.once("drain", pump)
          }
          response.end(Upstream.finish + Upstream.done)
        }
        pump()
      },
      { definition: { limits: { ...TestLane.definition.limits, outputTokens: 100_000 } } },
    )
    let bytes = 0
    let tail = ""
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest({
        port: lane.port,
        method: "POST",
        path: "/v1/chat/completions",
        headers: { authorization: `Bearer ${TestLane.KEY}`, "content-type": "application/json" },
      })
      request.on("error", reject)
      request.on("response", (response) => {
        response.pause()
        setTimeout(() => {
          assert.isBelow(written, events, "the provider was not held back")
          response.on("data", (chunk: Buffer) => {
            bytes += chunk.length
            tail = (tail + chunk.toString("latin1")).slice(-50)
          })
          response.on("end", resolve)
          response.on("error", reject)
          response.resume()
        }, 500)
      })
      request.end(JSON.stringify({ model: TestLane.MODEL, messages: [{ role: "user", content: "x" }], stream: true }))
    })
    assert.strictEqual(bytes, events * big.length + Upstream.finish.length + Upstream.done.length)
    assert.isTrue(tail.endsWith("data: [DONE]\n\n"))
    await lane.books()
  })
})

describe("a gateway that stops", () => {
  it("takes no new requests, lets short ones end, and breaks long streams off in-band", async () => {
    const { lane } = await TestLane.withUpstreams([
      (r) => void Upstream.streamHead(r).write(Upstream.role + Upstream.delta("one two three four")),
    ])
    const streaming = lane.chat({ stream: true })
    await Waiting.until("the stream", () => lane.lane.inFlight() === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const drained = lane.run(lane.lane.drain(100))
    await Waiting.until("draining", () => true)
    const late = await lane.chat({})
    assert.strictEqual(late.status, 503)
    assert.strictEqual(JSON.parse(late.text).error.code, "shutting_down")
    const answer = await streaming
    assert.include(answer.text, "one two three four")
    assert.include(answer.text, '"shutting_down"')
    assert.notInclude(answer.text, "[DONE]")
    await drained
    assert.strictEqual(lane.lane.inFlight(), 0)
    const receipt = await outcome(lane)
    assert.strictEqual(receipt.outcome, "truncated")
    assert.strictEqual(receipt.reason, "shutting_down")
    assert.isTrue((await lane.books()).spent > 0n)
  })
})

describe("a hold", () => {
  it("that is not yet durable keeps the answer back", async () => {
    const { open, wrapLedger } = LateHolds.make()
    const stream = Upstream.stream(["hi"], { prompt: 1, completion: 1 })
    const { lane, upstream } = await TestLane.withUpstream(stream, { wrapLedger })
    const visit = visitor(lane, { stream: true })
    await Waiting.until("the request", () => upstream.seen[0])
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.strictEqual(visit.text, "")
    open()
    await Waiting.until("the answer", () => visit.text.endsWith("data: [DONE]\n\n"))
    await lane.books()
  })

  it("that is refused after the dispatch cancels it, and nothing is shown", async () => {
    const { lane, upstream } = await TestLane.withUpstream(() => undefined, {
      balance: 1n,
      wrapLedger: (ledger) => ({
        ...ledger,
        lastAvailable: () => 10n ** 30n,
        hold: (request) => Effect.delay(ledger.hold(request), 50),
      }),
    })
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(answer.status, 402)
    assert.strictEqual(upstream.seen.length, 1)
    await Waiting.until("the close", () => upstream.seen[0]?.closedAt)
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("is taken for each of many at once, and exactly as many as the balance covers are served", async () => {
    const waiting: Array<() => void> = []
    const script: Upstream.Script = (response, seen) =>
      void waiting.push(() => Upstream.whole("x", { prompt: 1, completion: 1 })(response, seen))
    const rich = await TestLane.withUpstream(Upstream.whole("x", { prompt: 1, completion: 1 }))
    // As short as an answer may be, so that none can be made shorter to fit into what is left.
    const shortest = { max_tokens: TestLane.definition.reservation.outputTokensMin }
    const probe = await rich.lane.chat(shortest)
    const id = HoldId.make(String(probe.headers["x-request-id"]))
    const hold = await rich.lane.run(rich.lane.ledger.findHold(id))
    const amount = hold?.amount ?? 0n
    const { lane } = await TestLane.withUpstream(script, { balance: amount * 3n + amount / 2n })
    const answers = Array.from({ length: 10 }, () => lane.chat(shortest))
    await Waiting.until("three at the provider", () => waiting.length === 3)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.lengthOf(waiting, 3)
    for (const go of waiting) go()
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    assert.lengthOf(
      statuses.filter((status) => status === 200),
      3,
    )
    assert.lengthOf(
      statuses.filter((status) => status === 402),
      7,
    )
    assert.strictEqual((await lane.books()).spent, 3n * (TestLane.INPUT_UNIT + TestLane.OUTPUT_UNIT))
  })

  it("that is lost in mid-stream ends it in-band", async () => {
    let lost = false
    const { lane } = await TestLane.withUpstream(
      (r) => void Upstream.streamHead(r).write(Upstream.role + Upstream.delta("one")),
      {
        definition: { timeouts: { ...TestLane.definition.timeouts, betweenTokensMs: 2_000 } },
        wrapLedger: (ledger) => ({
          ...ledger,
          renew: (owner, lifeMs) => Effect.map(ledger.renew(owner, lifeMs), (count) => (lost ? 0 : count)),
          findHold: (id) =>
            Effect.map(ledger.findHold(id), (hold) =>
              lost && hold !== undefined ? { ...hold, state: "expired" } : hold,
            ),
        }),
      },
    )
    setTimeout(() => (lost = true), 100)
    const answer = await lane.chat({ stream: true })
    assert.include(answer.text, '"hold_expired"')
    assert.notInclude(answer.text, "[DONE]")
    await lane.books()
  })

  it("is settled although the store is away for a while", async () => {
    let failures = 3
    const { lane } = await TestLane.withUpstream(Upstream.whole("hi", { prompt: 1, completion: 1 }), {
      wrapLedger: (ledger) => ({
        ...ledger,
        settle: (id, posting) =>
          Effect.suspend(() =>
            failures-- > 0
              ? Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "away" }) }))
              : ledger.settle(id, posting),
          ),
      }),
    })
    assert.strictEqual((await lane.chat({})).status, 200)
    assert.strictEqual((await lane.books()).spent, TestLane.INPUT_UNIT + TestLane.OUTPUT_UNIT)
  })
})
