/** The events of the stream of Responses, written. */
import type { ReasonCode } from "@guildhall/core/Reason"
import * as ErrorBody from "../../../openai/ErrorBody.ts"
import type { AnswerEvent, Finish, TokenUsage } from "../../Answer.ts"
import type { Additions, AnswerOptions, ErrorOptions, EventWriter } from "../../Dialect.ts"
import * as Finishes from "../Finishes.ts"
import { OpenCall, OpenMessage, OpenThought } from "./OpenItems.ts"
import type { Emit } from "./OpenItems.ts"
import * as OutputItems from "./OutputItems.ts"
import * as ResponseObject from "./ResponseObject.ts"

/** An error in the place of the next event. Neither `response.completed` nor anything else follows it. */
export const errorFrame = (code: ReasonCode, options?: ErrorOptions, sequence = 0): string => {
  const { error } = ErrorBody.make(code, options)
  // The members stand beside each other in OpenAI's description, and within `error` in what its servers send.
  const { message, param } = error
  const event = { type: "error", sequence_number: sequence, code, message, param, error }
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`
}

/**
 * Each item is told when it begins, grows and ends, and the last event repeats the whole response: so the writer keeps
 * what it has written. Calls stay open beside each other until each ends, or the answer does.
 */
export class ResponsesEventWriter implements EventWriter {
  readonly #options: AnswerOptions
  readonly #output: Array<object> = []
  readonly #calls = new Map<number, OpenCall>()
  /** The message or thought that grows. */
  #open: OpenMessage | OpenThought | undefined
  #count = 0
  #sequence = 0
  #isStarted = false
  #isEnded = false
  #finish: Finish | undefined
  #usage: TokenUsage | undefined
  #text = ""

  constructor(options: AnswerOptions) {
    this.#options = options
  }

  write(event: AnswerEvent): string {
    if (this.#isEnded) return ""
    if (event.type === "usage") this.#usage = event.usage
    else if (event.type === "finished") this.#finish ??= event.finish
    else if (this.#finish === undefined && event.type !== "failed") {
      this.#start()
      this.#apply(event)
    }
    return this.#take()
  }

  end(additions?: Additions): string {
    this.#start()
    const finish = this.#finish ?? "stop"
    const status = Finishes.writeResponses(finish) === undefined ? "completed" : "incomplete"
    this.#close(status)
    for (const call of this.#calls.values()) this.#finishCall(call, status)
    this.#calls.clear()
    const state = { finish, output: this.#output, usage: this.#usage }
    this.#response(`response.${status}`, ResponseObject.make(this.#options, state, additions))
    this.#isEnded = true
    return this.#take()
  }

  fail(code: ReasonCode, options?: ErrorOptions): string {
    this.#isEnded = true
    return errorFrame(code, options, this.#sequence++)
  }

  #take(): string {
    const text = this.#text
    this.#text = ""
    return text
  }

  /** Writes one event; `members` is the rest of its JSON, from the comma on. */
  readonly #emit: Emit = (type, members) => {
    this.#text += `event: ${type}\ndata: {"type":"${type}","sequence_number":${this.#sequence}${members}}\n\n`
    this.#sequence += 1
  }

  #response(type: string, response: object): void {
    this.#emit(type, `,"response":${JSON.stringify(response)}`)
  }

  #start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    const response = ResponseObject.make(this.#options, { finish: undefined, output: [], usage: undefined })
    this.#response("response.created", response)
    this.#response("response.in_progress", response)
  }

  #apply(event: AnswerEvent): void {
    switch (event.type) {
      case "textDelta":
        this.#message().text(event.text, event.logprobs)
        break
      case "refusalDelta":
        this.#message().refusal(event.text)
        break
      case "reasoningDelta":
        this.#thought().text(event.text)
        break
      case "reasoningSigned":
        if (event.redacted) this.#close("completed")
        this.#thought().sign(event.signature, event.redacted)
        if (event.redacted) this.#close("completed")
        break
      case "partFinished":
        if (this.#open instanceof OpenMessage) this.#open.closePart()
        else this.#close("completed")
        break
      case "toolCallStarted": {
        this.#close("completed")
        const index = this.#count++
        const id = OutputItems.idOf(event.kind === "custom" ? "ctc" : "fc", this.#options.id, index)
        this.#calls.set(event.call, new OpenCall(this.#emit, id, index, event))
        break
      }
      case "toolCallDelta":
        this.#calls.get(event.call)?.push(event.arguments)
        break
      case "toolCallFinished": {
        const call = this.#calls.get(event.call)
        if (call !== undefined) this.#finishCall(call, "completed")
        this.#calls.delete(event.call)
        break
      }
      default:
    }
  }

  #message(): OpenMessage {
    if (this.#open instanceof OpenMessage) return this.#open
    this.#close("completed")
    const index = this.#count++
    const open = new OpenMessage(this.#emit, OutputItems.idOf("msg", this.#options.id, index), index)
    this.#open = open
    return open
  }

  #thought(): OpenThought {
    if (this.#open instanceof OpenThought) return this.#open
    this.#close("completed")
    const index = this.#count++
    const open = new OpenThought(this.#emit, OutputItems.idOf("rs", this.#options.id, index), index)
    this.#open = open
    return open
  }

  #close(status: OutputItems.Status): void {
    if (this.#open === undefined) return
    this.#output[this.#open.index] = this.#open.close(status)
    this.#open = undefined
  }

  #finishCall(call: OpenCall, status: OutputItems.Status): void {
    this.#output[call.index] = call.close(status)
  }
}
