/** Chat's whole answer, written. */
import type { Answer } from "../../Answer.ts"
import type { AssistantPart } from "../../Conversation.ts"
import type { Additions, AnswerOptions } from "../../Dialect.ts"
import * as Finishes from "../Finishes.ts"
import * as Usages from "../Usages.ts"
import { isCall, thoughts } from "./ChatRequestWriter.ts"

const joined = (parts: ReadonlyArray<AssistantPart>, type: "text" | "refusal"): string | null => {
  let text: string | null = null
  for (const part of parts) if (part.type === type) text = (text ?? "") + part.text
  return text
}

const logprobs = (parts: ReadonlyArray<AssistantPart>): object | null => {
  const content = parts.flatMap((part) => (part.type === "text" ? (part.logprobs ?? []) : []))
  return content.length === 0 ? null : { content, refusal: null }
}

const writeCall = (part: AssistantPart & { readonly type: "toolCall" }) =>
  part.kind === "custom"
    ? { id: part.id, type: "custom", custom: { name: part.name, input: part.arguments } }
    : { id: part.id, type: "function", function: { name: part.name, arguments: part.arguments } }

export const write = (answer: Answer, options: AnswerOptions, additions: Additions = {}): string => {
  const { finish, parts, usage } = answer
  const calls = parts.filter(isCall)
  const thought = thoughts(parts)
  return JSON.stringify({
    id: `chatcmpl-${options.id}`,
    object: "chat.completion",
    created: options.createdS,
    model: options.model,
    // OpenRouter's own client refuses an answer without it.
    system_fingerprint: null,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: joined(parts, "text"),
          refusal: joined(parts, "refusal"),
          ...(thought === "" ? {} : { reasoning: thought }),
          ...(calls.length === 0 ? {} : { tool_calls: calls.map(writeCall) }),
        },
        logprobs: logprobs(parts),
        finish_reason: Finishes.writeChat(finish),
      },
    ],
    usage: Usages.chat(usage ?? Usages.none, additions.usage),
    ...additions.members,
  })
}
