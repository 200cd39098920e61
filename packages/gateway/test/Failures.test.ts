import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { JournalEntry } from "@guildhall/journal"
import { LedgerError, Unavailable } from "@guildhall/ledger/LedgerError"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const usage = { prompt: 5, completion: 2 }
const good = Upstream.stream(["good"], usage)
const cost = 5n * TestLane.INPUT_UNIT + 2n * TestLane.OUTPUT_UNIT
const free = { spent: 0n, earned: 0n, fees: 0n }

const receipt = async (lane: TestLane.TestLane) => {
  const entries = await lane.entries()
  const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(entries.at(-1)?.body)
  if (entry._tag !== "RequestEnded") throw new Error(entry._tag)
  return entry
}

/** Every way in which a provider can fail before its first token. */
const failures: ReadonlyArray<readonly [string, Upstream.Script, string]> = [
  ["a 500", Upstream.status(500, "oops"), "provider_error"],
  ["a 429", Upstream.status(429, '{"error":{"message":"busy"}}'), "provider_busy"],
  ["a 503", Upstream.status(503, ""), "provider_busy"],
  ["a 401 of its own", Upstream.status(401, '{"error":{"message":"ticket"}}'), "provider_error"],
  [
    "an error after 200",
    (r) => void Upstream.streamHead(r).end('data: {"error":{"message":"oom"}}\n\n'),
    "provider_error",
  ],
  [
    "an error after the role",
    (r) => void Upstream.streamHead(r).end(`${Upstream.role}data: {"error":{"message":"oom"}}\n\n`),
    "provider_error",
  ],
  ["an event that is not JSON", (r) => void Upstream.streamHead(r).end("data: {nope\n\n"), "provider_invalid_response"],
  ["an event that is no object", (r) => void Upstream.streamHead(r).end("data: 5\n\n"), "provider_invalid_response"],
  ["another content type", Upstream.status(200, '{"choices":[]}'), "provider_invalid_response"],
  ["an empty stream", (r) => void Upstream.streamHead(r).end(), "provider_closed_early"],
  ["half an event", (r) => void Upstream.streamHead(r).end("data: {"), "provider_closed_early"],
  ["a socket closed at once", (r) => void r.destroy(), "provider_closed_early"],
  [
    "a socket closed after the role",
    (r) => void Upstream.streamHead(r).write(Upstream.role, () => r.destroy()),
    "provider_closed_early",
  ],
  ["silence", () => undefined, "provider_headers_timeout"],
  ["silence after the headers", (r) => void Upstream.streamHead(r).flushHeaders(), "provider_token_timeout"],
]

describe("a provider that fails before the first token", () => {
  it.each(failures)("with %s is replaced by another", async (_, script, reason) => {
    const { lane, upstreams } = await TestLane.withUpstreams([script, script, good])
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(answer.text, [Upstream.role, Upstream.delta("good"), Upstream.finish, Upstream.done].join(""))
    assert.strictEqual((await lane.books()).spent, cost)
    const { decision, receipt: left } = await receipt(lane)
    const tried = upstreams.slice(0, 2).flatMap(({ seen }) => seen).length
    assert.strictEqual(decision?.attempts.length, tried + 1)
    assert.strictEqual(left.attempts, tried + 1)
    for (const attempt of decision?.attempts.slice(0, -1) ?? []) assert.strictEqual(attempt.reason, reason)
  })

  it.each(failures)("with %s and has no other is reported, and costs nothing", async (_, script, reason) => {
    const { lane } = await TestLane.withUpstreams([script])
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(answer.status, reason.endsWith("_timeout") ? 504 : reason === "provider_busy" ? 503 : 502)
    assert.strictEqual(JSON.parse(answer.text).error.code, reason)
    assert.strictEqual(answer.headers["x-should-retry"], "true")
    assert.strictEqual(answer.headers["retry-after"], "1")
    assert.deepStrictEqual(await lane.books(), free)
    const { receipt: left } = await receipt(lane)
    assert.strictEqual(left.outcome, "failed")
    assert.strictEqual(left.reason, reason)
    assert.isUndefined(left.responseCommitment)
  })

  it("by being unreachable is replaced by another", async () => {
    const { lane } = await TestLane.withUpstreams([good])
    lane.list(TestLane.instance("gone", "http://127.0.0.1:1"))
    for (let i = 0; i < 6; i++) assert.strictEqual((await lane.chat({ stream: true })).status, 200)
    assert.strictEqual((await lane.books()).spent, cost * 6n)
  })

  it("is asked at most as often as the market says", async () => {
    const bad = Upstream.status(500, "oops")
    const { lane, upstreams } = await TestLane.withUpstreams([bad, bad, bad, bad, bad])
    const answer = await lane.chat({})
    assert.strictEqual(answer.headers["x-guildhall-attempts"], "3")
    assert.strictEqual(upstreams.flatMap(({ seen }) => seen).length, 3)
  })
})

describe("a request that the provider refuses as wrong", () => {
  it("is not tried elsewhere, and the buyer is told what the provider said", async () => {
    const body = '{"error":{"message":"tools are not supported","type":"x","param":"tools","code":null}}'
    const bad = Upstream.status(400, body)
    const { lane, upstreams } = await TestLane.withUpstreams([bad, bad])
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 400)
    assert.strictEqual(answer.text, body)
    assert.strictEqual(upstreams.flatMap(({ seen }) => seen).length, 1)
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("is told in OpenAI's shape whatever the provider's is", async () => {
    const { lane } = await TestLane.withUpstreams([Upstream.status(422, '{"detail":"no"}')])
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 422)
    assert.deepInclude(JSON.parse(answer.text).error, { message: "no", code: "invalid_request" })
  })
})

describe("a provider that fails after the first token", () => {
  const begun = Upstream.role + Upstream.delta("one ") + Upstream.delta("two ")
  /** In a write of its own, so that what came before it is already on its way to the buyer. */
  const then =
    (rest: string): Upstream.Script =>
    (response) => {
      Upstream.streamHead(response).write(begun)
      setTimeout(() => response.end(rest), 20)
    }
  const cuts: ReadonlyArray<readonly [string, Upstream.Script, string]> = [
    ["ends without [DONE]", (r) => void Upstream.streamHead(r).end(begun), "provider_closed_early"],
    ["sends half an event", (r) => void Upstream.streamHead(r).end(`${begun}data: {"cho`), "provider_closed_early"],
    ["closes the socket", (r) => void Upstream.streamHead(r).write(begun, () => r.destroy()), "provider_closed_early"],
    ["falls silent", (r) => void Upstream.streamHead(r).write(begun), "provider_stalled"],
    ["sends nonsense", then("data: nope\n\n"), "provider_invalid_response"],
    ["reports an error", then('data: {"error":{"message":"oom"}}\n\n'), "provider_error"],
  ]
  it.each(cuts)("and %s ends the stream with an error, and is paid for what came", async (_, script, reason) => {
    const { lane } = await TestLane.withUpstreams([script])
    const answer = await lane.chat({ stream: true })
    assert.isTrue(answer.text.startsWith(begun), answer.text)
    assert.notInclude(answer.text, "[DONE]")
    const last = answer.text.trimEnd().split("\n\n").at(-1) ?? ""
    assert.strictEqual(JSON.parse(last.slice(6)).error.code, reason)
    const { spent } = await lane.books()
    assert.isTrue(spent > 0n && spent < 30n * TestLane.INPUT_UNIT + 10n * TestLane.OUTPUT_UNIT, String(spent))
    const { receipt: left } = await receipt(lane)
    assert.strictEqual(left.outcome, "truncated")
    assert.strictEqual(left.reason, reason)
  })
})

describe("a whole answer", () => {
  it.each([
    [
      "cut short",
      (r) => void r.writeHead(200, { "content-type": "application/json", "content-length": "100" }).end("{"),
    ],
    ["not JSON", Upstream.status(200, "nope")],
    ["an error with 200", Upstream.status(200, '{"error":"x"}')],
    ["not what was asked for", Upstream.status(200, "{}")],
  ] as ReadonlyArray<readonly [string, Upstream.Script]>)("that is %s is made elsewhere", async (_, script) => {
    const { lane } = await TestLane.withUpstreams([script, Upstream.whole("good", usage)])
    for (let i = 0; i < 4; i++) assert.strictEqual((await lane.chat({})).status, 200)
    assert.strictEqual((await lane.books()).spent, cost * 4n)
  })
})

describe("a ledger that fails", () => {
  it("to take a hold costs nothing, and a hold that may exist is given back", async () => {
    const { lane, upstreams } = await TestLane.withUpstreams([good], {
      wrapLedger: (ledger) => ({
        ...ledger,
        // It takes the hold, and the answer is lost on the way.
        hold: (request) =>
          Effect.andThen(
            ledger.hold(request),
            Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "lost" }) })),
          ),
      }),
    })
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(answer.status, 503)
    assert.strictEqual(JSON.parse(answer.text).error.code, "service_unavailable")
    assert.strictEqual(upstreams.flatMap(({ seen }) => seen).length, 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("to answer at all does not keep a request for ever", async () => {
    const { lane } = await TestLane.withUpstreams([good], {
      definition: { timeouts: { ...TestLane.definition.timeouts, totalMs: 300 } },
      wrapLedger: (ledger) => ({ ...ledger, lastAvailable: () => 10n ** 30n, hold: () => Effect.never }),
    })
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(answer.status, 503)
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("inside the gateway is told as an error of the market, and nothing stays held", async () => {
    const { lane } = await TestLane.withUpstreams([good], {
      wrapLedger: (ledger) => ({ ...ledger, settle: () => Effect.die(new Error("a bug")) }),
    })
    assert.strictEqual((await lane.chat({ stream: true })).status, 200)
    await lane.idle()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepStrictEqual(await lane.books(), free)
  })
})

describe("events in one chunk", () => {
  it("before a broken one are shown, since they are paid for", async () => {
    const { lane } = await TestLane.withUpstreams([
      (response) => {
        Upstream.streamHead(response).write(Upstream.role + Upstream.delta("one "))
        setTimeout(() => response.end(`${Upstream.delta("two ")}data: nope\n\n`), 20)
      },
    ])
    const answer = await lane.chat({ stream: true })
    assert.include(answer.text, Upstream.delta("two "))
    assert.include(answer.text, '"provider_invalid_response"')
    await lane.books()
  })
})
