/**
 * The backend that runs a GGUF file inside the agent, with llama.cpp. Nothing else needs to be installed or started.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Backend, type BackendError, type BackendRequest, type BackendSink, type ServedModel } from "../Backend.ts"
import * as OpenAIError from "../serving/OpenAIError.ts"
import * as ChatRequest from "../serving/ChatRequest.ts"
import * as ChatWriter from "../serving/ChatWriter.ts"
import * as LlamaEngine from "./LlamaEngine.ts"
import * as LlamaVariant from "./LlamaVariant.ts"

/**
 * What is served. `model` names it on the market; its context length is the smaller of this one and the file's own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends LlamaEngine.Options {
  readonly model: ServedModel
}

const refuse = (sink: BackendSink, error: OpenAIError.OpenAIError): void => {
  sink.onStart(error.status, { "content-type": "application/json" })
  sink.onData(new TextEncoder().encode(OpenAIError.encode(error)))
  sink.onEnd()
}

const tooLong = (prompt: number, contextLength: number): OpenAIError.OpenAIError => ({
  status: 400,
  code: "context_too_long",
  message: `The messages take ${prompt} tokens and the context holds ${contextLength}, the answer included. Send less.`,
})

/** Chat formats are programs of the model's makers, and some refuse orders of messages that they do not expect. */
const noFormat = (cause: unknown): OpenAIError.OpenAIError => ({
  status: 400,
  code: "invalid_request",
  message: `The model's chat format does not take these messages: ${cause instanceof Error ? cause.message : String(cause)}`,
})

/** One answer under way. All of it runs in callbacks: these are the bytes of the inference lane. */
const answer = (
  engine: LlamaEngine.LlamaEngine,
  request: ChatRequest.ChatRequest,
  options: { readonly created: number; readonly sink: BackendSink; readonly signal: AbortSignal },
): void => {
  const { sink, signal } = options
  const counted = Result.try(() => engine.countPrompt(request.messages))
  if (Result.isFailure(counted)) return refuse(sink, noFormat(counted.failure))
  const prompt = counted.success
  const room = engine.contextLength - prompt
  if (room < 1) return refuse(sink, tooLong(prompt, engine.contextLength))
  const writer = ChatWriter.make(request, {
    id: `chatcmpl-${Crypto.randomBytes(12).toString("hex")}`,
    created: options.created,
  })
  let completion = 0
  const send = (bytes: Uint8Array | undefined) => {
    if (bytes !== undefined && !signal.aborted) sink.onData(bytes)
  }
  let hasBegun = false
  /** Not before there is something to say: until then the gateway may still go elsewhere. */
  const begin = () => {
    if (hasBegun || signal.aborted) return
    hasBegun = true
    sink.onStart(200, { "content-type": writer.contentType, "cache-control": "no-cache" })
    send(writer.begin())
  }
  const fail = (detail: string) => {
    if (!signal.aborted) sink.onError({ reason: "ClosedEarly", detail })
  }
  const generated = engine.generate({
    request,
    signal,
    maxTokens: Math.min(request.maxTokens ?? room, room),
    seed: request.seed ?? Crypto.randomInt(2 ** 31),
    onText: (kind, text) => {
      if (request.stream) begin()
      send(writer.delta(kind, text))
    },
    onTokens: (count) => {
      completion += count
      if (!signal.aborted) sink.onUsage?.({ inputToken: prompt, outputToken: completion })
    },
  })
  const end = (reason: "stop" | "length" | "aborted") => {
    if (signal.aborted || reason === "aborted") return
    sink.onUsage?.({ inputToken: prompt, outputToken: completion })
    begin()
    send(writer.end(reason, { prompt, completion }))
    sink.onEnd()
  }
  void generated.then(end, (cause: unknown) => fail(cause instanceof Error ? cause.message : String(cause)))
}

/**
 * Loads the model and makes the backend. Fails with `CannotLoad`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const engine = yield* LlamaEngine.make(options)
  yield* Effect.logInfo(LlamaVariant.words(engine.variant))
  const machine = { platform: process.platform, architecture: process.arch }
  const advice = LlamaVariant.advice(engine.variant, machine, LlamaEngine.VERSION)
  if (advice !== undefined) yield* Effect.logWarning(advice)
  const clock = yield* Clock.Clock
  const model = { ...options.model, contextLength: engine.contextLength }

  const begin = ({ body, path }: BackendRequest, sink: BackendSink, signal: AbortSignal): void => {
    if (!ChatRequest.isPath(path)) return refuse(sink, ChatRequest.OTHER_ENDPOINT)
    const parsed = ChatRequest.parse(body)
    if (Result.isFailure(parsed)) return refuse(sink, parsed.failure)
    const request = parsed.success
    if (request.model !== model.id) {
      const message = `This provider serves "${model.id}", not "${request.model}".`
      return refuse(sink, { status: 404, code: "model_not_found", message })
    }
    answer(engine, request, { created: Math.floor(clock.currentTimeMillisUnsafe() / 1000), sink, signal })
  }

  return Backend.of({
    name: "llama.cpp (embedded)",
    capabilities: { tools: false, concurrency: options.concurrency, parameters: ChatRequest.parameters },
    describe: Effect.succeed([model]),
    endpoints: () => Effect.succeed(ChatRequest.endpoints),
    dispatch: (request, sink) => {
      const controller = new AbortController()
      let ended = false
      const once = (run: () => void) => {
        if (ended) return
        ended = true
        run()
      }
      const guarded: BackendSink = {
        ...sink,
        onEnd: () => once(sink.onEnd),
        onError: (error) => once(() => sink.onError(error)),
      }
      queueMicrotask(() => {
        if (!controller.signal.aborted) begin(request, guarded, controller.signal)
      })
      return {
        // The answer is text made a token at a time: what a slow reader leaves is held, and bounded by the context.
        resume: () => {},
        cancel: (detail) => {
          once(() => {
            controller.abort()
            queueMicrotask(() => sink.onError({ reason: "Cancelled", detail }))
          })
        },
      }
    },
  })
})

/**
 * The backend as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Backend, BackendError, FileSystem.FileSystem> =>
  Layer.effect(Backend, make(options))
