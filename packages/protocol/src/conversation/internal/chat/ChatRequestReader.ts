/** Chat's request, read. */
import type * as Result from "effect/Result"
import { Inspection } from "../../../internal/Inspection.ts"
import { get, isAbsent, isObject, numeric, parseExact } from "../../../internal/Json.ts"
import * as Touching from "../../../internal/Touching.ts"
import { limits } from "../../../openai/ChatRequest.ts"
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
import * as Media from "../Media.ts"
import * as Members from "../Members.ts"

/** What is read below, and hints that change nothing about the answer. */
const KNOWN = new Set(
  (
    "model messages stream stream_options max_tokens max_completion_tokens n temperature top_p top_k frequency_penalty " +
    "presence_penalty seed logit_bias stop tools tool_choice parallel_tool_calls response_format reasoning_effort " +
    "reasoning logprobs top_logprobs verbosity user metadata prompt_cache_key modalities " +
    "safety_identifier service_tier store prompt_cache_retention prompt_cache_options prediction"
  ).split(" "),
)

/** What only a server of OpenAI's, or an older API, can do. */
const REFUSED = {
  functions: "Send `tools` in its place.",
  function_call: "Send `tool_choice` in its place.",
  audio: "No other dialect answers in sound.",
  web_search_options: "No instance searches the web.",
  moderation: "No instance moderates.",
} as const

const readTexts = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<TextPart> => {
  if (typeof content === "string") return [{ type: "text", text: content }]
  if (!Array.isArray(content)) {
    inspection.invalid(at, "`content` must be a text or a list of parts.")
    return []
  }
  return content.map((part, index): TextPart => {
    if (get(part, "type") !== "text") inspection.invalid(`${at}[${index}].type`, "Here a part must be a text.")
    return { type: "text", text: Members.requiredText(inspection, part, "text", `${at}[${index}]`) }
  })
}

const readUserPart = (inspection: Inspection, part: unknown, at: string): UserPart => {
  const type = get(part, "type")
  if (type === "image_url") {
    const image = get(part, "image_url")
    const url = typeof image === "string" ? image : Members.requiredText(inspection, image, "url", `${at}.image_url`)
    const detail = Members.text(inspection, image, "detail", `${at}.image_url`)
    return { type: "image", source: Media.read(inspection, url, `${at}.image_url.url`), detail }
  }
  if (type === "input_audio") {
    const audio = get(part, "input_audio")
    const data = Members.requiredText(inspection, audio, "data", `${at}.input_audio`)
    return { type: "audio", data, format: Members.requiredText(inspection, audio, "format", `${at}.input_audio`) }
  }
  if (type === "file") {
    const file = get(part, "file")
    if (!isAbsent(get(file, "file_id"))) {
      inspection.unsupported(`${at}.file.file_id`, "`file_id` names a file that no instance has. Send `file_data`.")
    }
    const data = Members.requiredText(inspection, file, "file_data", `${at}.file`)
    const filename = Members.text(inspection, file, "filename", `${at}.file`)
    return { type: "file", source: Media.read(inspection, data, `${at}.file.file_data`), filename }
  }
  if (type !== "text") inspection.unsupported(`${at}.type`, "This kind of part has no counterpart in another dialect.")
  return { type: "text", text: Members.requiredText(inspection, part, "text", at) }
}

const readUser = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<UserPart> =>
  Array.isArray(content)
    ? content.map((part, index) => readUserPart(inspection, part, `${at}[${index}]`))
    : readTexts(inspection, content, at)

const readToolCall = (inspection: Inspection, call: unknown, at: string): AssistantPart => {
  const kind = get(call, "type") === "custom" ? "custom" : "function"
  const inner = get(call, kind)
  return {
    type: "toolCall",
    kind,
    id: Members.requiredText(inspection, call, "id", at),
    name: Members.requiredText(inspection, inner, "name", `${at}.${kind}`),
    arguments: Members.requiredText(inspection, inner, kind === "custom" ? "input" : "arguments", `${at}.${kind}`),
  }
}

const readAssistant = (inspection: Inspection, message: unknown, at: string): ReadonlyArray<AssistantPart> => {
  const parts: Array<AssistantPart> = []
  const thought =
    Members.text(inspection, message, "reasoning_content", at) ?? Members.text(inspection, message, "reasoning", at)
  if (thought !== undefined && thought !== "") parts.push({ type: "reasoning", text: thought })
  const content = get(message, "content")
  if (Array.isArray(content)) {
    for (const [index, part] of content.entries()) {
      const where = `${at}.content[${index}]`
      const type = get(part, "type")
      if (type === "refusal") {
        parts.push({ type, text: Members.requiredText(inspection, part, "refusal", where) })
      } else if (type === "text") {
        parts.push({ type, text: Members.requiredText(inspection, part, "text", where) })
      } else inspection.unsupported(`${where}.type`, "This kind of part has no counterpart in another dialect.")
    }
  } else if (typeof content === "string") {
    if (content !== "") parts.push({ type: "text", text: content })
  } else if (!isAbsent(content)) inspection.invalid(`${at}.content`, "`content` must be a text or a list of parts.")
  const refusal = Members.text(inspection, message, "refusal", at)
  if (refusal !== undefined && refusal !== "") parts.push({ type: "refusal", text: refusal })
  for (const [index, call] of Members.list(inspection, message, "tool_calls", at).entries()) {
    parts.push(readToolCall(inspection, call, `${at}.tool_calls[${index}]`))
  }
  for (const param of ["audio", "function_call"] as const) {
    if (isAbsent(get(message, param))) continue
    inspection.unsupported(`${at}.${param}`, `\`${param}\` of an earlier answer has no counterpart in another dialect.`)
  }
  return parts
}

const readTurns = (inspection: Inspection, body: unknown): ReadonlyArray<Turn> => {
  const customCalls = new Set<string>()
  return Touching.objects(inspection, body, "messages", "message").map((message, index): Turn => {
    const param = `messages[${index}]`
    const role = get(message, "role")
    const content = get(message, "content")
    const at = `${param}.content`
    if (role === "system" || role === "developer") return { role, parts: readTexts(inspection, content, at), param }
    if (role === "assistant") {
      const parts = readAssistant(inspection, message, param)
      for (const part of parts) if (part.type === "toolCall" && part.kind === "custom") customCalls.add(part.id)
      return { role, parts, param }
    }
    if (role === "tool") {
      const callId = Members.requiredText(inspection, message, "tool_call_id", param)
      const kind = customCalls.has(callId) ? "custom" : "function"
      return { role, kind, callId, parts: readUser(inspection, content, at), param }
    }
    if (role !== "user") {
      inspection.invalid(`${param}.role`, "`role` must be system, developer, user, assistant or tool.")
    }
    return { role: "user", parts: readUser(inspection, content, at), param }
  })
}

const readTool = (inspection: Inspection, tool: unknown, at: string): Tool => {
  const type = get(tool, "type")
  if (type === "custom") {
    const custom = get(tool, "custom")
    const format = get(custom, "format")
    const grammar = get(format, "grammar")
    return {
      kind: "custom",
      name: Members.requiredText(inspection, custom, "name", `${at}.custom`),
      description: Members.text(inspection, custom, "description", `${at}.custom`),
      // Here a grammar stands within a member of its own, in Responses beside its type.
      format: isObject(grammar) ? { type: "grammar", ...grammar } : (format ?? undefined),
    }
  }
  if (type !== "function")
    inspection.unsupported(`${at}.type`, "Only tools of the types `function` and `custom` exist.")
  const inner = get(tool, "function")
  return {
    kind: "function",
    name: Members.requiredText(inspection, inner, "name", `${at}.function`),
    description: Members.text(inspection, inner, "description", `${at}.function`),
    parameters: Members.object(inspection, inner, "parameters", `${at}.function`),
    strict: Members.flag(inspection, inner, "strict", `${at}.function`),
  }
}

const readNamed = (tool: unknown) => {
  const kind = get(tool, "type") === "custom" ? "custom" : "function"
  const name = get(get(tool, kind), "name")
  return typeof name === "string" ? ({ kind, name } as const) : undefined
}

const readToolChoice = (inspection: Inspection, body: unknown): ToolChoice | undefined => {
  const choice = get(body, "tool_choice")
  if (isAbsent(choice)) return undefined
  if (choice === "auto" || choice === "none" || choice === "required") return { type: choice }
  const named = readNamed(choice)
  if (named !== undefined) return { type: "tool", ...named }
  const allowed = get(choice, "allowed_tools")
  const mode = get(allowed, "mode")
  const tools = Members.list(inspection, allowed, "tools", "tool_choice.allowed_tools").map(readNamed)
  if ((mode === "auto" || mode === "required") && tools.length > 0) {
    return { type: "allowed", mode, tools: tools.filter((tool) => tool !== undefined) }
  }
  inspection.invalid("tool_choice", "`tool_choice` must be auto, none, required, or name a tool.")
  return undefined
}

const readFormat = (inspection: Inspection, body: unknown): ResponseFormat | undefined => {
  const format = Members.object(inspection, body, "response_format")
  const type = get(format, "type")
  if (format === undefined || type === "text") return undefined
  if (type === "json_object") return { type: "json" }
  const at = "response_format.json_schema"
  if (type !== "json_schema") {
    inspection.unsupported("response_format.type", "This response format has no counterpart in another dialect.")
  }
  const inner = get(format, "json_schema")
  return {
    type: "schema",
    name: Members.text(inspection, inner, "name", at),
    description: Members.text(inspection, inner, "description", at),
    schema: Members.object(inspection, inner, "schema", at) ?? {},
    strict: Members.flag(inspection, inner, "strict", at),
  }
}

const readReasoning = (inspection: Inspection, body: unknown): Reasoning | undefined => {
  const effort = Members.word(inspection, body, "reasoning_effort", Members.EFFORTS)
  if (effort !== undefined) return { effort }
  const reasoning = Members.object(inspection, body, "reasoning")
  if (reasoning === undefined) return undefined
  const budget = numeric(get(reasoning, "max_tokens"))
  return {
    effort: Members.word(inspection, reasoning, "effort", Members.EFFORTS, "reasoning"),
    budgetTokens: budget !== undefined && budget > 0 ? Math.floor(budget) : undefined,
  }
}

const readLogprobs = (inspection: Inspection, body: unknown): number | undefined => {
  if (Members.flag(inspection, body, "logprobs") !== true) return undefined
  return numeric(Members.number(inspection, body, "top_logprobs")) ?? 0
}

const readStop = (inspection: Inspection, body: unknown): ReadonlyArray<string> => {
  const stop = get(body, "stop")
  if (isAbsent(stop)) return []
  if (typeof stop === "string") return [stop]
  if (Array.isArray(stop) && stop.every((one) => typeof one === "string")) return stop
  inspection.invalid("stop", "`stop` must be a text or a list of texts.")
  return []
}

const refuse = (inspection: Inspection, body: unknown): void => {
  for (const [param, instead] of Object.entries(REFUSED)) {
    if (isAbsent(get(body, param))) continue
    inspection.unsupported(param, `\`${param}\` has no counterpart in another dialect. ${instead}`)
  }
  if (Members.list(inspection, body, "modalities").some((modality) => modality !== "text")) {
    inspection.unsupported("modalities", "No other dialect answers in anything but text.")
  }
}

const nameless = (body: unknown): ReadonlyArray<string> => {
  const messages = get(body, "messages")
  if (!Array.isArray(messages)) return []
  return messages.flatMap((message, index) => (isAbsent(get(message, "name")) ? [] : [`messages[${index}].name`]))
}

export const read = (text: string): Result.Result<Conversation, Flaw> => {
  const body = parseExact(text)
  const inspection = new Inspection()
  const bias = Members.object(inspection, body, "logit_bias")
  refuse(inspection, body)
  return inspection.conclude({
    dialect: "chat/completions",
    model: Touching.model(inspection, body, "`model` and `messages`"),
    turns: readTurns(inspection, body),
    tools: Members.list(inspection, body, "tools").map((tool, index) => readTool(inspection, tool, `tools[${index}]`)),
    toolChoice: readToolChoice(inspection, body),
    parallelTools: Members.flag(inspection, body, "parallel_tool_calls"),
    sampling: {
      temperature: Members.number(inspection, body, "temperature"),
      topP: Members.number(inspection, body, "top_p"),
      topK: Members.number(inspection, body, "top_k"),
      frequencyPenalty: Members.number(inspection, body, "frequency_penalty", 0),
      presencePenalty: Members.number(inspection, body, "presence_penalty", 0),
      seed: Members.number(inspection, body, "seed"),
      logitBias: bias === undefined || Object.keys(bias).length === 0 ? undefined : bias,
    },
    stop: readStop(inspection, body),
    maxTokens: Touching.maxTokens(inspection, body, limits),
    choices: Touching.copies(inspection, body, "n", 128),
    logprobs: readLogprobs(inspection, body),
    format: readFormat(inspection, body),
    verbosity: Members.text(inspection, body, "verbosity"),
    reasoning: readReasoning(inspection, body),
    user: Members.text(inspection, body, "safety_identifier") ?? Members.text(inspection, body, "user"),
    metadata: Members.object(inspection, body, "metadata"),
    cacheKey: Members.text(inspection, body, "prompt_cache_key"),
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: Touching.includeUsage(inspection, body),
    unknown: [...Members.unknownIn(body, KNOWN), ...nameless(body)],
  })
}
