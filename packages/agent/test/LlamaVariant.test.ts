import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as LlamaCpp from "../src/backends/LlamaCpp.ts"
import * as LlamaEngine from "../src/backends/LlamaEngine.ts"
import * as LlamaVariant from "../src/backends/LlamaVariant.ts"
import * as DemoModel from "../src/demo/DemoModel.ts"
import * as AgentProcess from "./AgentProcess.ts"

/** The engine's own manifest, which it does not export. */
const manifest: { readonly version: string; readonly optionalDependencies: Readonly<Record<string, string>> } =
  JSON.parse(
    Fs.readFileSync(Path.resolve(import.meta.dirname, "../../../node_modules/node-llama-cpp/package.json"), "utf8"),
  )
const cpu: LlamaVariant.Found = { gpu: false, devices: [], layers: 0, ofLayers: 33, usable: [] }
const linux = { platform: "linux", architecture: "x64" }

describe("V7 · the engine's variants", () => {
  it("are told with what they compute on", () => {
    assert.strictEqual(LlamaVariant.words(cpu), "The engine computes on the processor.")
    assert.strictEqual(
      LlamaVariant.words({ ...cpu, gpu: "cuda", devices: ["NVIDIA H200"], layers: 33 }),
      "The engine computes with CUDA (NVIDIA H200): 33 of 33 layers.",
    )
    assert.include(LlamaVariant.words({ ...cpu, gpu: "metal", layers: 20 }), "13 do not fit and stay on the processor")
  })

  it("that are missing are named with the way to get them", () => {
    assert.isUndefined(LlamaVariant.advice(cpu, linux, "1.0.0"))
    assert.isUndefined(LlamaVariant.advice({ ...cpu, gpu: "vulkan", usable: ["cuda"] }, linux, "1.0.0"))
    assert.include(
      LlamaVariant.advice({ ...cpu, usable: ["cuda", "vulkan"] }, linux, "1.0.0"),
      "npm install @node-llama-cpp/linux-x64-cuda@1.0.0",
    )
    const arm = { platform: "linux", architecture: "arm64" }
    assert.include(
      LlamaVariant.advice({ ...cpu, usable: ["cuda"] }, arm, "1.0.0"),
      "none is published for linux on arm64",
    )
  })

  it("are packages of the engine, of its own version", () => {
    for (const [platform, architecture, gpu] of [
      ["linux", "x64", "cuda"],
      ["linux", "x64", "vulkan"],
      ["win32", "x64", "cuda"],
      ["win32", "x64", "vulkan"],
      ["darwin", "arm64", "metal"],
    ] as const) {
      const name = LlamaVariant.packageOf(gpu, { platform, architecture })
      assert.strictEqual(manifest.optionalDependencies[name ?? ""], LlamaEngine.VERSION)
    }
    assert.strictEqual(manifest.version, LlamaEngine.VERSION)
  })

  it.live("are found at run time, and said", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const path = Path.join(yield* AgentProcess.temporaryHome, "demo.gguf")
      Fs.writeFileSync(path, DemoModel.build())
      const options = {
        path,
        model: { id: DemoModel.ID, contextLength: 256 },
        contextLength: 256,
        concurrency: 1,
        template: "plain",
        gpu: "auto",
        threads: 1,
      } as const
      yield* LlamaCpp.make(options).pipe(
        Effect.provide(Logger.layer([Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))])),
        Effect.provide(NodeServices.layer),
      )
      assert.match(lines[0] ?? "", /^The engine computes (?:on the processor|with (?:CUDA|Vulkan|Metal))/)
    }).pipe(Effect.scoped),
  )
})
