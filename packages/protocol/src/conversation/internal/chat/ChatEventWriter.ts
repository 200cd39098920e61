/** The events of Chat's stream, written. */
import type { ReasonCode } from "@guildhall/core/Reason"
import * as ErrorBody from "../../../openai/ErrorBody.ts"
import type { AnswerEvent, Finish, TokenUsage } from "../../Answer.ts"
import type { Additions, AnswerOptions, ErrorOptions, EventWriter } from "../../Dialect.ts"
import * as Finishes from "../Finishes.ts"
import * as Usages from "../Usages.ts"

/** An error in the place of the next event. No `[DONE]` follows it. */
export const errorFrame = (code: ReasonCode, options?: ErrorOptions): string =>
  `data: ${JSON.stringify(ErrorBody.make(code, options))}\n\n`

/** The end of every event but the last. It could say that usage is null, which OpenRouter's own client refuses to read. */
const TAIL = "]}\n\n"

export class ChatEventWriter implements EventWriter {
  readonly #head: string
  readonly #showUsage: boolean
  readonly #kinds = new Map<number, "function" | "custom">()
  #isStarted = false
  #isFinished = false
  #hasThought = false
  #isThinking = false
  #usage: TokenUsage | undefined

  constructor(options: AnswerOptions) {
    const { createdS, id, model, request } = options
    const same = { id: `chatcmpl-${id}`, object: "chat.completion.chunk", created: createdS, model }
    this.#showUsage = request.includeUsage
    // What is the same in every event is written once.
    this.#head = `data: ${JSON.stringify(same).slice(0, -1)},"choices":[`
  }

  write(event: AnswerEvent): string {
    if (event.type === "usage") this.#usage = event.usage
    if (this.#isFinished || event.type === "usage" || event.type === "failed") return ""
    return this.#opened() + this.#event(event)
  }

  end(additions: Additions = {}): string {
    const finish = this.#isFinished ? "" : this.write({ type: "finished", finish: "stop" })
    const shows = this.#showUsage || additions.usage !== undefined
    if (!shows && additions.members === undefined) return `${finish}data: [DONE]\n\n`
    const usage = shows ? { usage: Usages.chat(this.#usage ?? Usages.none, additions.usage) } : {}
    const members = JSON.stringify({ ...usage, ...additions.members }).slice(1)
    return `${finish}${this.#head}],${members}\n\ndata: [DONE]\n\n`
  }

  fail(code: ReasonCode, options?: ErrorOptions): string {
    this.#isFinished = true
    return errorFrame(code, options)
  }

  /** The role comes first. */
  #opened(): string {
    if (this.#isStarted) return ""
    this.#isStarted = true
    return this.#delta('{"role":"assistant","content":""}')
  }

  #delta(delta: string, logprobs = "null"): string {
    return `${this.#head}{"index":0,"delta":${delta},"logprobs":${logprobs},"finish_reason":null}${TAIL}`
  }

  #event(event: AnswerEvent): string {
    switch (event.type) {
      case "textDelta": {
        this.#isThinking = false
        const { logprobs, text } = event
        const delta = `{"content":${JSON.stringify(text)}}`
        if (logprobs === undefined || logprobs.length === 0) return this.#delta(delta)
        return this.#delta(delta, JSON.stringify({ content: logprobs, refusal: null }))
      }
      case "reasoningDelta": {
        // Thoughts that the model had apart stay apart.
        const apart = this.#hasThought && !this.#isThinking ? "\n\n" : ""
        this.#hasThought = true
        this.#isThinking = true
        return this.#delta(`{"reasoning":${JSON.stringify(apart + event.text)}}`)
      }
      case "refusalDelta":
        return this.#delta(`{"refusal":${JSON.stringify(event.text)}}`)
      case "partFinished":
        this.#isThinking = false
        return ""
      case "toolCallStarted": {
        this.#isThinking = false
        const { call, id, kind, name } = event
        this.#kinds.set(call, kind)
        const inner = kind === "custom" ? { custom: { name, input: "" } } : { function: { name, arguments: "" } }
        return this.#delta(JSON.stringify({ tool_calls: [{ index: call, id, type: kind, ...inner }] }))
      }
      case "toolCallDelta": {
        const { arguments: text, call } = event
        const written = JSON.stringify(text)
        const inner =
          this.#kinds.get(call) === "custom" ? `"custom":{"input":${written}}` : `"function":{"arguments":${written}}`
        return this.#delta(`{"tool_calls":[{"index":${call},${inner}}]}`)
      }
      case "finished":
        return this.#finish(event.finish)
      default:
        return ""
    }
  }

  #finish(finish: Finish): string {
    this.#isFinished = true
    const reason = JSON.stringify(Finishes.writeChat(finish))
    return `${this.#head}{"index":0,"delta":{},"logprobs":null,"finish_reason":${reason}}${TAIL}`
  }
}
