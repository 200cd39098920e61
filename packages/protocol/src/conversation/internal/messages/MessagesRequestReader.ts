/** The request of Messages, read. */
import type * as Result from "effect/Result"
import { limits } from "../../../anthropic/MessageRequest.ts"
import { Inspection } from "../../../internal/Inspection.ts"
import { get, isAbsent, numeric } from "../../../internal/Json.ts"
import * as Touching from "../../../internal/Touching.ts"
import type { Flaw } from "../../../openai/Touched.ts"
import type {
  AssistantPart,
  Conversation,
  Reasoning,
  ResponseFormat,
  TextPart,
  Tool,
  ToolChoice,
  Turn,
  UserPart,
} from "../../Conversation.ts"
import * as Members from "../Members.ts"
import * as Sampling from "../Sampling.ts"
import { inputText } from "./ToolInput.ts"
import * as Documents from "./Documents.ts"

/** What is read below, and hints that change nothing about the answer. */
const KNOWN = new Set(
  (
    "model messages system max_tokens stream temperature top_p top_k stop_sequences tools tool_choice thinking " +
    "output_config metadata cache_control container mcp_servers inference_geo service_tier speed diagnostics"
  ).split(" "),
)

const NO_COUNTERPART = "Blocks of this type have no counterpart in another dialect."

const readTexts = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<TextPart> => {
  if (typeof content === "string") return [{ type: "text", text: content }]
  if (!Array.isArray(content)) {
    inspection.invalid(at, "This must be a text or a list of blocks.")
    return []
  }
  return content.map((block, index): TextPart => {
    if (get(block, "type") !== "text") inspection.unsupported(`${at}[${index}].type`, "Here a block must be a text.")
    return { type: "text", text: Members.requiredText(inspection, block, "text", `${at}[${index}]`) }
  })
}

const readUserBlock = (inspection: Inspection, block: unknown, at: string): UserPart => {
  const type = get(block, "type")
  if (type === "image") return { type, source: Documents.imageSource(inspection, get(block, "source"), `${at}.source`) }
  if (type === "document") return Documents.read(inspection, block, at)
  if (type !== "text") inspection.unsupported(`${at}.type`, NO_COUNTERPART)
  return { type: "text", text: Members.requiredText(inspection, block, "text", at) }
}

const readUserBlocks = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<UserPart> =>
  Array.isArray(content)
    ? content.map((block, index) => readUserBlock(inspection, block, `${at}[${index}]`))
    : readTexts(inspection, content, at)

/** A user's message: each tool's result in it is a turn of its own, and so is what stands between them. */
const readUser = (inspection: Inspection, content: unknown, param: string): ReadonlyArray<Turn> => {
  const at = `${param}.content`
  if (!Array.isArray(content)) return [{ role: "user", parts: readTexts(inspection, content, at), param }]
  const turns: Array<Turn> = []
  let parts: Array<UserPart> = []
  const flush = () => {
    if (parts.length > 0) turns.push({ role: "user", parts, param })
    parts = []
  }
  for (const [index, block] of content.entries()) {
    const where = `${at}[${index}]`
    if (get(block, "type") !== "tool_result") {
      parts.push(readUserBlock(inspection, block, where))
      continue
    }
    flush()
    const result = get(block, "content")
    turns.push({
      role: "tool",
      kind: "function",
      callId: Members.requiredText(inspection, block, "tool_use_id", where),
      parts: isAbsent(result) ? [{ type: "text", text: "" }] : readUserBlocks(inspection, result, `${where}.content`),
      param: where,
    })
  }
  flush()
  return turns
}

const readAssistantBlock = (inspection: Inspection, block: unknown, at: string): AssistantPart => {
  const type = get(block, "type")
  if (type === "thinking") {
    const text = Members.requiredText(inspection, block, "thinking", at)
    const signature = Members.text(inspection, block, "signature", at)
    return signature === undefined || signature === ""
      ? { type: "reasoning", text }
      : { type: "reasoning", text, signature }
  }
  if (type === "redacted_thinking") {
    const signature = Members.requiredText(inspection, block, "data", at)
    return { type: "reasoning", text: "", signature, redacted: true }
  }
  if (type === "tool_use") {
    return {
      type: "toolCall",
      kind: "function",
      id: Members.requiredText(inspection, block, "id", at),
      name: Members.requiredText(inspection, block, "name", at),
      arguments: inputText(get(block, "input")),
    }
  }
  if (type !== "text") inspection.unsupported(`${at}.type`, NO_COUNTERPART)
  return { type: "text", text: Members.requiredText(inspection, block, "text", at) }
}

const readMessage = (inspection: Inspection, message: unknown, param: string): ReadonlyArray<Turn> => {
  const role = get(message, "role")
  const content = get(message, "content")
  const at = `${param}.content`
  if (role === "system") return [{ role, parts: readTexts(inspection, content, at), param }]
  if (role === "assistant") {
    const parts = Array.isArray(content)
      ? content.map((block, index) => readAssistantBlock(inspection, block, `${at}[${index}]`))
      : readTexts(inspection, content, at)
    return [{ role, parts, param }]
  }
  if (role !== "user") inspection.invalid(`${param}.role`, "`role` must be user, assistant or system.")
  return readUser(inspection, content, param)
}

const readTurns = (inspection: Inspection, body: unknown): ReadonlyArray<Turn> => {
  const system = get(body, "system")
  const parts = isAbsent(system) ? [] : readTexts(inspection, system, "system")
  const turns: ReadonlyArray<Turn> = Touching.objects(inspection, body, "messages", "message").flatMap(
    (message, index) => readMessage(inspection, message, `messages[${index}]`),
  )
  return parts.length === 0 ? turns : [{ role: "system", parts, param: "system" }, ...turns]
}

const readTool = (inspection: Inspection, tool: unknown, at: string): Tool => {
  const type = get(tool, "type")
  if (!isAbsent(type) && type !== "custom") {
    inspection.unsupported(`${at}.type`, "Tools that a server defines are not offered. Describe it by `input_schema`.")
  }
  return {
    kind: "function",
    name: Members.requiredText(inspection, tool, "name", at),
    description: Members.text(inspection, tool, "description", at),
    parameters: Members.object(inspection, tool, "input_schema", at),
    strict: Members.flag(inspection, tool, "strict", at),
  }
}

const readToolChoice = (inspection: Inspection, choice: unknown): ToolChoice | undefined => {
  const type = get(choice, "type")
  if (isAbsent(choice)) return undefined
  if (type === "auto" || type === "none") return { type }
  if (type === "any") return { type: "required" }
  if (type !== "tool") inspection.invalid("tool_choice.type", "`type` must be auto, any, tool or none.")
  const name = Members.requiredText(inspection, choice, "name", "tool_choice")
  return { type: "tool", kind: "function", name }
}

const readReasoning = (inspection: Inspection, body: unknown, output: unknown): Reasoning | undefined => {
  const effort = Members.word(inspection, output, "effort", Members.EFFORTS, "output_config")
  const thinking = Members.object(inspection, body, "thinking")
  const type = get(thinking, "type")
  if (type === "disabled") return { effort: "none" }
  const budget = numeric(get(thinking, "budget_tokens"))
  if (type === "enabled" && budget !== undefined) {
    return effort === undefined ? { budgetTokens: budget } : { effort, budgetTokens: budget }
  }
  // `adaptive` leaves it to the model, which is what the other dialects do where nothing is said.
  return effort === undefined ? undefined : { effort }
}

const readFormat = (inspection: Inspection, output: unknown): ResponseFormat | undefined => {
  const format = Members.object(inspection, output, "format", "output_config")
  if (format === undefined) return undefined
  if (get(format, "type") !== "json_schema") {
    inspection.unsupported("output_config.format.type", "This format has no counterpart in another dialect.")
  }
  const schema = Members.object(inspection, format, "schema", "output_config.format") ?? {}
  return { type: "schema", schema, strict: true }
}

const refuse = (inspection: Inspection, body: unknown): void => {
  const reasons = {
    container: "No instance runs code.",
    mcp_servers: "No instance calls servers of tools.",
    inference_geo: "Choose instances by the `provider` object.",
  } as const
  for (const [param, reason] of Object.entries(reasons)) {
    if (!isAbsent(get(body, param))) inspection.unsupported(param, `\`${param}\` is not offered. ${reason}`)
  }
}

const readStop = (inspection: Inspection, body: unknown): ReadonlyArray<string> => {
  const stop = Members.list(inspection, body, "stop_sequences")
  if (stop.every((one) => typeof one === "string")) return stop
  inspection.invalid("stop_sequences", "`stop_sequences` must be a list of texts.")
  return []
}

export const read = (json: string): Result.Result<Conversation, Flaw> => {
  const inspection = new Inspection()
  const body = Touching.exact(inspection, json)
  const output = Members.object(inspection, body, "output_config")
  const choice = Members.object(inspection, body, "tool_choice")
  const disabled = Members.flag(inspection, choice, "disable_parallel_tool_use", "tool_choice")
  refuse(inspection, body)
  return inspection.conclude({
    dialect: "messages",
    model: Touching.model(inspection, body, "`model`, `max_tokens` and `messages`"),
    turns: readTurns(inspection, body),
    tools: Members.list(inspection, body, "tools").map((tool, index) => readTool(inspection, tool, `tools[${index}]`)),
    toolChoice: readToolChoice(inspection, choice),
    parallelTools: disabled === true ? false : undefined,
    sampling: Sampling.read(inspection, body),
    stop: readStop(inspection, body),
    maxTokens: Touching.maxTokens(inspection, body, limits),
    choices: 1,
    format: readFormat(inspection, output),
    reasoning: readReasoning(inspection, body, output),
    user: Members.text(inspection, Members.object(inspection, body, "metadata"), "user_id", "metadata"),
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: true,
    unknown: Members.unknownIn(body, KNOWN),
  })
}
