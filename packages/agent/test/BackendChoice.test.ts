import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as AgentHome from "../src/AgentHome.ts"
import * as BackendChoice from "../src/BackendChoice.ts"
import * as Discover from "../src/backends/Discover.ts"
import * as DemoModel from "../src/demo/DemoModel.ts"
import * as HubRequest from "../src/models/HubRequest.ts"
import * as AgentProcess from "./AgentProcess.ts"
import { quiet } from "./Quiet.ts"
import * as ScriptedServer from "./ScriptedServer.ts"
import * as ScriptedHub from "./models/ScriptedHub.ts"

const NOTHING = [{ name: "Nothing", url: "http://127.0.0.1:1" }]

/** Nothing outside this machine is asked. */
const choosing = Effect.fnUntraced(function* (wish: Partial<BackendChoice.Wish>, hubUrl = "http://127.0.0.1:1") {
  const directory = yield* AgentProcess.temporaryHome
  const none = { model: undefined, name: undefined, backendUrl: undefined, contextLength: undefined, concurrency: 2 }
  return yield* BackendChoice.make({ ...none, places: NOTHING, ...wish }).pipe(
    Effect.provide(
      AgentHome.layer({ directory }).pipe(
        Layer.provideMerge(NodeServices.layer),
        Layer.provideMerge(NodeCrypto.layer),
        Layer.provideMerge(NodeHttpClient.layerNodeHttp),
      ),
    ),
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromUnknown({ HF_ENDPOINT: hubUrl, HOME: directory }),
    ),
    Effect.provideService(HubRequest.CurrentPace, { headersMs: 1_000, idleMs: 1_000, retryMs: 1, mostBytes: 1e9 }),
  )
})

const failing = (wish: Partial<BackendChoice.Wish>, hubUrl?: string) =>
  Effect.flip(Effect.scoped(Effect.flatMap(choosing(wish, hubUrl), (backend) => backend.describe)))

const ids = (wish: Partial<BackendChoice.Wish>) =>
  Effect.gen(function* () {
    const backend = yield* choosing(wish)
    return { name: backend.name, models: (yield* backend.describe).map(({ id, contextLength }) => [id, contextLength]) }
  }).pipe(Effect.scoped)

describe("BackendChoice", () => {
  it.live("serves a server that it finds, by name, and one of its models", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer.make({ models: ["llama3.1:8b", "qwen3:4b"] })
      const places = [...NOTHING, { name: "Ollama", url: server.url }]
      assert.deepStrictEqual(yield* ids({ places }), { name: "Ollama", models: [["llama3.1:8b", 2048]] })
      assert.deepStrictEqual((yield* ids({ places, model: "Qwen3:4B" })).models, [["qwen3:4b", 2048]])
      assert.deepStrictEqual((yield* ids({ places, contextLength: 1000 })).models, [["llama3.1:8b", 1000]])
      assert.deepStrictEqual((yield* ids({ places, contextLength: 9000 })).models, [["llama3.1:8b", 2048]])
      const error = yield* failing({ places, model: "meta-llama/Llama-3.1-8B-Instruct" })
      assert.include(error.message, `Ollama at ${server.url} (llama3.1:8b, qwen3:4b)`)
      assert.include(error.message, "GGUF")
      // No name of a hub's model, and no file.
      const odd = yield* failing({ places, model: "llama9:900b" })
      assert.include(odd.message, `There is no file "llama9:900b"`)
      assert.include((yield* failing({ places: NOTHING, model: "./no.gguf" })).message, "There is no file")
    }).pipe(Effect.scoped, quiet),
  )

  it.live("V7 · downloads a model of the hub, and serves it under its canonical id with its digest", () =>
    Effect.gen(function* () {
      const bytes = DemoModel.build()
      const hub = yield* ScriptedHub.make([
        {
          id: "quanter/Poet-GGUF",
          files: [{ path: "poet-q4_k_m.gguf", bytes }],
          tags: ["gguf", "base_model:quantized:Acme/Poet", "license:mit"],
          card: { license: "mit" },
        },
        {
          id: "Acme/Poet",
          files: [{ path: "model.safetensors", bytes: bytes.subarray(0, 50) }],
          card: { license: "mit" },
        },
      ])
      const directory = yield* AgentProcess.temporaryHome
      const wish = { modelsDirectory: directory, places: NOTHING }
      for (const model of ["acme/poet", "hf.co/quanter/Poet-GGUF:q4_k_m"]) {
        const [served] = yield* Effect.flatMap(choosing({ ...wish, model }, hub.url), (backend) => backend.describe)
        assert.strictEqual(served?.id, "Acme/Poet")
        assert.strictEqual(served?.digest, ScriptedHub.sha256(bytes))
        // The demo's file does not say how it is quantised; its name does.
        assert.strictEqual(served?.facts?.quantization, "int4")
      }
      assert.strictEqual(hub.ranges().length, 1)
      const named = yield* Effect.flatMap(
        choosing({ ...wish, model: "Acme/Poet", name: "me/poet", quant: "Q4_K_M" }),
        (backend) => backend.describe,
      )
      assert.strictEqual(named[0]?.id, "me/poet")
      const missing = yield* failing({ ...wish, model: "Acme/Poet", quant: "Q6_K" }, hub.url)
      assert.include(missing.message, "Q6_K")
      assert.include(missing.message, "Q4_K_M (")
      const none = yield* failing({ ...wish, model: "Acme/Nobody" }, hub.url)
      assert.include(none.message, "no public model Acme/Nobody")
      assert.include(none.message, "No server was found")
    }).pipe(Effect.scoped, quiet),
  )

  it.live("serves the server that was named, all of its chat models or one", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedServer.make({ models: ["a", "b", "nomic-embed-text"] })
      assert.deepStrictEqual((yield* ids({ backendUrl: server.url })).models, [
        ["a", 2048],
        ["b", 2048],
      ])
      assert.deepStrictEqual((yield* ids({ backendUrl: `${server.url}/v1`, model: "b" })).models, [["b", 2048]])
      const error = yield* failing({ backendUrl: server.url, model: "c" })
      assert.include(error.message, "It has: a, b")
      const nonsense = yield* failing({ backendUrl: "not an address" })
      assert.include(nonsense.message, "valid address")
    }).pipe(Effect.scoped, quiet),
  )

  it.live("serves the demo model where nothing is found, and says what it is", () =>
    Effect.gen(function* () {
      const [model] = yield* Effect.flatMap(choosing({}), (backend) => backend.describe)
      assert.deepStrictEqual(model, {
        id: DemoModel.ID,
        contextLength: DemoModel.CONTEXT_LENGTH,
        digest: DemoModel.DIGEST,
        facts: { tokenizer: "72f019d44001e5832f6206284575d38989849a61f1a84f8a3dc2f8624d13d197" },
        notice: DemoModel.NOTICE,
      })
    }).pipe(Effect.scoped, quiet),
  )

  it.live("serves a file under its own name or the one that was given", () =>
    Effect.gen(function* () {
      const directory = yield* AgentProcess.temporaryHome
      const model = Path.join(directory, "Tiny Model.gguf")
      Fs.writeFileSync(model, DemoModel.build())
      const error = yield* failing({ model })
      assert.include(error.message, "--name")
      assert.deepStrictEqual((yield* ids({ model, name: "me/tiny", contextLength: 300 })).models, [["me/tiny", 300]])
      const plain = Path.join(directory, "tiny.gguf")
      Fs.renameSync(model, plain)
      assert.deepStrictEqual<unknown>((yield* ids({ model: plain })).models, [["local/tiny", 2048]])
      for (const damaged of [
        "GGUF but not really",
        "",
        DemoModel.build().subarray(0, 2_000),
        DemoModel.build().subarray(0, 900_000),
      ]) {
        Fs.writeFileSync(plain, damaged)
        const broken = yield* failing({ model: plain })
        assert.include(broken.message, "cannot be loaded")
      }
    }).pipe(Effect.scoped, quiet),
  )

  it.live("leaves out what answers without being a model server", () =>
    Effect.gen(function* () {
      const odd = yield* Effect.forEach(
        [{ data: "none" }, [], { data: [] }, { data: [{ id: "text-embedding-3" }] }],
        (listing) => ScriptedServer.make({ listing }),
      )
      const found = yield* Discover.find(odd.map(({ url }) => ({ name: "Odd", url }))).pipe(
        Effect.provide(NodeHttpClient.layerNodeHttp),
      )
      assert.deepStrictEqual(found, [])
    }).pipe(Effect.scoped, quiet),
  )
})
