/** Responses' request, read. */
import type * as Result from "effect/Result"
import { Inspection } from "../../../internal/Inspection.ts"
import { get, isAbsent, numeric, text as textOf } from "../../../internal/Json.ts"
import { refuseState } from "../../../internal/State.ts"
import * as Touching from "../../../internal/Touching.ts"
import { limits } from "../../../openai/ResponseRequest.ts"
import type { Flaw } from "../../../openai/Touched.ts"
import type {
  AssistantPart,
  Conversation,
  ResponseFormat,
  TextPart,
  Tool,
  ToolChoice,
  Turn,
  UserPart,
} from "../../Conversation.ts"
import * as Formats from "../Formats.ts"
import * as Media from "../Media.ts"
import * as Members from "../Members.ts"
import * as Sampling from "../Sampling.ts"
import { readThought } from "./Thought.ts"

/** What is read below, and hints that change nothing about the answer. */
const KNOWN = new Set(
  (
    "model input instructions stream stream_options max_output_tokens temperature top_p top_k frequency_penalty " +
    "presence_penalty top_logprobs include tools tool_choice parallel_tool_calls text reasoning user safety_identifier " +
    "metadata prompt_cache_key store background previous_response_id conversation prompt truncation context_management " +
    "moderation service_tier max_tool_calls prompt_cache_retention prompt_cache_options"
  ).split(" "),
)

const LOGPROBS = "message.output_text.logprobs"
/** What may be asked to be included and changes nothing: it is there anyhow, or there is none. */
const INCLUDED = new Set(["reasoning.encrypted_content", "message.input_image.image_url", LOGPROBS])

const readPart = (inspection: Inspection, part: unknown, at: string): UserPart => {
  const type = get(part, "type")
  if (type === "input_image" || type === "input_file") {
    if (!isAbsent(get(part, "file_id"))) {
      inspection.unsupported(`${at}.file_id`, "`file_id` names a file that no instance has. Send its bytes.")
    }
  }
  if (type === "input_image") {
    const url = Members.requiredText(inspection, part, "image_url", at)
    const detail = Members.text(inspection, part, "detail", at)
    // The default is always written out by some clients.
    return {
      type: "image",
      source: Media.read(inspection, url, `${at}.image_url`),
      detail: detail === "auto" ? undefined : detail,
    }
  }
  if (type === "input_file") {
    const filename = Members.text(inspection, part, "filename", at)
    const url = Members.text(inspection, part, "file_url", at)
    const data = url ?? Members.requiredText(inspection, part, "file_data", at)
    return { type: "file", source: Media.read(inspection, data, `${at}.file_data`), filename }
  }
  if (type === "input_audio") {
    const audio = get(part, "input_audio")
    const data = Members.requiredText(inspection, audio, "data", `${at}.input_audio`)
    return { type: "audio", data, format: Members.requiredText(inspection, audio, "format", `${at}.input_audio`) }
  }
  if (type !== "input_text" && type !== "output_text" && type !== "text") {
    inspection.unsupported(`${at}.type`, "This kind of part has no counterpart in another dialect.")
  }
  return { type: "text", text: Members.requiredText(inspection, part, "text", at) }
}

const readParts = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<UserPart> => {
  if (typeof content === "string") return [{ type: "text", text: content }]
  if (Array.isArray(content)) return content.map((part, index) => readPart(inspection, part, `${at}[${index}]`))
  inspection.invalid(at, "This must be a text or a list of parts.")
  return []
}

const readTexts = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<TextPart> => {
  const parts = readParts(inspection, content, at)
  const texts = parts.filter((part) => part.type === "text")
  if (texts.length < parts.length) inspection.unsupported(at, "Here a part must be a text.")
  return texts
}

const readAssistant = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<AssistantPart> => {
  if (!Array.isArray(content)) return readTexts(inspection, content, at)
  return content.flatMap((part, index): ReadonlyArray<AssistantPart> => {
    const where = `${at}[${index}]`
    if (get(part, "type") !== "refusal") return readTexts(inspection, [part], at)
    return [{ type: "refusal", text: Members.requiredText(inspection, part, "refusal", where) }]
  })
}

const readCall = (inspection: Inspection, item: unknown, kind: "function" | "custom", at: string): AssistantPart => ({
  type: "toolCall",
  kind,
  id: Members.requiredText(inspection, item, "call_id", at),
  name: Members.requiredText(inspection, item, "name", at),
  arguments: Members.requiredText(inspection, item, kind === "custom" ? "input" : "arguments", at),
})

/** What one item adds: a turn of its own, or parts of what the assistant said. */
const readItem = (inspection: Inspection, item: unknown, param: string): Turn => {
  const type = get(item, "type")
  if (type === "function_call" || type === "custom_tool_call") {
    const kind = type === "function_call" ? "function" : "custom"
    return { role: "assistant", parts: [readCall(inspection, item, kind, param)], param }
  }
  if (type === "function_call_output" || type === "custom_tool_call_output") {
    const kind = type === "function_call_output" ? "function" : "custom"
    const callId = Members.requiredText(inspection, item, "call_id", param)
    return { role: "tool", kind, callId, parts: readParts(inspection, get(item, "output"), `${param}.output`), param }
  }
  if (type === "reasoning") return { role: "assistant", parts: [readThought(item)], param }
  const role = get(item, "role")
  const content = get(item, "content")
  const at = `${param}.content`
  if (type !== undefined && type !== "message") {
    inspection.unsupported(`${param}.type`, "Items of this type have no counterpart in another dialect.")
  }
  if (role === "assistant") return { role, parts: readAssistant(inspection, content, at), param }
  if (role === "system" || role === "developer") return { role, parts: readTexts(inspection, content, at), param }
  if (role !== "user") inspection.invalid(`${param}.role`, "`role` must be user, assistant, system or developer.")
  return { role: "user", parts: readParts(inspection, content, at), param }
}

const readTurns = (inspection: Inspection, body: unknown): ReadonlyArray<Turn> => {
  const turns: Array<Turn> = []
  const instructions = Members.text(inspection, body, "instructions")
  if (instructions !== undefined && instructions !== "") {
    turns.push({ role: "system", parts: [{ type: "text", text: instructions }], param: "instructions" })
  }
  const input = get(body, "input")
  if (typeof input === "string") {
    turns.push({ role: "user", parts: [{ type: "text", text: input }], param: "input" })
    return turns
  }
  let said: Array<AssistantPart> | undefined
  for (const [index, item] of Touching.objects(inspection, body, "input", "item").entries()) {
    const turn = readItem(inspection, item, `input[${index}]`)
    if (turn.role !== "assistant") {
      said = undefined
      turns.push(turn)
      continue
    }
    // What the model said in one turn stands here as several items.
    if (said === undefined) {
      said = []
      turns.push({ ...turn, parts: said })
    }
    said.push(...turn.parts)
  }
  return turns
}

const readTool = (inspection: Inspection, tool: unknown, at: string): Tool => {
  const type = get(tool, "type")
  const name = textOf(tool, "name") ?? ""
  const description = Members.text(inspection, tool, "description", at)
  if (type === "custom") return { kind: "custom", name, description, format: get(tool, "format") ?? undefined }
  if (type !== "function") {
    inspection.unsupported(`${at}.type`, "Tools that a server runs are not offered. Use `function` or `custom` tools.")
  }
  return {
    kind: "function",
    name: Members.requiredText(inspection, tool, "name", at),
    description,
    parameters: Members.object(inspection, tool, "parameters", at),
    strict: Members.flag(inspection, tool, "strict", at),
  }
}

const readNamed = (tool: unknown) => {
  const kind = get(tool, "type")
  const name = textOf(tool, "name")
  return (kind === "function" || kind === "custom") && name !== undefined ? ({ kind, name } as const) : undefined
}

const readToolChoice = (inspection: Inspection, body: unknown): ToolChoice | undefined => {
  const choice = get(body, "tool_choice")
  if (isAbsent(choice)) return undefined
  if (choice === "auto" || choice === "none" || choice === "required") return { type: choice }
  const named = readNamed(choice)
  if (named !== undefined) return { type: "tool", ...named }
  const mode = get(choice, "mode")
  if (get(choice, "type") === "allowed_tools" && (mode === "auto" || mode === "required")) {
    const tools = Members.list(inspection, choice, "tools", "tool_choice").map(readNamed)
    if (tools.includes(undefined)) inspection.unsupported("tool_choice.tools", "Only functions and custom tools exist.")
    return { type: "allowed", mode, tools: tools.filter((tool) => tool !== undefined) }
  }
  inspection.unsupported("tool_choice", "`tool_choice` must be auto, none, required, or name a function.")
  return undefined
}

const readFormat = (inspection: Inspection, text: unknown): ResponseFormat | undefined => {
  const format = Members.object(inspection, text, "format", "text")
  const type = get(format, "type")
  if (format === undefined || type === "text") return undefined
  if (type === "json_object") return { type: "json" }
  if (type !== "json_schema") inspection.unsupported("text.format.type", "This format has no counterpart elsewhere.")
  return Formats.readSchema(inspection, format, "text.format")
}

/** What another dialect has no counterpart for. */
const refuse = (inspection: Inspection, body: unknown, include: ReadonlyArray<unknown>): void => {
  refuseState(inspection, body)
  for (const param of ["context_management", "moderation"]) {
    if (!isAbsent(get(body, param)))
      inspection.unsupported(param, `\`${param}\` has no counterpart in another dialect.`)
  }
  const truncation = Members.text(inspection, body, "truncation")
  if (truncation !== undefined && truncation !== "disabled") {
    inspection.unsupported("truncation", "No instance drops the beginning of a conversation. Send a shorter one.")
  }
  if (!include.every((one) => typeof one === "string" && INCLUDED.has(one))) {
    inspection.unsupported("include", "Something is to be included that only a server's own tools give.")
  }
}

const readReasoning = (inspection: Inspection, body: unknown) => {
  const reasoning = Members.object(inspection, body, "reasoning")
  const effort = Members.word(inspection, reasoning, "effort", Members.EFFORTS, "reasoning")
  return effort === undefined ? undefined : { effort }
}

export const read = (json: string): Result.Result<Conversation, Flaw> => {
  const inspection = new Inspection()
  const body = Touching.exact(inspection, json)
  const include = Members.list(inspection, body, "include")
  const top = numeric(Members.number(inspection, body, "top_logprobs"))
  const text = Members.object(inspection, body, "text")
  refuse(inspection, body, include)
  return inspection.conclude({
    dialect: "responses",
    model: Touching.model(inspection, body, "`model` and `input`"),
    turns: readTurns(inspection, body),
    tools: Members.list(inspection, body, "tools").map((tool, index) => readTool(inspection, tool, `tools[${index}]`)),
    toolChoice: readToolChoice(inspection, body),
    parallelTools: Members.flag(inspection, body, "parallel_tool_calls"),
    sampling: Sampling.readWithPenalties(inspection, body),
    stop: [],
    maxTokens: Touching.maxTokens(inspection, body, limits),
    choices: 1,
    logprobs: include.includes(LOGPROBS) ? (top ?? 0) : undefined,
    format: readFormat(inspection, text),
    verbosity: Members.text(inspection, text, "verbosity", "text"),
    reasoning: readReasoning(inspection, body),
    user: Members.text(inspection, body, "safety_identifier") ?? Members.text(inspection, body, "user"),
    metadata: Members.object(inspection, body, "metadata"),
    cacheKey: Members.text(inspection, body, "prompt_cache_key"),
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: true,
    unknown: Members.unknownIn(body, KNOWN),
  })
}
