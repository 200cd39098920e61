/** The events of the stream of Messages, written. */
import type { ReasonCode } from "@guildhall/core/Reason"
import * as ErrorBody from "../../../anthropic/ErrorBody.ts"
import type { AnswerEvent, Finish, TokenUsage } from "../../Answer.ts"
import type { Additions, AnswerOptions, ErrorOptions, EventWriter } from "../../Dialect.ts"
import * as Usages from "../Usages.ts"
import { CompleteJson } from "./CompleteJson.ts"
import * as MessageObject from "./MessageObject.ts"

const frame = (name: string, json: string): string => `event: ${name}\ndata: ${json}\n\n`

/** An error in the place of the next event. No `message_stop` follows it. */
export const errorFrame = (code: ReasonCode, options?: ErrorOptions): string =>
  frame("error", JSON.stringify(ErrorBody.make(code, options)))

type Kind = "text" | "refusal" | "thinking" | "tool"

/** Events of a block that must wait until the block before it is complete. */
interface Waiting {
  readonly call: number | undefined
  readonly events: Array<AnswerEvent>
}

/**
 * In this dialect one block ends before the next one begins, while the calls of Chat may come mixed. A call is open
 * until its arguments are complete; whatever comes for another block before that waits for it.
 */
export class MessagesEventWriter implements EventWriter {
  readonly #options: AnswerOptions
  #isStarted = false
  #isEnded = false
  #index = -1
  #open: Kind | undefined
  /** The call that is open, and whether its arguments are complete. */
  #call = -1
  #json = new CompleteJson()
  #callFinished = false
  #waiting: Array<Waiting> = []
  #finish: Finish | undefined
  #stopSequence: string | undefined
  #refusal = ""
  #usage: TokenUsage | undefined

  constructor(options: AnswerOptions) {
    this.#options = options
  }

  write(event: AnswerEvent): string {
    if (event.type === "usage") this.#usage = event.usage
    if (this.#isEnded || event.type === "usage" || event.type === "failed") return ""
    if (event.type === "finished") {
      this.#finish ??= event.finish
      this.#stopSequence ??= event.stopSequence
      return ""
    }
    if (this.#finish !== undefined) return ""
    return this.#opened() + (this.#mustWait(event) ? this.#wait(event) : this.#apply(event) + this.#drain())
  }

  end(additions: Additions = {}): string {
    this.#isEnded = true
    let text = this.#opened() + this.#close()
    for (const { events } of this.#waiting) {
      for (const event of events) text += this.#apply(event)
      text += this.#close()
    }
    this.#waiting = []
    const delta = {
      type: "message_delta",
      delta: { container: null, ...MessageObject.stop(this.#finish ?? "stop", this.#stopSequence, this.#refusal) },
      usage: Usages.messagesEnd(this.#usage ?? Usages.none, additions.usage),
      ...additions.members,
    }
    return `${text}${frame("message_delta", JSON.stringify(delta))}event: message_stop\ndata: {"type":"message_stop"}\n\n`
  }

  fail(code: ReasonCode, options?: ErrorOptions): string {
    this.#isEnded = true
    return errorFrame(code, options)
  }

  #opened(): string {
    if (this.#isStarted) return ""
    this.#isStarted = true
    const message = {
      ...MessageObject.head(this.#options.id, this.#options.model),
      content: [],
      ...MessageObject.stop(undefined, undefined, ""),
      usage: Usages.messages(this.#usage ?? Usages.none, undefined),
    }
    return frame("message_start", JSON.stringify({ type: "message_start", message }))
  }

  #callIsComplete(): boolean {
    return this.#callFinished || this.#json.isComplete
  }

  /** Whether an event is for another block than the call that is open and not complete. */
  #mustWait(event: AnswerEvent): boolean {
    if (this.#open !== "tool") return false
    if ("call" in event && event.call === this.#call) return false
    if (event.type === "partFinished" || event.type === "started") return this.#waiting.length > 0
    return !this.#callIsComplete() || this.#waiting.length > 0
  }

  #wait(event: AnswerEvent): string {
    const call = "call" in event ? event.call : undefined
    const waiting = call === undefined ? this.#waiting.at(-1) : this.#waiting.find((one) => one.call === call)
    if (waiting !== undefined && waiting.call === call) waiting.events.push(event)
    // A delta of a call that was complete can hold nothing but spaces.
    else if (call === undefined || event.type === "toolCallStarted") this.#waiting.push({ call, events: [event] })
    return ""
  }

  /** Writes what waits, as far as the call before it is complete. */
  #drain(): string {
    let text = ""
    while (this.#waiting.length > 0 && (this.#open !== "tool" || this.#callIsComplete())) {
      const next = this.#waiting.shift()
      text += this.#close()
      for (const event of next?.events ?? []) text += this.#apply(event)
    }
    return text
  }

  #apply(event: AnswerEvent): string {
    switch (event.type) {
      case "textDelta":
        return this.#ensure("text") + this.#delta("text_delta", "text", event.text)
      case "refusalDelta":
        this.#refusal += event.text
        return this.#ensure("refusal") + this.#delta("text_delta", "text", event.text)
      case "reasoningDelta":
        return this.#ensure("thinking") + this.#delta("thinking_delta", "thinking", event.text)
      case "reasoningSigned":
        if (event.redacted) {
          const start = this.#close() + this.#start({ type: "redacted_thinking", data: event.signature })
          return start + this.#stop()
        }
        return this.#ensure("thinking") + this.#delta("signature_delta", "signature", event.signature)
      case "partFinished":
        return this.#open === "tool" ? "" : this.#close()
      case "toolCallStarted": {
        const { call, id, name } = event
        const closed = this.#close()
        this.#open = "tool"
        this.#call = call
        this.#callFinished = false
        this.#json = new CompleteJson()
        return closed + this.#start({ type: "tool_use", id, name, input: {}, caller: MessageObject.caller })
      }
      case "toolCallDelta":
        if (this.#open !== "tool" || event.call !== this.#call || event.arguments === "") return ""
        this.#json.push(event.arguments)
        return this.#delta("input_json_delta", "partial_json", event.arguments)
      case "toolCallFinished":
        if (event.call === this.#call) this.#callFinished = true
        return ""
      default:
        return ""
    }
  }

  /** What the model would not say is a text here, in a block of its own. */
  #ensure(kind: "text" | "refusal" | "thinking"): string {
    if (this.#open === kind) return ""
    const closed = this.#close()
    this.#open = kind
    const block =
      kind === "thinking"
        ? { type: "thinking", thinking: "", signature: "" }
        : { type: "text", text: "", citations: null }
    return closed + this.#start(block)
  }

  #start(content_block: object): string {
    this.#index += 1
    return frame(
      "content_block_start",
      JSON.stringify({ type: "content_block_start", index: this.#index, content_block }),
    )
  }

  #delta(type: string, key: string, value: string): string {
    const delta = `{"type":"${type}","${key}":${JSON.stringify(value)}}`
    return frame("content_block_delta", `{"type":"content_block_delta","index":${this.#index},"delta":${delta}}`)
  }

  #stop(): string {
    return frame("content_block_stop", `{"type":"content_block_stop","index":${this.#index}}`)
  }

  #close(): string {
    if (this.#open === undefined) return ""
    this.#open = undefined
    return this.#stop()
  }
}
