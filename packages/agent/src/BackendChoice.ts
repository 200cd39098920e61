/**
 * Decides what an agent serves: the server that was named, the file that was named, a server found on this machine, a model that
 * was or can be downloaded, or the demo model.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { Quantization } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { AgentError } from "./AgentError.ts"
import { AgentHome } from "./AgentHome.ts"
import { Backend } from "./Backend.ts"
import * as Discover from "./backends/Discover.ts"
import * as LlamaCpp from "./backends/LlamaCpp.ts"
import * as OpenAICompatible from "./backends/OpenAICompatible.ts"
import * as DemoModel from "./demo/DemoModel.ts"
import * as Hub from "./models/Hub.ts"
import * as KnownDigest from "./models/KnownDigest.ts"
import { ModelError } from "./models/ModelError.ts"
import * as ModelPull from "./models/ModelPull.ts"
import * as ModelReference from "./models/ModelReference.ts"
import * as ModelStore from "./models/ModelStore.ts"
import * as WeightsFile from "./WeightsFile.ts"

/**
 * What was asked for. `model` is a path to a GGUF file or a model's id; `name` is the id under which a file is sold;
 * `places` are where servers are looked for. `quant` and `revision` choose among the files of a hub's model, `acceptsLicense` says yes to
 * its licence, and `modelsDirectory` is where it is kept, `models` in the home if it is not given.
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
  readonly quant?: string | undefined
  readonly revision?: string | undefined
  readonly acceptsLicense?: boolean | undefined
  readonly modelsDirectory?: string | undefined
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

const nameOf = (name: string) => Schema.decodeUnknownEffect(ModelId)(name).pipe(Effect.mapError(() => badName(name)))

/** A file, with what is known of it beforehand. */
interface Weights {
  readonly file: string
  readonly id: ModelId
  readonly digest: string | undefined
  readonly quantization: Quantization | undefined
}

const load = Effect.fnUntraced(function* ({ digest, file, id, quantization }: Weights, wish: Wish) {
  const path = yield* Path.Path
  yield* Effect.logInfo(`Loading ${file}.`)
  const contextLength = wish.contextLength ?? FILE_CONTEXT
  // A file that cannot be described cannot be loaded either, and the engine says better why.
  const read = yield* Effect.orElseSucceed(WeightsFile.read(file), () => undefined)
  // What the file says of itself goes before its name.
  const facts = quantization === undefined ? read : { quantization, ...read }
  return yield* LlamaCpp.make({
    path: path.resolve(file),
    model: { id, contextLength, digest, facts },
    contextLength,
    concurrency: wish.concurrency ?? DEFAULT_CONCURRENCY,
    template: "auto",
    gpu: "auto",
    // One core stays free for the agent itself.
    threads: Math.max(1, Os.availableParallelism() - 1),
  })
})

const fromFile = Effect.fnUntraced(function* (file: string, wish: Wish) {
  const path = yield* Path.Path
  const stem = path.basename(file).replace(/(?:-\d{5}-of-\d{5})?\.gguf$/i, "")
  const id = yield* nameOf(wish.name ?? `local/${stem}`)
  const digest = yield* KnownDigest.of(file)
  return yield* load({ file, id, digest, quantization: undefined }, wish)
})

const fromHub = Effect.fnUntraced(function* (asked: ModelReference.ModelReference, wish: Wish) {
  const home = yield* AgentHome
  const reference = { ...asked, quant: wish.quant ?? asked.quant, revision: wish.revision ?? asked.revision }
  const directory = wish.modelsDirectory ?? home.path("models")
  const pulled = yield* ModelPull.ensure({ reference, acceptsLicense: wish.acceptsLicense === true }).pipe(
    Effect.provide(Layer.merge(Hub.layer, ModelStore.layer({ directory }))),
  )
  const id = wish.name === undefined ? pulled.id : yield* nameOf(wish.name)
  return yield* load({ file: pulled.path, id, digest: pulled.digest, quantization: pulled.quantization }, wish)
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

const seen = (found: ReadonlyArray<Discover.Found>): string =>
  found.length === 0 ? "No server was found on the usual ports." : `Found: ${offer(found)}.`

const noModel = (model: string, found: ReadonlyArray<Discover.Found>) =>
  new AgentError({
    reason: "NoModel",
    detail: [
      `There is no file "${model}", and no model server on this machine offers a model of that name.`,
      seen(found),
      "Give the path of a GGUF file, load the model in Ollama, llama.cpp, vLLM or LM Studio, or name one of the hub as its",
      "page does: --model org/model --quant Q4_K_M.",
    ].join(" "),
  })

/** A name that may have been meant for a server here, which is told as well. */
const nowhere = (error: ModelError, found: ReadonlyArray<Discover.Found>) =>
  new ModelError({
    reason: error.reason,
    detail: `${error.detail} No model server on this machine has it either. ${seen(found)} The path of a GGUF file works too.`,
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
  const reference = ModelReference.isPath(model) ? undefined : ModelReference.parse(model)
  if (reference === undefined) return yield* noModel(model, found)
  return yield* fromHub(reference, wish).pipe(
    Effect.catchTag("ModelError", (error) =>
      Effect.fail(error.reason === "NotFound" || error.reason === "Unreachable" ? nowhere(error, found) : error),
    ),
  )
})

/** What can only be of a hub: it has the hub's name, or chooses among its files. */
const ofHub = ({ model, quant, revision }: Wish): ModelReference.ModelReference | undefined => {
  const reference = model === undefined ? undefined : ModelReference.parse(model)
  const isChosen = quant !== undefined || revision !== undefined || reference?.file !== undefined
  return isChosen || reference?.isExplicit === true ? reference : undefined
}

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
  if (isFile) return yield* fromFile(model, wish)
  const reference = ofHub(wish)
  return reference === undefined ? yield* searched(wish) : yield* fromHub(reference, wish)
})

/**
 * The choice as a context with the one service.
 *
 * @category constructors
 * @since 0.1.0
 */
export const context = (wish: Wish) => Effect.map(make(wish), (backend) => Context.make(Backend, backend))
