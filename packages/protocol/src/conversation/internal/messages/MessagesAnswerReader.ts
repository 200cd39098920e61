/** The whole answer of Messages, read. */
import * as Result from "effect/Result"
import { readTokens } from "../../../anthropic/MessageUsage.ts"
import { get, list, parseExact, text } from "../../../internal/Json.ts"
import type { Answer } from "../../Answer.ts"
import type { AssistantPart } from "../../Conversation.ts"
import * as Faults from "../Faults.ts"
import * as Finishes from "../Finishes.ts"
import { inputText } from "./ToolInput.ts"

/** Blocks of tools that a server runs cannot be asked for, and say nothing here. */
const readBlock = (block: unknown): ReadonlyArray<AssistantPart> => {
  switch (get(block, "type")) {
    case "text":
      return [{ type: "text", text: text(block, "text") ?? "" }]
    case "thinking": {
      const thought = text(block, "thinking") ?? ""
      const signature = text(block, "signature") ?? ""
      return [signature === "" ? { type: "reasoning", text: thought } : { type: "reasoning", text: thought, signature }]
    }
    case "redacted_thinking":
      return [{ type: "reasoning", text: "", signature: text(block, "data") ?? "", redacted: true }]
    case "tool_use": {
      const id = text(block, "id") ?? ""
      const name = text(block, "name") ?? ""
      return [{ type: "toolCall", kind: "function", id, name, arguments: inputText(get(block, "input")) }]
    }
    default:
      return []
  }
}

export const read = (json: string): Result.Result<Answer, string> => {
  const body = parseExact(json)
  const fault = Faults.of(body)
  if (fault !== undefined) return Result.fail(fault)
  if (!Array.isArray(get(body, "content"))) return Result.fail("The answer has no content.")
  const parts = list(body, "content").flatMap(readBlock)
  const hasCalls = parts.some(({ type }) => type === "toolCall")
  return Result.succeed({
    parts,
    finish: Finishes.readMessages(text(body, "stop_reason") ?? "end_turn", hasCalls),
    stopSequence: text(body, "stop_sequence"),
    usage: readTokens(get(body, "usage")),
  })
}
