/**
 * The embedded llama.cpp, loaded on demand: a model, one context, and as many sequences in it as requests may run at a
 * time. It turns messages into text and tells the counts of the model's own tokenizer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { ChatHistoryItem, ChatWrapper, LlamaContextSequence } from "node-llama-cpp"
import { BackendError } from "../Backend.ts"
import type { ChatRequest, Message } from "../serving/ChatRequest.ts"
import type * as LlamaVariant from "./LlamaVariant.ts"

/**
 * How an engine is made. `contextLength` is in tokens for each request; `template` is `plain` for a model without a chat format.
 * `threads` are those of the CPU: more than there are free cores makes llama.cpp slower by far, since they wait actively.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly path: string
  readonly contextLength: number
  readonly concurrency: number
  readonly template: "auto" | "plain"
  readonly gpu: "auto" | false
  readonly threads: number
}

/**
 * One generation. `onText` hears each piece with its kind, `onTokens` how many tokens there are more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Generation {
  readonly request: ChatRequest
  readonly maxTokens: number
  readonly seed: number
  readonly signal: AbortSignal
  readonly onText: (kind: "content" | "reasoning_content", text: string) => void
  readonly onTokens: (count: number) => void
}

/**
 * The engine. `countPrompt` is exact; `generate` waits for a free sequence and answers why it ended. `variant` is what it computes on.
 *
 * @category models
 * @since 0.1.0
 */
export interface LlamaEngine {
  readonly contextLength: number
  readonly variant: LlamaVariant.Found
  readonly countPrompt: (messages: ReadonlyArray<Message>) => number
  readonly generate: (generation: Generation) => Promise<"stop" | "length" | "aborted">
}

const HEADER_BYTES = 24
/** "GGUF" as a little-endian number. */
const GGUF_MAGIC = 0x46554747
const GGUF_NEWEST = 3
const MAX_TENSORS = 1_000_000n
const MAX_METADATA = 1_000_000n

/**
 * The engine's version that this agent is made for.
 *
 * @category constants
 * @since 0.1.0
 */
export const VERSION = "3.22.1"

const importEngine = Effect.tryPromise({
  try: () => import("node-llama-cpp"),
  catch: () =>
    new BackendError({
      reason: "CannotLoad",
      detail: `The embedded engine is not installed. Run "npm install node-llama-cpp@${VERSION}", or let a server (Ollama, llama.cpp, vLLM, LM Studio) serve the model and pass its address with --backend.`,
    }),
})

const cannotLoad = (path: string) => (cause: unknown) =>
  new BackendError({
    reason: "CannotLoad",
    detail: `The model ${path} cannot be loaded: ${(cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ").replace(/\.+$/, "")}. Check that it is a GGUF file, that it is complete, and that the memory suffices (a smaller --context needs less).`,
  })

const toHistory = (messages: ReadonlyArray<Message>): Array<ChatHistoryItem> => [
  ...messages.map((message): ChatHistoryItem => {
    if (message.role === "assistant") return { type: "model", response: [message.text] }
    return { type: message.role, text: message.text }
  }),
  { type: "model", response: [] },
]

/** A format for models that have none: the texts, then the token that every text began with when it was counted. */
const plainWrapper = (engine: typeof import("node-llama-cpp")): ChatWrapper => {
  class PlainChatWrapper extends engine.ChatWrapper {
    override readonly wrapperName = "plain"
    override generateContextState({ chatHistory }: { readonly chatHistory: ReadonlyArray<ChatHistoryItem> }) {
      const texts = chatHistory.map((item) =>
        item.type === "model" ? item.response.filter((part) => typeof part === "string").join("") : String(item.text),
      )
      const answer = texts.at(-1) ?? ""
      const begin = new engine.SpecialToken("BOS")
      return {
        contextText: engine.LlamaText([texts.slice(0, -1).join("\n"), begin, answer]),
        stopGenerationTriggers: [engine.LlamaText(new engine.SpecialToken("EOS"))],
      }
    }
  }
  return new PlainChatWrapper()
}

/** Hands out sequences one request at a time; who waits longest is next. */
const pool = (sequences: ReadonlyArray<LlamaContextSequence>) => {
  const free = [...sequences]
  const waiting: Array<(sequence: LlamaContextSequence) => void> = []
  return {
    take: (): Promise<LlamaContextSequence> => {
      const sequence = free.pop()
      return sequence === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(sequence)
    },
    give: (sequence: LlamaContextSequence): void => {
      const next = waiting.shift()
      if (next === undefined) free.push(sequence)
      else next(sequence)
    },
  }
}

/**
 * Looks at the first bytes of a file. llama.cpp's reader takes the numbers in them for granted, and a damaged file would keep it
 * busy without an end.
 */
const requireGguf = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const header = yield* Effect.scoped(
    Effect.gen(function* () {
      const file = yield* fs.open(path, { flag: "r" })
      return yield* file.readAlloc(HEADER_BYTES)
    }),
  ).pipe(Effect.mapError(cannotLoad(path)))
  const view = Option.map(header, (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const isGguf =
    Option.isSome(view) &&
    view.value.byteLength === HEADER_BYTES &&
    view.value.getUint32(0, true) === GGUF_MAGIC &&
    view.value.getUint32(4, true) <= GGUF_NEWEST &&
    view.value.getBigUint64(8, true) <= MAX_TENSORS &&
    view.value.getBigUint64(16, true) <= MAX_METADATA
  if (!isGguf) return yield* cannotLoad(path)("it does not begin as a GGUF file does")
})

/**
 * Loads a model. It is freed with the scope. Fails with `CannotLoad`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  yield* requireGguf(options.path)
  const engine = yield* importEngine
  let lastWords = ""
  const attempt = <A>(run: () => Promise<A>) =>
    Effect.tryPromise({ try: run, catch: (cause) => cannotLoad(options.path)(lastWords === "" ? cause : lastWords) })
  const dispose = (resource: { readonly dispose: () => Promise<void> }) => Effect.promise(() => resource.dispose())
  const llama = yield* Effect.acquireRelease(
    attempt(() =>
      engine.getLlama({
        gpu: options.gpu,
        build: "never",
        skipDownload: true,
        progressLogs: false,
        maxThreads: options.threads,
        logLevel: engine.LlamaLogLevel.error,
        // The engine throws less than it logs: its last words explain a failure.
        logger: (_, message) => {
          lastWords = message
        },
      }),
    ),
    dispose,
  )
  const model = yield* attempt(() => llama.loadModel({ modelPath: options.path }))
  const context = yield* attempt(() =>
    model.createContext({
      contextSize: Math.min(options.contextLength, model.trainContextSize),
      sequences: options.concurrency,
      threads: options.threads,
    }),
  )
  const wrapper = options.template === "plain" ? plainWrapper(engine) : engine.resolveChatWrapper(model)
  const sequences = pool(Array.from({ length: options.concurrency }, () => context.getSequence()))
  const contextLength = Math.min(options.contextLength, context.contextSize, model.trainContextSize)

  const run = async (generation: Generation, sequence: LlamaContextSequence) => {
    const { request } = generation
    const chat = new engine.LlamaChat({ contextSequence: sequence, chatWrapper: wrapper, autoDisposeSequence: false })
    const answering = chat.generateResponse(toHistory(request.messages), {
      maxTokens: generation.maxTokens,
      temperature: request.temperature,
      topP: request.topP,
      seed: generation.seed,
      repeatPenalty: false,
      customStopTriggers: [...request.stop],
      signal: generation.signal,
      stopOnAbortSignal: true,
      onToken: (tokens) => generation.onTokens(tokens.length),
      onResponseChunk: (chunk) => {
        if (chunk.text !== "") generation.onText(chunk.type === "segment" ? "reasoning_content" : "content", chunk.text)
      },
    })
    const answer = await answering.finally(() => chat.dispose({ disposeSequence: false }))
    const reason = answer.metadata.stopReason
    return reason === "abort" ? "aborted" : reason === "maxTokens" ? "length" : "stop"
  }

  const variant: LlamaVariant.Found = {
    gpu: llama.gpu,
    devices:
      llama.gpu === false
        ? []
        : yield* Effect.orElseSucceed(
            attempt(() => llama.getGpuDeviceNames()),
            () => [],
          ),
    layers: model.gpuLayers,
    // The layer of the output is counted as well.
    ofLayers: model.fileInsights.totalLayers,
    usable:
      options.gpu === false
        ? []
        : (yield* attempt(() => engine.getLlamaGpuTypes("supported"))).filter((gpu) => gpu !== false),
  }
  const made: LlamaEngine = {
    contextLength,
    variant,
    countPrompt: (messages) =>
      wrapper.generateContextState({ chatHistory: toHistory(messages) }).contextText.tokenize(model.tokenizer).length,
    generate: async (generation) => {
      const sequence = await sequences.take()
      return run(generation, sequence).finally(() => sequences.give(sequence))
    },
  }
  return made
})
