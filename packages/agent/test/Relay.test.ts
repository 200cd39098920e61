import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Endpoint } from "@guildhall/core/Endpoint"
import type { Usage } from "@guildhall/core/Usage"
import { priceSheet } from "@guildhall/protocol/provider/Registration"
import * as Memory from "../src/backends/Memory.ts"
import * as OpenAICompatible from "../src/backends/OpenAICompatible.ts"
import * as EngineOfAll from "./EngineOfAll.ts"
import * as Serving from "./Serving.ts"
import * as TestTicket from "./TestTicket.ts"
import { until } from "./Waiting.ts"

const JSON_TYPE = "application/json"
const BOUNDARY = "x-boundary-x"
const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`

const form = (fields: Readonly<Record<string, string>>): Buffer => {
  const texts = Object.entries(fields).map(
    ([name, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const file = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n`
  return Buffer.concat([
    Buffer.from(texts.join("") + file),
    Buffer.from([0, 255, 13, 10, 128, 0]),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ])
}

const request = (endpoint: Endpoint, extra: Readonly<Record<string, string>> = {}) =>
  endpoint === "audio/transcriptions"
    ? { body: form({ model: Serving.MODEL, ...extra }), type: FORM_TYPE }
    : {
        // Spaces and an order that no writer would choose: what arrives must be these bytes.
        body: Buffer.from(
          `{ "zz":1.50, "model" : "${Serving.MODEL}"${extra["stream"] === "true" ? ',"stream":true' : ""},"note":"${extra["prompt"] ?? "é"}"}`,
        ),
        type: JSON_TYPE,
      }

const relaying = Effect.fnUntraced(function* (changes: Parameters<typeof Serving.make>[1] = {}) {
  const engine = yield* EngineOfAll.make()
  const backend = OpenAICompatible.layer({ url: engine.url }).pipe(Layer.provide(NodeHttpClient.layerNodeHttp))
  const served = yield* Serving.make(backend, { endpoints: Endpoint.literals, ...changes })
  return { engine, ...served }
})

const text = ({ response }: Serving.Answer) => Effect.promise(() => response.text())

const used: Readonly<Record<Endpoint, Usage>> = {
  "chat/completions": { inputToken: 5, outputToken: 2 },
  completions: { inputToken: 4, outputToken: 1 },
  embeddings: { inputToken: 3 },
  responses: { inputToken: 6, outputToken: 7 },
  messages: { inputToken: 8, outputToken: 9 },
  "images/generations": { image: 2 },
  "audio/transcriptions": { audioSecond: 10 },
  rerank: { inputToken: 11 },
}

const streamed: Partial<Readonly<Record<Endpoint, Usage>>> = {
  completions: { inputToken: 4, outputToken: 2 },
  responses: { inputToken: 6, outputToken: 2 },
  messages: { inputToken: 8, outputToken: 5 },
  "images/generations": { image: 1 },
  "audio/transcriptions": { inputToken: 14, outputToken: 2 },
}

describe("the relay of an agent", () => {
  for (const endpoint of Endpoint.literals) {
    it.live(`passes ${endpoint} on byte for byte, and logs what its answer says was used`, () =>
      Effect.gen(function* () {
        const { engine, lines, post } = yield* relaying()
        const { body, type } = request(endpoint)
        const answer = yield* post(endpoint, body, type)
        assert.strictEqual(answer.response.status, 200)
        assert.strictEqual(yield* text(answer), JSON.stringify(EngineOfAll.wholes[endpoint]))
        assert.deepStrictEqual(engine.seen, [{ path: `/v1/${endpoint}`, contentType: type, body }])
        const [line] = yield* lines
        assert.deepStrictEqual(line?.usage, used[endpoint])
        assert.strictEqual(line?.outcome, "completed")
      }).pipe(Effect.scoped),
    )
  }

  for (const [endpoint, usage] of Object.entries(streamed)) {
    it.live(`streams ${endpoint}, and logs what its events say was used`, () =>
      Effect.gen(function* () {
        const { lines, post } = yield* relaying()
        const { body, type } = request(endpoint as Endpoint, { stream: "true" })
        const answer = yield* post(endpoint, body, type)
        assert.strictEqual(yield* text(answer), EngineOfAll.streams[endpoint as Endpoint]?.join(""))
        const [line] = yield* lines
        assert.deepStrictEqual(line?.usage, usage)
      }).pipe(Effect.scoped),
    )
  }

  it.live("ends the engine's work when the gateway goes away, and logs what was seen of each dialect", () =>
    Effect.gen(function* () {
      const { engine, lines, post, server } = yield* relaying()
      for (const endpoint of ["completions", "responses", "messages", "audio/transcriptions"] as const) {
        const { body, type } = request(endpoint, { stream: "true", prompt: "hang" })
        const answer = yield* post(endpoint, body, type)
        yield* Effect.promise(async () => answer.response.body?.getReader().read())
        answer.controller.abort()
        yield* until(() => engine.open.size === 0 && server.inFlight(TestTicket.INSTANCE) === 0)
      }
      const seen = yield* lines
      assert.deepStrictEqual(
        seen.map(({ outcome, usage }) => [outcome, usage.outputToken]),
        [
          ["aborted", 2],
          ["aborted", 2],
          ["aborted", 1],
          ["aborted", undefined],
        ],
      )
      assert.strictEqual(seen[2]?.usage.inputToken, 8)
    }).pipe(Effect.scoped),
  )

  it.live("needs a ticket and a free slot on every endpoint, and knows no other", () =>
    Effect.gen(function* () {
      const { engine, lines, post, server, url } = yield* relaying({
        concurrency: 1,
        endpoints: ["embeddings", "responses"],
      })
      const bare = yield* Effect.promise(() => fetch(`${url}/v1/embeddings`, { method: "POST", body: "{}" }))
      assert.strictEqual(bare.status, 401)
      const other = yield* post("rerank", "{}", JSON_TYPE)
      assert.strictEqual(other.response.status, 404)
      assert.include(yield* text(other), "/v1/embeddings, /v1/responses")
      const hanging = request("responses", { stream: "true", prompt: "hang" })
      const first = yield* post("responses", hanging.body, hanging.type)
      assert.strictEqual((yield* post("embeddings", "{}", JSON_TYPE)).response.status, 429)
      first.controller.abort()
      yield* until(() => server.inFlight(TestTicket.INSTANCE) === 0)
      assert.strictEqual((yield* post("embeddings", "{}", JSON_TYPE)).response.status, 200)
      assert.lengthOf(engine.seen, 2)
      assert.lengthOf(yield* lines, 2)
    }).pipe(Effect.scoped),
  )

  it.live("counts the request where requests have a price, and not one that failed", () =>
    Effect.gen(function* () {
      const price = priceSheet({
        input_price_per_million: 0,
        output_price_per_million: 0,
        request_price_per_thousand: 5,
      })
      const { lines, post } = yield* relaying({ price, endpoints: ["rerank"] })
      yield* Effect.flatMap(post("rerank", "{}", JSON_TYPE), text)
      const [line] = yield* lines
      assert.deepStrictEqual(line?.usage, { inputToken: 11, request: 1 })
      const down = yield* Serving.make(
        OpenAICompatible.layer({ url: "http://127.0.0.1:1" }).pipe(Layer.provide(NodeHttpClient.layerNodeHttp)),
        { price, endpoints: ["rerank"] },
      )
      assert.strictEqual((yield* down.post("rerank", "{}", JSON_TYPE)).response.status, 502)
      assert.deepStrictEqual((yield* down.lines)[0]?.usage, {})
    }).pipe(Effect.scoped),
  )

  it.live("an embedded engine refuses an endpoint that is not its own", () =>
    Effect.gen(function* () {
      const memory = Memory.layer({ models: [{ id: Serving.MODEL, contextLength: 100 }] })
      const { post } = yield* Serving.make(memory, { endpoints: ["embeddings"] })
      const answer = yield* post("embeddings", "{}", JSON_TYPE)
      assert.strictEqual(answer.response.status, 404)
    }).pipe(Effect.scoped),
  )
})
