/** Chat's whole answer, read. */
import * as Result from "effect/Result"
import { get, isObject, list, parse, text } from "../../../internal/Json.ts"
import type { Answer } from "../../Answer.ts"
import type { AssistantPart } from "../../Conversation.ts"
import * as Faults from "../Faults.ts"
import * as Finishes from "../Finishes.ts"
import * as Logprobs from "../Logprobs.ts"
import * as Usages from "../Usages.ts"

const readCall = (call: unknown, index: number): AssistantPart => {
  const kind = get(call, "type") === "custom" ? "custom" : "function"
  const inner = get(call, kind)
  return {
    type: "toolCall",
    kind,
    id: text(call, "id") ?? `call_${index}`,
    name: text(inner, "name") ?? "",
    arguments: text(inner, kind === "custom" ? "input" : "arguments") ?? "",
  }
}

/** What a server of Chat thought goes by either name. */
export const thought = (output: unknown): string => text(output, "reasoning_content") ?? text(output, "reasoning") ?? ""

const readParts = (choice: unknown): ReadonlyArray<AssistantPart> => {
  const parts: Array<AssistantPart> = []
  const message = get(choice, "message")
  const reasoning = thought(message)
  if (reasoning !== "") parts.push({ type: "reasoning", text: reasoning })
  const said = text(message, "content") ?? ""
  const logprobs = Logprobs.read(get(get(choice, "logprobs"), "content"))
  if (said !== "") {
    parts.push(logprobs === undefined ? { type: "text", text: said } : { type: "text", text: said, logprobs })
  }
  const refusal = text(message, "refusal") ?? ""
  if (refusal !== "") parts.push({ type: "refusal", text: refusal })
  for (const [index, call] of list(message, "tool_calls").entries()) parts.push(readCall(call, index))
  const legacy = get(message, "function_call")
  if (isObject(legacy)) parts.push(readCall({ function: legacy }, 0))
  return parts
}

export const read = (json: string): Result.Result<Answer, string> => {
  const body = parse(json)
  const fault = Faults.of(body)
  if (fault !== undefined) return Result.fail(fault)
  const [choice] = list(body, "choices")
  if (!isObject(choice)) return Result.fail("The answer has no choice.")
  const parts = readParts(choice)
  const hasCalls = parts.some(({ type }) => type === "toolCall")
  const finish = Finishes.readChat(text(choice, "finish_reason") ?? "stop", hasCalls)
  // vLLM says here which text ended the answer.
  const stopSequence = finish === "stop" ? text(choice, "stop_reason") : undefined
  return Result.succeed({
    parts,
    finish: stopSequence === undefined ? finish : "stopSequence",
    stopSequence,
    usage: Usages.readChat(get(body, "usage")),
  })
}
