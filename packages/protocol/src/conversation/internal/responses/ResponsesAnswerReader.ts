/** The whole answer of Responses, read. */
import * as Result from "effect/Result"
import { get, list, parse, text } from "../../../internal/Json.ts"
import { readTokens } from "../../../openai/ResponseUsage.ts"
import type { Answer } from "../../Answer.ts"
import type { AssistantPart } from "../../Conversation.ts"
import * as Faults from "../Faults.ts"
import * as Finishes from "../Finishes.ts"
import * as Logprobs from "../Logprobs.ts"
import { readThought } from "./Thought.ts"

const readContent = (part: unknown): ReadonlyArray<AssistantPart> => {
  const type = get(part, "type")
  if (type === "refusal") return [{ type, text: text(part, "refusal") ?? "" }]
  if (type !== "output_text") return []
  const logprobs = Logprobs.read(get(part, "logprobs"))
  const said = text(part, "text") ?? ""
  return [logprobs === undefined ? { type: "text", text: said } : { type: "text", text: said, logprobs }]
}

/** Items of tools that a server runs cannot be asked for, and say nothing here. */
const readItem = (item: unknown, index: number): ReadonlyArray<AssistantPart> => {
  const type = get(item, "type")
  if (type === "message") return list(item, "content").flatMap(readContent)
  if (type === "reasoning") return [readThought(item)]
  if (type !== "function_call" && type !== "custom_tool_call") return []
  const kind = type === "function_call" ? "function" : "custom"
  return [
    {
      type: "toolCall",
      kind,
      id: text(item, "call_id") ?? `call_${index}`,
      name: text(item, "name") ?? "",
      arguments: text(item, kind === "custom" ? "input" : "arguments") ?? "",
    },
  ]
}

/** Why there will be no complete answer, where the response says so. */
export const fault = (response: unknown): string | undefined => {
  const status = text(response, "status")
  if (status === "failed") return Faults.message(get(response, "error"))
  return status === undefined || status === "completed" || status === "incomplete"
    ? Faults.of(response)
    : `The answer's status is \`${status.slice(0, 50)}\`.`
}

/** Why the response is not complete, where it is not. */
export const incomplete = (response: unknown): string | undefined =>
  text(response, "status") === "incomplete"
    ? (text(get(response, "incomplete_details"), "reason") ?? "max_output_tokens")
    : undefined

export const read = (json: string): Result.Result<Answer, string> => {
  const body = parse(json)
  const wrong = fault(body)
  if (wrong !== undefined) return Result.fail(wrong)
  if (!Array.isArray(get(body, "output"))) return Result.fail("The answer has no output.")
  const parts = list(body, "output").flatMap(readItem)
  const hasCalls = parts.some(({ type }) => type === "toolCall")
  return Result.succeed({
    parts,
    finish: Finishes.readResponses(incomplete(body), hasCalls),
    usage: readTokens(get(body, "usage")),
  })
}
