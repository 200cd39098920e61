/** The whole answer of Messages, written. */
import type { Answer } from "../../Answer.ts"
import type { AssistantPart } from "../../Conversation.ts"
import type { Additions, AnswerOptions } from "../../Dialect.ts"
import * as Usages from "../Usages.ts"
import * as MessageObject from "./MessageObject.ts"
import { parseInput } from "./ToolInput.ts"

const writeBlock = (part: AssistantPart): object => {
  if (part.type === "toolCall") {
    // Arguments that are no JSON object are given as they are: a client sees what the model wrote.
    const input = parseInput(part.arguments) ?? part.arguments
    return { type: "tool_use", id: part.id, name: part.name, input, caller: MessageObject.caller }
  }
  if (part.type === "reasoning") {
    if (part.redacted === true) return { type: "redacted_thinking", data: part.signature ?? "" }
    return { type: "thinking", thinking: part.text, signature: part.signature ?? "" }
  }
  return { type: "text", text: part.text, citations: null }
}

export const write = (answer: Answer, options: AnswerOptions, additions: Additions = {}): string => {
  const { finish, parts, stopSequence, usage } = answer
  const refusal = parts.map((part) => (part.type === "refusal" ? part.text : "")).join("")
  return JSON.stringify({
    ...MessageObject.head(options.id, options.model),
    content: parts.map(writeBlock),
    ...MessageObject.stop(finish, stopSequence, refusal),
    usage: Usages.messages(usage ?? Usages.none, additions.usage),
    ...additions.members,
  })
}
