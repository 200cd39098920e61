/** The events of Chat's stream, read. */
import { get, isAbsent, isObject, list, text } from "../../../internal/Json.ts"
import type { AnswerEvent } from "../../Answer.ts"
import type { EventReader } from "../../Dialect.ts"
import * as Faults from "../Faults.ts"
import * as Finishes from "../Finishes.ts"
import * as Logprobs from "../Logprobs.ts"
import * as Usages from "../Usages.ts"
import { thought } from "./ChatAnswerReader.ts"

const NONE: ReadonlyArray<AnswerEvent> = []

/** A call whose name has not come yet waits for it. */
interface Call {
  readonly call: number
  readonly kind: "function" | "custom"
  id: string | undefined
  name: string
  waiting: string
  isStarted: boolean
}

export class ChatEventReader implements EventReader {
  #isStarted = false
  #isDone = false
  /** The calls by the index that the server gives them: the latest of each. */
  readonly #calls = new Map<number, Call>()
  readonly #indexes = new Map<string, number>()
  #count = 0

  isComplete(): boolean {
    return this.#isDone
  }

  done(): ReadonlyArray<AnswerEvent> {
    this.#isDone = true
    const events: Array<AnswerEvent> = []
    for (const call of this.#calls.values()) this.#start(call, events)
    return events
  }

  read(json: unknown): ReadonlyArray<AnswerEvent> {
    if (!isObject(json)) return NONE
    const error = get(json, "error")
    if (!isAbsent(error)) return [{ type: "failed", message: Faults.message(error) }]
    const events: Array<AnswerEvent> = []
    const [choice] = list(json, "choices")
    if (choice !== undefined && (get(choice, "index") ?? 0) === 0) this.#choice(choice, events)
    const usage = Usages.readChat(get(json, "usage"))
    if (usage !== undefined) events.push({ type: "usage", usage })
    return events
  }

  #choice(choice: unknown, events: Array<AnswerEvent>): void {
    if (!this.#isStarted) {
      this.#isStarted = true
      events.push({ type: "started" })
    }
    const delta = get(choice, "delta")
    const reasoning = thought(delta)
    if (reasoning !== "") events.push({ type: "reasoningDelta", text: reasoning })
    const said = text(delta, "content")
    if (said !== undefined && said !== "") {
      const logprobs = Logprobs.read(get(get(choice, "logprobs"), "content"))
      events.push(
        logprobs === undefined ? { type: "textDelta", text: said } : { type: "textDelta", text: said, logprobs },
      )
    }
    const refusal = text(delta, "refusal")
    if (refusal !== undefined && refusal !== "") events.push({ type: "refusalDelta", text: refusal })
    for (const call of list(delta, "tool_calls")) this.#call(call, events)
    const legacy = get(delta, "function_call")
    if (isObject(legacy)) this.#call({ index: 0, function: legacy }, events)
    const reason = text(choice, "finish_reason")
    if (reason !== undefined) this.#finish(choice, reason, events)
  }

  #finish(choice: unknown, reason: string, events: Array<AnswerEvent>): void {
    for (const call of this.#calls.values()) this.#start(call, events)
    if (reason === "error") {
      events.push({ type: "failed", message: Faults.message(undefined) })
      return
    }
    const finish = Finishes.readChat(reason, this.#calls.size > 0)
    const stopSequence = finish === "stop" ? text(choice, "stop_reason") : undefined
    if (stopSequence === undefined) events.push({ type: "finished", finish })
    else events.push({ type: "finished", finish: "stopSequence", stopSequence })
  }

  #call(delta: unknown, events: Array<AnswerEvent>): void {
    const given = get(delta, "index")
    const id = text(delta, "id")
    const index = typeof given === "number" ? given : this.#indexOf(id)
    let call = this.#calls.get(index)
    // Some servers give every call the same index and tell them apart by their ids alone.
    if (call === undefined || (id !== undefined && id !== "" && call.id !== undefined && call.id !== id)) {
      if (call !== undefined) {
        this.#start(call, events)
        this.#calls.set(-1 - this.#count, call)
      }
      const kind = get(delta, "type") === "custom" || isObject(get(delta, "custom")) ? "custom" : "function"
      call = { call: this.#count++, kind, id: undefined, name: "", waiting: "", isStarted: false }
      this.#calls.set(index, call)
    }
    if (id !== undefined && id !== "") {
      call.id ??= id
      this.#indexes.set(id, index)
    }
    const inner = get(delta, call.kind)
    if (!call.isStarted) call.name += text(inner, "name") ?? ""
    call.waiting += text(inner, call.kind === "custom" ? "input" : "arguments") ?? ""
    if (!call.isStarted && call.name === "") return
    this.#start(call, events)
    if (call.waiting === "") return
    events.push({ type: "toolCallDelta", call: call.call, arguments: call.waiting })
    call.waiting = ""
  }

  /** A server that gives no index goes on with the call of this id, or with the last one. */
  #indexOf(id: string | undefined): number {
    if (id === undefined || id === "") return Math.max(this.#count - 1, 0)
    return this.#indexes.get(id) ?? this.#count
  }

  #start(call: Call, events: Array<AnswerEvent>): void {
    if (call.isStarted) return
    call.isStarted = true
    const { kind, name } = call
    events.push({ type: "toolCallStarted", call: call.call, kind, id: call.id ?? `call_${call.call}`, name })
    if (call.waiting !== "") events.push({ type: "toolCallDelta", call: call.call, arguments: call.waiting })
    call.waiting = ""
  }
}
