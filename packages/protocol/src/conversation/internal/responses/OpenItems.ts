/** The items of a streamed response while they grow: each writes its events, and gives the whole item at its end. */
import type { Logprob, ToolCallPart } from "../../Conversation.ts"
import * as OutputItems from "./OutputItems.ts"
import { writeThought } from "./Thought.ts"

/** Writes one event: its type, and the rest of its JSON from the comma on. */
export type Emit = (type: string, members: string) => void

const added = (emit: Emit, index: number, item: object): void =>
  emit("response.output_item.added", `,"output_index":${index},"item":${JSON.stringify(item)}`)

const done = (emit: Emit, index: number, item: object): void =>
  emit("response.output_item.done", `,"output_index":${index},"item":${JSON.stringify(item)}`)

/** A message: texts and refusals. */
export class OpenMessage {
  readonly index: number
  readonly #emit: Emit
  readonly #id: string
  readonly #place: string
  readonly #content: Array<object> = []
  #kind: "output_text" | "refusal" | undefined
  #text = ""
  #logprobs: Array<Logprob> = []

  constructor(emit: Emit, id: string, index: number) {
    this.#emit = emit
    this.#id = id
    this.index = index
    this.#place = `,"item_id":"${id}","output_index":${index},"content_index":`
    added(emit, index, OutputItems.message(id, [], "in_progress"))
  }

  text(text: string, logprobs: ReadonlyArray<Logprob> | undefined): void {
    this.#ensure("output_text")
    this.#text += text
    if (logprobs !== undefined) this.#logprobs.push(...logprobs)
    const probabilities = logprobs === undefined ? "[]" : JSON.stringify(logprobs)
    const members = `,"delta":${JSON.stringify(text)},"logprobs":${probabilities}`
    this.#emit("response.output_text.delta", `${this.#place}${this.#content.length}${members}`)
  }

  refusal(text: string): void {
    this.#ensure("refusal")
    this.#text += text
    this.#emit("response.refusal.delta", `${this.#place}${this.#content.length},"delta":${JSON.stringify(text)}`)
  }

  closePart(): void {
    const kind = this.#kind
    if (kind === undefined) return
    this.#kind = undefined
    const at = `${this.#place}${this.#content.length}`
    const part = this.#part(kind)
    const text = JSON.stringify(this.#text)
    if (kind === "refusal") this.#emit("response.refusal.done", `${at},"refusal":${text}`)
    else this.#emit("response.output_text.done", `${at},"text":${text},"logprobs":${JSON.stringify(this.#logprobs)}`)
    this.#emit("response.content_part.done", `${at},"part":${JSON.stringify(part)}`)
    this.#content.push(part)
    this.#text = ""
    this.#logprobs = []
  }

  close(status: OutputItems.Status): object {
    this.closePart()
    const item = OutputItems.message(this.#id, this.#content, status)
    done(this.#emit, this.index, item)
    return item
  }

  #part(kind: "output_text" | "refusal"): object {
    return kind === "refusal"
      ? OutputItems.refusalContent(this.#text)
      : OutputItems.textContent(this.#text, this.#logprobs)
  }

  #ensure(kind: "output_text" | "refusal"): void {
    if (this.#kind === kind) return
    this.closePart()
    this.#kind = kind
    const part = JSON.stringify(this.#part(kind))
    this.#emit("response.content_part.added", `${this.#place}${this.#content.length},"part":${part}`)
  }
}

/** A thought. */
export class OpenThought {
  readonly index: number
  readonly #emit: Emit
  readonly #id: string
  readonly #place: string
  #text = ""
  #signature: string | undefined
  #redacted = false

  constructor(emit: Emit, id: string, index: number) {
    this.#emit = emit
    this.#id = id
    this.index = index
    this.#place = `,"item_id":"${id}","output_index":${index},"content_index":0`
    added(emit, index, { type: "reasoning", id, summary: [] })
  }

  text(text: string): void {
    if (this.#text === "") {
      this.#emit("response.content_part.added", `${this.#place},"part":{"type":"reasoning_text","text":""}`)
    }
    this.#text += text
    this.#emit("response.reasoning_text.delta", `${this.#place},"delta":${JSON.stringify(text)}`)
  }

  sign(signature: string, redacted: boolean): void {
    this.#signature = (this.#signature ?? "") + signature
    this.#redacted = redacted
  }

  close(_status: OutputItems.Status): object {
    if (this.#text !== "") {
      const text = JSON.stringify(this.#text)
      this.#emit("response.reasoning_text.done", `${this.#place},"text":${text}`)
      this.#emit("response.content_part.done", `${this.#place},"part":{"type":"reasoning_text","text":${text}}`)
    }
    const part = { type: "reasoning" as const, text: this.#text, signature: this.#signature, redacted: this.#redacted }
    const item = writeThought(part, this.#id)
    done(this.#emit, this.index, item)
    return item
  }
}

/** A call of a tool. */
export class OpenCall {
  readonly index: number
  readonly #emit: Emit
  readonly #id: string
  readonly #place: string
  readonly #call: Omit<ToolCallPart, "type" | "arguments">
  #arguments = ""

  constructor(emit: Emit, id: string, index: number, call: Omit<ToolCallPart, "type" | "arguments">) {
    this.#emit = emit
    this.#id = id
    this.index = index
    this.#call = call
    this.#place = `,"item_id":"${id}","output_index":${index}`
    added(emit, index, this.#item("in_progress"))
  }

  push(text: string): void {
    if (text === "") return
    this.#arguments += text
    const type = this.#call.kind === "custom" ? "custom_tool_call_input" : "function_call_arguments"
    this.#emit(`response.${type}.delta`, `${this.#place},"delta":${JSON.stringify(text)}`)
  }

  close(status: OutputItems.Status): object {
    const text = JSON.stringify(this.#arguments)
    if (this.#call.kind === "custom")
      this.#emit("response.custom_tool_call_input.done", `${this.#place},"input":${text}`)
    else {
      const name = JSON.stringify(this.#call.name)
      this.#emit("response.function_call_arguments.done", `${this.#place},"name":${name},"arguments":${text}`)
    }
    const item = this.#item(status)
    done(this.#emit, this.index, item)
    return item
  }

  #item(status: OutputItems.Status): object {
    const { id, kind, name } = this.#call
    return OutputItems.call(this.#id, { type: "toolCall", kind, id, name, arguments: this.#arguments }, status)
  }
}
