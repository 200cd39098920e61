/** The request of Messages, written. */
import type * as Result from "effect/Result"
import { Inspection } from "../../../internal/Inspection.ts"
import type { Flaw } from "../../../openai/Touched.ts"
import type { AssistantPart, Conversation, Tool, Turn, UserPart } from "../../Conversation.ts"
import type { RequestOptions } from "../../Dialect.ts"
import * as Params from "../Params.ts"
import * as Documents from "./Documents.ts"
import { parseInput } from "./ToolInput.ts"

/** The limit where nobody set one: this dialect must have one. */
const MAX_TOKENS = 4096

const writeBlock = (inspection: Inspection, part: UserPart, param: string): object => {
  if (part.type === "image") {
    const { source } = part
    return source._tag === "Url"
      ? { type: "image", source: { type: "url", url: source.url } }
      : { type: "image", source: { type: "base64", media_type: source.mediaType, data: source.data } }
  }
  if (part.type === "file") return Documents.write(inspection, part, param)
  if (part.type === "audio") {
    inspection.unsupported(param, "The instance speaks Messages, which has no word for sound.")
    return {}
  }
  return { type: "text", text: part.text }
}

const writeContent = (inspection: Inspection, parts: ReadonlyArray<UserPart>, param: string): unknown => {
  const [first] = parts
  if (parts.length === 1 && first?.type === "text") return first.text
  return parts.map((part) => writeBlock(inspection, part, param))
}

const writeSaid = (inspection: Inspection, part: AssistantPart, param: string): ReadonlyArray<object> => {
  if (part.type === "reasoning") {
    if (part.redacted === true) return [{ type: "redacted_thinking", data: part.signature ?? "" }]
    return [{ type: "thinking", thinking: part.text, signature: part.signature ?? "" }]
  }
  // An empty block is refused. What the model would not say has no block of its own, so it is a text.
  if (part.type !== "toolCall") return part.text === "" ? [] : [{ type: "text", text: part.text }]
  const { arguments: text, id, kind, name } = part
  if (kind === "custom") inspection.unsupported(param, "The instance speaks Messages, which has no custom tools.")
  const input = parseInput(text)
  if (input === undefined) inspection.invalid(param, `The arguments of the call \`${id}\` must be a JSON object.`)
  return [{ type: "tool_use", id, name, input }]
}

const writeResult = (inspection: Inspection, turn: Turn & { readonly role: "tool" }): object => {
  if (turn.kind === "custom") {
    inspection.unsupported(turn.param, "The instance speaks Messages, which has no custom tools.")
  }
  return {
    type: "tool_result",
    tool_use_id: turn.callId,
    content: writeContent(inspection, turn.parts, turn.param),
  }
}

/** The results of tools, and what the user says right after them, are one message of the user. */
const writeMessages = (inspection: Inspection, turns: ReadonlyArray<Turn>): ReadonlyArray<object> => {
  const messages: Array<object> = []
  let blocks: Array<object> = []
  const flush = () => {
    if (blocks.length > 0) messages.push({ role: "user", content: blocks })
    blocks = []
  }
  for (const turn of turns) {
    if (turn.role === "tool") {
      blocks.push(writeResult(inspection, turn))
      continue
    }
    if (turn.role === "user" && blocks.length > 0) {
      blocks.push(...turn.parts.map((part) => writeBlock(inspection, part, turn.param)))
      flush()
      continue
    }
    flush()
    if (turn.role === "assistant") {
      const content = turn.parts.flatMap((part) => writeSaid(inspection, part, turn.param))
      messages.push({ role: "assistant", content: content.length === 0 ? "" : content })
    } else {
      const role = turn.role === "user" ? "user" : "system"
      messages.push({ role, content: writeContent(inspection, turn.parts, turn.param) })
    }
  }
  flush()
  return messages
}

const writeTool = (inspection: Inspection, tool: Tool, param: string): object => {
  const { description, kind, name } = tool
  if (kind === "custom") {
    inspection.unsupported(param, "The instance speaks Messages, which has no custom tools.")
    return {}
  }
  const input_schema = tool.parameters ?? { type: "object", properties: {} }
  return { name, description, input_schema, strict: tool.strict }
}

const writeToolChoice = (inspection: Inspection, conversation: Conversation): object | undefined => {
  const { parallelTools, toolChoice, tools } = conversation
  const disable_parallel_tool_use = parallelTools === false ? true : undefined
  if (toolChoice === undefined) {
    return tools.length > 0 && disable_parallel_tool_use ? { type: "auto", disable_parallel_tool_use } : undefined
  }
  if (toolChoice.type === "none") return { type: "none" }
  if (toolChoice.type === "auto") return { type: "auto", disable_parallel_tool_use }
  if (toolChoice.type === "required") return { type: "any", disable_parallel_tool_use }
  if (toolChoice.type === "tool") return { type: "tool", name: toolChoice.name, disable_parallel_tool_use }
  inspection.unsupported(
    Params.of(conversation, "toolChoice"),
    "The instance speaks Messages, which cannot allow some of the tools. Send only those.",
  )
  return undefined
}

const writeReasoning = ({ reasoning }: Conversation) => {
  if (reasoning === undefined) return { thinking: undefined, effort: undefined }
  const { budgetTokens, effort } = reasoning
  if (effort === "none") return { thinking: { type: "disabled" }, effort: undefined }
  return {
    thinking: budgetTokens === undefined ? { type: "adaptive" } : { type: "enabled", budget_tokens: budgetTokens },
    // There is no level below the lowest.
    effort: effort === "minimal" ? "low" : effort,
  }
}

/** What Messages has no member for. */
const refuse = (inspection: Inspection, conversation: Conversation): void => {
  const { choices, format, logprobs, sampling, verbosity } = conversation
  const missing = [
    ["choices", choices > 1],
    ["frequencyPenalty", sampling.frequencyPenalty !== undefined],
    ["presencePenalty", sampling.presencePenalty !== undefined],
    ["seed", sampling.seed !== undefined],
    ["logitBias", sampling.logitBias !== undefined],
    ["logprobs", logprobs !== undefined],
    ["verbosity", verbosity !== undefined && verbosity !== "medium"],
    ["format", format?.type === "json"],
  ] as const
  for (const [setting, isSet] of missing) {
    if (!isSet) continue
    const param = Params.of(conversation, setting)
    inspection.unsupported(param, `The instance speaks Messages, which has no word for \`${param}\`.`)
  }
}

const isSystem = (turn: Turn): turn is Turn & { readonly role: "system" | "developer" } =>
  turn.role === "system" || turn.role === "developer"

export const write = (conversation: Conversation, options: RequestOptions): Result.Result<string, Flaw> => {
  const inspection = new Inspection()
  refuse(inspection, conversation)
  const { format, sampling, stop, stream, tools, turns } = conversation
  const first = turns.findIndex((turn) => !isSystem(turn))
  const split = first === -1 ? turns.length : first
  const system = turns.slice(0, split).flatMap((turn) => (isSystem(turn) ? turn.parts : []))
  const { effort, thinking } = writeReasoning(conversation)
  const schema = format?.type === "schema" ? { type: "json_schema", schema: format.schema } : undefined
  // Members that are undefined do not appear in the text.
  const body = {
    model: options.model,
    max_tokens: options.maxTokens ?? conversation.maxTokens ?? MAX_TOKENS,
    system: system.length === 0 ? undefined : writeContent(inspection, system, "system"),
    messages: writeMessages(inspection, turns.slice(split)),
    stream: stream ? true : undefined,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    stop_sequences: stop.length === 0 ? undefined : stop,
    tools: tools.length === 0 ? undefined : tools.map((tool, index) => writeTool(inspection, tool, `tools[${index}]`)),
    tool_choice: writeToolChoice(inspection, conversation),
    thinking,
    output_config: effort === undefined && schema === undefined ? undefined : { effort, format: schema },
    metadata: conversation.user === undefined ? undefined : { user_id: conversation.user },
  }
  return inspection.conclude(JSON.stringify(body))
}
