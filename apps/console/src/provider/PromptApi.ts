/**
 * The browser's own model, by its prompt API (`LanguageModel`). The browser brings the model, downloads it once and runs it; this
 * page never sees its weights. The names differ a little between versions of the API, so each is looked for.
 */
import { ModelId } from "@guildhall/core/Model"
import type { Message } from "@guildhall/agent/serving/ChatRequest"
import { BrowserError, wordsOf } from "./BrowserError.ts"
import type { BrowserEngine } from "./BrowserEngine.ts"
import * as ChatEngine from "./ChatEngine.ts"

/** Whether the browser's model can be used: at once, after a download, or not at all. */
export type Availability = "unavailable" | "downloadable" | "downloading" | "available"

interface Prompt {
  readonly role: "system" | "user" | "assistant"
  readonly content: string
}

interface Session {
  readonly inputQuota?: number
  readonly contextWindow?: number
  readonly inputUsage?: number
  readonly contextUsage?: number
  readonly measureInputUsage?: (prompt: string) => Promise<number>
  readonly measureContextUsage?: (prompt: string) => Promise<number>
  readonly promptStreaming: (
    prompt: string,
    options: { readonly signal: AbortSignal },
  ) => AsyncIterable<string> | ReadableStream<string>
  readonly destroy?: () => void
}

interface Monitor {
  readonly addEventListener: (type: "downloadprogress", listener: (event: { readonly loaded: number }) => void) => void
}

interface LanguageModel {
  readonly availability: (options?: object) => Promise<string>
  readonly create: (options: {
    readonly initialPrompts?: ReadonlyArray<Prompt>
    readonly signal?: AbortSignal
    readonly monitor?: (monitor: Monitor) => void
    readonly expectedInputs?: ReadonlyArray<object>
    readonly expectedOutputs?: ReadonlyArray<object>
  }) => Promise<Session>
}

/** The languages that are said to come and go: without them some browsers refuse, and English is the one that all have. */
const LANGUAGES = {
  expectedInputs: [{ type: "text", languages: ["en"] }],
  expectedOutputs: [{ type: "text", languages: ["en"] }],
} as const

const STATES: ReadonlyArray<string> = ["unavailable", "downloadable", "downloading", "available"]
const CONTEXT = 4_096

const isLanguageModel = (value: unknown): value is LanguageModel =>
  (typeof value === "function" || (typeof value === "object" && value !== null)) &&
  "availability" in value &&
  "create" in value

const api = (): LanguageModel | undefined => {
  const found: unknown = Reflect.get(globalThis, "LanguageModel")
  return isLanguageModel(found) ? found : undefined
}

const isState = (state: string): state is Availability => STATES.includes(state)

/** Asks the browser; undefined where it has no such API. */
export const availability = async (): Promise<Availability | undefined> => {
  const model = api()
  if (model === undefined) return undefined
  const state = await model.availability(LANGUAGES).catch(() => "unavailable")
  return isState(state) ? state : "unavailable"
}

/** The model that a browser is known to bring. */
export const modelOf = (brands: string): ModelId =>
  ModelId.make(/Edg/.test(brands) ? "microsoft/phi-4-mini" : "google/gemini-nano")

const usage = (session: Session): number | undefined => session.contextUsage ?? session.inputUsage
const quota = (session: Session): number => session.contextWindow ?? session.inputQuota ?? CONTEXT
const measure = (session: Session, text: string): Promise<number | undefined> =>
  (session.measureContextUsage?.(text) ?? session.measureInputUsage?.(text) ?? Promise.resolve(undefined)).catch(
    () => undefined,
  )

const toPrompt = ({ role, text }: Message): Prompt => ({ role, content: text })

/** What came before the last message is the session's past; a system's words must come first. */
const split = (messages: ReadonlyArray<Message>) => {
  const system = messages.filter(({ role }) => role === "system").map(({ text }) => text)
  const others = messages.filter(({ role }) => role !== "system")
  const past = others.slice(0, -1).map(toPrompt)
  const last = others.at(-1)?.text ?? ""
  return {
    initialPrompts: system.length === 0 ? past : [{ role: "system" as const, content: system.join("\n\n") }, ...past],
    last,
  }
}

const generateWith =
  (model: LanguageModel): ChatEngine.Generate =>
  async ({ onText, request, signal }) => {
    const { initialPrompts, last } = split(request.messages)
    const session = await model.create({ ...LANGUAGES, initialPrompts, signal })
    try {
      const before = usage(session) ?? 0
      const asked = await measure(session, last)
      const prompt = asked === undefined ? undefined : before + asked
      if (prompt !== undefined && prompt >= quota(session)) {
        throw new ChatEngine.RequestRefused({
          status: 400,
          code: "context_too_long",
          message: `The messages take ${prompt} tokens and the context holds ${quota(session)}, the answer included. Send less.`,
        })
      }
      let said = ""
      for await (const piece of session.promptStreaming(last, { signal })) {
        // Older versions say everything again with each piece.
        const isWhole = said !== "" && piece.startsWith(said)
        onText(isWhole ? piece.slice(said.length) : piece)
        said = isWhole ? piece : said + piece
      }
      const after = usage(session)
      const completion = after === undefined || prompt === undefined ? undefined : Math.max(0, after - prompt)
      return { reason: "stop", prompt, completion: completion === 0 ? undefined : completion }
    } finally {
      session.destroy?.()
    }
  }

/**
 * Makes the browser's model ready, and downloads it where it has to: `onProgress` hears the part that has come, from 0 to 1. To
 * be called from a click, or the browser refuses the download.
 */
export const load = async (model: ModelId, onProgress: (part: number) => void): Promise<BrowserEngine> => {
  const found = api()
  if (found === undefined) {
    throw new BrowserError(
      "This browser brings no model. Use a current desktop Chrome or Edge, or serve a model file instead.",
    )
  }
  const session = await found
    .create({
      ...LANGUAGES,
      monitor: (monitor) => monitor.addEventListener("downloadprogress", ({ loaded }) => onProgress(loaded)),
    })
    .catch((cause: unknown) => {
      throw new BrowserError(
        `The browser's model cannot be used: ${wordsOf(cause)} It needs about 22 GB of free disk and 4 GB of GPU memory. Free some, or serve a model file instead.`,
      )
    })
  const contextLength = quota(session)
  session.destroy?.()
  return {
    ...ChatEngine.make(model, generateWith(found)),
    name: "browser prompt API",
    model,
    contextLength,
    concurrency: 1,
    parameters: ["stop"],
    close: () => Promise.resolve(),
  }
}
