/**
 * What is used of wllama. Its own declarations import each other without endings, which TypeScript does not follow here.
 */
declare module "@wllama/wllama/esm/index.js" {
  interface Sampling {
    readonly stream: true
    readonly abortSignal: AbortSignal
    readonly temperature: number
    readonly top_p: number
    readonly max_tokens?: number
    readonly seed?: number
  }

  interface Counted {
    readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
    readonly timings?: { readonly cache_n: number; readonly prompt_n: number; readonly predicted_n: number }
  }

  interface TextChunk extends Counted {
    readonly choices: ReadonlyArray<{ readonly text: string; readonly finish_reason: string | null }>
  }

  interface ChatChunk extends Counted {
    readonly choices: ReadonlyArray<{
      readonly delta: { readonly content?: string | null }
      readonly finish_reason: string | null
    }>
  }

  type Log = (...words: ReadonlyArray<unknown>) => void

  export class Wllama {
    static getLibllamaVersion(): string
    constructor(
      paths: { readonly default: string },
      config: {
        readonly suppressNativeLog: boolean
        readonly logger: { readonly debug: Log; readonly log: Log; readonly warn: Log; readonly error: Log }
      },
    )
    loadModel(files: Array<Blob>, options: { readonly n_ctx: number; readonly n_parallel: number }): Promise<void>
    getLoadedContextInfo(): { readonly n_ctx: number }
    getChatTemplate(): string | null
    isMultithread(): boolean
    getNumThreads(): number
    createCompletion(options: Sampling & { readonly prompt: string }): Promise<AsyncIterable<TextChunk>>
    createChatCompletion(
      options: Sampling & { readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string }> },
    ): Promise<AsyncIterable<ChatChunk>>
    exit(): Promise<void>
  }
}
