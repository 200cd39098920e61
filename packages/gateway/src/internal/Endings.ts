import * as OutputBytes from "../OutputBytes.ts"
import * as Json from "./Json.ts"

const isSaid = (value: unknown): boolean => typeof value === "string" && value !== ""

/** Whether a choice of one event holds output, be it a chat's or a completion's. */
const holds = (choice: unknown): boolean => {
  const delta = Json.get(choice, "delta")
  const calls = Json.get(delta, "tool_calls")
  return OutputBytes.count(delta) > 0 || (Array.isArray(calls) && calls.length > 0) || isSaid(Json.get(choice, "text"))
}

/**
 * Which parts of one stream have said why they end. Whatever comes after that is no part of the answer: clients have
 * closed it by then, and would show it or not as it happens.
 */
export class Endings {
  #ended: Set<unknown> | undefined

  /** Takes in one event. Answers whether it goes on with what had ended. */
  isLate(event: object): boolean {
    const choices = Json.get(event, "choices")
    if (!Array.isArray(choices)) return this.#isLateBlock(event)
    let late = false
    for (const choice of choices) {
      const index = Json.get(choice, "index") ?? 0
      if (this.#ended?.has(index) === true && holds(choice)) late = true
      if (isSaid(Json.get(choice, "finish_reason"))) this.#add(index)
    }
    return late
  }

  /** Of Messages: its blocks end together, and Responses says its end last. */
  #isLateBlock(event: object): boolean {
    const type = Json.get(event, "type")
    if (type === "message_delta" && isSaid(Json.get(Json.get(event, "delta"), "stop_reason"))) this.#add(type)
    return this.#ended !== undefined && (type === "content_block_start" || type === "content_block_delta")
  }

  #add(part: unknown): void {
    this.#ended ??= new Set()
    this.#ended.add(part)
  }
}
