import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ModelId } from "@guildhall/core/Model"
import * as EndpointProbe from "../src/backends/EndpointProbe.ts"
import * as Memory from "../src/backends/Memory.ts"
import * as OpenAICompatible from "../src/backends/OpenAICompatible.ts"
import * as Declaration from "../src/Declaration.ts"
import * as DemoModel from "../src/demo/DemoModel.ts"
import * as WeightsFacts from "../src/serving/WeightsFacts.ts"
import * as WeightsFile from "../src/WeightsFile.ts"
import * as AgentProcess from "./AgentProcess.ts"
import * as EngineOfAll from "./EngineOfAll.ts"
import * as ScriptedMarket from "./ScriptedMarket.ts"

const model = { id: ModelId.make("org/model"), contextLength: 100 }
const nothing: Declaration.Wish = {
  provider: undefined,
  endpoints: undefined,
  quantization: undefined,
  parameters: undefined,
  retainsData: undefined,
  tokenizer: undefined,
  region: undefined,
  country: undefined,
  inputs: undefined,
  rails: undefined,
  weights: undefined,
}
const platform = Layer.mergeAll(NodeServices.layer, NodeCrypto.layer, NodeHttpClient.layerNodeHttp)

const declaring = Effect.fnUntraced(function* (
  engine: Parameters<typeof EngineOfAll.make>[0],
  wish: Partial<Declaration.Wish> = {},
  id = "org/model",
) {
  const { url } = yield* EngineOfAll.make(engine)
  const backend = yield* OpenAICompatible.make({ url: `${url}/v1/` })
  return yield* Declaration.make({ ...nothing, ...wish }, backend, { ...model, id: ModelId.make(id) })
})

const run = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof platform> | import("effect").Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(platform))

describe("Declaration", () => {
  it.live("declares the endpoints that the engine answers and the model is for", () =>
    run(
      Effect.gen(function* () {
        const endpoints = ["chat/completions", "messages", "embeddings"] as const
        assert.deepStrictEqual(yield* declaring({ endpoints }), { endpoints: ["chat/completions", "messages"] })
        assert.deepStrictEqual((yield* declaring({ endpoints }, {}, "BAAI/bge-m3")).endpoints, ["embeddings"])
        const asked = yield* declaring({ endpoints }, { endpoints: ["embeddings", "chat/completions"] })
        assert.deepStrictEqual(asked.endpoints, ["embeddings", "chat/completions"])
        const refused = yield* Effect.flip(declaring({ endpoints }, { endpoints: ["rerank"] }))
        assert.include(refused.message, "does not answer /v1/rerank")
        assert.include(refused.message, "/v1/embeddings")
        assert.deepStrictEqual((yield* declaring({ endpoints: [] })).endpoints, ["chat/completions"])
        assert.deepStrictEqual((yield* declaring({ endpoints: [] }, {}, "org/reranker")).endpoints, ["rerank"])
        const none = yield* Effect.flip(declaring({ endpoints }, {}, "org/whisper-large"))
        assert.include(none.message, "--endpoints")
      }),
    ),
  )

  it.live("knows the many ways in which servers say that an endpoint is not there", () =>
    run(
      Effect.gen(function* () {
        for (const unknown of [
          { status: 404, body: '{"detail":"Not Found"}' },
          { status: 405, body: "" },
          { status: 501, body: '{"error":{"message":"This server does not support embeddings."}}' },
          { status: 200, body: '{"error":"Unexpected endpoint or method. (POST /v1/rerank)"}' },
          { status: 503, body: "" },
        ]) {
          const { endpoints } = yield* declaring({ endpoints: ["chat/completions"], unknown })
          assert.deepStrictEqual(endpoints, ["chat/completions"])
        }
        for (const [status, text] of [
          [400, '{"error":{"message":"messages must be an array"}}'],
          [415, ""],
          [422, '{"detail":[]}'],
          [500, '{"error":"type must be array, but is number"}'],
        ] as const) {
          assert.isTrue(EndpointProbe.isThere(status, text))
        }
      }),
    ),
  )

  it.live("declares what the owner says, and nothing that nobody knows", () =>
    run(
      Effect.gen(function* () {
        const wish = {
          provider: "acme",
          endpoints: ["chat/completions"],
          quantization: "fp8",
          parameters: ["tools"],
          retainsData: false,
          tokenizer: "0".repeat(64),
          region: "eu-west",
          country: "DE",
          inputs: ["image"],
          rails: ["ApiKey"],
        } as const
        assert.deepStrictEqual<unknown>(yield* declaring({}, wish), {
          provider: "acme",
          endpoints: ["chat/completions"],
          quantization: "fp8",
          supported_parameters: ["tools"],
          retains_data: false,
          tokenizer: "0".repeat(64),
          region: "eu-west",
          country: "DE",
          inputs: ["image"],
          rails: ["ApiKey"],
        })
        const memory = Memory.make({ models: [model] })
        assert.deepStrictEqual(yield* Declaration.make(nothing, memory, model), { endpoints: ["chat/completions"] })
      }),
    ),
  )

  it.live("reads precision and tokenizer from the file that the engine runs", () =>
    run(
      Effect.gen(function* () {
        const directory = yield* AgentProcess.temporaryHome
        const weights = Path.join(directory, "tiny.gguf")
        Fs.writeFileSync(weights, DemoModel.build())
        const read = yield* WeightsFile.read(weights)
        assert.match(read.tokenizer ?? "", /^[0-9a-f]{64}$/)
        assert.deepInclude(yield* declaring({}, { weights }), read)
        assert.strictEqual((yield* declaring({}, { weights, tokenizer: "1".repeat(64) })).tokenizer, "1".repeat(64))
        for (const [type, quantization] of [
          [1, "fp16"],
          [7, "int8"],
          [15, "int4"],
          [18, undefined],
          [32, "bf16"],
        ] as const) {
          const found = yield* WeightsFacts.of(new Map([["general.file_type", type]]))
          assert.strictEqual(found.quantization, quantization)
        }
        Fs.writeFileSync(weights, "GGUF but not really")
        const damaged = yield* Effect.flip(declaring({}, { weights }))
        assert.include(damaged.message, "cannot be described")
        const missing = yield* Effect.flip(declaring({}, { weights: Path.join(directory, "none.gguf") }))
        assert.include(missing.message, "GGUF file")
      }),
    ),
  )

  it.live("an agent as a process registers what its flags and its environment say, and serves under that price", () =>
    run(
      Effect.gen(function* () {
        const market = yield* ScriptedMarket.make({ intervalMs: 200 })
        const engine = yield* EngineOfAll.make()
        const flags = ["--provider", "acme", "--endpoints", "embeddings, rerank", "--quantization", "bf16"]
        const more = ["--parameters", "dimensions,top_n", "--retains-data", "no", "--tokenizer", "ab".repeat(32)]
        const place = ["--region", "eu-west", "--country", "DE", "--inputs", "none", "--rails", "ApiKey, Stripe"]
        const prices = [
          "--request-price",
          "7",
          "--image-price",
          "4000",
          "--audio-price",
          "10",
          "--cached-input-price",
          "5",
        ]
        const agent = yield* AgentProcess.spawn(market, [
          "--backend",
          engine.url,
          ...flags,
          ...more,
          ...place,
          ...prices,
        ])
        const [registration] = market.registrations
        assert.deepInclude(registration, {
          provider: "acme",
          endpoints: ["embeddings", "rerank"],
          quantization: "bf16",
          supported_parameters: ["dimensions", "top_n"],
          retains_data: false,
          tokenizer: "ab".repeat(32),
          region: "eu-west",
          country: "DE",
          inputs: [],
          rails: ["ApiKey", "Stripe"],
          request_price_per_thousand: 7,
          image_price_per_thousand: 4_000,
          audio_second_price_per_thousand: 10,
          cached_input_price_per_million: 5,
        })
        const response = yield* Effect.promise(() =>
          fetch(`${registration?.endpoint_url}/v1/rerank`, {
            method: "POST",
            headers: { "content-type": "application/json", "guildhall-ticket": market.ticket("scripted-model") },
            body: "{}",
          }),
        )
        assert.strictEqual(response.status, 200)
        yield* agent.until(() => market.lines.size === 1)
        assert.deepStrictEqual(market.lines.get(1)?.usage, { inputToken: 11, request: 1 })
        assert.deepStrictEqual(market.problems, [])
        yield* agent.stop("SIGTERM")
        for (const [args, says] of [
          [["--provider", "Not A Slug"], "Expected: up to 40 of a-z, 0-9 and -"],
          [["--endpoints", "fine-tuning"], "Expected: some of chat/completions, "],
          [["--quantization", "q4_k_m"], "Expected: one of "],
          [["--retains-data", "maybe"], "Expected: yes or no"],
          [["--region", "EU West"], "Expected: letters, digits and hyphens"],
          [["--country", "Germany"], "Expected: two capital letters"],
          [["--inputs", "video"], "Expected: some of image, audio, file, with commas, or none"],
          [["--rails", "ApiKey,ApiKey"], "Expected: names of payment schemes"],
          [["--image-price", "0.5"], "Expected: whole cents"],
        ] as const) {
          const refused = yield* AgentProcess.start(market, ["--backend", engine.url, ...args])
          yield* refused.exited
          assert.notStrictEqual(refused.exitCode(), 0)
          assert.include(refused.output(), says)
          assert.include(refused.output(), args[0])
          assert.notInclude(refused.output(), "Schema")
        }
      }),
    ),
  )
})
