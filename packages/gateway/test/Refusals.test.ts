import { afterEach, assert, describe, it } from "@effect/vitest"
import { connect } from "node:net"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const good = Upstream.whole("x", { prompt: 5, completion: 2 })

const error = (answer: TestLane.Answer): { code: string; type: string; param: string | null; message: string } =>
  JSON.parse(answer.text).error

const free = { spent: 0n, earned: 0n, fees: 0n }

/** Sends bytes as they are and answers all that came back until the connection ended. */
const raw = (port: number, write: (send: (text: string) => void) => void): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    let text = ""
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
    socket.on("error", () => undefined)
    socket.on("close", () => resolve(text))
    socket.on("connect", () => write((text) => void socket.write(text)))
  })

const head = (length: number | string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TestLane.KEY}\r\ncontent-type: application/json\r\n${
    typeof length === "number" ? `content-length: ${length}` : length
  }\r\n\r\n`

describe("a request that is refused", () => {
  it("without a key is told how to send one", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const answer = await lane.send("{}", { authorization: "" })
    assert.strictEqual(answer.status, 401)
    // The test's scheme takes any authorization header for its own; an empty one is a wrong key.
    assert.strictEqual(error(answer).type, "authentication_error")
    const bare = await raw(lane.port, (send) =>
      send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
    )
    assert.match(bare, /^HTTP\/1.1 401/)
    assert.match(bare, /www-authenticate: Bearer realm="test"/i)
    assert.include(bare, '"missing_api_key"')
  })

  it("with a wrong key, or a provider's", async () => {
    const { lane, upstream } = await TestLane.withUpstream(good)
    const wrong = await lane.chat({}, { authorization: "Bearer nope" })
    assert.strictEqual(wrong.status, 401)
    assert.strictEqual(error(wrong).code, "invalid_api_key")
    assert.strictEqual(wrong.headers["x-should-retry"], "false")
    assert.match(String(wrong.headers["x-request-id"]), /^req_/)
    const role = await lane.chat({}, { authorization: "Bearer gh-provider" })
    assert.strictEqual(role.status, 403)
    assert.strictEqual((await lane.chat({}, { authorization: "Bearer gh-operator" })).status, 200)
    assert.strictEqual(upstream.seen.length, 1)
  })

  it.each([
    ["not JSON", "{", "invalid_json", null],
    ["empty", "", "invalid_json", null],
    ["a list", "[]", "invalid_request", null],
    ["without a model", '{"messages":[{"role":"user"}]}', "invalid_request", "model"],
    ["without messages", '{"model":"m","messages":[]}', "invalid_request", "messages"],
    ["a text for a message", '{"model":"m","messages":["x"]}', "invalid_request", "messages"],
    ["half a token", '{"model":"m","messages":[{}],"max_tokens":0.5}', "invalid_request", "max_tokens"],
    [
      "no tokens",
      '{"model":"m","messages":[{}],"max_completion_tokens":0}',
      "invalid_request",
      "max_completion_tokens",
    ],
    ["too many choices", '{"model":"m","messages":[{}],"n":1000}', "invalid_request", "n"],
    ["two models", '{"model":"m","messages":[{}],"model":"n"}', "invalid_request", "model"],
    ["a hidden second model", '{"model":"m","messages":[{}],"mod\\u0065l":"n"}', "invalid_request", "model"],
    ["a text for stream", '{"model":"m","messages":[{}],"stream":"yes"}', "invalid_request", "stream"],
  ])("with a body that is %s", async (_, body, code, param) => {
    const { lane } = await TestLane.withUpstream(good)
    const answer = await lane.send(body)
    assert.strictEqual(answer.status, 400)
    assert.strictEqual(error(answer).code, code)
    assert.strictEqual(error(answer).param, param)
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("whose names could be read in two ways", async () => {
    const { lane, upstream } = await TestLane.withUpstream(good)
    const body = (name: string, value: unknown) =>
      `{"model":"${TestLane.MODEL}","messages":[{"role":"user","content":"x"}],"${name}":${JSON.stringify(value)}}`
    // V8 reads the second one's name as a backslash once it has read the first.
    for (const name of ["\\\\", "\\u006e"]) {
      const answer = await lane.send(body(name, 100))
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(error(answer).code, "invalid_request")
    }
    assert.lengthOf(upstream.seen, 0)
    assert.strictEqual((await lane.send(body("\\u006eame", 100))).status, 200)
  })

  it("with a compressed body is told to send it plain", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const answer = await lane.chat({}, { "content-encoding": "gzip" })
    assert.strictEqual(answer.status, 415)
    assert.strictEqual(error(answer).code, "unsupported_media_type")
    assert.include(error(answer).message, "content-encoding")
    assert.strictEqual((await lane.chat({}, { "content-encoding": "identity" })).status, 200)
  })

  it("with bytes that are not UTF-8", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const text = await new Promise<string>((resolve) => {
      const socket = connect(lane.port, "127.0.0.1")
      socket.write(head(3))
      socket.write(Buffer.from([0x22, 0xff, 0x22]))
      socket.once("data", (chunk: Buffer) => {
        socket.destroy()
        resolve(chunk.toString())
      })
    })
    assert.match(text, /400/)
  })

  it("with another content type", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const answer = await lane.send("model=x", { "content-type": "application/x-www-form-urlencoded" })
    assert.strictEqual(answer.status, 415)
  })

  it("for a model that nobody offers", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const answer = await lane.chat({ model: "nobody/has-this" })
    assert.strictEqual(answer.status, 404)
    assert.strictEqual(error(answer).code, "model_not_found")
    assert.strictEqual(error(answer).param, "model")
  })

  it("while every instance is offline", async () => {
    const { lane, upstream } = await TestLane.withUpstream(good)
    lane.list(TestLane.instance("i0", upstream.url, { state: "offline" }))
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 503)
    assert.isDefined(answer.headers["retry-after"])
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("that is longer than the context", async () => {
    const { lane, upstream } = await TestLane.withUpstream(good)
    lane.list(TestLane.instance("i0", upstream.url, { contextLength: 100 }))
    const answer = await lane.chat({ messages: [{ role: "user", content: "word ".repeat(1000) }] })
    assert.strictEqual(answer.status, 400)
    assert.strictEqual(error(answer).code, "context_too_long")
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("without funds", async () => {
    const { lane, upstream } = await TestLane.withUpstream(good, { balance: 1n })
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 402)
    assert.strictEqual(error(answer).code, "insufficient_funds")
    assert.strictEqual(error(answer).type, "insufficient_quota")
    assert.strictEqual(upstream.seen.length, 0)
    assert.deepStrictEqual(await lane.books(), free)
  })

  it("whose length is announced to be too much, before any of it is read", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const text = await raw(lane.port, (send) => send(head(100_000_000)))
    assert.match(text, /^HTTP\/1.1 413/)
    assert.match(text, /connection: close/i)
  })

  it("that turns out to be too much, without reading the rest", async () => {
    const { lane } = await TestLane.withUpstream(good)
    let sent = 0
    const text = await new Promise<string>((resolve) => {
      const socket = connect(lane.port, "127.0.0.1")
      let answer = ""
      const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`
      const pump = () => {
        while (sent < 100_000_000 && !socket.destroyed) {
          sent += 0x4000
          if (!socket.write(chunk)) return void socket.once("drain", pump)
        }
      }
      socket.on("data", (data: Buffer) => (answer += data.toString()))
      socket.on("error", () => undefined)
      socket.on("close", () => resolve(answer))
      socket.write(head("transfer-encoding: chunked"))
      pump()
    })
    assert.match(text, /^HTTP\/1.1 413/)
    assert.isBelow(sent, 20_000_000)
  })

  it("whose body comes too slowly", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const text = await raw(lane.port, (send) => send(`${head(100)}{"model"`))
    assert.match(text, /^HTTP\/1.1 408/)
    assert.include(text, '"body_timeout"')
  })

  it("when the key has too many in flight, or started too many", async () => {
    const { limits } = TestLane.definition
    const { lane, upstream } = await TestLane.withUpstream(() => undefined, {
      definition: { limits: { ...limits, key: { concurrentRequests: 2, requestsPerMinute: 4 } } },
    })
    const waiting = [lane.chat({}), lane.chat({})]
    while (upstream.seen.length < 2) await new Promise(setImmediate)
    const third = await lane.chat({})
    assert.strictEqual(third.status, 429)
    assert.strictEqual(error(third).code, "too_many_concurrent")
    assert.isDefined(third.headers["retry-after"])
    await Promise.all(waiting)
    upstream.script = good
    // A place is given back when the request is settled, a moment after its answer ends; a refusal for places is free.
    const next = async (): ReturnType<typeof lane.chat> => {
      const answer = await lane.chat({})
      return answer.status === 429 && error(answer).code === "too_many_concurrent" ? next() : answer
    }
    assert.strictEqual((await next()).status, 200)
    assert.strictEqual((await next()).status, 200)
    assert.strictEqual(error(await next()).code, "rate_limited")
    await lane.books()
  })

  it("leaves a line in the journal without a body", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const answer = await lane.chat({ model: "nobody/has-this", messages: [{ role: "user", content: "canary" }] })
    let found: ReadonlyArray<object> = []
    for (let tries = 0; tries < 100 && found.length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      found = await lane.run(lane.journal.requests({ member: null, limit: 10 }))
    }
    assert.deepInclude(found[0], {
      _tag: "RequestRefused",
      requestId: answer.headers["x-request-id"],
      reason: "model_not_found",
    })
    assert.notInclude(JSON.stringify(found), "canary")
  })
})

describe("the list of models", () => {
  it("has what is listed, and each by its name", async () => {
    const { lane } = await TestLane.withUpstream(good)
    const list = await (await fetch(`${lane.url}/v1/models`)).json()
    assert.deepInclude(list.data[0], {
      id: "test/model",
      object: "model",
      context_length: 100_000,
      endpoints: ["chat/completions"],
      instances_online: 1,
    })
    for (const path of ["test/model", "test%2Fmodel", "small"]) {
      const one = await (await fetch(`${lane.url}/v1/models/${path}`)).json()
      assert.strictEqual(one.id, "test/model")
    }
    assert.strictEqual((await fetch(`${lane.url}/v1/models/none`)).status, 404)
  })
})
