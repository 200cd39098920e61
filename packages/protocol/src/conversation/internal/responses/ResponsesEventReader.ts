/** The events of the stream of Responses, read. */
import { get, text } from "../../../internal/Json.ts"
import { readTokens } from "../../../openai/ResponseUsage.ts"
import type { AnswerEvent } from "../../Answer.ts"
import type { EventReader } from "../../Dialect.ts"
import * as Faults from "../Faults.ts"
import * as Finishes from "../Finishes.ts"
import * as Logprobs from "../Logprobs.ts"
import { fault, incomplete } from "./ResponsesAnswerReader.ts"
import { readToken } from "./Thought.ts"

const NONE: ReadonlyArray<AnswerEvent> = []

/** One item of the output: what of it has been seen. */
interface Item {
  call: number | undefined
  /** Which parts have had a delta. A server that sends none says everything in the event that ends the part. */
  readonly filled: Set<number>
  /** Thoughts come as they are or as a summary; the first kind that comes is taken. */
  thoughts: "text" | "summary" | undefined
  /** How many parts of thoughts have begun. */
  thoughtPart: number
}

export class ResponsesEventReader implements EventReader {
  readonly #items = new Map<number, Item>()
  #count = 0
  #isComplete = false

  isComplete(): boolean {
    return this.#isComplete
  }

  done(): ReadonlyArray<AnswerEvent> {
    return NONE
  }

  read(json: unknown): ReadonlyArray<AnswerEvent> {
    switch (get(json, "type")) {
      case "response.output_text.delta":
        return this.#text(json, get(json, "delta"))
      case "response.output_text.done":
        return this.#isFilled(json) ? NONE : this.#text(json, get(json, "text"))
      case "response.refusal.delta":
        return this.#refusal(json, get(json, "delta"))
      case "response.refusal.done":
        return this.#isFilled(json) ? NONE : this.#refusal(json, get(json, "refusal"))
      case "response.function_call_arguments.delta":
      case "response.custom_tool_call_input.delta":
        return this.#arguments(json, get(json, "delta"))
      case "response.function_call_arguments.done":
        return this.#isFilled(json) ? NONE : this.#arguments(json, get(json, "arguments"))
      case "response.custom_tool_call_input.done":
        return this.#isFilled(json) ? NONE : this.#arguments(json, get(json, "input"))
      case "response.reasoning_text.delta":
      case "response.reasoning.delta":
        return this.#thought(json, "text", "content_index", get(json, "delta"))
      case "response.reasoning_summary_text.delta":
        return this.#thought(json, "summary", "summary_index", get(json, "delta"))
      case "response.output_item.added":
        return this.#added(json)
      case "response.output_item.done":
        return this.#done(json)
      case "response.content_part.done":
        return this.#item(json).thoughts === undefined ? [{ type: "partFinished" }] : NONE
      case "response.created":
        return [{ type: "started" }]
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
        return this.#end(get(json, "response"))
      case "error":
        return [{ type: "failed", message: Faults.message(get(json, "error") ?? json) }]
      default:
        return NONE
    }
  }

  #item(json: unknown): Item {
    const index = get(json, "output_index")
    const key = typeof index === "number" ? index : 0
    let item = this.#items.get(key)
    if (item === undefined) {
      item = { call: undefined, filled: new Set(), thoughts: undefined, thoughtPart: 0 }
      this.#items.set(key, item)
    }
    return item
  }

  #part(json: unknown): number {
    const index = get(json, "content_index")
    return typeof index === "number" ? index : 0
  }

  #isFilled(json: unknown): boolean {
    return this.#item(json).filled.has(this.#part(json))
  }

  #fill(json: unknown, said: unknown): said is string {
    if (typeof said !== "string" || said === "") return false
    this.#item(json).filled.add(this.#part(json))
    return true
  }

  #text(json: unknown, said: unknown): ReadonlyArray<AnswerEvent> {
    if (!this.#fill(json, said)) return NONE
    const logprobs = Logprobs.read(get(json, "logprobs"))
    return [logprobs === undefined ? { type: "textDelta", text: said } : { type: "textDelta", text: said, logprobs }]
  }

  #refusal(json: unknown, said: unknown): ReadonlyArray<AnswerEvent> {
    return this.#fill(json, said) ? [{ type: "refusalDelta", text: said }] : NONE
  }

  #arguments(json: unknown, said: unknown): ReadonlyArray<AnswerEvent> {
    const { call } = this.#item(json)
    if (call === undefined || !this.#fill(json, said)) return NONE
    return [{ type: "toolCallDelta", call, arguments: said }]
  }

  #thought(json: unknown, kind: "text" | "summary", key: string, said: unknown): ReadonlyArray<AnswerEvent> {
    const item = this.#item(json)
    item.thoughts ??= kind
    if (item.thoughts !== kind || typeof said !== "string" || said === "") return NONE
    const index = get(json, key)
    const apart = typeof index === "number" && index > item.thoughtPart ? "\n\n" : ""
    if (typeof index === "number") item.thoughtPart = index
    return [{ type: "reasoningDelta", text: apart + said }]
  }

  #added(json: unknown): ReadonlyArray<AnswerEvent> {
    const added = get(json, "item")
    const type = get(added, "type")
    if (type !== "function_call" && type !== "custom_tool_call") return NONE
    const item = this.#item(json)
    if (item.call !== undefined) return NONE
    const call = this.#count++
    item.call = call
    const kind = type === "function_call" ? "function" : "custom"
    const id = text(added, "call_id") ?? `call_${call}`
    const started: AnswerEvent = { type: "toolCallStarted", call, kind, id, name: text(added, "name") ?? "" }
    return [started, ...this.#arguments(json, get(added, kind === "custom" ? "input" : "arguments"))]
  }

  #done(json: unknown): ReadonlyArray<AnswerEvent> {
    const done = get(json, "item")
    const type = get(done, "type")
    const item = this.#item(json)
    if (type === "message") return [{ type: "partFinished" }]
    if (type === "reasoning") {
      const token = text(done, "encrypted_content") ?? ""
      return token === ""
        ? [{ type: "partFinished" }]
        : [{ type: "reasoningSigned", ...readToken(token) }, { type: "partFinished" }]
    }
    if (type !== "function_call" && type !== "custom_tool_call") return NONE
    const started = this.#added(json)
    const filled = this.#isFilled(json)
      ? NONE
      : this.#arguments(json, get(done, type === "custom_tool_call" ? "input" : "arguments"))
    return item.call === undefined ? NONE : [...started, ...filled, { type: "toolCallFinished", call: item.call }]
  }

  #end(response: unknown): ReadonlyArray<AnswerEvent> {
    this.#isComplete = true
    const wrong = fault(response)
    if (wrong !== undefined) return [{ type: "failed", message: wrong }]
    const finish = Finishes.readResponses(incomplete(response), this.#count > 0)
    const usage = readTokens(get(response, "usage"))
    const finished: AnswerEvent = { type: "finished", finish }
    return usage === undefined ? [finished] : [finished, { type: "usage", usage }]
  }
}
