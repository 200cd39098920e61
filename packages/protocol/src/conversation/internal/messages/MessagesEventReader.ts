/** The events of the stream of Messages, read. */
import { readTokens } from "../../../anthropic/MessageUsage.ts"
import { get, isNested, isObject, text } from "../../../internal/Json.ts"
import type { AnswerEvent, TokenUsage } from "../../Answer.ts"
import type { EventReader } from "../../Dialect.ts"
import * as Faults from "../Faults.ts"
import * as Finishes from "../Finishes.ts"
import { inputText } from "./ToolInput.ts"

const NONE: ReadonlyArray<AnswerEvent> = []

/** A block that is open: a call by its number, or text and thoughts. */
interface Block {
  readonly call: number | undefined
  /** Whether the call has arguments already. */
  isFilled: boolean
}

export class MessagesEventReader implements EventReader {
  readonly #blocks = new Map<number, Block>()
  #count = 0
  #usage: TokenUsage | undefined
  #isComplete = false

  isComplete(): boolean {
    return this.#isComplete
  }

  done(): ReadonlyArray<AnswerEvent> {
    return NONE
  }

  read(json: unknown): ReadonlyArray<AnswerEvent> {
    switch (get(json, "type")) {
      case "content_block_delta":
        return this.#delta(this.#index(json), get(json, "delta"))
      case "content_block_start":
        return this.#start(this.#index(json), get(json, "content_block"))
      case "content_block_stop":
        return this.#stop(this.#index(json))
      case "message_start":
        return [{ type: "started" }, ...this.#report(get(get(json, "message"), "usage"))]
      case "message_delta":
        return this.#end(get(json, "delta"), get(json, "usage"))
      case "message_stop":
        this.#isComplete = true
        return NONE
      case "error":
        return [{ type: "failed", message: Faults.message(get(json, "error")) }]
      default:
        return NONE
    }
  }

  #index(json: unknown): number {
    const index = get(json, "index")
    return typeof index === "number" ? index : 0
  }

  #report(usage: unknown): ReadonlyArray<AnswerEvent> {
    this.#usage = readTokens(usage, this.#usage)
    return this.#usage === undefined ? NONE : [{ type: "usage", usage: this.#usage }]
  }

  #start(index: number, block: unknown): ReadonlyArray<AnswerEvent> {
    const type = get(block, "type")
    if (type === "tool_use") {
      const call = this.#count++
      const input = get(block, "input")
      const isFilled = isObject(input) && Object.keys(input).length > 0 && !isNested(input)
      this.#blocks.set(index, { call, isFilled })
      const id = text(block, "id") ?? `call_${call}`
      const started: AnswerEvent = {
        type: "toolCallStarted",
        call,
        kind: "function",
        id,
        name: text(block, "name") ?? "",
      }
      return isFilled ? [started, { type: "toolCallDelta", call, arguments: inputText(input) }] : [started]
    }
    if (type === "redacted_thinking") {
      return [{ type: "reasoningSigned", signature: text(block, "data") ?? "", redacted: true }]
    }
    if (type !== "text" && type !== "thinking") return NONE
    this.#blocks.set(index, { call: undefined, isFilled: false })
    const first = text(block, type === "text" ? "text" : "thinking") ?? ""
    if (first === "") return NONE
    return [{ type: type === "text" ? "textDelta" : "reasoningDelta", text: first }]
  }

  #delta(index: number, delta: unknown): ReadonlyArray<AnswerEvent> {
    switch (get(delta, "type")) {
      case "text_delta":
        return this.#said("textDelta", text(delta, "text"))
      case "thinking_delta":
        return this.#said("reasoningDelta", text(delta, "thinking"))
      case "signature_delta": {
        const signature = text(delta, "signature") ?? ""
        return signature === "" ? NONE : [{ type: "reasoningSigned", signature, redacted: false }]
      }
      case "input_json_delta": {
        const block = this.#blocks.get(index)
        const json = text(delta, "partial_json") ?? ""
        if (block?.call === undefined || json === "") return NONE
        block.isFilled = true
        return [{ type: "toolCallDelta", call: block.call, arguments: json }]
      }
      default:
        return NONE
    }
  }

  #said(type: "textDelta" | "reasoningDelta", said: string | undefined): ReadonlyArray<AnswerEvent> {
    return said === undefined || said === "" ? NONE : [{ type, text: said }]
  }

  #stop(index: number): ReadonlyArray<AnswerEvent> {
    const block = this.#blocks.get(index)
    if (block === undefined) return NONE
    this.#blocks.delete(index)
    if (block.call === undefined) return [{ type: "partFinished" }]
    const finished: AnswerEvent = { type: "toolCallFinished", call: block.call }
    // A tool without arguments gets no text at all here; elsewhere a client parses what it got.
    return block.isFilled ? [finished] : [{ type: "toolCallDelta", call: block.call, arguments: "{}" }, finished]
  }

  #end(delta: unknown, usage: unknown): ReadonlyArray<AnswerEvent> {
    const reason = text(delta, "stop_reason")
    const reported = this.#report(usage)
    if (reason === undefined) return reported
    const finish = Finishes.readMessages(reason, this.#count > 0)
    const stopSequence = text(delta, "stop_sequence")
    return [
      stopSequence === undefined ? { type: "finished", finish } : { type: "finished", finish, stopSequence },
      ...reported,
    ]
  }
}
