/** The items of which a response's output consists. */
import type { AssistantPart, Logprob, ToolCallPart } from "../../Conversation.ts"
import { writeThought } from "./Thought.ts"

/** How far an item has come. */
export type Status = "in_progress" | "completed" | "incomplete"

export const textContent = (text: string, logprobs: ReadonlyArray<Logprob> = []) => ({
  type: "output_text" as const,
  text,
  annotations: [],
  logprobs,
})

export const refusalContent = (refusal: string) => ({ type: "refusal" as const, refusal })

export const message = (id: string, content: ReadonlyArray<object>, status: Status) => ({
  type: "message" as const,
  id,
  role: "assistant" as const,
  status,
  content,
})

export const call = (id: string, part: ToolCallPart, status: Status) =>
  part.kind === "custom"
    ? { type: "custom_tool_call" as const, id, status, call_id: part.id, name: part.name, input: part.arguments }
    : { type: "function_call" as const, id, status, call_id: part.id, name: part.name, arguments: part.arguments }

/** The id of an item: its kind, the answer's id, and its place in the output. */
export const idOf = (kind: "msg" | "rs" | "fc" | "ctc", answer: string, index: number): string =>
  `${kind}_${answer}_${index}`

/** A whole answer's parts as items: texts and refusals that follow each other are one message. */
export const ofParts = (parts: ReadonlyArray<AssistantPart>, answer: string, status: Status): ReadonlyArray<object> => {
  const items: Array<object> = []
  let content: Array<object> = []
  const flush = () => {
    if (content.length > 0) items.push(message(idOf("msg", answer, items.length), content, status))
    content = []
  }
  for (const part of parts) {
    if (part.type === "text") content.push(textContent(part.text, part.logprobs))
    else if (part.type === "refusal") content.push(refusalContent(part.text))
    else {
      flush()
      if (part.type === "reasoning") items.push(writeThought(part, idOf("rs", answer, items.length)))
      else items.push(call(idOf(part.kind === "custom" ? "ctc" : "fc", answer, items.length), part, status))
    }
  }
  flush()
  return items
}
