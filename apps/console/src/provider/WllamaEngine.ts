/** A GGUF file that the person picked, run by llama.cpp in WebAssembly. The file stays in this browser. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Digest from "effect/crypto/Digest"
import * as Hex from "effect/encoding/Hex"
import { Wllama } from "@wllama/wllama/esm/index.js"
import wasm from "@wllama/wllama/esm/wasm/wllama.wasm?url"
import * as Gguf from "@guildhall/core/Gguf"
import type { ModelId } from "@guildhall/core/Model"
import type { ChatRequest } from "@guildhall/agent/serving/ChatRequest"
import * as WeightsFacts from "@guildhall/agent/serving/WeightsFacts"
import { BrowserError, wordsOf } from "./BrowserError.ts"
import type { BrowserEngine } from "./BrowserEngine.ts"
import * as ChatEngine from "./ChatEngine.ts"

/** One array of a browser holds no more. Larger models come in parts of this size. */
const FILE_BYTES_MAX = 2 ** 31 - 1
/** The metadata stands before the weights. Most of it is the tokenizer's, a few megabytes. */
const HEAD_BYTES_MAX = 64 * 1024 * 1024

/** What a picked file is, before it is loaded. */
export interface Picked {
  readonly file: File
  readonly name: string | undefined
  readonly contextLength: number | undefined
  readonly metadata: Gguf.Metadata
}

const noFile = (file: File, detail: string) =>
  new BrowserError(`${file.name} cannot be served: ${detail} Pick a model file that ends in .gguf.`)

/** Reads what a file says of itself. */
export const inspect = async (file: File): Promise<Picked> => {
  if (file.size > FILE_BYTES_MAX) {
    throw noFile(file, "it is larger than 2 GB, which is more than a browser holds in one piece.")
  }
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES_MAX).arrayBuffer())
  const read = Gguf.read(head)
  if (Result.isFailure(read)) throw noFile(file, read.failure.message)
  const metadata = read.success
  const architecture = metadata.get("general.architecture")
  const length = typeof architecture === "string" ? metadata.get(`${architecture}.context_length`) : undefined
  const name = metadata.get("general.name")
  return {
    file,
    metadata,
    name: typeof name === "string" ? name : undefined,
    contextLength: typeof length === "number" ? length : typeof length === "bigint" ? Number(length) : undefined,
  }
}

/** Nothing is printed: a request's words would be. */
const SILENT = {
  debug: () => undefined,
  log: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

interface Piece {
  readonly text: string
  readonly reason: string | null | undefined
  readonly counts: ChatEngine.Ending | undefined
}

interface Counted {
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null | undefined
  readonly timings?: { readonly cache_n: number; readonly prompt_n: number; readonly predicted_n: number } | undefined
}

const countsOf = ({ timings, usage }: Counted): ChatEngine.Ending | undefined =>
  usage !== undefined && usage !== null
    ? { reason: "stop", prompt: usage.prompt_tokens, completion: usage.completion_tokens }
    : timings === undefined
      ? undefined
      : { reason: "stop", prompt: timings.cache_n + timings.prompt_n, completion: timings.predicted_n }

/** What both ways of asking take. */
const sampling = (request: ChatRequest, signal: AbortSignal) => ({
  stream: true as const,
  abortSignal: signal,
  temperature: request.temperature,
  top_p: request.topP,
  ...(request.maxTokens === undefined ? {} : { max_tokens: request.maxTokens }),
  ...(request.seed === undefined ? {} : { seed: request.seed }),
})

/** A model without a chat format reads the texts one after the other. */
const plain = async function* (wllama: Wllama, request: ChatRequest, signal: AbortSignal): AsyncGenerator<Piece> {
  const chunks = await wllama.createCompletion({
    prompt: request.messages.map(({ text }) => text).join("\n"),
    ...sampling(request, signal),
  })
  for await (const chunk of chunks) {
    const [choice] = chunk.choices
    yield { text: choice?.text ?? "", reason: choice?.finish_reason, counts: countsOf(chunk) }
  }
}

const chat = async function* (wllama: Wllama, request: ChatRequest, signal: AbortSignal): AsyncGenerator<Piece> {
  const chunks = await wllama.createChatCompletion({
    messages: request.messages.map(({ role, text }) => ({ role, content: text })),
    ...sampling(request, signal),
  })
  for await (const chunk of chunks) {
    const [choice] = chunk.choices
    yield { text: choice?.delta.content ?? "", reason: choice?.finish_reason, counts: countsOf(chunk) }
  }
}

const isTooLong = (words: string): boolean => /context|exceed|too (?:long|large)|n_ctx/i.test(words)

const generateWith =
  (wllama: Wllama, contextLength: number): ChatEngine.Generate =>
  async ({ onText, request, signal }) => {
    const pieces = wllama.getChatTemplate() === null ? plain : chat
    let counts: ChatEngine.Ending | undefined
    let reason: ChatEngine.Ending["reason"] = "stop"
    try {
      for await (const piece of pieces(wllama, request, signal)) {
        onText(piece.text)
        if (piece.reason === "length") reason = "length"
        counts = piece.counts ?? counts
      }
    } catch (cause) {
      if (signal.aborted || !isTooLong(wordsOf(cause))) throw cause
      throw new ChatEngine.RequestRefused({
        status: 400,
        code: "context_too_long",
        message: `The messages take more than the ${contextLength} tokens of the context, the answer included. Send less.`,
      })
    }
    return { reason, prompt: counts?.prompt, completion: counts?.completion }
  }

/** Loads a picked file. `contextLength` is what is offered, in tokens. */
export const load = async (
  { file, metadata }: Picked,
  options: { readonly model: ModelId; readonly contextLength: number },
): Promise<BrowserEngine> => {
  const wllama = new Wllama({ default: wasm }, { suppressNativeLog: true, logger: SILENT })
  try {
    const weights = Hex.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())))
    const facts = await Effect.runPromise(Effect.provide(WeightsFacts.of(metadata), Digest.layerWebCrypto))
    await wllama.loadModel([file], { n_ctx: options.contextLength, n_parallel: 1 })
    const contextLength = Math.min(options.contextLength, wllama.getLoadedContextInfo().n_ctx)
    return {
      ...ChatEngine.make(options.model, generateWith(wllama, contextLength)),
      name: `wllama (llama.cpp ${Wllama.getLibllamaVersion()})`.slice(0, 80),
      model: options.model,
      contextLength,
      concurrency: 1,
      parameters: ["temperature", "top_p", "seed", "stop"],
      weights,
      ...facts,
      close: () => wllama.exit(),
    }
  } catch (cause) {
    await wllama.exit().catch(() => undefined)
    throw new BrowserError(
      `${file.name} cannot be loaded: ${wordsOf(cause)} Check that the file is complete, and that this device has memory for it: about its size and a half. A smaller context needs less.`,
    )
  }
}
