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

  it.each([429, 500])("tells a %i as the provider's fault", async (status) => {
    for (const [body] of bodies) {
      const answer = await ask(buyer, provider, Upstream.status(status, body), false)
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(errorOf(buyer, answer.text).code, "provider_error")
    }
  })
})
