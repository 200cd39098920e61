/** Chat's request, read. */
import type * as Result from "effect/Result"
import { Inspection } from "../../../internal/Inspection.ts"
import { get, isAbsent, isObject, numeric } from "../../../internal/Json.ts"
import * as Touching from "../../../internal/Touching.ts"
import { limits } from "../../../openai/ChatRequest.ts"
import type { Flaw } from "../../../openai/Touched.ts"
import type { Conversation, Reasoning, ResponseFormat, Tool, ToolChoice } from "../../Conversation.ts"
import * as Formats from "../Formats.ts"
import * as Members from "../Members.ts"
import * as Sampling from "../Sampling.ts"
import * as ChatTurns from "./ChatTurns.ts"

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
  if (type !== "json_schema") {
    inspection.unsupported("response_format.type", "This response format has no counterpart in another dialect.")
  }
  return Formats.readSchema(inspection, get(format, "json_schema"), "response_format.json_schema")
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

export const read = (text: string): Result.Result<Conversation, Flaw> => {
  const inspection = new Inspection()
  const body = Touching.exact(inspection, text)
  const bias = Members.object(inspection, body, "logit_bias")
  refuse(inspection, body)
  return inspection.conclude({
    dialect: "chat/completions",
    model: Touching.model(inspection, body, "`model` and `messages`"),
    turns: ChatTurns.readTurns(inspection, body),
    tools: Members.list(inspection, body, "tools").map((tool, index) => readTool(inspection, tool, `tools[${index}]`)),
    toolChoice: readToolChoice(inspection, body),
    parallelTools: Members.flag(inspection, body, "parallel_tool_calls"),
    sampling: {
      ...Sampling.readWithPenalties(inspection, body),
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
    unknown: Members.unknownIn(body, KNOWN),
  })
}
