/**
 * A backend that answers from a script: for tests, and to try a market without an engine.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Backend, type BackendSink, type ServedModel } from "../Backend.ts"
import * as OpenAIError from "../serving/OpenAIError.ts"
import * as ChatRequest from "../serving/ChatRequest.ts"
import * as ChatWriter from "../serving/ChatWriter.ts"

/**
 * The script. `answer` gives the pieces of an answer, one token each; it may be endless. The default says the prompt again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly models: ReadonlyArray<ServedModel>
  readonly concurrency?: number
  readonly answer?: (request: ChatRequest.ChatRequest) => Iterable<string>
}

const wordsOf = (request: ChatRequest.ChatRequest): ReadonlyArray<string> =>
  request.messages.flatMap((message) => message.text.split(/\s+/)).filter((word) => word !== "")

const echo = (request: ChatRequest.ChatRequest): Iterable<string> => wordsOf(request).map((word) => `${word} `)

const refuse = (sink: BackendSink, error: OpenAIError.OpenAIError): void => {
  sink.onStart(error.status, { "content-type": "application/json" })
  sink.onData(new TextEncoder().encode(OpenAIError.encode(error)))
  sink.onEnd()
}

/** A token a turn of the event loop, so that a cancel gets its turn too. */
const soon = (turn: () => void): void => {
  // oxlint-disable-next-line guildhall/no-ambient -- callbacks of the byte path; Effect's scheduler has no part in them
  setImmediate(turn)
}

/** Sends one token each turn of the event loop, and none while the sink asks for a pause. */
const play = (
  request: ChatRequest.ChatRequest,
  pieces: Iterator<string>,
  room: number,
  sink: BackendSink,
): { readonly resume: () => void; readonly stop: () => void } => {
  const writer = ChatWriter.make(request, { id: "chatcmpl-memory", created: 0 })
  const prompt = wordsOf(request).length
  const maxTokens = Math.min(request.maxTokens ?? room, room)
  let completion = 0
  let stopped = false
  let paused = false
  const send = (bytes: Uint8Array | undefined) => {
    if (bytes !== undefined && !sink.onData(bytes)) paused = true
  }
  const end = (reason: ChatWriter.FinishReason) => {
    stopped = true
    if (!request.stream) sink.onStart(200, { "content-type": writer.contentType })
    send(writer.end(reason, { prompt, completion }))
    sink.onEnd()
  }
  const turn = () => {
    if (stopped || paused) return
    if (completion >= maxTokens) return end("length")
    const piece = pieces.next()
    if (piece.done === true) return end("stop")
    completion += 1
    sink.onUsage?.({ inputToken: prompt, outputToken: completion })
    send(writer.delta("content", piece.value))
    if (!paused) soon(turn)
  }
  if (request.stream) {
    sink.onStart(200, { "content-type": writer.contentType })
    send(writer.begin())
  }
  soon(turn)
  return {
    resume: () => {
      if (!paused) return
      paused = false
      soon(turn)
    },
    stop: () => {
      stopped = true
    },
  }
}

/**
 * Makes the backend.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Backend["Service"] =>
  Backend.of({
    name: "memory",
    capabilities: { tools: false, concurrency: options.concurrency ?? 8 },
    describe: Effect.succeed(options.models),
    endpoints: () => Effect.succeed(ChatRequest.endpoints),
    dispatch: ({ body, path }, sink) => {
      let playing: ReturnType<typeof play> | undefined
      let ended = false
      const begin = () => {
        if (ended) return
        if (!ChatRequest.isPath(path)) return refuse(guarded, ChatRequest.OTHER_ENDPOINT)
        const parsed = ChatRequest.parse(body)
        if (Result.isFailure(parsed)) return refuse(guarded, parsed.failure)
        const request = parsed.success
        const model = options.models.find((served) => served.id === request.model)
        if (model === undefined) {
          const message = `There is no model "${request.model}" here.`
          return refuse(guarded, { status: 404, code: "model_not_found", message })
        }
        const pieces = (options.answer ?? echo)(request)[Symbol.iterator]()
        playing = play(request, pieces, model.contextLength - wordsOf(request).length, guarded)
      }
      const guarded: BackendSink = {
        ...sink,
        onEnd: () => {
          ended = true
          sink.onEnd()
        },
      }
      queueMicrotask(begin)
      return {
        resume: () => playing?.resume(),
        cancel: (detail) => {
          if (ended) return
          ended = true
          playing?.stop()
          queueMicrotask(() => sink.onError({ reason: "Cancelled", detail }))
        },
      }
    },
  })

/**
 * The backend as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Backend> => Layer.succeed(Backend, make(options))
