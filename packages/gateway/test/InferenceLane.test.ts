import { afterEach, assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Asset, Money } from "@guildhall/core"
import { JournalEntry } from "@guildhall/journal"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const usage = { prompt: 5, completion: 2 }
const charged = 5n * TestLane.INPUT_UNIT + 2n * TestLane.OUTPUT_UNIT

describe("a good answer", () => {
  it("is passed on whole, byte for byte, and charged", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.whole("hi there", usage))
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.text, Upstream.wholeBody("hi there", usage))
    assert.match(String(answer.headers["x-request-id"]), /^req_[0-9a-f]{32}$/)
    assert.strictEqual(answer.headers["x-guildhall-instance"], "ins_i0")
    assert.strictEqual(answer.headers["x-guildhall-attempts"], "1")
    assert.deepStrictEqual(await lane.books(), { spent: charged, earned: (charged * 9n) / 10n, fees: charged / 10n })
  })

  it("is streamed byte for byte, without the usage that was not asked for", async () => {
    const { lane, upstream } = await TestLane.withUpstream(Upstream.stream(["hé", "llo"], usage))
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(
      answer.text,
      [Upstream.role, Upstream.delta("hé"), Upstream.delta("llo"), Upstream.finish, Upstream.done].join(""),
    )
    assert.strictEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
    assert.strictEqual(answer.headers["x-accel-buffering"], "no")
    assert.deepStrictEqual(JSON.parse(upstream.seen[0]?.body ?? "").stream_options, { include_usage: true })
    assert.strictEqual((await lane.books()).spent, charged)
  })

  it("shows the usage and what it costs to a client that asked for it", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.stream(["hi"], usage))
    const answer = await lane.chat({ stream: true, stream_options: { include_usage: true } })
    const { spent } = await lane.books()
    const cost = Money.format(spent, Asset.USD)
    assert.include(answer.text, Upstream.usageEvent(5, 2).replace('"usage":{', `"usage":{"cost":${cost},`))
    assert.strictEqual(answer.trailers["x-guildhall-cost"], cost)
  })

  it("tells the cost of a whole answer in a header, and in the usage where it was asked for", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.whole("hi", usage))
    const plain = await lane.chat({})
    const asked = await lane.chat({ usage: { include: true } })
    const { spent } = await lane.books()
    const cost = Money.format(spent / 2n, Asset.USD)
    assert.strictEqual(plain.headers["x-guildhall-cost"], cost)
    assert.strictEqual(plain.text, Upstream.wholeBody("hi", usage))
    assert.strictEqual(asked.text, plain.text.replace('"usage":{', `"usage":{"cost":${cost},`))
  })

  it("adds the routing decision to its last part where that was asked for", async () => {
    const { lane } = await TestLane.withUpstream((response, seen) =>
      JSON.parse(seen.body).stream === true
        ? Upstream.stream(["hi"], usage)(response, seen)
        : Upstream.whole("hi", usage)(response, seen),
    )
    const explain = { "x-guildhall-explain": "1" }
    const whole = JSON.parse((await lane.chat({}, explain)).text)
    assert.deepInclude(whole.guildhall, { instance: "ins_i0", attempt: 1, model: TestLane.MODEL })
    const streamed = await lane.chat({ stream: true }, explain)
    const events = streamed.text.split("\n\n").filter((event) => event !== "")
    assert.strictEqual(events.at(-1), "data: [DONE]")
    const last = JSON.parse(events.at(-2)?.slice(6) ?? "")
    assert.strictEqual(last.guildhall.instance, "ins_i0")
    assert.notProperty(last, "usage")
    assert.deepStrictEqual(last.choices, [])
    assert.notInclude(events.slice(0, -2).join(), "guildhall")
  })

  it("loses a null usage in each event as well, and nothing else", async () => {
    const { lane } = await TestLane.withUpstream((response) => {
      Upstream.streamHead(response)
      response.end(
        [Upstream.delta("a", { usage: null, big: 1 }), Upstream.finish, Upstream.usageEvent(5, 1), Upstream.done].join(
          "",
        ),
      )
    })
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(answer.text, [Upstream.delta("a", { big: 1 }), Upstream.finish, Upstream.done].join(""))
  })

  it("arrives whole in whatever pieces the provider writes it", async () => {
    const events = [Upstream.role, Upstream.delta("hé€😀"), Upstream.finish, Upstream.done].join("")
    const crlf = events.replaceAll("\n\n", "\r\n\r\n")
    const { lane } = await TestLane.withUpstream(async (response) => {
      Upstream.streamHead(response)
      for (const byte of Buffer.from(crlf)) {
        response.write(Buffer.from([byte]))
        await new Promise(setImmediate)
      }
      response.end()
    })
    assert.strictEqual((await lane.chat({ stream: true })).text, crlf)
  })

  it("hides nothing of the request from the provider but what is named", async () => {
    const { lane, upstream } = await TestLane.withUpstream(Upstream.whole("x", usage))
    const body =
      '{ "seed": 12345678901234567890, "model" : "small", "x":null,"messages":[{"role":"user","content":"\\u2028é"}],"max_tokens":999999 }'
    assert.strictEqual((await lane.send(body)).status, 200)
    assert.strictEqual(upstream.seen[0]?.body, body.replace('"small"', '"test/model"').replace("999999", "1000"))
  })

  it("carries a ticket that is capped at the provider's share of the hold", async () => {
    const { lane, upstream } = await TestLane.withUpstream(Upstream.whole("x", usage))
    const answer = await lane.chat({ max_tokens: 10 })
    const header = upstream.seen[0]?.headers["guildhall-ticket"]
    const json: unknown = JSON.parse(Buffer.from(String(header), "base64url").toString())
    const { ticket, signature } = Schema.decodeUnknownSync(Schema.toCodecJson(Ticket.SignedTicket))(json)
    assert.isTrue(await lane.run(lane.keyRing.verify("ticket", Ticket.bytes(ticket), signature)))
    assert.strictEqual(ticket.requestId, answer.headers["x-request-id"])
    assert.strictEqual(ticket.attempt, 1)
    assert.isTrue(ticket.cap > 0n)
    assert.isUndefined(upstream.seen[0]?.headers.authorization)
  })

  it("leaves a receipt that the journal can read, with the commitment to its bytes", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.whole("hi", usage))
    const answer = await lane.chat({})
    const [attachment] = await lane.entries()
    assert.strictEqual(attachment?.kind, "request.ended")
    const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(attachment?.body)
    assert.strictEqual(entry._tag, "RequestEnded")
    if (entry._tag !== "RequestEnded") return
    assert.deepStrictEqual(Schema.encodeSync(JournalEntry.JournalEntryJson)(entry), attachment?.body)
    assert.strictEqual(entry.receipt.id, answer.headers["x-request-id"])
    assert.strictEqual(entry.receipt.outcome, "completed")
    assert.strictEqual(entry.receipt.charge, charged)
    assert.strictEqual(entry.receipt.usageSource, "reported")
    assert.isAtMost(JSON.stringify(entry.decision).length, 300)
    const { createHash } = await import("node:crypto")
    const hash = createHash("sha256").update(Buffer.from(entry.salts.response, "hex")).update(answer.text)
    assert.strictEqual(entry.receipt.responseCommitment, hash.digest("hex"))
  })

  it("comes for many at once, and the books balance", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.stream(["a", "b"], usage))
    const answers = await Promise.all(Array.from({ length: 100 }, () => lane.chat({ stream: true })))
    assert.isTrue(answers.every((answer) => answer.status === 200 && answer.text.endsWith("data: [DONE]\n\n")))
    assert.strictEqual((await lane.books()).spent, charged * 100n)
  })
})

describe("metering", () => {
  it("does not believe a provider that reports more than passed through", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.stream(["hi"], { prompt: 900_000, completion: 900_000 }))
    assert.strictEqual((await lane.chat({ stream: true })).status, 200)
    const { spent } = await lane.books()
    // Two bytes were delivered, and the prompt's bound is its bytes and the template's allowance.
    assert.isTrue(spent < 700n * TestLane.INPUT_UNIT + 20n * TestLane.OUTPUT_UNIT, String(spent))
  })

  it("counts by itself where nothing is reported", async () => {
    const { lane } = await TestLane.withUpstream((response) => {
      Upstream.streamHead(response)
      response.end(Upstream.delta("x".repeat(40)) + Upstream.finish + Upstream.done)
    })
    await lane.chat({ stream: true })
    const [attachment] = await lane.entries()
    const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(attachment?.body)
    if (entry._tag !== "RequestEnded") throw new Error(entry._tag)
    assert.strictEqual(entry.receipt.usageSource, "bounded")
    assert.strictEqual(entry.receipt.usage.outputToken, 10)
    assert.isTrue((await lane.books()).spent > 0n)
  })
})
