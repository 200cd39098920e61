import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Endpoint } from "@guildhall/core"
import { MessageRequest, MessageUsage } from "../src/anthropic/index.ts"
import * as EndpointShape from "../src/EndpointShape.ts"
import {
  ChatRequest,
  CompletionRequest,
  Embedding,
  ImageGeneration,
  Rerank,
  ResponseRequest,
} from "../src/openai/index.ts"

const touch = (endpoint: Endpoint.Endpoint, body: unknown) => {
  const shape = EndpointShape.of(endpoint)
  assert(shape.body === "json")
  return shape.touch(body)
}

const touched = (endpoint: Endpoint.Endpoint, body: unknown) => Result.getOrThrow(touch(endpoint, body))

const flaw = (endpoint: Endpoint.Endpoint, body: unknown) => {
  const read = touch(endpoint, body)
  assert(Result.isFailure(read), JSON.stringify(body))
  return read.failure
}

const none = { pieces: 0, bytes: 0 }

describe("what is touched of a request", () => {
  it("is a chat's messages, the smaller limit, and the media between them", () => {
    const url = `data:image/png;base64,${"A".repeat(100)}`
    const body = {
      model: "m",
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "?" },
            { type: "image_url", image_url: { url } },
          ],
        },
      ],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 200,
      max_completion_tokens: 100,
      n: 3,
    }
    const { messages, media, ...rest } = touched("chat/completions", body)
    assert.lengthOf(messages, 2)
    assert.deepStrictEqual({ ...media }, { pieces: 1, bytes: url.length })
    assert.deepStrictEqual(rest, {
      model: "m",
      stream: true,
      includeUsage: true,
      maxTokens: 100,
      choices: 3,
      images: 0,
      audioBytes: 0,
    })
  })

  it("is every prompt of a completion, each answered as often as the best is picked from", () => {
    const { choices, messages } = touched("completions", { model: "m", prompt: ["a", "b"], n: 2, best_of: 4 })
    assert.deepStrictEqual([choices, messages], [8, ["a", "b"]])
    assert.lengthOf(touched("completions", { model: "m", prompt: [1, 2, 3] }).messages, 1)
    assert.lengthOf(touched("completions", { model: "m", prompt: [[1], [2]] }).messages, 2)
  })

  it("is the inputs of an embedding and the documents of a ranking, which generate nothing", () => {
    assert.deepInclude(touched("embeddings", { model: "m", input: ["a", "b"] }), { choices: 0, messages: ["a", "b"] })
    const body = { model: "m", query: "q", documents: ["a", { text: "b" }], top_n: 1 }
    assert.deepInclude(touched("rerank", body), { choices: 0, messages: ["a", { text: "b" }], media: none })
  })

  it("is how many images are wanted", () => {
    assert.deepInclude(touched("images/generations", { model: "m", prompt: "A cat" }), { images: 1, choices: 0 })
    assert.strictEqual(touched("images/generations", { model: "m", prompt: "A cat", n: 4 }).images, 4)
  })

  it("is the items of a response, with the media in messages and in the results of tools", () => {
    const image = { type: "input_image", image_url: "data:image/png;base64,AAAA" }
    const body = {
      model: "m",
      input: [
        { role: "user", content: [{ type: "input_text", text: "?" }, image] },
        { type: "function_call_output", call_id: "c", output: [image] },
      ],
      max_output_tokens: 50,
    }
    const { choices, maxTokens, media, messages } = touched("responses", body)
    assert.deepStrictEqual([choices, maxTokens, messages.length], [1, 50, 2])
    assert.deepStrictEqual({ ...media }, { pieces: 2, bytes: 2 * image.image_url.length })
    assert.deepStrictEqual(touched("responses", { model: "m", input: "Hi" }).messages, ["Hi"])
  })

  it("is the messages of Messages, with images in the results of tools, but not documents in plain text", () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAAAAAA" } }
    const document = { type: "document", source: { type: "text", media_type: "text/plain", data: "words" } }
    const body = {
      model: "m",
      max_tokens: 10,
      messages: [
        { role: "user", content: [image, document, { type: "tool_result", tool_use_id: "t", content: [image] }] },
      ],
    }
    assert.deepStrictEqual({ ...touched("messages", body).media }, { pieces: 2, bytes: 16 })
    assert.strictEqual(touched("messages", body).maxTokens, 10)
  })

  it("names the member that is wrong", () => {
    const user = [{ role: "user", content: "Hi" }]
    const wrong = [
      ["chat/completions", {}, "model"],
      ["chat/completions", { model: "m", messages: [] }, "messages"],
      ["chat/completions", { model: "m", messages: [1] }, "messages"],
      ["chat/completions", { model: "m", messages: user, stream: 1 }, "stream"],
      ["chat/completions", { model: "m", messages: user, stream_options: [] }, "stream_options"],
      ["chat/completions", { model: "m", messages: user, max_tokens: 0 }, "max_tokens"],
      ["chat/completions", { model: "m", messages: user, n: 129 }, "n"],
      ["completions", { model: "m", prompt: [] }, "prompt"],
      ["completions", { model: "m", prompt: ["a", 1] }, "prompt"],
      ["completions", { model: "m", prompt: "a", best_of: 0 }, "best_of"],
      ["embeddings", { model: "m" }, "input"],
      ["images/generations", { model: "m", prompt: "a", n: 11 }, "n"],
      ["images/generations", { model: "m" }, "prompt"],
      ["rerank", { model: "m", documents: ["a"] }, "query"],
      ["rerank", { model: "m", query: "a", documents: [1] }, "documents"],
      ["responses", { model: "m" }, "input"],
      ["messages", { model: "m", messages: "Hi" }, "messages"],
    ] as const
    for (const [endpoint, body, param] of wrong) {
      assert.deepInclude(flaw(endpoint, body), { code: "invalid_request", param }, JSON.stringify(body))
    }
    assert.isNull(flaw("messages", []).param)
  })

  it("needs no server that remembers", () => {
    const kept = [
      [{ previous_response_id: "resp_1" }, "previous_response_id"],
      [{ conversation: "conv_1" }, "conversation"],
      [{ prompt: { id: "pmpt_1" } }, "prompt"],
      [{ background: true }, "background"],
      [{ store: true }, "store"],
      [{ input: [{ type: "item_reference", id: "msg_1" }] }, "input[0].type"],
    ] as const
    for (const [body, param] of kept) {
      const read = flaw("responses", { model: "m", input: "Hi", ...body })
      assert.deepInclude(read, { code: "unsupported_parameter", param })
    }
    const asIfAbsent = { store: false, background: null, previous_response_id: null }
    assert.strictEqual(touched("responses", { model: "m", input: "Hi", ...asIfAbsent }).model, "m")
  })

  it("fits the schema of its endpoint", () => {
    const requests = {
      "chat/completions": [ChatRequest.ChatRequest, { messages: [{ role: "user", content: null }], n: null }],
      completions: [CompletionRequest.CompletionRequest, { prompt: [[1, 2]], echo: true }],
      embeddings: [Embedding.EmbeddingRequest, { input: [1, 2] }],
      responses: [ResponseRequest.ResponseRequest, { input: [{ role: "user", content: "Hi" }] }],
      messages: [MessageRequest.MessageRequest, { max_tokens: 1, messages: [{ role: "user", content: "Hi" }] }],
      "images/generations": [ImageGeneration.ImageRequest, { prompt: "A cat", size: "auto" }],
      rerank: [Rerank.RerankRequest, { query: "q", documents: ["a"] }],
    } as const
    for (const [endpoint, [schema, members]] of Object.entries(requests)) {
      const body = { model: "m", ...members }
      const read: unknown = Schema.decodeUnknownSync(schema)(body)
      assert.deepStrictEqual(read, body)
      assert.isTrue(Result.isSuccess(touch(Schema.decodeUnknownSync(Endpoint.Endpoint)(endpoint), body)), endpoint)
    }
  })

  it("names a limit to lower wherever tokens are generated", () => {
    for (const endpoint of Endpoint.Endpoint.literals) {
      const { limits, once } = EndpointShape.of(endpoint)
      assert.includeMembers([...once], [...limits, "model"])
    }
    assert.deepStrictEqual(EndpointShape.of("responses").limits, ["max_output_tokens"])
  })
})

describe("the usage of an answer", () => {
  const read = (endpoint: Endpoint.Endpoint, json: unknown) => EndpointShape.of(endpoint).readUsage(json)

  it("is read from every endpoint's own words", () => {
    const chat = { prompt_tokens: 10, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } }
    const response = {
      input_tokens: 10,
      output_tokens: 3,
      total_tokens: 13,
      input_tokens_details: { cached_tokens: 4 },
    }
    const message = { input_tokens: 4, cache_creation_input_tokens: 2, cache_read_input_tokens: 4, output_tokens: 3 }
    const expected = { inputToken: 6, cachedInputToken: 4, outputToken: 3 }
    assert.deepStrictEqual(read("chat/completions", { usage: chat }), expected)
    assert.deepStrictEqual(read("completions", { usage: chat }), expected)
    assert.deepStrictEqual(read("responses", { usage: response }), expected)
    assert.deepStrictEqual(read("responses", { type: "response.completed", response: { usage: response } }), expected)
    assert.deepStrictEqual(read("messages", { usage: message }), expected)
    assert.deepStrictEqual(read("embeddings", { usage: { prompt_tokens: 7, total_tokens: 7 } }), { inputToken: 7 })
    assert.deepStrictEqual(read("rerank", { usage: { total_tokens: 7 } }), { inputToken: 7 })
    assert.deepStrictEqual(read("rerank", { meta: { tokens: { input_tokens: 7 } } }), { inputToken: 7 })
    const images = { data: [{}, {}], usage: { input_tokens: 5, output_tokens: 100 } }
    assert.deepStrictEqual(read("images/generations", images), { image: 2, inputToken: 5, outputToken: 100 })
    assert.deepStrictEqual(read("audio/transcriptions", { usage: { type: "duration", seconds: 1.2 } }), {
      audioSecond: 2,
    })
    assert.deepStrictEqual(read("audio/transcriptions", { duration: "8.4", text: "" }), { audioSecond: 9 })
    assert.deepStrictEqual(read("audio/transcriptions", { usage: { input_tokens: 4, output_tokens: 5 } }), {
      inputToken: 4,
      outputToken: 5,
    })
  })

  it("is nothing where nothing sensible is said", () => {
    for (const endpoint of Endpoint.Endpoint.literals) {
      for (const usage of [undefined, null, 1, "x", [], {}, { prompt_tokens: -1, input_tokens: 1.5 }]) {
        assert.isUndefined(read(endpoint, { usage }), `${endpoint} ${JSON.stringify(usage)}`)
      }
      for (const json of [undefined, null, 1, "x", []]) assert.isUndefined(read(endpoint, json))
      const before = { inputToken: 1 }
      assert.strictEqual(EndpointShape.of(endpoint).readUsage({ usage: null }, before), before)
    }
  })

  it("is gathered over the events of a stream", () => {
    const start = { type: "message_start", message: { usage: { input_tokens: 6, output_tokens: 1 } } }
    const end = { type: "message_delta", usage: { output_tokens: 30, input_tokens: null } }
    const before = MessageUsage.read(start)
    assert.deepStrictEqual(MessageUsage.read(end, before), { inputToken: 6, outputToken: 30 })
    const image = { type: "image_generation.completed", usage: { input_tokens: 1, output_tokens: 2 } }
    const once = ImageGeneration.readUsage(image)
    assert.deepStrictEqual(ImageGeneration.readUsage(image, once), { image: 2, inputToken: 2, outputToken: 4 })
  })
})
