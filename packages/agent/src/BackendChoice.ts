/**
 * Decides what an agent serves: the server that was named, the file that was named, a server found on this machine, or the
 * demo model.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { ModelId } from "@guildhall/core/Model"
import { AgentError } from "./AgentError.ts"
import { Backend } from "./Backend.ts"
import * as Discover from "./backends/Discover.ts"
import * as LlamaCpp from "./backends/LlamaCpp.ts"
import * as OpenAICompatible from "./backends/OpenAICompatible.ts"
import * as DemoModel from "./demo/DemoModel.ts"
import * as WeightsFile from "./WeightsFile.ts"

/**
 * What was asked for. `model` is a path to a GGUF file or a model's id; `name` is the id under which a file is sold;
 * `places` are where servers are looked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wish {
  readonly model: string | undefined
  readonly name: string | undefined
  readonly backendUrl: string | undefined
  readonly contextLength: number | undefined
  readonly concurrency: number | undefined
  readonly places?: typeof Discover.USUAL
}

const DEFAULT_CONCURRENCY = 4
const FILE_CONTEXT = 4096

const demo = Effect.fnUntraced(function* (wish: Wish) {
  const { path, digest } = yield* DemoModel.ensure
  yield* Effect.logWarning(`Serving ${DemoModel.ID}. ${DemoModel.NOTICE} Serve a real one with --model or --backend.`)
  return yield* LlamaCpp.make({
    path,
    model: {
      id: DemoModel.ID,
      contextLength: DemoModel.CONTEXT_LENGTH,
      digest,
      facts: yield* WeightsFile.read(path),
      notice: DemoModel.NOTICE,
    },
    contextLength: Math.min(wish.contextLength ?? DemoModel.CONTEXT_LENGTH, DemoModel.CONTEXT_LENGTH),
    concurrency: wish.concurrency ?? DEFAULT_CONCURRENCY,
    template: "plain",
    gpu: false,
    threads: 1,
  })
})

const badName = (name: string) =>
  new AgentError({
    reason: "BadSetting",
    detail: `"${name}" is no model's id. Write one like meta-llama/Llama-3.1-8B-Instruct and pass it with --name.`,
  })

const fromFile = Effect.fnUntraced(function* (file: string, wish: Wish) {
  const path = yield* Path.Path
  const name = wish.name ?? `local/${path.basename(file).replace(/\.gguf$/i, "")}`
  const id = yield* Schema.decodeUnknownEffect(ModelId)(name).pipe(Effect.mapError(() => badName(name)))
  yield* Effect.logInfo(`Loading ${file}.`)
  const contextLength = wish.contextLength ?? FILE_CONTEXT
  // A file that cannot be described cannot be loaded either, and the engine says better why.
  const facts = yield* Effect.orElseSucceed(WeightsFile.read(file), () => undefined)
  return yield* LlamaCpp.make({
    path: path.resolve(file),
    model: { id, contextLength, facts },
    contextLength,
    concurrency: wish.concurrency ?? DEFAULT_CONCURRENCY,
    template: "auto",
    gpu: "auto",
    // One core stays free for the agent itself.
    threads: Math.max(1, Os.availableParallelism() - 1),
  })
})

const fromServer = (server: { readonly name?: string; readonly url: string }, model: string | undefined, wish: Wish) =>
  OpenAICompatible.make({
    ...server,
    model,
    contextLength: wish.contextLength,
    concurrency: wish.concurrency ?? DEFAULT_CONCURRENCY,
  })

const offer = (found: ReadonlyArray<Discover.Found>): string =>
  found.map(({ name, url, models }) => `${name} at ${url} (${models.map((model) => model.id).join(", ")})`).join("; ")

const noModel = (model: string, found: ReadonlyArray<Discover.Found>) =>
  new AgentError({
    reason: "NoModel",
    detail: [
      `There is no file "${model}", and no model server on this machine offers a model of that name.`,
      found.length === 0 ? "No server was found on the usual ports." : `Found: ${offer(found)}.`,
      "The agent downloads no weights. Either fetch the model as a GGUF file (from its page on huggingface.co, or with",
      `"npx node-llama-cpp pull <address>") and pass its path: --model /path/to/model.gguf --name ${model},`,
      "or load it in Ollama, llama.cpp, vLLM or LM Studio and start the agent again.",
    ].join(" "),
  })

const searched = Effect.fnUntraced(function* (wish: Wish) {
  const found = yield* Discover.find(wish.places)
  const { model } = wish
  if (model === undefined) {
    const [first, ...others] = found
    if (first === undefined) return yield* demo(wish)
    const served = first.models[0]?.id
    yield* Effect.logInfo(`Found ${offer([first])}. Serving ${served}; choose another with --model.`)
    if (others.length > 0) yield* Effect.logInfo(`Also found: ${offer(others)}. Choose one with --backend.`)
    return yield* fromServer(first, served, wish)
  }
  for (const server of found) {
    const match = server.models.find((served) => served.id.toLowerCase() === model.toLowerCase())
    if (match !== undefined) return yield* fromServer(server, match.id, wish)
  }
  return yield* noModel(model, found)
})

/**
 * Makes the backend that fits the wish. Fails with a letter that says what to do instead.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (wish: Wish) {
  const fs = yield* FileSystem.FileSystem
  const { model, backendUrl } = wish
  if (backendUrl !== undefined) return yield* fromServer({ url: backendUrl }, model, wish)
  if (model === DemoModel.ID) return yield* demo(wish)
  const isFile =
    model !== undefined && Option.exists(yield* Effect.option(fs.stat(model)), (info) => info.type === "File")
  return isFile ? yield* fromFile(model, wish) : yield* searched(wish)
})

/**
 * The choice as a context with the one service.
 *
 * @category constructors
 * @since 0.1.0
 */
export const context = (wish: Wish) => Effect.map(make(wish), (backend) => Context.make(Backend, backend))
