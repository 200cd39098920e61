/**
 * Makes an engine that answers chat completions out of something in this browser that turns messages into text: reads the request,
 * writes the answer in OpenAI's shape, ends it where it is to end.
 */
import * as Result from "effect/Result"
import type { ModelId } from "@guildhall/core/Model"
import type { Engine, EngineSink } from "@guildhall/agent/serving/Exchange"
import * as ChatRequest from "@guildhall/agent/serving/ChatRequest"
import * as ChatWriter from "@guildhall/agent/serving/ChatWriter"
import * as OpenAIError from "@guildhall/agent/serving/OpenAIError"
import { wordsOf } from "./BrowserError.ts"
import { StopText } from "./StopText.ts"

/** Why generating ended, and the counts as far as they are known. */
export interface Ending {
  readonly reason: ChatWriter.FinishReason
  readonly prompt: number | undefined
  readonly completion: number | undefined
}

/** A refusal of a request that the model cannot take. */
export class RequestRefused extends Error {
  readonly refusal: OpenAIError.OpenAIError

  constructor(refusal: OpenAIError.OpenAIError) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** What turns messages into text. `onText` hears each piece, about a token each; it ends early where the signal says so. */
export type Generate = (generation: {
  readonly request: ChatRequest.ChatRequest
  readonly signal: AbortSignal
  readonly onText: (text: string) => void
}) => Promise<Ending>

/** A prompt's tokens are seldom shorter than this: the count must be low rather than high. */
const CHARS_A_TOKEN = 8

const encoder = new TextEncoder()

const refuse = (sink: EngineSink, error: OpenAIError.OpenAIError): void => {
  sink.onStart(error.status, { "content-type": "application/json" })
  sink.onData(encoder.encode(OpenAIError.encode(error)))
  sink.onEnd()
}

const idOf = (): string =>
  `chatcmpl-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`

/** One answer under way. */
const answer = async (
  generate: Generate,
  request: ChatRequest.ChatRequest,
  sink: EngineSink,
  cancelled: AbortSignal,
): Promise<void> => {
  const writer = ChatWriter.make(request, { id: idOf(), created: Math.floor(Date.now() / 1000) })
  const enough = new AbortController()
  const signal = AbortSignal.any([cancelled, enough.signal])
  const stop = new StopText(request.stop)
  let pieces = 0
  let hasBegun = false
  const send = (bytes: Uint8Array | undefined) => bytes === undefined || cancelled.aborted || sink.onData(bytes)
  /** Not before there is something to say: until then the gateway may still go elsewhere. */
  const begin = () => {
    if (hasBegun || cancelled.aborted) return
    hasBegun = true
    sink.onStart(200, { "content-type": writer.contentType, "cache-control": "no-cache" })
    send(writer.begin())
  }
  const say = (text: string) => {
    if (text === "") return
    if (request.stream) begin()
    send(writer.delta("content", text))
  }
  let reason: ChatWriter.FinishReason | undefined
  const onText = (text: string): void => {
    if (signal.aborted || text === "") return
    pieces += 1
    say(stop.take(text))
    if (stop.isFound) reason = "stop"
    else if (request.maxTokens !== undefined && pieces >= request.maxTokens) reason = "length"
    if (reason !== undefined) enough.abort()
  }
  const ended = await generate({ request, signal, onText }).catch((cause: unknown) => {
    if (reason !== undefined) return { reason, prompt: undefined, completion: undefined }
    throw cause
  })
  if (cancelled.aborted) return
  say(stop.rest())
  const chars = request.messages.reduce((sum, { text }) => sum + text.length, 0)
  const counts = {
    prompt: ended.prompt ?? Math.ceil(chars / CHARS_A_TOKEN),
    completion: ended.completion ?? pieces,
  }
  sink.onUsage?.({ inputToken: counts.prompt, outputToken: counts.completion })
  begin()
  send(writer.end(reason ?? ended.reason, counts))
  sink.onEnd()
}

/** Makes the engine of one model. */
export const make = (model: ModelId, generate: Generate): Engine => ({
  dispatch: ({ body, path }, sink) => {
    const controller = new AbortController()
    let hasEnded = false
    const once = (run: () => void): void => {
      if (hasEnded) return
      hasEnded = true
      run()
    }
    const heard: EngineSink = {
      ...sink,
      onEnd: () => once(() => sink.onEnd()),
      onError: (error) => once(() => sink.onError(error)),
    }
    const begin = (): void => {
      if (controller.signal.aborted) return
      if (!ChatRequest.isPath(path)) return refuse(heard, ChatRequest.OTHER_ENDPOINT)
      const parsed = ChatRequest.parse(body)
      if (Result.isFailure(parsed)) return refuse(heard, parsed.failure)
      const request = parsed.success
      if (request.model !== model) {
        const message = `This provider serves "${model}", not "${request.model}".`
        return refuse(heard, { status: 404, code: "model_not_found", message })
      }
      answer(generate, request, heard, controller.signal).catch((cause: unknown) => {
        if (controller.signal.aborted) return
        if (cause instanceof RequestRefused) refuse(heard, cause.refusal)
        else heard.onError({ reason: "ClosedEarly", detail: wordsOf(cause) })
      })
    }
    queueMicrotask(begin)
    return {
      // The answer is text made a token at a time: what a slow reader leaves is held, and bounded by the context.
      resume: () => undefined,
      cancel: (detail) => {
        controller.abort()
        queueMicrotask(() => heard.onError({ reason: "Cancelled", detail }))
      },
    }
  },
})
