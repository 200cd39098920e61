import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const questions = {
  "chat/completions": { model: TestLane.MODEL, messages: [{ role: "user", content: "hi" }], max_tokens: 50 },
  responses: { model: TestLane.MODEL, input: "hi", max_output_tokens: 50 },
  messages: { model: TestLane.MODEL, messages: [{ role: "user", content: "hi" }], max_tokens: 50 },
} as const
const names = ["chat/completions", "responses", "messages"] as const
type Name = (typeof names)[number]
const pairs = names.flatMap((buyer) => names.map((provider) => [buyer, provider] as const))

const openai = '{"error":{"message":"bad","type":"x","param":"q","code":null}}'
const anthropic = '{"type":"error","error":{"type":"invalid_request_error","message":"bad"}}'
/** What providers say when they refuse, and what a buyer must read in it. */
const bodies: ReadonlyArray<readonly [body: string, message: string | undefined, param: string | null]> = [
  [openai, "bad", "q"],
  [anthropic, "bad", null],
  ['{"detail":"nope"}', "nope", null],
  ['{"error":"plain"}', "plain", null],
  ['{"message":"top"}', "top", null],
  ['{"error":{"message":5}}', undefined, null],
  ["not json", undefined, null],
  ["", undefined, null],
]

const ask = async (buyer: Name, provider: Name, script: Upstream.Script, stream: boolean) => {
  const { lane, upstream } = await TestLane.withUpstream(script)
  lane.list(TestLane.instance("i0", upstream.url, { endpoints: [provider] }))
  const answer = await lane.send(JSON.stringify({ ...questions[buyer], stream }), {}, undefined, `/v1/${buyer}`)
  assert.strictEqual((await lane.books()).spent, 0n)
  return answer
}

/** The members of an error, which must have the form of the buyer's dialect. */
const errorOf = (buyer: Name, text: string) => {
  const { error, ...rest } = JSON.parse(text)
  assert.deepStrictEqual(rest, buyer === "messages" ? { type: "error" } : {}, text)
  assert.isString(error.message)
  assert.isString(error.type)
  if (buyer !== "messages") assert.containsAllKeys(error, ["param", "code"])
  return error
}

describe.each(pairs)("%s from a provider of %s", (buyer, provider) => {
  it.each([400, 422])("tells a %i in the buyer's dialect, with what was said", async (status) => {
    for (const [at, [body, message, param]] of bodies.entries()) {
      const answer = await ask(buyer, provider, Upstream.status(status, body), at % 2 === 0)
      assert.strictEqual(answer.status, status, body)
      const own = buyer === "messages" ? anthropic : openai
      if (buyer === provider && body === own) {
        assert.strictEqual(answer.text, body)
        continue
      }
      const error = errorOf(buyer, answer.text)
      assert.strictEqual(error.code, "invalid_request")
      if (message !== undefined) assert.strictEqual(error.message, message)
      assert.strictEqual(error.param, param)
    }
  })

  it.each([
    [500, 502, "provider_error"],
    [429, 503, "provider_busy"],
    [503, 503, "provider_busy"],
    [529, 503, "provider_busy"],
  ] as const)("tells a %i as the provider's fault, by %i %s", async (status, told, code) => {
    for (const [at, [body]] of bodies.entries()) {
      const answer = await ask(buyer, provider, Upstream.status(status, body), at % 2 === 0)
      assert.strictEqual(answer.status, told)
      const error = errorOf(buyer, answer.text)
      assert.strictEqual(error.code, code)
      if (buyer === "messages") assert.strictEqual(error.type, told === 503 ? "overloaded_error" : "api_error")
      assert.strictEqual(answer.headers["x-should-retry"], "true")
      assert.strictEqual(answer.headers["retry-after"], "1")
    }
  })
})

describe("a provider that has no room", () => {
  const busy =
    (status: number, headers: Readonly<Record<string, string>>): Upstream.Script =>
    (response) =>
      void response.writeHead(status, { "content-type": "application/json", ...headers }).end(openai)
  const date = "Sat, 21 Nov 2026 12:00:00 GMT"

  it.each<readonly [name: string, headers: Readonly<Record<string, string>>, told: string]>([
    ["nothing", {}, "1"],
    ["seconds", { "retry-after": "7" }, "7"],
    ["a part of a second", { "retry-after": "0.2" }, "1"],
    ["no time at all", { "retry-after": "0" }, "1"],
    ["too long a time", { "retry-after": "86400" }, "60"],
    ["more digits than a number has", { "retry-after": "9".repeat(400) }, "60"],
    ["a date", { "retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", date }, "30"],
    ["a date that has passed", { "retry-after": "Sat, 21 Nov 2026 11:00:00 GMT", date }, "1"],
    ["no time", { "retry-after": "soon" }, "1"],
    ["a negative number", { "retry-after": "-5" }, "1"],
  ])("and says %s has the buyer come again", async (_, headers, told) => {
    for (const stream of [true, false]) {
      const answer = await ask("chat/completions", "chat/completions", busy(429, headers), stream)
      assert.deepStrictEqual([answer.status, answer.headers["retry-after"]], [503, told])
      assert.strictEqual(answer.headers["x-should-retry"], "true")
    }
  })

  it("is passed over for another, and asked again by the next request", async () => {
    const good = Upstream.whole("hi", { prompt: 5, completion: 2 })
    const { lane, upstreams } = await TestLane.withUpstreams([busy(429, { "retry-after": "50" }), good])
    for (let requests = 0; requests < 12; requests++) assert.strictEqual((await lane.chat({})).status, 200)
    // Who is asked first is a matter of chance; one that is busy stays in the draw.
    assert.isAtLeast(upstreams[0]?.seen.length ?? 0, 2)
    assert.isTrue(lane.router.instances().every(({ state }) => state === "online"))
  })

  it("is told as the soonest of all that were asked", async () => {
    const waits = ["50", "20", "40"]
    const { lane } = await TestLane.withUpstreams(waits.map((wait) => busy(503, { "retry-after": wait })))
    const answer = await lane.chat({})
    assert.strictEqual(answer.headers["x-guildhall-attempts"], "3")
    assert.deepStrictEqual([answer.status, answer.headers["retry-after"]], [503, "20"])
  })
})
