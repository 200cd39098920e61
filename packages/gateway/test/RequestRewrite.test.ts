import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const usage = { prompt: 5, completion: 2 }
const either: Upstream.Script = (response, seen) =>
  (JSON.parse(seen.body).stream === true ? Upstream.stream(["x"], usage) : Upstream.whole("x", usage))(response, seen)

const M = '"messages":[{"role":"user","content":"hi"}]'

describe("what a provider is sent", () => {
  it.each([
    // The market's limit on the answer is added where prompt and answer are sure to fit.
    [`{"model":"test/model",${M}}`, `{"max_tokens":1000,"model":"test/model",${M}}`],
    // An alias becomes the model's own name.
    [`{"model":"small",${M},"max_tokens":5}`, `{"model":"test/model",${M},"max_tokens":5}`],
    // Limits above the market's are lowered, each of them.
    [
      `{"model":"test/model",${M},"max_tokens":5000,"max_completion_tokens":2000}`,
      `{"model":"test/model",${M},"max_tokens":1000,"max_completion_tokens":1000}`,
    ],
    [`{"model":"test/model",${M},"max_tokens":null}`, `{"model":"test/model",${M},"max_tokens":1000}`],
    // Usage is asked for on every stream, whatever the options are.
    [
      `{"model":"test/model",${M},"max_tokens":5,"stream":true}`,
      `{"stream_options":{"include_usage":true},"model":"test/model",${M},"max_tokens":5,"stream":true}`,
    ],
    [
      `{"model":"test/model",${M},"max_tokens":5,"stream":true,"stream_options":null}`,
      `{"model":"test/model",${M},"max_tokens":5,"stream":true,"stream_options":{"include_usage":true}}`,
    ],
    [
      `{"model":"test/model",${M},"max_tokens":5,"stream":true,"stream_options":{ }}`,
      `{"model":"test/model",${M},"max_tokens":5,"stream":true,"stream_options":{"include_usage":true }}`,
    ],
    [
      `{"model":"test/model",${M},"max_tokens":5,"stream":true,"stream_options":{"x":[1e400],"include_usage":false}}`,
      `{"model":"test/model",${M},"max_tokens":5,"stream":true,"stream_options":{"x":[1e400],"include_usage":true}}`,
    ],
    // Everything else stays as it was written.
    [
      `{"model":"test/model",${M},"max_tokens":5,"seed":9007199254740993,"x":{"model":"y"},"logit_bias":{"1":-100}}`,
      `{"model":"test/model",${M},"max_tokens":5,"seed":9007199254740993,"x":{"model":"y"},"logit_bias":{"1":-100}}`,
    ],
  ])("%s becomes %s", async (body, expected) => {
    const { lane, upstream } = await TestLane.withUpstream(either)
    const answer = await lane.send(body)
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(upstream.seen[0]?.body, expected)
  })

  it("has no limit added where the context might not hold it", async () => {
    const { lane, upstream } = await TestLane.withUpstream(either)
    lane.list(TestLane.instance("i0", upstream.url, { contextLength: 1_200 }))
    const body = `{"model":"test/model",${M}}`
    assert.strictEqual((await lane.send(body)).status, 200)
    assert.strictEqual(upstream.seen[0]?.body, body)
  })

  it("has nothing of the buyer's headers", async () => {
    const { lane, upstream } = await TestLane.withUpstream(either)
    await lane.chat({}, { "x-secret": "s3cret", cookie: "a=b", "openai-organization": "org" })
    assert.notInclude(JSON.stringify(upstream.seen[0]?.headers), "s3cret")
    assert.isUndefined(upstream.seen[0]?.headers.cookie)
    assert.isUndefined(upstream.seen[0]?.headers["openai-organization"])
  })
})
